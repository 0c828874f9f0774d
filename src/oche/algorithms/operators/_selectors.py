"""Operators that choose some of the members. A whole number is a count; a float is a share, rounded up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from oche._pareto import Crowding, best_of_fronts, crowding_rule
from oche.algorithms.operators._base import Context, Member, Number, Operator, number
from oche.errors import ArgumentError


class Selector(Operator):
    """Gives `n` of the members.

    Args:
        n: A count from 0 (whole number), a share in [0, 1] of the input (float), or a schedule of either.
    """

    def __init__(self, n: Number = 1) -> None:
        if not callable(n):
            _checked(n)
        self.n = n

    def count(self, members: list[Any], context: Context) -> int:
        """How many are meant, whether there are so many or not."""
        value = _checked(number(self.n, context))
        return math.ceil(value * len(members)) if isinstance(value, float) else value


def _checked(n: Any) -> Any:
    share = isinstance(n, float) and 0 <= n <= 1
    if isinstance(n, bool) or not (share or (isinstance(n, (int, np.integer)) and n >= 0)):
        raise ArgumentError(f"selector n: got {n!r}; allowed: a count (whole number from 0), or a share (float in [0, 1])")
    return n


class Random(Selector):
    """Random members without replacement, in the order drawn; all of them if there are no more.

    Example:
        >>> context = Context.of({"x": oneof(list(range(9)))})
        >>> len(Random(3)(context.draw(5), context))
        3
    """

    def apply(self, members: list[Member], context: Context) -> list[Member]:
        """Draw."""
        n = min(self.count(members, context), len(members))
        return [members[i] for i in context.rng.choice(len(members), size=n, replace=False)] if n else []


class Sample(Selector):
    """Random members with replacement.

    Example:
        >>> context = Context.of({"x": oneof(list(range(9)))})
        >>> len(Sample(7)(context.draw(5), context))
        7
    """

    def apply(self, members: list[Member], context: Context) -> list[Member]:
        """Draw."""
        n = self.count(members, context)
        return [members[i] for i in context.rng.integers(len(members), size=n)] if n and members else []


class Proportional(Selector):
    """Members with replacement, each as probable as its reward is above the lowest one; alike where all are equal.

    Example:
        >>> context = Context.of({"x": oneof(list(range(9)))})
        >>> {m.reward for m in Proportional(9)(context.draw(2), context)}
        {1.0}
    """

    def apply(self, members: list[Member], context: Context) -> list[Member]:
        """Draw."""
        n = self.count(members, context)
        if not n or not members:
            return []
        return [members[i] for i in context.rng.choice(len(members), size=n, p=shares(members))]


def shares(members: list[Member]) -> np.ndarray:
    """Rewards above the lowest one as shares of their sum, `(n,)`; members without a reward count as the lowest."""
    rewards = np.array([m.scalar for m in members])
    known = np.isfinite(rewards)
    low = rewards[known].min() if known.any() else 0.0
    above = np.where(known, rewards - low, 0.0)
    total = above.sum()
    return above / total if total > 0 else np.full(len(members), 1 / len(members))


class Top(Selector):
    """The best members, best first; of equal ones those that stand first.

    Example:
        >>> context = Context.of({"x": oneof(list(range(9)))})
        >>> [m.reward for m in Top(0.5)(context.draw(5), context)]
        [4.0, 3.0, 2.0]
    """

    def apply(self, members: list[Member], context: Context) -> list[Member]:
        """Sort and cut."""
        n = self.count(members, context)
        return [max(members, key=lambda m: m.scalar)] if n == 1 and members else sorted(members, key=lambda m: -m.scalar)[:n]


class Bottom(Selector):
    """The worst members, worst first; of equal ones those that stand first.

    Example:
        >>> context = Context.of({"x": oneof(list(range(9)))})
        >>> [m.reward for m in Bottom(2)(context.draw(5), context)]
        [0.0, 1.0]
    """

    def apply(self, members: list[Member], context: Context) -> list[Member]:
        """Sort and cut."""
        return sorted(members, key=lambda m: m.scalar)[: self.count(members, context)]


class First(Selector):
    """The first members.

    Example:
        >>> context = Context.of({"x": oneof(list(range(9)))})
        >>> [m.reward for m in First(2)(context.draw(5), context)]
        [0.0, 1.0]
    """

    def apply(self, members: list[Member], context: Context) -> list[Member]:
        """Cut."""
        return members[: self.count(members, context)]


class Last(Selector):
    """The last members, in their order. Members enter at the end, so these are the youngest.

    Example:
        >>> context = Context.of({"x": oneof(list(range(9)))})
        >>> [m.reward for m in Last(2)(context.draw(5), context)]
        [3.0, 4.0]
    """

    def apply(self, members: list[Member], context: Context) -> list[Member]:
        """Cut."""
        n = self.count(members, context)
        return members[-n:] if n else []


class Nondominated(Selector):
    """The best members by several objectives: front by front, of one front the least crowded first.

    Args:
        n: As for every selector.
        crowding: `distance`, `nearest`, or a function of rewards `(n, m)`.

    Source: Deb et al. 2002 (NSGA-II).

    Example:
        >>> context = Context.of({"x": oneof(list(range(9)))})
        >>> members = [context.member([i], r) for i, r in enumerate([(1, 3), (0, 0), (2, 2)])]
        >>> [m.reward for m in Nondominated(2)(members, context)]
        [(1, 3), (2, 2)]
    """

    def __init__(self, n: Number = 1, crowding: str | Crowding = "distance") -> None:
        super().__init__(n)
        crowding_rule(crowding)
        self.crowding = crowding

    def apply(self, members: list[Member], context: Context) -> list[Member]:
        """Sort and cut."""
        if not members:
            return []
        rewards = [m.reward if isinstance(m.reward, tuple) else (m.scalar,) for m in members]
        return [members[i] for i in best_of_fronts(rewards, self.count(members, context), self.crowding)]
