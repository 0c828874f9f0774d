"""Two arms measured on the same units: the mean difference, its interval and its test, from one difference per unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from oche.errors import JudgeError

_RESAMPLES = 9_999


@dataclass(frozen=True)
class Paired:
    """A paired comparison.

    Args:
        n: Units.
        mean: Mean difference.
        low: Lower end of its interval (percentile bootstrap over units).
        high: Upper end.
        p: Two-sided p of the sign-flip permutation test.
        p_smallest: Smallest p that so many units can give.
    """

    n: int
    mean: float
    low: float
    high: float
    p: float
    p_smallest: float

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)

    def verdict(self, p: float | None = None, *, alpha: float = 0.05, family: int = 1) -> str:
        """`more`, `less`, `not distinguishable`, or that so few units cannot decide it.

        Args:
            p: p adjusted for the tests of a report; the test's own if absent.
            alpha: Level.
            family: Tests in the report.
        """
        from oche.judge._verdict import NOT_DISTINGUISHABLE, UNDECIDABLE

        if family * self.p_smallest >= alpha:
            return UNDECIDABLE
        if (self.p if p is None else p) >= alpha or self.low <= 0 <= self.high:
            return NOT_DISTINGUISHABLE
        return "more" if self.mean > 0 else "less"


def paired_difference(differences: Sequence[float], *, alpha: float = 0.05, seed: int = 0) -> Paired:
    """Judge differences of two arms on the same units, such as the queries that both were tried on.

    Under the hypothesis of no difference each sign is a coin; up to 9,999 of the 2^n ways to flip them are tried, all where they are
    fewer.

    Args:
        differences: One arm minus the other, one number per unit, `(n,)`.
        alpha: Level of the interval.
        seed: Root of the resampling.

    Raises:
        JudgeError: no differences, or some that are not finite.

    Example:
        >>> found = paired_difference([1, 1, 0, 1, 1, 1, 1, 0, 1, 1])
        >>> found.mean, round(found.p, 4), found.verdict()
        (0.8, 0.0078, 'more')
    """
    from scipy.stats import permutation_test

    d = np.asarray(differences, float)
    if d.ndim != 1 or d.size == 0 or not np.isfinite(d).all():
        raise JudgeError(f"paired difference: got an array of shape {d.shape}, or one with gaps; allowed: one finite number per unit")
    draw = np.random.default_rng(seed)
    means = np.array([d[draw.integers(0, d.size, d.size)].mean() for _ in range(2_000)])
    low, high = np.quantile(means, [alpha / 2, 1 - alpha / 2])
    moved = d[d != 0]
    p = 1.0
    if moved.size > 1:
        # Flips of zeros change nothing; leaving them out makes more cases exact.
        tested = permutation_test(
            (moved,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", n_resamples=_RESAMPLES, vectorized=True, rng=draw
        )
        p = float(tested.pvalue)
    return Paired(int(d.size), float(d.mean()), float(low), float(high), p, float(2.0 ** (1 - min(d.size, 1000))))
