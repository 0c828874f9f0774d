"""One algorithm against each of several others, by name: what it was given, what it learns, and what it leaves out.

A report judges against random. An ablation, or a search that is given the hand-made descriptor, is no random arm, so these tests stand
beside the report, with a correction over themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oche.errors import JudgeError
from oche.judge._compare import compare
from oche.judge._holm import holm
from oche.judge._permutation import smallest_p
from oche.judge._verdict import NOT_DISTINGUISHABLE, UNDECIDABLE


def pairs(
    results: Mapping[str, Sequence[float]], metric: str = "", unit: str = "", alpha: float = 0.05, direction: str = "max"
) -> dict[str, Any] | None:
    """The first algorithm against each other one: differences of means with intervals, tests, and verdicts corrected over all of them.

    Args:
        results: Results of the runs of each algorithm, by its name.
        metric: Name of what they are.
        unit: Its unit.
        alpha: Level.
        direction: `max` if larger is better, `min` if smaller is.

    Returns:
        JSON of kind `pairs`, one row for each other algorithm that has two runs or more, for `studies=` of a report. None where there is no
        such pair, or no spread.

    Raises:
        JudgeError: fewer than two algorithms.

    Source: permutation test and intervals as in `compare`; correction: Holm 1979.

    Example:
        >>> found = pairs({"stax": [5, 6, 7, 8, 9], "taxons": [1, 2, 3, 4, 4.5]}, "coverage", "%")
        >>> found["rows"][0]["verdict"]
        'better than taxons'
    """
    if len(results) < 2:
        raise JudgeError(f"pairs: got {len(results)} algorithms; allowed: two or more")
    (first, own), *others = results.items()
    rows = []
    for name, values in others:
        if min(len(own), len(values)) < 2 or len({*own, *values}) == 1:
            continue
        row = compare(search=own, random=values, scale="points", alpha=alpha, direction=direction)
        low, high = row.difference_low, row.difference_high
        smallest = smallest_p(len(own), len(values))
        rows.append({"against": name, "difference": row.difference, "low": low, "high": high, "p": row.p, "smallest_p": smallest,
                     "n": [len(own), len(values)], "means": [sum(v) / len(v) for v in (own, values)]})  # fmt: skip
    if not rows:
        return None
    for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_adj"] = p
        row["verdict"] = _verdict(row, len(rows), alpha)
    said = "; ".join(
        f"{first} is {row['verdict']}" if row["verdict"] != UNDECIDABLE else f"{row['against']}: {UNDECIDABLE}" for row in rows
    )
    return {"kind": "pairs", "metric": metric, "unit": unit, "algorithm": first, "alpha": alpha, "rows": rows, "verdict": f"{said}."}


def _verdict(row: Mapping[str, Any], family: int, alpha: float) -> str:
    """As `decide`, with the name of the other algorithm."""
    if family * row["smallest_p"] >= alpha:
        return UNDECIDABLE
    low, high = row["low"], row["high"]  # of the improvement, above 0 if better
    if row["p_adj"] < alpha and (low > 0 or high < 0):
        return f"{'better' if low > 0 else 'worse'} than {row['against']}"
    return f"{NOT_DISTINGUISHABLE} from {row['against']}"
