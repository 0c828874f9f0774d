"""Dirichlet: all candidates, weighted by a draw from a distribution over mixtures.

    c = elu(logits) + 1,   theta ~ Dirichlet(c) for each key, with a pathwise gradient
    arch objective = validation loss + kl * sum over keys of KL(Dirichlet(c) || Dirichlet(1))

The mean of a draw is c / sum(c); it is what `derive` compares by (the reference compares softmax(logits), whose best candidate of an edge
is the same, but whose order of edges need not be). Narrowing a choice to some candidates keeps the law: a part of a Dirichlet draw,
divided by its sum, is a Dirichlet draw of that part.
Source: Chen et al. 2021 (DrNAS), with a KL weight of 1e-3, or an L2 decay of the logits by their optimizer.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from oche.errors import ArgumentError
from oche.seeds import building
from oche.supernets.drawn import Drawn, Gate
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy

#: What points are derived by.
SCORES = ("mean", "softmax")


class Dirichlet(Mixer):
    """All candidates, weighted by one draw of every choice; inputs are weighted by their probabilities.

    Args:
        kl: Weight of the KL term; 0 for none. The authors' value is 1e-3.
        score: `mean` of the distribution, or `softmax` of the logits as the reference has it.
    """

    blends = True

    def __init__(self, kl: float = 0.0, score: str = "mean") -> None:
        if isinstance(kl, bool) or not isinstance(kl, (int, float)) or kl < 0:
            raise ArgumentError(f"kl: got {kl!r}; allowed: a number from 0")
        if score not in SCORES:
            raise ArgumentError(f"score: got {score!r}; allowed: {', '.join(repr(s) for s in SCORES)}")
        self.kl = float(kl)
        self.by = score
        self.objective = "penalty" if kl else "loss"

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """A mixture for every choice."""
        gates: dict[str, Gate] = {}
        # The distribution has no generator of its own; this puts the global one back.
        with building(int(torch.randint(2**62, (1,), generator=generator))):
            for key, row in policy.rows.items():
                if row.kind == "set":
                    gates[key] = Gate(policy.probabilities(key)) if row.trained else Gate()
                else:
                    gates[key] = Gate(torch.distributions.Dirichlet(concentration(policy.logits(key)), validate_args=False).rsample())
        return Drawn(gates)

    def score(self, logits: Tensor) -> Tensor:
        """The mean of the distribution, or a softmax."""
        if self.by == "softmax":
            return torch.softmax(logits, -1)
        found = concentration(logits)
        return found / found.sum(-1, keepdim=True)

    def arch_objective(
        self, loss: Callable[[], Tensor], score: Callable[[], Tensor], policy: Policy, drawn: Callable[[], Drawn | None]
    ) -> Tensor:
        """The validation loss and the KL term."""
        if not self.kl:
            return loss()
        terms = [kl_to_uniform(concentration(policy.logits(key))).sum() for key, row in policy.rows.items() if row.kind != "set"]
        return loss() + self.kl * torch.stack(terms).sum()


def concentration(logits: Tensor) -> Tensor:
    """`elu(logits) + 1`, which is `exp` below 0 and `1 + logits` above."""
    return functional.elu(logits) + 1


def kl_to_uniform(c: Tensor) -> Tensor:
    """`KL(Dirichlet(c) || Dirichlet(1))` over the last axis: 0 at c = 1.

    Example:
        >>> round(float(kl_to_uniform(torch.tensor([2.0, 1.0, 1.0]))), 6)
        0.265279
    """
    total, n = c.sum(-1), torch.tensor(float(c.shape[-1]), dtype=c.dtype, device=c.device)
    inner = ((c - 1) * (torch.digamma(c) - torch.digamma(total)[..., None])).sum(-1)
    return torch.lgamma(total) - torch.lgamma(c).sum(-1) - torch.lgamma(n) + inner
