"""Softmax mixture: every candidate runs, weighted by its probability.

    out = sum over k of softmax(logits)[k] * candidate_k(x)

Source: Liu et al. 2019 (DARTS), continuous relaxation.
"""

from __future__ import annotations

import torch

from oche.supernets.drawn import Drawn, Gate
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy


class Softmax(Mixer):
    """All candidates, weighted by a softmax of their logits; inputs of a merging choice count fully."""

    blends = True

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """Probabilities of every trained row."""
        gates = {key: Gate(policy.probabilities(key)) if row.trained else Gate() for key, row in policy.rows.items()}
        return Drawn(gates)
