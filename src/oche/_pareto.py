"""Several objectives at once: ranks, crowding, fronts and hypervolume. Every objective is maximized.

A point dominates another one if it is nowhere worse and somewhere better. All functions take an array `(n, m)`: n points, m objectives.
It stands on the ground floor because algorithms, archives, records and the judge all need it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from oche.errors import ArgumentError, unknown

#: A rule of crowding: `(n, m)` rewards of one front to n numbers, larger = less crowded.
Crowding = Callable[[np.ndarray], np.ndarray]


def _matrix(rewards: Any) -> np.ndarray:
    found = np.asarray(rewards, dtype=np.float64)
    if found.ndim == 1:
        found = found[:, None]
    if found.ndim != 2 or not np.isfinite(found).all():
        raise ArgumentError(f"rewards: got shape {found.shape}; allowed: finite numbers (points, objectives)")
    return found


def dominates(rewards: Any) -> np.ndarray:
    """Who dominates whom.

    Args:
        rewards: `(n, m)`.

    Returns:
        `(n, n)` booleans; entry (i, j) says that i dominates j.
    """
    values = _matrix(rewards)
    at_least = np.ones((len(values), len(values)), dtype=bool)
    better = np.zeros_like(at_least)
    for column in values.T:
        at_least &= column[:, None] >= column
        better |= column[:, None] > column
    return at_least & better


def pareto_ranks(rewards: Any) -> np.ndarray:
    """The front of each point: 0 where nothing dominates it, then what is left once front 0 is gone, and so on.

    Args:
        rewards: `(n, m)`.

    Returns:
        `(n,)` whole numbers.

    Source: Deb et al. 2002 (NSGA-II), fast non-dominated sort.

    Example:
        >>> pareto_ranks([(1, 3), (2, 2), (1, 2), (0, 0)]).tolist()
        [0, 0, 1, 2]
    """
    values = _matrix(rewards)
    order, place = np.unique(values, axis=0, return_inverse=True)  # equal points have equal ranks
    beats = dominates(order)
    left = beats.sum(0)
    ranks = np.full(len(order), -1)
    current = np.flatnonzero(left == 0)
    front = 0
    while len(current):
        ranks[current] = front
        left = left - beats[current].sum(0)
        current = np.flatnonzero((left == 0) & (ranks < 0))
        front += 1
    return ranks[place.ravel()]


def non_dominated_sort(rewards: Any) -> list[list[int]]:
    """Indices of the points, front by front, each in its given order.

    Example:
        >>> non_dominated_sort([(1, 3), (2, 2), (1, 2), (0, 0)])
        [[0, 1], [2], [3]]
    """
    ranks = pareto_ranks(rewards)
    return [np.flatnonzero(ranks == front).tolist() for front in range(ranks.max(initial=-1) + 1)]


def crowding_distance(rewards: Any) -> np.ndarray:
    """How far apart the neighbors of each point of one front are, added up over objectives; infinite at the ends.

    Each objective is divided by its range in the front; an objective without a range counts nothing.

    Args:
        rewards: `(n, m)`, the points of one front.

    Returns:
        `(n,)`.

    Source: Deb et al. 2002 (NSGA-II), crowding distance.

    Example:
        >>> crowding_distance([(0, 4), (1, 2), (4, 0)]).tolist()
        [inf, 2.0, inf]
    """
    values = _matrix(rewards)
    distance = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]] if len(order) else 0.0
        if span > 0:
            distance[order[[0, -1]]] = np.inf
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return distance


def _nearest(values: np.ndarray) -> np.ndarray:
    """Euclidean distance to the nearest other point, objectives divided by their ranges."""
    span = np.ptp(values, axis=0)
    scaled = values / np.where(span > 0, span, 1.0)
    gaps = np.sqrt(((scaled[:, None] - scaled) ** 2).sum(-1))
    np.fill_diagonal(gaps, np.inf)
    return gaps.min(1)


_RULES: dict[str, Crowding] = {"distance": crowding_distance, "nearest": _nearest}


def crowding_rule(rule: str | Crowding) -> Crowding:
    """The function of a crowding rule.

    Args:
        rule: `distance` (as in NSGA-II), `nearest` (distance to the nearest neighbor), or a function of `(n, m)` rewards.

    Raises:
        UnknownNameError: another name.
    """
    if callable(rule):
        return rule
    if rule not in _RULES:
        raise unknown("crowding rule", rule, _RULES)
    return _RULES[rule]


def best_of_fronts(rewards: Any, n: int, crowding: str | Crowding = "distance") -> list[int]:
    """Indices of the n best points: whole fronts first, of the last one its least crowded points.

    Returns:
        At most n indices, best first: by front, then by crowding, then by place.
    """
    values = _matrix(rewards)
    ranks = pareto_ranks(values)
    spread = front_crowding(values, ranks, crowding)
    return np.lexsort((np.arange(len(values)), -spread, ranks))[:n].tolist()


def front_crowding(rewards: Any, ranks: np.ndarray, crowding: str | Crowding = "distance") -> np.ndarray:
    """The crowding of each point in its own front, `(n,)`."""
    values, rule = _matrix(rewards), crowding_rule(crowding)
    spread = np.zeros(len(values))
    for front in range(ranks.max(initial=-1) + 1):
        members = np.flatnonzero(ranks == front)
        spread[members] = rule(values[members])
    return spread


def pareto_front(rewards: Any) -> list[int]:
    """Indices of the points that no other one dominates; of equal points only the first.

    Example:
        >>> pareto_front([(1, 3), (2, 2), (1, 2), (2, 2)])
        [0, 1]
    """
    values = _matrix(rewards)
    if not len(values):
        return []
    _, first = np.unique(values, axis=0, return_index=True)
    first = np.sort(first)
    return first[pareto_ranks(values[first]) == 0].tolist()


def knee(rewards: Any) -> int:
    """Index of the point nearest to the ideal one, objectives scaled to their ranges over all points; of equal ones the first.

    Example:
        >>> knee([(0, 4), (3, 3), (4, 0)])
        1
    """
    values = _matrix(rewards)
    span = np.ptp(values, axis=0)
    gap = (values.max(0) - values) / np.where(span > 0, span, 1.0)
    return int(np.argmin((gap**2).sum(1)))


def hypervolume(rewards: Any, reference: Sequence[float]) -> float:
    """The volume that some points dominate above a reference point, exact for any number of objectives.

    Args:
        rewards: `(n, m)`. Points that are not above the reference in every objective count nothing.
        reference: `(m,)`, a point that is worse than what counts.

    Source: exclusive volumes as in While, Bradstreet and Barone 2012 (WFG); two objectives by a sweep.

    Example:
        >>> hypervolume([(1, 3), (3, 1)], (0, 0))
        5.0
    """
    low = np.asarray(reference, dtype=np.float64)
    values = _matrix(rewards) if len(rewards) else np.zeros((0, len(low)))
    if values.shape[1] != len(low):
        raise ArgumentError(f"reference: got {len(low)} numbers; allowed: {values.shape[1]}, one per objective")
    above = values[(values > low).all(1)] - low
    return float(_volume(above[pareto_front(above)]))


def _volume(points: np.ndarray) -> float:
    if not len(points):
        return 0.0
    if points.shape[1] == 1:
        return float(points.max())
    points = points[np.argsort(-points[:, 0], kind="stable")]
    if points.shape[1] == 2:
        # From the right each point adds the strip above the highest one so far.
        highest = np.maximum.accumulate(np.concatenate([[0.0], points[:, 1]]))
        return float((points[:, 0] * np.diff(highest)).sum())
    total = 0.0
    for i, point in enumerate(points):
        shadow = np.minimum(points[i + 1 :], point)
        total += float(np.prod(point)) - _volume(shadow[pareto_front(shadow)])
    return total


class ParetoFront:
    """The points found so far that no other one dominates, in the order in which they came.

    Example:
        >>> front = ParetoFront()
        >>> [front.add(point, point) for point in [(1, 1), (2, 0), (0, 0), (2, 2)]], front.items
        ([True, True, False, True], [(2, 2)])
    """

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.rewards: list[tuple[float, ...]] = []

    def __len__(self) -> int:
        return len(self.items)

    def add(self, item: Any, reward: Sequence[float]) -> bool:
        """Take in a point unless one of the front dominates or equals it; those that it dominates leave.

        Returns:
            Whether it came in.
        """
        new = tuple(reward)
        if any(all(a >= b for a, b in zip(old, new, strict=True)) for old in self.rewards):
            return False
        kept = [i for i, old in enumerate(self.rewards) if not all(b >= a for a, b in zip(old, new, strict=True))]
        self.items = [*(self.items[i] for i in kept), item]
        self.rewards = [*(self.rewards[i] for i in kept), new]
        return True

    def hypervolume(self, reference: Sequence[float]) -> float:
        """The volume above a reference point."""
        return hypervolume(self.rewards, reference)
