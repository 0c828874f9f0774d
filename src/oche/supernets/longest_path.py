"""The best way through a chain of choices, where each candidate leads from one state to another.

    sum     the largest sum of scores: the longest path of the graph
    log     the largest sum of logarithms: the most probable path

Both are found exactly, level by level, with the k best ways into each state; equal sums go to the path whose candidates come first. Beside
them two that look at one level at a time, from either end. A cost may be taken off each score, so that of two good paths the cheaper one
wins.

Source: Hundt et al. 2019 (sharpDARTS), longest path of sums; the other scores, the k best and the cost are ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from oche.errors import ArgumentError, unknown

#: How candidates of a path are added up.
SCORES = ("sum", "log")

#: How a path is looked for: exactly, or level by level from either end.
WAYS = ("longest", "forward", "backward")


@dataclass(frozen=True)
class PathLevel:
    """The candidates of one level.

    Args:
        scores: Score of each candidate, from 0.
        starts: State that each one needs.
        ends: State that each one leads to.
        costs: Cost of each one, in any unit; empty without.
    """

    scores: Sequence[float]
    starts: Sequence[str]
    ends: Sequence[str]
    costs: Sequence[float] = ()


@dataclass(frozen=True)
class PathRule:
    """Which path stands for some scores.

    Args:
        way: One of `WAYS`.
        score: One of `SCORES`.
        cost_weight: How much the cost of a candidate, as a share of the largest cost of all, is taken off its score; 0 for nothing.

    Raises:
        UnknownNameError: no such way or score.
        ArgumentError: the weight is below 0.
    """

    way: str = "longest"
    score: str = "sum"
    cost_weight: float = 0.0

    def __post_init__(self) -> None:
        if self.way not in WAYS:
            raise unknown("way of a path", str(self.way), WAYS)
        if self.score not in SCORES:
            raise unknown("score of a path", str(self.score), SCORES)
        if isinstance(self.cost_weight, bool) or not isinstance(self.cost_weight, (int, float)) or not 0 <= self.cost_weight < math.inf:
            raise ArgumentError(f"cost_weight: got {self.cost_weight!r}; allowed: a number from 0")

    def best(self, levels: Sequence[PathLevel], k: int = 1) -> list[tuple[float, tuple[int, ...]]]:
        """The best paths, best first: their scores, and the candidate of each level.

        Args:
            levels: In order; at least one.
            k: How many; a greedy way gives one.

        Raises:
            ArgumentError: a score is not finite, or no path leads through.
        """
        gains = self._gains(levels)
        if self.way == "longest":
            found = _longest(levels, gains, k)
        else:
            found = _greedy(levels, gains, forward=self.way == "forward")
        if not found:
            raise ArgumentError(
                "path: got levels that no path leads through; allowed: a candidate of each level that starts where one ends"
            )
        return found

    def _gains(self, levels: Sequence[PathLevel]) -> list[list[float]]:
        largest = max((cost for level in levels for cost in level.costs), default=0.0) or 1.0
        gains = []
        for number, level in enumerate(levels):
            if not all(math.isfinite(score) for score in level.scores):
                raise ArgumentError(f"path, level {number}: got scores {list(level.scores)}; allowed: finite numbers")
            row = [(math.log(s) if s > 0 else -math.inf) if self.score == "log" else float(s) for s in level.scores]
            if self.cost_weight and level.costs:
                row = [gain - self.cost_weight * cost / largest for gain, cost in zip(row, level.costs, strict=True)]
            gains.append(row)
        return gains


def _longest(levels: Sequence[PathLevel], gains: Sequence[Sequence[float]], k: int) -> list[tuple[float, tuple[int, ...]]]:
    """The k best paths: those of the k best into each state, from level to level."""
    into: dict[str | None, list[tuple[float, tuple[int, ...]]]] = {None: [(0.0, ())]}
    for number, (level, row) in enumerate(zip(levels, gains, strict=True)):
        reached: dict[str | None, list[tuple[float, tuple[int, ...]]]] = {}
        for i, gain in enumerate(row):
            for total, path in into.get(None if number == 0 else level.starts[i], ()):
                reached.setdefault(level.ends[i], []).append((total + gain, (*path, i)))
        into = {state: _first(paths, k) for state, paths in reached.items()}
    return _first([path for paths in into.values() for path in paths], k)


def _first(paths: Sequence[tuple[float, tuple[int, ...]]], k: int) -> list[tuple[float, tuple[int, ...]]]:
    return sorted(paths, key=lambda path: (-path[0], path[1]))[:k]


def _greedy(levels: Sequence[PathLevel], gains: Sequence[Sequence[float]], forward: bool) -> list[tuple[float, tuple[int, ...]]]:
    order = range(len(levels)) if forward else range(len(levels) - 1, -1, -1)
    chosen: dict[int, int] = {}
    state, total = None, 0.0
    for number in order:
        here = levels[number].starts if forward else levels[number].ends
        open_ = [i for i in range(len(here)) if state is None or here[i] == state]
        if not open_:
            return []
        chosen[number] = max(open_, key=lambda i: (gains[number][i], -i))
        total += gains[number][chosen[number]]
        state = (levels[number].ends if forward else levels[number].starts)[chosen[number]]
    return [(total, tuple(chosen[number] for number in range(len(levels))))]
