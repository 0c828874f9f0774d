"""The words of a verdict, and the one rule that chooses them.

A claim needs the interval and the test: the interval must leave zero out and the adjusted p must be under alpha. Where the
counts are so small that even a perfect separation could not come out under alpha, no claim is made either way: the reader is
told that the question cannot be decided, which is not the same as "no difference". That rule looks at counts only, so it is
fixed before any result is seen.
"""

from __future__ import annotations

NOT_DISTINGUISHABLE = "not distinguishable"
UNDECIDABLE = "cannot be decided with these counts"

#: What a row is judged against, and the words for better and worse.
AGAINST = {
    "random": ("beats random", "worse than random"),
    "random average": ("beats random", "worse than random"),
    "random search": ("beats random search", "worse than random search"),
}


def decide(
    low: float,
    high: float,
    p: float,
    *,
    alpha: float,
    smallest: float,
    family: int,
    against: str,
    equal_cost: bool = True,
    ratio: float | None = None,
) -> str:
    """The verdict of one test.

    Args:
        low: Lower end of the interval of the improvement, above 0 if better.
        high: Upper end.
        p: p value of the test, adjusted for the family.
        alpha: Level.
        smallest: Smallest p that the counts can give.
        family: Number of tests in the report.
        against: A key of `AGAINST`.
        equal_cost: Whether random search spent as much; if not, the words "random search" alone are not earned.
        ratio: Cost of random search over cost of the method, if known.

    Returns:
        Words for better or worse, or "not distinguishable", or "cannot be decided with these counts".
    """
    if family * smallest >= alpha:
        return UNDECIDABLE
    better, worse = AGAINST[against]
    if against == "random search" and not equal_cost:
        other = unequal_search(ratio)
        better, worse = f"beats {other}", f"worse than {other}"
    if low > 0 and p < alpha:
        return better
    if high < 0 and p < alpha:
        return worse
    return NOT_DISTINGUISHABLE


def unequal_search(ratio: float | None) -> str:
    """Random search that did not spend the method's cost, in words."""
    return "a random search of unknown cost" if ratio is None else f"a random search of {times(ratio)} the cost"


def times(ratio: float) -> str:
    """A ratio as `0.6x`, `12x` or `less than 0.01x`."""
    if ratio < 0.01:
        return "less than 0.01x"
    if 0.945 <= ratio < 1.05:
        return "1.0x"
    return f"{ratio:.2g}x" if ratio < 10 else f"{ratio:,.0f}x"
