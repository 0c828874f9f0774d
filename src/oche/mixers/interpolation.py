"""Interpolation: two widths of each choice in a step, brought to one number of channels by means over neighbors.

    p = softmax((log_softmax(logits) + G) / tau);  i and j: two different candidates drawn by p;  q = softmax of their noisy logits
    out = q_i R(x[:C_i], C) + q_j R(x[:C_j], C),  C = max(C_i, C_j), zeros above
    R(x, C): output o is the mean of inputs floor(o I / C) to ceil((o + 1) I / C) - 1 of I

Norms blend their output so; what stands before a norm of the same width is run at C channels. `tau` falls over the search.
Source: Dong and Yang 2019 (TAS).
"""

from __future__ import annotations

import torch

from oche.mixers._gates import annealed, noisy, temperature
from oche.supernets.drawn import Drawn, Gate
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy


class Interpolation(Mixer):
    """Two sampled widths of each choice, interpolated; other choices are mixed by a softmax.

    Args:
        tau: Temperature in the first epoch.
        tau_min: In the last one; linear in between.
    """

    def __init__(self, tau: float = 10.0, tau_min: float = 0.1) -> None:
        self.tau, self.tau_min = temperature(tau, tau_min)

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """Two candidates of each width with their weights."""
        tau = annealed(self.tau, self.tau_min, policy)
        gates: dict[str, Gate] = {}
        blended = set()
        for key, row in policy.rows.items():
            if row.axis != "width" or row.kind != "one" or len(row.labels) < 2:
                gates[key] = Gate(policy.probabilities(key)) if row.trained else Gate()
                continue
            logits = policy.logits(key)
            scores = noisy(logits, tau, generator)
            p = torch.softmax(scores.detach().double().cpu(), -1).clamp_min(1e-12)
            i, j = sorted(torch.multinomial(p, 2, generator=generator).tolist())
            q = torch.softmax(scores[[i, j]], -1)
            weights = torch.zeros_like(logits).index_put((torch.tensor([i, j], device=logits.device),), q)
            gates[key] = Gate(weights, (i, j))
            blended.add(key)
        return Drawn(gates, extra={"interpolated": blended})
