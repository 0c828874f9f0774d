"""ReinMax: one sampled candidate a step, with a gradient that is accurate to second order.

    D ~ softmax(a), one-hot;   g = dL/dD, of all candidates;   J_q(v) = q * (v - <q, v>)
    pi = (softmax(a / tau) + D) / 2,   da = J_pi(2 g) - J_p(g / 2),   less its mean

The claim of second order rests on g being known for every candidate, so arch steps run the others without a graph.
Source: Liu et al. 2023 (ReinMax), tau 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from oche.mixers._gates import answer, categorical, one_hot, temperature
from oche.supernets.drawn import Drawn, Slot
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy


class ReinMax(Mixer):
    """One candidate by its probability, with ReinMax's gradient for the logits.

    Args:
        tau: Temperature in the first epoch.
        tau_min: In the last one; linear in between; None: `tau` throughout.
    """

    needs_all = True

    def __init__(self, tau: float = 1.0, tau_min: float | None = None) -> None:
        self.tau, self.tau_min = temperature(tau, tau if tau_min is None else tau_min)

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """One candidate of every choice; all inputs."""
        tau = self.tau + (self.tau_min - self.tau) * policy.moment.ramp

        def pick(logits: Tensor) -> tuple[Tensor, int]:
            index = categorical(torch.softmax(logits, -1), generator)
            return reinmax(logits, index, tau), index

        return Drawn(policy.hard(pick))

    def mix(self, slot: Slot, drawn: Drawn, candidates: Sequence[Callable[..., Any]], *inputs: Any, **named: Any) -> Any:
        """The active candidate's output, with a gradient for all gates."""
        return answer(slot, drawn, range(len(candidates)), candidates, inputs, named)


def reinmax(logits: Tensor, index: int, tau: float = 1.0) -> Tensor:
    """The one-hot vector of `index`, with ReinMax's gradient for `logits` `(n,)`.

    Example:
        >>> a = torch.zeros(2, requires_grad=True)
        >>> reinmax(a, 0)[0].backward()
        >>> a.grad.tolist()
        [0.25, -0.25]
    """
    return _ReinMax.apply(logits, one_hot(index, logits), tau)


class _ReinMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, drawn: Tensor, tau: float) -> Tensor:
        ctx.tau = tau
        ctx.save_for_backward(logits, drawn)
        return drawn.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        (g,) = upstream
        logits, drawn = ctx.saved_tensors
        p = torch.softmax(logits, -1)
        pi = (torch.softmax(logits / ctx.tau, -1) + drawn) / 2
        found = _jacobian(pi, 2 * g) - _jacobian(p, g / 2)
        open_ = torch.isfinite(logits)  # slots of a choice of several: what is taken already has no share
        return torch.where(open_, found - found[open_].mean(), torch.zeros_like(found)), None, None


def _jacobian(q: Tensor, v: Tensor) -> Tensor:
    return q * (v - (q * v).sum())
