"""Operators that change members, each by itself: as many come out as go in."""

from __future__ import annotations

from typing import Any

from oche.algorithms._units import gene_at, to_unit, uniform_mutation, units
from oche.algorithms.operators._base import Context, Member, Number, Operator, number
from oche.program import DNA

# `force_change` gives up after this many redraws, for example where every active decision has one candidate only.
MAX_REDRAWS = 100


class Mutator(Operator):
    """Changes each member by `mutate`."""

    def apply(self, members: list[Member], context: Context) -> list[Member]:
        """Change each member."""
        name = context.space.fingerprint
        return [Member(DNA.trusted(tuple(self.mutate(m.dna.flat, context)), name)) for m in members]

    def mutate(self, flat: tuple[Any, ...], context: Context) -> tuple[Any, ...]:
        """A flat DNA from a flat DNA."""
        raise TypeError(f"{type(self).__name__}: override mutate")


class Mutate(Mutator):
    """Redraws one active decision, drawn uniformly, with everything below it. PyGlove calls it `Uniform`, as it does a recombinator.

    Args:
        force_change: Redraw until the point differs; else it may come out the same, once in n times with n candidates.

    Example:
        >>> context = Context.of({"x": oneof([1, 2, 3]), "y": oneof([1, 2, 3])})
        >>> (parent,) = context.draw(1)
        >>> sum(a != b for a, b in zip(parent.dna.flat, Mutate(True)([parent], context)[0].dna.flat))
        1
    """

    def __init__(self, force_change: bool = False) -> None:
        self.force_change = bool(force_change)

    def mutate(self, flat: tuple[Any, ...], context: Context) -> tuple[Any, ...]:
        """Redraw."""
        made = flat
        for _ in range(MAX_REDRAWS if self.force_change else 1):
            made = uniform_mutation(context.space, flat, context.rng)
            if made != flat:
                break
        return made


class Swap(Mutator):
    """Two slots of a choice whose order counts trade places, each with what is inside it; a member without one stays as it is.

    Example:
        >>> context = Context.of(permutate(["a", "b", "c"]))
        >>> sum(a != b for a, b in zip((0, 1, 2), Swap()([context.member((0, 1, 2))], context)[0].dna.flat))
        2
    """

    def mutate(self, flat: tuple[Any, ...], context: Context) -> tuple[Any, ...]:
        """Trade places."""
        able = [u for u in units(context.space) if len(u.seats) > 1 and not u.point.is_sorted and flat[u.seats[0]] is not None]
        if not able:
            return flat
        unit = able[int(context.rng.integers(len(able)))]
        a, b = context.rng.choice(len(unit.seats), size=2, replace=False).tolist()
        genes = list(flat)
        for i, j in zip(unit.blocks[a], unit.blocks[b], strict=True):
            genes[i], genes[j] = genes[j], genes[i]
        return tuple(genes)


class Gaussian(Mutator):
    """Moves active numbers by normal noise on their own scale; a member without numbers stays as it is.

    Args:
        sigma: Standard deviation as a share of the range, or a schedule.
        each: Move every number; else one, drawn uniformly.

    Example:
        >>> context = Context.of({"x": floatv(0.0, 1.0)})
        >>> 0.4 < Gaussian(0.001)([context.member([0.5])], context)[0].dna.flat[0] < 0.6
        True
    """

    def __init__(self, sigma: Number = 0.1, each: bool = False) -> None:
        self.sigma = sigma
        self.each = bool(each)

    def mutate(self, flat: tuple[Any, ...], context: Context) -> tuple[Any, ...]:
        """Move."""
        able = [i for i, p in enumerate(context.space.points) if p.kind in ("float", "int") and flat[i] is not None]
        if not able:
            return flat
        sigma, genes = number(self.sigma, context), list(flat)
        for i in able if self.each else [able[int(context.rng.integers(len(able)))]]:
            p = context.space.points[i]
            genes[i] = gene_at(p, to_unit(p, genes[i]) + sigma * float(context.rng.standard_normal()))
        return tuple(genes)
