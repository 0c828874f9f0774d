"""What may be inherited as one: a decision alone, or all slots of a choice together, so that distinct and sorted picks stay so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from oche.program import Space
from oche.program.dna import Gene
from oche.program.layout import Point
from oche.program.shares import gene_at, to_unit

__all__ = ["Decide", "Unit", "active_points", "combine", "gene_at", "to_unit", "uniform_mutation", "units"]


@dataclass(frozen=True)
class Unit:
    """One decision.

    Args:
        number: Its place among the units of the space.
        point: Its first point.
        seats: Its points, one per slot.
        blocks: Per slot, its point and all points below it; blocks of one unit match position by position.
    """

    number: int
    point: Point
    seats: tuple[int, ...]
    blocks: tuple[tuple[int, ...], ...]

    @property
    def is_permutation(self) -> bool:
        """Whether the slots hold every candidate once, in an order that counts."""
        return len(self.seats) > 1 and self.point.distinct and not self.point.is_sorted and len(self.seats) == self.point.n


_KNOWN: WeakKeyDictionary[Space, tuple[Unit, ...]] = WeakKeyDictionary()


def units(space: Space) -> tuple[Unit, ...]:
    """All units in the order of their first points; what is above comes before what is below."""
    found = _KNOWN.get(space)
    if found is None:
        layout, made = space.layout, []
        members: dict[int, list[int]] = {}
        for i, p in enumerate(space.points):
            members.setdefault(p.group if p.group >= 0 else i, []).append(i)
        for first, seats in sorted(members.items()):
            blocks = tuple((s, *layout.below[s]) for s in seats)
            made.append(Unit(len(made), space.points[first], tuple(seats), blocks))
        found = _KNOWN[space] = tuple(made)
    return found


#: Decides one unit: from the unit and the parents in which it is active, either the number of the parent whose genes are taken, or
#: genes for points (those below may be among them).
Decide = Callable[[Unit, list[int]], "int | dict[int, Gene]"]


def combine(space: Space, parents: Sequence[tuple[Gene, ...]], decide: Decide) -> tuple[Gene, ...]:
    """A point whose decisions come from parents, each from one in which it is active; so it is a legal point.

    Args:
        space: The space.
        parents: Flat DNA of the parents.
        decide: See `Decide`. A parent in which the unit is not active is replaced by the first in which it is.
    """
    points = space.points
    flat: list[Gene] = [None] * len(points)
    settled: set[int] = set()
    for unit in units(space):
        p, first = unit.point, unit.seats[0]
        if first in settled or (p.parent >= 0 and flat[p.parent] != p.parent_choice):
            continue
        having = [k for k, parent in enumerate(parents) if parent[first] is not None]
        found = decide(unit, having)
        if isinstance(found, dict):
            for i, gene in found.items():
                flat[i] = gene
            settled.update(i for i in found if i not in unit.seats)
        else:
            source = parents[found if found in having else having[0]]
            for seat in unit.seats:
                flat[seat] = source[seat]
    return tuple(flat)


def active_points(flat: Sequence[Gene]) -> list[int]:
    """Indices of the active points."""
    return [i for i, gene in enumerate(flat) if gene is not None]


def uniform_mutation(space: Space, flat: tuple[Gene, ...], rng: np.random.Generator) -> tuple[Gene, ...]:
    """One active decision, drawn uniformly, is redrawn with everything below it; the value may come out the same."""
    active = active_points(flat)
    return space.resample(flat, active[int(rng.integers(len(active)))], rng)
