"""Operators that make children from parents: all members of the input are the parents of one family.

A decision comes with all its slots from one parent in which it is active, so a child is always a legal point. Many families:
`(Sample(2) >> KPoint(1)) * 10`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from oche.algorithms._units import Unit, combine, gene_at, to_unit, units
from oche.algorithms.operators._base import Context, Member, Number, Operator, number
from oche.algorithms.operators._selectors import shares
from oche.errors import ArgumentError
from oche.program import DNA


class Recombinator(Operator):
    """Gives children of its input; an input of fewer than two members comes out as it is."""

    def apply(self, members: list[Member], context: Context) -> list[Member]:
        """Make the children."""
        if len(members) < 2:
            return members
        name = context.space.fingerprint
        return [Member(DNA.trusted(flat, name)) for flat in self.children(members, context)]

    def children(self, parents: list[Member], context: Context) -> list[tuple[Any, ...]]:
        """Flat DNA of the children."""
        raise TypeError(f"{type(self).__name__}: override children")


class Uniform(Recombinator):
    """One child; each decision comes from a parent drawn uniformly.

    Example:
        >>> context = Context.of({"x": oneof([1, 2, 3]), "y": oneof([1, 2, 3])})
        >>> len(Uniform()(context.draw(2), context))
        1
    """

    def children(self, parents: list[Member], context: Context) -> list[tuple[Any, ...]]:
        """Draw a parent for each decision."""

        def decide(unit: Unit, having: list[int]) -> int:
            return having[int(context.rng.integers(len(having)))]

        return [combine(context.space, [m.dna.flat for m in parents], decide)]


class SampleParents(Recombinator):
    """One child; each decision comes from a parent drawn by weight. PyGlove calls it `Sample`, as it does a selector.

    Args:
        weights: Function of the parents that gives a weight above 0 each; None: rewards above the lowest one.

    Example:
        >>> context = Context.of({"x": oneof(list(range(9))), "y": oneof(list(range(9)))})
        >>> parents = context.draw(2)
        >>> SampleParents()(parents, context)[0].dna == parents[1].dna
        True
    """

    def __init__(self, weights: Callable[[list[Member]], Sequence[float]] | None = None) -> None:
        self.weights = weights

    def children(self, parents: list[Member], context: Context) -> list[tuple[Any, ...]]:
        """Draw a parent for each decision."""
        p = _weights(self.weights, parents)

        def decide(unit: Unit, having: list[int]) -> int:
            own = p[having]
            total = own.sum()
            return int(context.rng.choice(having, p=own / total if total > 0 else None))

        return [combine(context.space, [m.dna.flat for m in parents], decide)]


def _weights(function: Callable[[list[Member]], Sequence[float]] | None, parents: list[Member]) -> np.ndarray:
    if function is None:
        return shares(parents)
    found = np.asarray(function(parents), dtype=np.float64)
    if found.shape != (len(parents),) or not (found >= 0).all() or not found.sum() > 0:
        raise ArgumentError(f"weights: got {found.tolist()!r}; allowed: {len(parents)} numbers from 0, not all 0")
    return found / found.sum()


class WeightedAverage(Recombinator):
    """One child: numbers are weighted means on their own scale, whole ones rounded; other decisions go by weighted vote.

    A vote is over whole decisions (all slots of a choice); of equal votes the first parent's wins.

    Args:
        weights: As for `SampleParents`.

    Example:
        >>> context = Context.of({"x": floatv(0.0, 8.0)})
        >>> parents = [context.member([1.0]), context.member([5.0])]
        >>> WeightedAverage(lambda parents: [1, 3])(parents, context)[0].dna.flat
        (4.0,)
    """

    def __init__(self, weights: Callable[[list[Member]], Sequence[float]] | None = None) -> None:
        self.weights = weights

    def children(self, parents: list[Member], context: Context) -> list[tuple[Any, ...]]:
        """Average and vote."""
        return [_averaged(parents, _weights(self.weights, parents), context)]


def _averaged(parents: list[Member], weights: np.ndarray, context: Context) -> tuple[Any, ...]:
    flats = [m.dna.flat for m in parents]

    def decide(unit: Unit, having: list[int]) -> Any:
        own = weights[having] if weights[having].sum() > 0 else np.ones(len(having))
        if unit.point.kind in ("float", "int"):
            values = [to_unit(unit.point, flats[k][unit.seats[0]]) for k in having]  # type: ignore[arg-type]
            return {unit.seats[0]: gene_at(unit.point, float(own @ values / own.sum()))}
        votes: dict[tuple[Any, ...], float] = {}
        for k, weight in zip(having, own, strict=True):
            genes = tuple(flats[k][s] for s in unit.seats)
            votes[genes] = votes.get(genes, 0.0) + float(weight)
        return dict(zip(unit.seats, max(votes, key=lambda genes: votes[genes]), strict=True))

    return combine(context.space, flats, decide)


class Average(Recombinator):
    """`WeightedAverage` with equal weights.

    Example:
        >>> context = Context.of({"x": floatv(0.01, 100.0, "log")})
        >>> parents = [context.member([0.1]), context.member([10.0])]
        >>> round(Average()(parents, context)[0].dna.flat[0], 12)
        1.0
    """

    def children(self, parents: list[Member], context: Context) -> list[tuple[Any, ...]]:
        """Average and vote."""
        return [_averaged(parents, np.ones(len(parents)), context)]


class Segmented(Recombinator):
    """As many children as parents: decisions are cut into segments at given places, and segments come from the parents in turn.

    Args:
        cuts: Numbers of decisions before which to cut, or a function of (number of decisions, context) that gives them.

    Example:
        >>> context = Context.of([oneof([0, 1]), oneof([0, 1]), oneof([0, 1])])
        >>> parents = [context.member([0, 0, 0]), context.member([1, 1, 1])]
        >>> [m.dna.flat for m in Segmented([1])(parents, context)]
        [(0, 1, 1), (1, 0, 0)]
    """

    def __init__(self, cuts: Sequence[int] | Callable[[int, Context], Sequence[int]]) -> None:
        self.cuts = cuts

    def children(self, parents: list[Member], context: Context) -> list[tuple[Any, ...]]:
        """Cut and join."""
        total = len(units(context.space))
        return _segments(parents, self.cuts(total, context) if callable(self.cuts) else self.cuts, context)


def _segments(parents: list[Member], cuts: Sequence[int], context: Context) -> list[tuple[Any, ...]]:
    segment = np.searchsorted(np.sort(np.asarray(cuts, dtype=int)), np.arange(len(units(context.space))), side="right").tolist()
    flats, n = [m.dna.flat for m in parents], len(parents)
    return [combine(context.space, flats, lambda unit, having, c=c: (segment[unit.number] + c) % n) for c in range(n)]


class KPoint(Recombinator):
    """`Segmented` at k different random places.

    Args:
        k: Number of cuts, at most one less than there are decisions; or a schedule.

    Example:
        >>> context = Context.of([oneof([0, 1]), oneof([0, 1])])
        >>> parents = [context.member([0, 0]), context.member([1, 1])]
        >>> [m.dna.flat for m in KPoint(1)(parents, context)]
        [(0, 1), (1, 0)]
    """

    def __init__(self, k: Number = 1) -> None:
        self.k = k

    def children(self, parents: list[Member], context: Context) -> list[tuple[Any, ...]]:
        """Draw the cuts, then cut and join."""
        total = len(units(context.space))
        k = min(int(number(self.k, context)), total - 1)
        cuts: list[int] = (1 + context.rng.choice(total - 1, size=k, replace=False)).tolist() if k > 0 else []
        return _segments(parents, cuts, context)
