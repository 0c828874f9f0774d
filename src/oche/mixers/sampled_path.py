"""Sampled path: a controller draws one point of the space a step, and learns from its validation score by REINFORCE.

    r = score of a validation batch on the drawn path + entropy * H(path)
    B <- B - (1 - decay) (B - r),   arch objective = -log P(path) * (r - B)      (the first r is the first B)

A controller is a policy: logits that are independent by decision, or an LSTM that sees what was decided before. The reward needs no
gradient of the network, so a draw costs a forward pass only.
Source: Pham et al. 2018 (ENAS); constants of the NAS-Bench-201 code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from oche.errors import ArgumentError
from oche.mixers._gates import point
from oche.program import Space
from oche.supernets.drawn import Drawn
from oche.supernets.lstm_policy import LstmPolicy
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy, Row

#: What draws paths.
CONTROLLERS = ("lstm", "logits")


class SampledPath(Mixer):
    """One point by the controller's probability.

    Args:
        controller: One of `CONTROLLERS`.
        samples: Paths of one update of the controller.
        entropy: Weight of the entropy of a path's decisions in the reward, in nats.
        decay: Of the baseline.
    """

    needs_edges = True
    objective = "reward"
    arch_passes = 1 / 3

    def __init__(self, controller: str = "lstm", samples: int = 20, entropy: float = 1e-4, decay: float = 0.99) -> None:
        if controller not in CONTROLLERS:
            raise ArgumentError(f"controller: got {controller!r}; allowed: {', '.join(repr(c) for c in CONTROLLERS)}")
        if not isinstance(samples, int) or isinstance(samples, bool) or samples < 1:
            raise ArgumentError(f"samples: got {samples!r}; allowed: a whole number from 1")
        if isinstance(decay, bool) or not isinstance(decay, (int, float)) or not 0 <= decay < 1:
            raise ArgumentError(f"decay: got {decay!r}; allowed: a number from 0 to below 1")
        self.controller = controller
        self.paths_per_arch_step = samples
        self.entropy = float(entropy)
        self.decay = float(decay)

    def policy(self, space: Space, rows: Iterable[Row], seed: int) -> Policy:
        """The controller, with the baseline among its buffers."""
        made = LstmPolicy(space, rows, seed) if self.controller == "lstm" else Policy(space, rows, seed)
        made.register_buffer("baseline", torch.zeros(2))  # its value, and whether there is one
        return made

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """The candidates of one point, unweighted."""
        return point(policy, generator)

    def arch_objective(
        self, loss: Callable[[], Tensor], score: Callable[[], Tensor], policy: Policy, drawn: Callable[[], Drawn | None]
    ) -> Tensor:
        """The policy loss of the path that is drawn."""
        with torch.no_grad():
            total, count = score()
            reward = float(total) / float(count)
        found = drawn()
        assert found is not None  # a score was asked for, so a path was drawn
        log_p, entropy = policy.path(found.extra["dna"])
        reward += self.entropy * float(entropy.detach())
        baseline: Tensor = policy.baseline  # type: ignore[assignment]
        before = float(baseline[0]) if bool(baseline[1]) else reward
        now = before - (1 - self.decay) * (before - reward)
        baseline.copy_(torch.tensor([now, 1.0]))
        return -log_p * (reward - now)
