"""Uniform path: one point of the space a step, each candidate as likely as any other, logits left alone.

One point is drawn per step and used wherever its decisions stand, so that a sampled network is a member of the space.
Source: Li & Talwalkar 2019 (random search with parameter sharing); Guo et al. 2020 (single path one-shot).
"""

from __future__ import annotations

import torch

from oche.supernets.drawn import Drawn
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy


class UniformPath(Mixer):
    """One candidate a step, all alike."""

    learns_arch = False

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """One candidate for every key."""
        return policy.uniform(generator)
