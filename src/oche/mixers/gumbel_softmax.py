"""Gumbel-softmax: all candidates, weighted by a relaxed sample.

    weights = softmax((log_softmax(logits) + G) / tau),   G of a standard Gumbel distribution,   tau falls over the search

Every forward pass draws once for each key. Source: Xie et al. 2019 (SNAS), concrete distribution; tau from 1 to 0.33 as in later
reimplementations, since the paper's own schedule is not stated in a form that can be checked.
"""

from __future__ import annotations

import torch
from torch import Tensor

from oche.mixers._gates import annealed, gumbel, temperature
from oche.supernets.drawn import Drawn, Gate
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy


class GumbelSoftmax(Mixer):
    """All candidates, weighted by a softmax of their noisy logits.

    Args:
        tau: Temperature in the first epoch.
        tau_min: In the last one; linear in between.
    """

    blends = True

    def __init__(self, tau: float = 1.0, tau_min: float = 0.33) -> None:
        self.tau, self.tau_min = temperature(tau, tau_min)

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """One relaxed sample of every choice; inputs are weighted by their probabilities."""
        tau = annealed(self.tau, self.tau_min, policy)
        gates: dict[str, Gate] = {}
        for key, row in policy.rows.items():
            if row.kind == "set":
                gates[key] = Gate(policy.probabilities(key)) if row.trained else Gate()
            else:
                logits = policy.logits(key)
                drawn: list[Tensor] = [gumbel(one, tau, generator) for one in (logits if row.kind == "slots" else logits[None])]
                gates[key] = Gate(torch.stack(drawn).reshape(logits.shape))
        return Drawn(gates)
