"""Sigmoid: all candidates, each with a gate of its own, so that none has to lose for another to win.

    weights = sigmoid(logits),   arch objective = validation loss + weight * zero_one,
    zero_one = -mean of (sigmoid - 1/2)^2   over all logits (or of |sigmoid - 1/2|), which drives gates to 0 or 1

Source: Chu et al. 2020 (FairDARTS): weight 10, squared; the absolute form is that of other implementations. The paper keeps candidates
above 0.85, however many; here a program says how many inputs a node takes, so gates rank and `below` counts those that stay under it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from oche.errors import ArgumentError
from oche.supernets.drawn import Drawn, Gate
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy

#: How far a gate is from 1/2.
FORMS = ("squared", "absolute")


class Sigmoid(Mixer):
    """All candidates, each weighted by a sigmoid of its own logit; inputs count fully.

    Args:
        weight: Of the zero-one loss.
        form: One of `FORMS`.
    """

    def __init__(self, weight: float = 10.0, form: str = "squared") -> None:
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or weight < 0:
            raise ArgumentError(f"weight: got {weight!r}; allowed: a number from 0")
        if form not in FORMS:
            raise ArgumentError(f"form: got {form!r}; allowed: {', '.join(repr(f) for f in FORMS)}")
        self.weight = float(weight)
        self.form = form
        self.objective = "penalty" if weight else "loss"

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """The gate of every candidate."""
        return Drawn({key: Gate(torch.sigmoid(policy.logits(key))) if row.trained else Gate() for key, row in policy.rows.items()})

    def score(self, logits: Tensor) -> Tensor:
        """The gates."""
        return torch.sigmoid(logits)

    def arch_objective(
        self, loss: Callable[[], Tensor], score: Callable[[], Tensor], policy: Policy, drawn: Callable[[], Drawn | None]
    ) -> Tensor:
        """The validation loss and the zero-one loss."""
        return loss() + self.weight * self.zero_one(policy)

    def zero_one(self, policy: Policy) -> Tensor:
        """`-mean (sigmoid - 1/2)^2` over all logits: 0 at the start, -1/4 when every gate is open or shut."""
        gates = torch.cat([torch.sigmoid(row).flatten() for row in policy.named_logits().values()])
        return -(gates - 0.5).square().mean() if self.form == "squared" else -(gates - 0.5).abs().mean()


def below(policy: Policy, threshold: float = 0.85) -> list[str]:
    """Keys of which no candidate's gate reaches the threshold, at which FairDARTS would keep nothing."""
    return [key for key, row in policy.named_logits().items() if not bool((torch.sigmoid(row.detach()) >= threshold).any())]
