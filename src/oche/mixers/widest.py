"""Widest: always the largest width, kernel and depth; what a network is before it is pruned."""

from __future__ import annotations

import torch

from oche.mixers.elastic_path import extreme
from oche.supernets.drawn import Drawn
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy


class Widest(Mixer):
    """The largest candidate of each choice of one; of choices without a size the last one."""

    learns_arch = False

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """The same path in every step; random inputs where inputs are chosen."""
        drawn = policy.uniform(generator)
        drawn.gates.update({key: extreme(row, True) for key, row in policy.rows.items() if row.kind == "one"})
        return drawn
