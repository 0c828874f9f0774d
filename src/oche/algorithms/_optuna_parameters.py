"""A space as Optuna's parameters: conditional points are conditional suggestions, distinct picks are suggested by their Lehmer code.

A parameter is called like its decision, with the slot behind it where there are several: `op0`, `edges[1]`. Candidates are suggested by
label, numbers natively, on a logarithmic scale where they have one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from oche.algorithms._units import units
from oche.errors import ArgumentError
from oche.program import Space
from oche.program.dna import Gene
from oche.program.layout import Point

#: Gives the value of one parameter: from its name, its distribution and the point that it belongs to.
Take = Callable[[str, Any, Point], Any]


class Parameters:
    """What Optuna is asked for at each point of a space, and what its answers mean.

    Args:
        space: The space.
        leave_text: Whether decisions that are text are left out; `read` then gives None for them.

    Raises:
        ArgumentError: a decision is text, which no sampler of Optuna can propose.
    """

    def __init__(self, space: Space, leave_text: bool = False) -> None:
        for p in space.points:
            if p.kind == "text" and not leave_text:
                raise ArgumentError(
                    f"samplers of Optuna on space {space.name!r}: got choice {p.key!r} of kind {p.choice!r}; allowed: choices between "
                    "candidates, floatv and intv; use 'regularized-evolution'"
                )
        self.space = space
        self._seats = {unit.seats[0]: unit.seats for unit in units(space) if unit.point.kind != "text"}
        self._distributions = {seat: self._distribution(seat, slot) for s in self._seats.values() for slot, seat in enumerate(s)}

    def read(self, take: Take) -> tuple[Gene, ...]:
        """The point whose parameters `take` gives, which is asked for those of active decisions only, in their order.

        Raises:
            ArgumentError: a value that is not of its distribution.
        """
        flat: list[Gene] = [None] * len(self.space.points)
        for first, p, seats in self._active(flat):
            if p.kind != "categorical":
                flat[first] = _gene(p, take(self._name(first, 0), self._distributions[first], p))
                continue
            values = [take(self._name(first, slot), self._distributions[seat], p) for slot, seat in enumerate(seats)]
            codes = [self._index(seat, value) for seat, value in zip(seats, values, strict=True)]
            if p.distinct and len(seats) > 1:
                left = list(range(p.n))
                codes = [left.pop(code) for code in codes]
            for seat, gene in zip(seats, sorted(codes) if p.is_sorted else codes, strict=True):
                flat[seat] = gene
        return tuple(flat)

    def values(self, flat: tuple[Gene, ...]) -> dict[str, Any]:
        """The parameters of a point by name: the inverse of `read`, in the order of its questions."""
        found: dict[str, Any] = {}
        for first, p, seats in self._active(flat):
            if p.kind != "categorical":
                value: Any = flat[first]
                found[self._name(first, 0)] = min(max(p.lo + p.hi - value, p.lo), p.hi) if p.scale == "rlog" else value
                continue
            left = list(range(p.n))
            for slot, seat in enumerate(seats):
                code: Any = flat[seat]
                if p.distinct and len(seats) > 1:
                    code = left.index(code)
                    left.pop(code)
                found[self._name(first, slot)] = self._distributions[seat].choices[code]
        return found

    def distributions(self, flat: tuple[Gene, ...]) -> dict[str, Any]:
        """The distributions of the parameters of a point, by name."""
        return {self._name(first, slot): self._distributions[seat] for first, _, s in self._active(flat) for slot, seat in enumerate(s)}

    def _active(self, flat: Any) -> Iterator[tuple[int, Point, tuple[int, ...]]]:
        # Units stand in the order of their points, so that what decides about a point is there before it.
        for first, seats in self._seats.items():
            p = self.space.points[first]
            if p.parent < 0 or flat[p.parent] == p.parent_choice:
                yield first, p, seats

    def _name(self, first: int, slot: int) -> str:
        return self.space.points[first].key if len(self._seats[first]) == 1 else f"{self.space.points[first].key}[{slot}]"

    def _index(self, seat: int, value: Any) -> int:
        choices = self._distributions[seat].choices
        if value not in choices:
            raise ArgumentError(f"parameter of {self.space.points[seat].id!r}: got {value!r}; allowed: {', '.join(map(repr, choices))}")
        return choices.index(value)

    def _distribution(self, seat: int, slot: int) -> Any:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        p = self.space.points[seat]
        if p.kind == "categorical":
            coded = p.distinct and p.group >= 0
            return CategoricalDistribution(range(p.n - slot) if coded else p.labels)
        if p.kind == "float":
            return FloatDistribution(p.lo, p.hi, log=p.scale in ("log", "rlog"))
        last = int(p.lo) + (p.n - 1) * p.step
        # Optuna knows no steps on a logarithmic scale; the answer goes to the nearest one.
        return IntDistribution(int(p.lo), last, log=True) if p.scale == "log" else IntDistribution(int(p.lo), last, step=p.step)


def _gene(p: Point, value: Any) -> Gene:
    if p.kind == "float":
        mirrored = p.lo + p.hi - value if p.scale == "rlog" else value
        return min(max(float(mirrored), p.lo), p.hi)
    return int(p.lo) + min(round((value - p.lo) / p.step), p.n - 1) * p.step


def known(parameters: Mapping[str, Any]) -> Take:
    """Answers from a table of parameters.

    Raises:
        ArgumentError: a parameter is missing.
    """

    def take(name: str, distribution: Any, point: Point) -> Any:
        if name not in parameters:
            raise ArgumentError(f"parameters: got no {name!r}; allowed: one for every active decision")
        return parameters[name]

    return take
