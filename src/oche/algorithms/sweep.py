"""Sweep: every point of a finite space once, in canonical order (the last decision fastest)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oche.errors import ArgumentError
from oche.loop.contracts import Budget, Feedback, Proposal
from oche.program import DNA, Space


class Sweep:
    """Proposes `space.at(0)`, `space.at(1)`, ... and ends after the last point, so it needs no budget."""

    #: Ends by itself.
    finite = True

    def __init__(self) -> None:
        self._asked = 0

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        return {}

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`.

        Raises:
            ArgumentError: the space is infinite.
        """
        if not isinstance(space.size, int):
            raise ArgumentError(
                f"algorithm 'sweep' on space {space.name!r}: got infinitely many points; allowed: a finite space; use 'random'"
            )
        self._space = space
        self._size = space.size
        self._asked = 0

    def ask(self, n: int) -> list[Proposal]:
        """The next `n` points, fewer at the end."""
        first = self._asked
        self._asked = min(self._size, first + n)
        return [Proposal(i, self.at(i)) for i in range(first, self._asked)]

    def at(self, index: int) -> DNA:
        """Point number `index`."""
        return self._space.at(index)

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Nothing to learn."""

    def learn(self, dna: DNA, feedback: Feedback) -> None:
        """A trial that was not asked for changes nothing."""

    def state(self) -> dict[str, Any]:
        """The number of asks."""
        return {"asked": self._asked}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        self._asked = int(state["asked"])
