"""Do ranks survive another seed, another depth, another budget? And is what changes them more than the seed?

The same architectures, measured under several conditions. Kendall's tau-b of every two conditions, how far ranks move, and how much of the
variance is noise. A claim such as "depth re-ranks architectures" needs a tau below that of two seeds, with an interval that says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from oche.errors import JudgeError
from oche.judge._arms import make_arm
from oche.judge._compare import compare
from oche.judge._row import Row
from oche.seeds import generator

_RESAMPLES = 2000
_TOP = 0.25
# Above this many architectures sorting is faster than a table of all pairs.
_ALL_PAIRS = 100

UNDEFINED = "undefined"


@dataclass(frozen=True)
class RankPair:
    """Two conditions.

    Args:
        one: Name of the first.
        other: Name of the second.
        tau: Kendall's tau-b; NaN where a condition does not vary, which is reported as undefined.
        tau_low: Lower end of its bootstrap interval over architectures.
        tau_high: Upper end.
        largest_shift: Largest difference of ranks, ties sharing theirs.
        top_overlap: Share of the best quarter of one that is in the best quarter of the other.
        mean_change: Mean size of the difference of results.
        sd_change: Sample standard deviation of that size.
        largest_change: Largest size.
    """

    one: str
    other: str
    tau: float
    tau_low: float
    tau_high: float
    largest_shift: float
    top_overlap: float
    mean_change: float
    sd_change: float
    largest_change: float


@dataclass(frozen=True)
class RankStudy:
    """How stable ranks are.

    Args:
        vary: What the conditions differ in, for example `train_seed`.
        conditions: Names, in the order given.
        n: Architectures.
        pairs: Every two conditions.
        icc: Intraclass correlation of single measurements.
        noise_sd: Standard deviation of one measurement around its architecture.
        arch_sd: Standard deviation over architectures.
        ceiling: Tau that two noisy measurements of equal truth would have, about `2/pi asin(icc)`.
        null_sd: Standard deviation of tau if there were no relation at all.
        values: The results, `(architectures, conditions)`.
    """

    vary: str
    conditions: tuple[str, ...]
    n: int
    pairs: tuple[RankPair, ...]
    icc: float
    noise_sd: float
    arch_sd: float
    ceiling: float
    null_sd: float
    values: tuple[tuple[float, ...], ...] = ()

    @property
    def tau(self) -> float:
        """Mean tau over all pairs; NaN if one is undefined."""
        return float(np.mean([p.tau for p in self.pairs]))

    def to_json(self) -> dict[str, Any]:
        """All fields; an undefined tau is the word."""
        plain = {"kind": "rank_study", **asdict(self), "tau": self.tau}
        return _defined(plain)


@dataclass(frozen=True)
class ReRanking:
    """Whether a condition changes ranks more than the seed does.

    Args:
        vary: What the first study varies.
        tau: Its tau.
        seed_tau: Tau of two seeds.
        difference: `tau - seed_tau`.
        low: Lower end of the bootstrap interval of the difference.
        high: Upper end.
    """

    vary: str
    tau: float
    seed_tau: float
    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """In words."""
        if math.isnan(self.difference):
            return "undefined: a condition does not vary"
        return "re-ranks beyond seed noise" if self.high < 0 else "no re-ranking beyond seed noise"

    def to_json(self) -> dict[str, Any]:
        """All fields with the verdict."""
        return _defined({"kind": "re_ranking", **asdict(self), "verdict": self.verdict})


def rank_study(values: Mapping[str, Sequence[float]], *, vary: str = "train_seed", alpha: float = 0.05, seed: int = 0) -> RankStudy:
    """Compare the ranks of the same architectures under several conditions.

    Args:
        values: Condition to results, the same architectures in the same order.
        vary: What the conditions differ in.
        alpha: Level of the intervals.
        seed: Root of the bootstrap.

    Raises:
        JudgeError: fewer than 2 conditions or 3 architectures, unequal lengths, or results that are not finite.

    Source: Yang et al. 2020, section 5; intraclass correlation as Shrout and Fleiss 1979, ICC(1).
    """
    table, names = _table(values, vary)
    count, conditions = table.shape
    pairs = []
    for i in range(conditions):
        for j in range(i + 1, conditions):
            pairs.append(_pair(names[i], names[j], table[:, i], table[:, j], alpha, seed))
    between = conditions * float(table.mean(axis=1).var(ddof=1))
    within = float(table.var(axis=1, ddof=1).mean())
    icc = (between - within) / (between + (conditions - 1) * within) if between + within > 0 else math.nan
    return RankStudy(
        vary=vary,
        conditions=tuple(names),
        n=count,
        pairs=tuple(pairs),
        icc=icc,
        noise_sd=math.sqrt(within),
        arch_sd=math.sqrt(max(0.0, (between - within) / conditions)),
        ceiling=2 / math.pi * math.asin(min(1.0, max(-1.0, icc))) if math.isfinite(icc) else math.nan,
        null_sd=math.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1))),
        values=tuple(tuple(map(float, row)) for row in table),
    )


def re_ranking(
    values: Mapping[str, Sequence[float]],
    seeds: Mapping[str, Sequence[float]],
    *,
    vary: str = "cells",
    alpha: float = 0.05,
    seed: int = 0,
) -> ReRanking:
    """Whether two conditions differ in rank by more than two seeds do.

    Args:
        values: Two conditions, the same architectures in the same order.
        seeds: Two seeds; these architectures may be others.
        vary: What the conditions differ in.
        alpha: Level of the interval.
        seed: Root of the bootstrap, which resamples the architectures of both tables.

    Raises:
        JudgeError: not two conditions, or fewer than 3 architectures.
    """
    one, _ = _table(values, vary)
    other, _ = _table(seeds, "seeds")
    if one.shape[1] != 2 or other.shape[1] != 2:
        raise JudgeError(f"re_ranking: got {one.shape[1]} conditions and {other.shape[1]} seeds; allowed: 2 of each")
    tau, seed_tau = tau_b(one[:, 0], one[:, 1]), tau_b(other[:, 0], other[:, 1])
    gaps = _resampled(one, seed, "re-ranking") - _resampled(other, seed, "re-ranking seeds")
    gaps = gaps[np.isfinite(gaps)]
    low, high = np.quantile(gaps, [alpha / 2, 1 - alpha / 2]) if len(gaps) else (math.nan, math.nan)
    return ReRanking(vary, tau, seed_tau, tau - seed_tau, float(low), float(high))


def tau_b(one: Sequence[float] | np.ndarray, other: Sequence[float] | np.ndarray) -> float:
    """Kendall's tau-b; NaN where one side does not vary.

    Raises:
        JudgeError: fewer than 3 architectures.

    Example:
        >>> round(tau_b([1, 1, 2, 3], [1, 2, 3, 4]), 6)
        0.912871
    """
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if len(a) != len(b) or len(a) < 3:
        raise JudgeError(f"tau: got {len(a)} and {len(b)} architectures; allowed: 3 or more, the same on both sides")
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    found: Any = stats.kendalltau(a, b)
    return float(found.statistic)


@dataclass(frozen=True)
class SpaceStudy:
    """Two sets of random architectures, for example from two sets of operations.

    Args:
        row: The comparison of their means.
        mann_whitney_p: Two-sided p of Mann and Whitney, of any shift.
        quantiles: Share to (value of the first, value of the second).
        extremes: Smallest and largest of the first and of the second: (low, high, low, high).
        values: Results of the first and of the second, ascending.
    """

    row: Row
    mann_whitney_p: float
    quantiles: tuple[tuple[float, float, float], ...]
    extremes: tuple[float, float, float, float]
    values: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return {
            "kind": "space_study",
            "row": self.row.to_json(),
            "mann_whitney_p": self.mann_whitney_p,
            "quantiles": [list(q) for q in self.quantiles],
            "range": list(self.extremes),
            "values": [list(v) for v in self.values],
        }


def space_study(first: Sequence[float], second: Sequence[float], *, alpha: float = 0.05, seed: int = 0, unit: str = "%") -> SpaceStudy:
    """Compare the random members of two spaces trained alike: what the space itself is worth.

    Args:
        first: Results of random members of one space; improvements are of this one over the other.
        second: Results of random members of the other space.
        alpha: Level.
        seed: Root of the permutations.
        unit: Unit of the results.

    Source: Yang et al. 2020, section 5.
    """
    row = compare(first, second, alpha=alpha, seed=seed, unit=unit)
    a, b = make_arm("first", first, letter="k", unit=unit), make_arm("second", second, letter="n", unit=unit)
    found: Any = stats.mannwhitneyu(a.array, b.array, alternative="two-sided")
    shares = (0.05, 0.25, 0.5, 0.75, 0.95)
    quantiles = tuple((q, float(np.quantile(a.array, q)), float(np.quantile(b.array, q))) for q in shares)
    extremes = (a.values[0], a.values[-1], b.values[0], b.values[-1])
    return SpaceStudy(row, float(found.pvalue), quantiles, extremes, (tuple(a.values), tuple(b.values)))


def _table(values: Mapping[str, Sequence[float]], vary: str) -> tuple[np.ndarray, list[str]]:
    names = list(values)
    lengths = {len(v) for v in values.values()}
    if len(names) < 2 or len(lengths) != 1 or min(lengths) < 3:
        raise JudgeError(
            f"rank study of {vary}: got {len(names)} conditions with {sorted(lengths)} architectures; "
            "allowed: 2 or more conditions, the same 3 or more architectures in each"
        )
    table = np.array([list(map(float, values[n])) for n in names]).T
    if not np.isfinite(table).all():
        raise JudgeError(f"rank study of {vary}: got a result that is not finite; allowed: finite numbers; leave that architecture out")
    return table, names


def _pair(one: str, other: str, a: np.ndarray, b: np.ndarray, alpha: float, seed: int) -> RankPair:
    tau = tau_b(a, b)
    low = high = math.nan
    if math.isfinite(tau):
        draws = _resampled(np.stack([a, b], axis=1), seed, f"rank study {one} {other}")
        draws = draws[np.isfinite(draws)]
        low, high = np.quantile(draws, [alpha / 2, 1 - alpha / 2])
    top = max(1, round(_TOP * len(a)))
    best = [set(np.argsort(-c, kind="stable")[:top].tolist()) for c in (a, b)]
    change = np.abs(a - b)
    return RankPair(
        one=one,
        other=other,
        tau=tau,
        tau_low=float(low),
        tau_high=float(high),
        largest_shift=float(np.abs(stats.rankdata(a) - stats.rankdata(b)).max()),
        top_overlap=len(best[0] & best[1]) / top,
        mean_change=float(change.mean()),
        sd_change=float(change.std(ddof=1)),
        largest_change=float(change.max()),
    )


def _resampled(table: np.ndarray, seed: int, name: str) -> np.ndarray:
    """Tau-b of `_RESAMPLES` bootstrap samples of rows, all at once; NaN where a sample does not vary."""
    rng = generator(seed, "judge", name)
    n = len(table)
    rows = rng.integers(0, n, (_RESAMPLES, n))
    if n > _ALL_PAIRS:
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn: list[Any] = [stats.kendalltau(*table[chosen].T) for chosen in rows]
        return np.array([d.statistic for d in drawn])
    # The sign of every pair of architectures once; a sample is a choice among them.
    signs = [np.sign(c[:, None] - c[None, :]).astype(np.int8) for c in table.T]
    found, chunk = np.empty(_RESAMPLES), max(1, 4_000_000 // n**2)
    for start in range(0, _RESAMPLES, chunk):
        part = rows[start : start + chunk]
        x = signs[0][part[:, :, None], part[:, None, :]].astype(np.float32)
        y = signs[1][part[:, :, None], part[:, None, :]].astype(np.float32)
        with np.errstate(invalid="ignore", divide="ignore"):
            found[start : start + chunk] = (x * y).sum((1, 2)) / np.sqrt((x * x).sum((1, 2)) * (y * y).sum((1, 2)))
    return found


def _defined(value: Any) -> Any:
    """NaN as the word `undefined`, tuples as lists."""
    if isinstance(value, dict):
        return {k: _defined(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_defined(v) for v in value]
    return UNDEFINED if isinstance(value, float) and math.isnan(value) else value
