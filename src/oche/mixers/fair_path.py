"""Fair path: every candidate of every choice is trained equally often in every step.

For each choice a permutation of its n candidates is drawn once a step; path r takes candidate number r of it. The gradients of all paths
are added before one update. Where choices have unequal n, there are as many paths as the largest n and the shorter permutations start
again, so that counts differ by one at most. A node that takes k of n inputs takes k neighbors of its permutation, k further on each path.
Source: Chu et al. 2021 (FairNAS), strict fairness.
"""

from __future__ import annotations

import torch

from oche.supernets.drawn import Drawn, Gate
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy


class FairPath(Mixer):
    """As many paths a step as candidates, each candidate in one of them; logits are left alone."""

    learns_arch = False
    joint_paths = True

    def paths(self, policy: Policy) -> int:
        """The largest number of candidates."""
        return max(len(row.allowed) for row in policy.rows.values())

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """Path number `path` of the step; all paths come from one stream, so they fit together."""
        gates: dict[str, Gate] = {}
        for key, row in policy.rows.items():
            n = len(row.allowed)
            order = torch.randperm(n, generator=generator).tolist()
            first = path * row.k if row.kind == "set" else path
            picks = [row.allowed[order[(first + i) % n]] for i in range(row.k)]
            gates[key] = Gate(None, tuple(sorted(picks) if row.kind == "set" or row.is_sorted else picks))
        return Drawn(gates)
