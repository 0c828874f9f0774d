"""Does the judge keep its promise where nothing is to be found? Both arms from one pool, many times, all at once.

The same formulas as in `_interval.py` and `_permutation.py`, over a batch of repeats; a test holds that both give the same verdicts. Run it
on your own pool before you trust an interval: a space with a long tail of bad members breaks intervals, not the test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy import stats

from oche.errors import JudgeError
from oche.judge._arms import TIE, Arm, make_arm
from oche.judge._permutation import EXACT_LIMIT, all_splits, null_means
from oche.seeds import generator

# Sums held at once: 16 million float64 are 128 MB.
_CHUNK = 16_000_000


@dataclass(frozen=True)
class Calibration:
    """Shares of repeats without any true difference, in [0, 1].

    Args:
        repeats: Number of repeats.
        k: Runs of the first arm.
        n: Runs of the other; None for the whole pool.
        alpha: Nominal level.
        interval_better: Intervals wholly above 0.
        interval_worse: Intervals wholly below 0.
        test: Tests under alpha.
        better: Verdicts "beats random": interval and test.
        worse: Verdicts "worse than random".
    """

    repeats: int
    k: int
    n: int | None
    alpha: float
    interval_better: float
    interval_worse: float
    test: float
    better: float
    worse: float

    @property
    def claims(self) -> float:
        """Share of repeats with a verdict either way; should be about alpha or less."""
        return self.better + self.worse

    @property
    def coverage(self) -> float:
        """Share of intervals that hold the truth."""
        return 1.0 - self.interval_better - self.interval_worse

    def to_json(self) -> dict[str, float | int | None]:
        """All fields."""
        return {**asdict(self), "claims": self.claims, "coverage": self.coverage}


def null_calibration(
    pool: Sequence[float],
    k: int = 8,
    n: int | None = 8,
    *,
    repeats: int = 1000,
    alpha: float = 0.05,
    seed: int = 0,
    unit: str = "%",
) -> Calibration:
    """Draw both arms from one pool and count how often the judge finds a difference (single tests, larger is better).

    Args:
        pool: Results of members of one space, all positive, `(N,)`.
        k: Runs of the first arm.
        n: Runs of the second arm; None to compare with the whole pool as a known population.
        repeats: Number of repeats.
        alpha: Level.
        seed: Root of the draws.
        unit: Unit of the values, for messages.

    Raises:
        JudgeError: too many splits for exact tests, or results that are not positive.

    Example:
        >>> found = null_calibration(range(900, 1000), repeats=200, unit="")
        >>> found.claims < 0.1
        True
    """
    whole = make_arm("pool", list(pool), letter="n", unit=unit, population=True)
    if whole.values[0] <= 0:
        raise JudgeError(f"pool: got {whole.values[0]!r}; allowed: positive results, as relative improvement needs")
    if k < 2 or (n is not None and (n < 2 or math.comb(n + k, k) > EXACT_LIMIT)):
        raise JudgeError(f"k, n: got {k!r}, {n!r}; allowed: 2 or more of each, with at most {EXACT_LIMIT:,} splits")
    rng = generator(seed, "judge", "calibration")
    # Never all at once: repeats are drawn in chunks, in one stream.
    width = k + (n or 0)
    chunk = max(1, _CHUNK // (math.comb(width, k) if n else 100 * k))
    better = worse = test = above = below = 0
    for start in range(0, repeats, chunk):
        drawn = whole.array[rng.integers(0, whole.n, (min(chunk, repeats - start), width))]
        low, high = _welch_log(drawn[:, :k], drawn[:, k:] if n else None, whole.mean, alpha)
        small = (_exact_p(drawn, k) if n else _population_p(drawn, whole, seed)) < alpha
        above += int((low > 0).sum())
        below += int((high < 0).sum())
        test += int(small.sum())
        better += int(((low > 0) & small).sum())
        worse += int(((high < 0) & small).sum())
    shares = [count / repeats for count in (above, below, test, better, worse)]
    return Calibration(repeats, k, n, alpha, *shares)


def _welch_log(m: np.ndarray, r: np.ndarray | None, known: float, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the interval of the log ratio, for each row."""
    arms = [m] if r is None else [m, r]
    terms = [(a.var(axis=1, ddof=1) / a.shape[1] / a.mean(axis=1) ** 2, a.shape[1] - 1) for a in arms]
    total = sum(e for e, _ in terms)
    with np.errstate(invalid="ignore", divide="ignore"):
        nu = 1.0 / sum((e / total) ** 2 / df for e, df in terms)
    nu = np.where(total > 0, nu, 1.0)
    half = stats.t.ppf(1.0 - alpha / 2.0, nu) * np.sqrt(total)
    ratio = np.log(m.mean(axis=1) / (known if r is None else r.mean(axis=1)))
    return ratio - half, ratio + half


def _exact_p(pooled: np.ndarray, k: int) -> np.ndarray:
    """Exact permutation p of each row; the first `k` columns are the first arm."""
    n = pooled.shape[1] - k
    observed = np.abs(pooled[:, :k].mean(axis=1) - pooled[:, k:].mean(axis=1)) - TIE
    centered = pooled - pooled.mean(axis=1, keepdims=True)
    chosen = all_splits(n + k, min(k, n))
    member = np.zeros((n + k, len(chosen)))
    member[chosen.T, np.arange(len(chosen))] = 1.0
    distance = np.abs(centered @ member) * (1.0 / k + 1.0 / n)
    return (distance >= observed[:, None]).mean(axis=1)


def _population_p(drawn: np.ndarray, whole: Arm, seed: int) -> np.ndarray:
    null = null_means(whole, drawn.shape[1], seed)
    return np.array([null.p(mean) for mean in drawn.mean(axis=1)])
