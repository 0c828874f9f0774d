"""Several methods on several data sets: mean ranks, Friedman's test, and which pairs can be told apart.

Rank 1 is best, ties share the mean of their ranks. After Friedman's test two post hoc tests are given: Nemenyi's, whose critical
difference is what the diagram draws, and Wilcoxon's signed-rank test with Holm's correction over all pairs. The second one is exact, ties
included. With few data sets neither can find anything; the object says how many it would take.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from oche.errors import JudgeError
from oche.judge._holm import holm


@dataclass(frozen=True)
class Pair:
    """Two methods, the one with the better mean rank first.

    Args:
        better: Method with the smaller mean rank.
        worse: The other one.
        rank_difference: Difference of their mean ranks, 0 or more.
        p_nemenyi: Nemenyi's p.
        p_wilcoxon: Exact two-sided signed-rank p over the data sets.
        p_holm: The same after Holm over all pairs.
        wins: Data sets on which `better` is better, ties counting half.
        median_difference: Median over data sets of the difference, positive if `better` is better.
    """

    better: str
    worse: str
    rank_difference: float
    p_nemenyi: float
    p_wilcoxon: float
    p_holm: float
    wins: float
    median_difference: float


@dataclass(frozen=True)
class Ranking:
    """Methods in the order of their mean ranks, best first.

    Args:
        methods: Names, best mean rank first.
        datasets: Names of the data sets.
        mean_ranks: Mean rank of each method, in the order of `methods`.
        ranks: Rank of each method on each data set, `(datasets, methods)`.
        values: The results that were ranked, `(datasets, methods)`.
        direction: `max` or `min`.
        alpha: Level of all tests.
        chi2: Friedman's statistic, corrected for ties.
        p: Its p.
        critical_difference: Smallest difference of mean ranks that Nemenyi's test separates.
        groups: Methods that Nemenyi's test does not separate, largest groups only, best first: the bars of the diagram.
        pairs: All pairs, by the ranks of their members.
        smallest_wilcoxon: Smallest p that so many data sets can give to one pair.
        note: What these counts cannot decide; empty if all is well.
    """

    methods: tuple[str, ...]
    datasets: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    ranks: tuple[tuple[float, ...], ...]
    values: tuple[tuple[float, ...], ...]
    direction: str
    alpha: float
    chi2: float
    p: float
    critical_difference: float
    groups: tuple[tuple[str, ...], ...]
    pairs: tuple[Pair, ...]
    smallest_wilcoxon: float
    note: str = ""

    def pair(self, one: str, other: str) -> Pair:
        """The pair of two methods, whichever is better.

        Raises:
            JudgeError: no such pair.
        """
        found = next((p for p in self.pairs if {p.better, p.worse} == {one, other}), None)
        if found is None:
            raise JudgeError(f"pair: got {one!r}, {other!r}; allowed: two of {', '.join(map(repr, self.methods))}")
        return found

    @property
    def against_next(self) -> tuple[Pair, ...]:
        """Each method against the next one below it."""
        return tuple(self.pair(a, b) for a, b in zip(self.methods, self.methods[1:], strict=False))

    @property
    def against_best(self) -> tuple[Pair, ...]:
        """The best method against each other one."""
        return tuple(self.pair(self.methods[0], other) for other in self.methods[1:])

    @property
    def separable(self) -> bool:
        """Whether any two methods can be told apart: Friedman's test and a post hoc test both say so."""
        return self.p < self.alpha and any(p.p_nemenyi < self.alpha or p.p_holm < self.alpha for p in self.pairs)

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        size = f"{len(self.methods)} methods on {len(self.datasets)} data sets"
        friedman = f"Friedman chi2 {self.chi2:.3f}, p {self.p:.3g}"
        if not self.separable:
            return f"No two of {size} can be told apart ({friedman}; critical difference {self.critical_difference:.2f} ranks)."
        told = [p for p in self.pairs if p.p_nemenyi < self.alpha]
        critical = f"critical difference {self.critical_difference:.2f} ranks"
        return f"{len(told)} of {len(self.pairs)} pairs of {size} differ ({friedman}; {critical})."

    def to_json(self) -> dict[str, Any]:
        """All fields with the verdict."""
        return {**asdict(self), "separable": self.separable, "verdict": self.verdict}


def rank_methods(
    table: Mapping[str, Mapping[str, float]],
    *,
    direction: str = "max",
    alpha: float = 0.05,
) -> Ranking:
    """Rank methods over data sets, test whether they differ at all, and which pairs do.

    Args:
        table: Method to data set to result, without holes.
        direction: `max` if larger is better, `min` if smaller is.
        alpha: Level.

    Raises:
        JudgeError: fewer than 3 methods or 2 data sets, a missing or non-finite result.

    Source: Demšar 2006; critical values from the studentized range distribution.

    Example:
        >>> found = rank_methods({"a": {"x": 3, "y": 3}, "b": {"x": 2, "y": 2}, "c": {"x": 1, "y": 1}})
        >>> found.methods, found.mean_ranks
        (('a', 'b', 'c'), (1.0, 2.0, 3.0))
    """
    names, datasets, values = _matrix(table)
    if direction not in ("max", "min"):
        raise JudgeError(f"direction: got {direction!r}; allowed: 'max', 'min'")
    sign = 1.0 if direction == "max" else -1.0
    ranks = stats.rankdata(-sign * values, axis=1)
    order = sorted(range(len(names)), key=lambda i: (ranks[:, i].mean(), i))
    names, values, ranks = [names[i] for i in order], values[:, order], ranks[:, order]
    count, n = len(names), len(datasets)
    means = ranks.mean(axis=0)
    flat = bool((ranks == ranks[:, :1]).all())
    friedman: Any = (0.0, 1.0) if flat else stats.friedmanchisquare(*ranks.T)
    critical = float(stats.studentized_range.ppf(1 - alpha, count, np.inf)) / math.sqrt(2) * _rank_error(count, n)
    pairs = _pairs(names, values, sign, means, n)
    smallest = 2.0 ** (1 - n)
    return Ranking(
        methods=tuple(names),
        datasets=tuple(datasets),
        mean_ranks=tuple(map(float, means)),
        ranks=tuple(tuple(map(float, row)) for row in ranks),
        values=tuple(tuple(map(float, row)) for row in values),
        direction=direction,
        alpha=alpha,
        chi2=float(friedman[0]),
        p=float(friedman[1]),
        critical_difference=critical,
        groups=_groups(names, means, critical),
        pairs=pairs,
        smallest_wilcoxon=smallest,
        note=_note(count, n, critical, smallest, alpha),
    )


def signed_rank_p(differences: Sequence[float]) -> float:
    """Exact two-sided p of Wilcoxon's signed-rank test; zeros are left out, equal sizes share their rank.

    Every assignment of signs is counted, by adding up ranks one after the other, so ties need no approximation.

    Example:
        >>> signed_rank_p([1.0, 2.0, 3.0, 4.0, 5.0])
        0.0625
    """
    kept = np.asarray([d for d in differences if d != 0], dtype=np.float64)
    if not len(kept):
        return 1.0
    # Shared ranks are halves: doubled they are whole numbers.
    doubled = np.rint(2 * stats.rankdata(np.abs(kept))).astype(int)
    ways = np.zeros(doubled.sum() + 1)
    ways[0] = 1.0
    for rank in doubled:
        ways[rank:] = ways[rank:] + ways[: len(ways) - rank]
    above = int(doubled[kept > 0].sum())
    extreme = min(above, int(doubled.sum()) - above)
    return min(1.0, 2.0 * float(ways[: extreme + 1].sum()) / 2.0 ** len(kept))


def _matrix(table: Mapping[str, Mapping[str, float]]) -> tuple[list[str], list[str], np.ndarray]:
    names = list(table)
    datasets = list(dict.fromkeys(d for row in table.values() for d in row))
    if len(names) < 3 or len(datasets) < 2:
        raise JudgeError(
            f"ranking: got {len(names)} methods on {len(datasets)} data sets; allowed: 3 or more methods on 2 or more data sets; "
            "compare two methods with compare"
        )
    for name in names:
        for dataset in datasets:
            value = table[name].get(dataset)
            if value is None or not math.isfinite(value):
                raise JudgeError(
                    f"ranking: got {value!r} for {name!r} on {dataset!r}; allowed: one finite result for every pair; "
                    "leave the method or the data set out"
                )
    return names, datasets, np.array([[float(table[m][d]) for m in names] for d in datasets])


def _rank_error(methods: int, datasets: int) -> float:
    return math.sqrt(methods * (methods + 1) / (6.0 * datasets))


def _pairs(names: Sequence[str], values: np.ndarray, sign: float, means: np.ndarray, n: int) -> tuple[Pair, ...]:
    count = len(names)
    found = []
    for i in range(count):
        for j in range(i + 1, count):
            gain = sign * (values[:, i] - values[:, j])
            apart = float(means[j] - means[i])
            statistic = apart / _rank_error(count, n) * math.sqrt(2)
            nemenyi = float(stats.studentized_range.sf(statistic, count, np.inf))
            wins = float((gain > 0).sum() + 0.5 * (gain == 0).sum())
            exact = signed_rank_p([float(g) for g in gain])
            found.append(Pair(names[i], names[j], apart, min(1.0, nemenyi), exact, exact, wins, float(np.median(gain))))
    adjusted = holm([p.p_wilcoxon for p in found])
    return tuple(replace(pair, p_holm=p) for pair, p in zip(found, adjusted, strict=True))


def _groups(names: Sequence[str], means: np.ndarray, critical: float) -> tuple[tuple[str, ...], ...]:
    """Runs of neighbors whose ends lie within the critical difference, none inside another."""
    spans: list[tuple[int, int]] = []
    for i in range(len(names)):
        last = max(j for j in range(i, len(names)) if means[j] - means[i] <= critical)
        if last > i and (not spans or last > spans[-1][1]):
            spans.append((i, last))
    return tuple(tuple(names[a : b + 1]) for a, b in spans)


def _note(count: int, n: int, critical: float, smallest: float, alpha: float) -> str:
    parts = []
    if critical >= count - 1:
        parts.append(
            f"no mean ranks of {count} methods can be {critical:.2f} apart, so Nemenyi's test cannot separate any pair on {n} data sets"
        )
    pairs = count * (count - 1) // 2
    if pairs * smallest >= alpha:
        needed = math.ceil(1 - math.log2(alpha / pairs) + 1e-12)
        parts.append(
            f"Wilcoxon's test with Holm over {pairs} pairs cannot come out under {alpha:g} on {n} data sets: it takes {needed} or more"
        )
    return "; ".join(parts)
