"""Local search on the front: change one decision of a point that nothing dominates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from oche._pareto import ParetoFront
from oche.algorithms._units import uniform_mutation, units
from oche.algorithms.operators._mutators import MAX_REDRAWS
from oche.errors import ArgumentError
from oche.loop.contracts import Budget, Feedback, Proposal
from oche.program import DNA, Space
from oche.program.dna import Gene

# Random points among which the ends by cost are looked for.
_DRAWN = 256


class ParetoLocalSearch:
    """Proposes neighbors of the front that were not proposed yet: one decision redrawn, with everything below it.

    The first three points are the largest, the smallest and the middle one: by `cost` where it is given, else the last, first and middle
    candidate (or number) of every decision, so candidates are best listed from small to large.

    Args:
        cost: Function of a DNA: the cost that the ends are meant by. The largest, smallest and median of 256 random points are taken.

    Source: the local search of whittle (one coordinate; largest, smallest and middle first).
    """

    def __init__(self, cost: Callable[[DNA], float] | None = None) -> None:
        if cost is not None and not callable(cost):
            raise ArgumentError(f"cost: got {cost!r}; allowed: a function of a DNA, or None")
        self.cost = cost

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        return {} if self.cost is None else {"cost": getattr(self.cost, "__qualname__", type(self.cost).__name__)}

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`."""
        self._space = space
        self._rng = rng
        self._asked = 0
        self._pending: dict[int, DNA] = {}
        self._proposed: set[tuple[Gene, ...]] = set()
        self._first: list[DNA] = []
        self.front = ParetoFront()

    def ask(self, n: int) -> list[Proposal]:
        """`n` proposals: the ends and the middle, then neighbors of the front; random points while there is none."""
        made = []
        for _ in range(n):
            if self._asked == 0:
                self._first = self._ends()
            dna = self._first[self._asked] if self._asked < len(self._first) else self._neighbor()
            self._proposed.add(dna.flat)
            self._pending[self._asked] = dna
            made.append(Proposal(self._asked, dna))
            self._asked += 1
        return made

    def _ends(self) -> list[DNA]:
        if self.cost is not None:
            drawn = sorted((self._space.sample(self._rng) for _ in range(_DRAWN)), key=self.cost)
            return [drawn[-1], drawn[0], drawn[len(drawn) // 2]]
        return [DNA.trusted(_at(self._space, share), self._space.fingerprint) for share in (1.0, 0.0, 0.5)]

    def _neighbor(self) -> DNA:
        dna = None
        for _ in range(MAX_REDRAWS):
            if not self.front.items:
                dna = self._space.sample(self._rng)
            else:
                parent = self.front.items[int(self._rng.integers(len(self.front)))]
                dna = DNA.trusted(uniform_mutation(self._space, parent.flat, self._rng), self._space.fingerprint)
            if dna.flat not in self._proposed:
                return dna
        # The neighborhood is known: leave it.
        return self._space.sample(self._rng)

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Let points onto the front.

        Raises:
            ArgumentError: a result for a proposal that was not asked.
        """
        for number, feedback in results:
            dna = self._pending.pop(number, None)
            if dna is None:
                raise ArgumentError(f"tell: got proposal {number}; allowed: one that was asked and not told yet")
            self._enter(dna, feedback)

    def learn(self, dna: DNA, feedback: Feedback) -> None:
        """Let a point onto the front that was not asked for; it is not proposed again."""
        self._proposed.add(dna.flat)
        self._enter(dna, feedback)

    def _enter(self, dna: DNA, feedback: Feedback) -> None:
        if feedback.ok:
            assert feedback.reward is not None
            self.front.add(dna, feedback.reward if isinstance(feedback.reward, tuple) else (feedback.reward,))

    def state(self) -> dict[str, Any]:
        """The front, what was proposed, and open proposals."""
        return {
            "asked": self._asked,
            "first": [list(d.flat) for d in self._first],
            "pending": [[i, list(d.flat)] for i, d in self._pending.items()],
            "proposed": sorted(([*flat] for flat in self._proposed), key=repr),
            "front": [[list(d.flat), list(r)] for d, r in zip(self.front.items, self.front.rewards, strict=True)],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        name = self._space.fingerprint
        self._asked = int(state["asked"])
        self._first = [DNA.trusted(tuple(flat), name) for flat in state["first"]]
        self._pending = {int(i): DNA.trusted(tuple(flat), name) for i, flat in state["pending"]}
        self._proposed = {tuple(flat) for flat in state["proposed"]}
        self.front = ParetoFront()
        self.front.items = [DNA.trusted(tuple(flat), name) for flat, _ in state["front"]]
        self.front.rewards = [tuple(reward) for _, reward in state["front"]]


def _at(space: Space, share: float) -> tuple[Gene, ...]:
    """The point with every decision at a share of its candidates or range: 0 the first, 1 the last."""
    flat: list[Gene] = [None] * len(space.points)
    for unit in units(space):
        p, k = unit.point, len(unit.seats)
        if p.parent >= 0 and flat[p.parent] != p.parent_choice:
            continue
        if p.kind == "float":
            flat[unit.seats[0]] = p.lo + share * (p.hi - p.lo)
        elif p.kind == "int":
            flat[unit.seats[0]] = int(p.lo) + int(share * (p.n - 1)) * p.step
        else:
            # Distinct slots take neighbors, from small to large.
            start = int(share * (p.n - k)) if p.distinct else int(share * (p.n - 1))
            for slot, seat in enumerate(unit.seats):
                flat[seat] = start + slot if p.distinct else start
    return tuple(flat)
