"""Sandwich rule: in every step the largest path, the smallest, and random ones between them.

The largest path learns from the task; all others from its soft output alone. Gradients are added. One stage trains all sizes.
Source: Yu and Huang 2019 (universally slimmable networks), Yu et al. 2020 (BigNAS); two random paths.
"""

from __future__ import annotations

import torch
from torch import Tensor

from oche.errors import ArgumentError
from oche.mixers.elastic_path import extreme, soft_loss
from oche.supernets.drawn import Drawn
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy


class Sandwich(Mixer):
    """The largest path, the smallest, and random ones.

    Args:
        random: Random paths of a step.
        distill: Whether all paths but the largest learn from it; otherwise from the task.
    """

    learns_arch = False

    def __init__(self, random: int = 2, distill: bool = True) -> None:
        if not isinstance(random, int) or isinstance(random, bool) or random < 0:
            raise ArgumentError(f"sandwich, random: got {random!r}; allowed: a whole number from 0")
        self.paths_per_step = random + 2
        self.teacher = "first" if distill else None

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """Path 0 is the largest, 1 the smallest."""
        drawn = policy.uniform(generator)
        if path < 2:
            drawn.gates.update({key: extreme(row, path == 0) for key, row in policy.rows.items() if row.kind == "one"})
        return drawn

    def path_loss(self, hard: Tensor, output: Tensor, teacher: Tensor) -> Tensor:
        """Cross entropy under the soft output of the largest path."""
        return soft_loss(output, teacher)
