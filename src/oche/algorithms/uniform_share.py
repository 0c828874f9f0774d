"""Uniform share: every choice takes the candidate at the same share of its candidates; for widths, the multiplier of a whole network.

    point k of n:  each choice of m candidates takes number round(k (m - 1) / (n - 1)),  k from n - 1 (the largest) to 0

n is the largest number of candidates of any choice. Source: Howard et al. 2017 (MobileNets), width multiplier; as a baseline of pruning
Liu et al. 2019.
"""

from __future__ import annotations

import numpy as np

from oche.algorithms.sweep import Sweep
from oche.errors import ArgumentError
from oche.loop.contracts import Budget
from oche.program import DNA, Space
from oche.program.spec import Pick


class UniformShare(Sweep):
    """Proposes the points of equal shares, the largest first, and ends after the smallest, so it needs no budget."""

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`.

        Raises:
            ArgumentError: a decision is no choice of one candidate, or depends on another one.
        """
        for point in space.tree:
            if not isinstance(point, Pick) or not point.single or any(branch for slot in point.slots for branch in slot):
                raise ArgumentError(
                    f"algorithm 'uniform-width' on choice {point.key!r}: got a choice of another kind; allowed: independent choices of one "
                    "candidate, such as widths"
                )
        super().setup(space, rng, budget)
        self._labels = {point.key: point.labels for point in space.points}
        self._size = max(len(labels) for labels in self._labels.values())

    def at(self, index: int) -> DNA:
        """Point number `index`."""
        share = (self._size - 1 - index) / max(1, self._size - 1)
        taken = {key: labels[int(share * (len(labels) - 1) + 0.5)] for key, labels in self._labels.items()}
        return self._space.encode_decisions(taken)
