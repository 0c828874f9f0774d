"""Hard Gumbel-softmax: one candidate a step, with the gradient of the relaxed sample.

    P = softmax((log_softmax(logits) + G) / tau),   W = one_hot(argmax P) + P - stop(P)
    out = W[k] * candidate_k(x) for k = argmax P

Only the selected candidate runs, and only its W carries a gradient; through the softmax it reaches every logit. (Code of NAS-Bench-201
adds the other, zero, weights as scalars, which gives them the gradient of an output of ones.)
Source: Dong and Yang 2019 (GDAS); tau from 10 to 0.1, linear in the epochs, as in the authors' code.
"""

from __future__ import annotations

import torch
from torch import Tensor

from oche.mixers._gates import annealed, gumbel, straight_through, temperature
from oche.supernets.drawn import Drawn
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy


class GumbelHard(Mixer):
    """The candidate with the largest noisy logit, straight through.

    Args:
        tau: Temperature in the first epoch.
        tau_min: In the last one; linear in between.
    """

    def __init__(self, tau: float = 10.0, tau_min: float = 0.1) -> None:
        self.tau, self.tau_min = temperature(tau, tau_min)

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """One candidate of every choice; all inputs."""
        tau = annealed(self.tau, self.tau_min, policy)

        def pick(logits: Tensor) -> tuple[Tensor, int]:
            probabilities = gumbel(logits, tau, generator)
            index = int(probabilities.argmax())
            return straight_through(probabilities, index), index

        return Drawn(policy.hard(pick))
