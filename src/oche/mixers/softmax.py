"""Softmax mixture: every candidate runs, weighted by its probability.

    out = sum over k of softmax(logits)[k] * candidate_k(x)

Source: Liu et al. 2019 (DARTS), continuous relaxation.
"""

from __future__ import annotations

import torch

from oche.errors import ArgumentError
from oche.supernets.drawn import Drawn, Gate
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy


class Softmax(Mixer):
    """All candidates, weighted by a softmax of their logits; inputs of a merging choice count fully.

    Args:
        skip: Whether candidates of probability up to 1/M^2, of M under one softmax, are not run. They save their time, and get a gradient
            through the softmax only. Source: Hundt et al. 2019 (sharpDARTS), code of the grid search.
    """

    blends = True

    def __init__(self, skip: bool = False) -> None:
        if not isinstance(skip, bool):
            raise ArgumentError(f"softmax, skip: got {skip!r}; allowed: true or false")
        self.skip = skip

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """Probabilities of every trained row."""
        gates: dict[str, Gate] = {}
        for key, row in policy.rows.items():
            p = policy.probabilities(key) if row.trained else None
            kept = self._kept(p.tolist()) if self.skip and p is not None and row.kind == "one" else None
            gates[key] = Gate(p, kept)
        return Drawn(gates)

    @staticmethod
    def _kept(probabilities: list[float]) -> tuple[int, ...] | None:
        m = len(probabilities)
        kept = tuple(i for i, p in enumerate(probabilities) if m == 1 or p > 1 / m**2)
        return kept if len(kept) < m else None
