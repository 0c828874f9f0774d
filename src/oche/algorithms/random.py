"""Random search: independent points of the space. The line that every other algorithm is judged from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oche.errors import ArgumentError
from oche.loop.contracts import Budget, Feedback, Proposal
from oche.program import DNA, Space


class Random:
    """Draws every proposal anew, and learns nothing.

    Args:
        measure: `choice` draws uniformly at each decision; `space` uniformly over all points of a finite space. They differ
            where candidates hold sub-spaces of unequal sizes.

    Raises:
        ArgumentError: another measure.
    """

    def __init__(self, measure: str = "choice") -> None:
        if measure not in ("choice", "space"):
            raise ArgumentError(f"measure: got {measure!r}; allowed: 'choice', 'space'")
        self.measure = measure
        self._asked = 0

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        return {"measure": self.measure}

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`.

        Raises:
            SpaceError: the measure is `space` and the space is infinite.
        """
        if self.measure == "space":
            # Fails here rather than at the first ask.
            space.sample(0, "space")
        self._space = space
        self._rng = rng
        self._asked = 0

    def ask(self, n: int) -> list[Proposal]:
        """`n` random points."""
        first = self._asked
        self._asked += n
        return [Proposal(first + i, self._space.sample(self._rng, self.measure)) for i in range(n)]

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
