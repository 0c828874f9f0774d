"""One number for all data sets: the interquartile mean of the improvements of single runs, and the probability of improvement.

A run's improvement is taken over the random mean of its own data set, so that data sets of any level can be pooled; the middle half of all
is averaged, so that neither a lucky nor a broken run decides. The interval comes from a bootstrap that draws runs within each data
set, of both arms: the random mean is an estimate too, and leaving its error out would make the interval too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from oche.errors import JudgeError
from oche.judge._arms import Arm, make_arm
from oche.judge._effect import a12
from oche.seeds import generator

#: Resamples of the bootstrap.
RESAMPLES = 10_000
TRIM = 0.25


@dataclass(frozen=True)
class Aggregate:
    """A method over several data sets.

    Args:
        algorithm: What is judged.
        against: What it is compared with.
        datasets: Names, in the order given.
        n_runs: Searches in all.
        iqm: Interquartile mean of the runs' improvements, percent.
        iqm_low: Lower end of its interval.
        iqm_high: Upper end.
        mean: Mean over data sets of the improvement, percent: sensitive to one data set.
        better: Probability of improvement, mean over data sets of A12.
        better_low: Lower end of its interval.
        better_high: Upper end.
        improvements: Improvement of each data set, percent.
        alpha: Level of the intervals.
        resamples: Number of resamples.
        seed: Their root.
    """

    algorithm: str
    against: str
    datasets: tuple[str, ...]
    n_runs: int
    iqm: float
    iqm_low: float
    iqm_high: float
    mean: float
    better: float
    better_low: float
    better_high: float
    improvements: tuple[float, ...]
    alpha: float
    resamples: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


def iqm(values: Sequence[float]) -> float:
    """Mean of the middle half.

    Args:
        values: Finite numbers, `(n,)`; the lowest and the highest quarter, each rounded down to whole numbers, are left out.

    Source: Agarwal et al. 2021.

    Example:
        >>> iqm([1, 2, 3, 4, 5, 6, 7, 8])
        4.5
    """
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
        raise JudgeError(f"iqm: got values of shape {found.shape}; allowed: a list of finite numbers, not empty")
    return float(stats.trim_mean(found, TRIM))


def aggregate(
    pairs: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    algorithm: str = "search",
    against: str = "random",
    direction: str = "max",
    alpha: float = 0.05,
    seed: int = 0,
    populations: Sequence[str] = (),
    unit: str = "%",
) -> Aggregate:
    """Pool a method's runs over data sets.

    Args:
        pairs: Data set to (results of searches, results of random), each of two runs or more.
        algorithm: Name of the method.
        against: Name of what it is compared with.
        direction: `max` or `min`.
        alpha: Level of the intervals.
        seed: Root of the resampling.
        populations: Data sets whose random side is a whole space, which is not resampled.
        unit: Unit of the results.

    Raises:
        JudgeError: no data set, fewer than 2 runs in an arm, or a random mean that is not positive.

    Source: Agarwal et al. 2021 (interquartile mean, probability of improvement, bootstrap stratified by task).
    """
    if not pairs:
        raise JudgeError("aggregate: got no data set; allowed: one or more")
    arms = {
        d: (make_arm(algorithm, m, letter="k", unit=unit), make_arm(against, r, letter="n", unit=unit, population=d in populations))
        for d, (m, r) in pairs.items()
    }
    for dataset, (_, random) in arms.items():
        if random.mean <= 0:
            raise JudgeError(f"aggregate: got mean {random.mean!r} of '{against}' on {dataset!r}; allowed: positive means")
    sign = 1.0 if direction == "max" else -1.0
    runs = np.concatenate([sign * 100.0 * (m.array / r.mean - 1.0) for m, r in arms.values()])
    improvements = tuple(sign * 100.0 * (m.mean / r.mean - 1.0) for m, r in arms.values())
    resampled, better = _resample(arms, direction, seed)
    low, high = np.quantile(resampled, [alpha / 2, 1 - alpha / 2])
    better_low, better_high = np.quantile(better, [alpha / 2, 1 - alpha / 2])
    return Aggregate(
        algorithm=algorithm,
        against=against,
        datasets=tuple(arms),
        n_runs=len(runs),
        iqm=iqm(runs.tolist()),
        iqm_low=float(low),
        iqm_high=float(high),
        mean=float(np.mean(improvements)),
        better=float(np.mean([a12(m, r, direction) for m, r in arms.values()])),
        better_low=float(better_low),
        better_high=float(better_high),
        improvements=improvements,
        alpha=alpha,
        resamples=RESAMPLES,
        seed=seed,
    )


def _resample(arms: Mapping[str, tuple[Arm, Arm]], direction: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Interquartile means and probabilities of improvement of `RESAMPLES` draws, stratified by data set."""
    rng = generator(seed, "judge", "aggregate")
    sign = 1.0 if direction == "max" else -1.0
    runs, better = [], np.zeros(RESAMPLES)
    for m, r in arms.values():
        mine = rng.integers(0, m.n, (RESAMPLES, m.n))
        wins = _wins(m, r, sign)
        if r.population:
            base = np.full((RESAMPLES, 1), r.mean)
            better += wins.mean(axis=1)[mine].mean(axis=1)
        else:
            theirs = rng.integers(0, r.n, (RESAMPLES, r.n))
            base = r.array[theirs].mean(axis=1, keepdims=True)
            # Counts of how often each run was drawn turn the double sum into two products.
            better += np.einsum("bi,ij,bj->b", _counts(mine, m.n), wins, _counts(theirs, r.n), optimize=True) / (m.n * r.n)
        runs.append(sign * 100.0 * (m.array[mine] / base - 1.0))
    pooled = np.concatenate(runs, axis=1)
    return stats.trim_mean(pooled, TRIM, axis=1), better / len(arms)


def _wins(m: Arm, r: Arm, sign: float) -> np.ndarray:
    """1 where a search run beats a random one, 1/2 where they tie, `(k, n)`."""
    gap = sign * (m.array[:, None] - r.array[None, :])
    return (gap > 0) + 0.5 * (gap == 0)


def _counts(drawn: np.ndarray, n: int) -> np.ndarray:
    found = np.zeros((len(drawn), n))
    np.add.at(found, (np.arange(len(drawn))[:, None], drawn), 1.0)
    return found
