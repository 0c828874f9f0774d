"""Uniform share: every choice takes the candidate at the same share of its candidates; for widths, the multiplier of a whole network.

    point k of n:  each choice of m candidates takes number round(k (m - 1) / (n - 1)),  k from n - 1 (the largest) to 0

n is the largest number of candidates of any choice. Source: Howard et al. 2017 (MobileNets), width multiplier; as a baseline of pruning
Liu et al. 2019.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oche.errors import ArgumentError
from oche.loop.contracts import Budget, Feedback, Proposal
from oche.program import DNA, Space
from oche.program.spec import Pick


class UniformShare:
    """Proposes the points of equal shares, the largest first, and ends after the smallest, so it needs no budget."""

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
            ArgumentError: a decision is no choice of one candidate, or depends on another one.
        """
        points = space.points
        for point in space.tree:
            if not isinstance(point, Pick) or not point.single or any(branch for slot in point.slots for branch in slot):
                raise ArgumentError(
                    f"algorithm 'uniform-width' on choice {point.key!r}: got a choice of another kind; allowed: independent choices of one "
                    "candidate, such as widths"
                )
        self._space = space
        self._labels = {point.key: point.labels for point in points}
        self._n = max(len(labels) for labels in self._labels.values())
        self._asked = 0

    def ask(self, n: int) -> list[Proposal]:
        """The next `n` points, fewer at the end."""
        first = self._asked
        self._asked = min(self._n, first + n)
        return [Proposal(i, self._point(self._n - 1 - i)) for i in range(first, self._asked)]

    def _point(self, k: int) -> DNA:
        share = k / max(1, self._n - 1)
        taken = {key: labels[int(share * (len(labels) - 1) + 0.5)] for key, labels in self._labels.items()}
        return self._space.encode_decisions(taken)

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
