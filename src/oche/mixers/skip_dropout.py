"""Skip dropout: dropout behind skips that do nothing else, so that other candidates get their share of the gradient early on.

    rate(t) = p * (E - t - 1) / E            in the warm-up, t < warm
            = p * exp(-0.2 * (t - warm))     afterwards: it jumps up to p again, then falls

Only candidates that give back their very input are meant; a skip that changes the size has weights and none of this.
Source: Chen et al. 2019 (P-DARTS) with E 25 and warm 10; at other lengths t is scaled, so that the course is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from oche.errors import ArgumentError
from oche.mixers._wrapping import Wrapping
from oche.supernets.drawn import Drawn, Slot
from oche.supernets.mixer import Mixer
from oche.supernets.policy import Policy

#: Epochs to which the course of the rate refers.
EPOCHS, WARMUP = 25, 10


class SkipDropout(Wrapping):
    """Another mixer whose identity candidates drop elements while training.

    Args:
        inner: Mixer of the candidates, or its text; default `Softmax()`.
        p: Rate at the start and after the warm-up, in [0, 1).
    """

    def __init__(self, inner: Mixer | str | None = None, p: float = 0.0) -> None:
        super().__init__(inner)
        if isinstance(p, bool) or not isinstance(p, (int, float)) or not 0 <= p < 1:
            raise ArgumentError(f"skip dropout, p: got {p!r}; allowed: a number from 0 to below 1")
        self.p = float(p)

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """The draw of the inner mixer, and the present rate."""
        drawn = self.inner.draw(policy, generator, step, phase, path)
        return replace(drawn, extra={**drawn.extra, "skip dropout": rate(self.p, policy.moment.share * EPOCHS)})

    def mix(self, slot: Slot, drawn: Drawn, candidates: Sequence[Callable[..., Any]], *inputs: Any, **named: Any) -> Any:
        """The inner mixture of candidates, of which identities are dropped in part."""
        q = drawn.extra.get("skip dropout", 0.0)
        if not q or drawn.is_forced(slot):
            return self.inner.mix(slot, drawn, candidates, *inputs, **named)
        dropped = [_Dropping(one, q) if isinstance(one, nn.Module) and one.training else one for one in candidates]
        return self.inner.mix(slot, drawn, dropped, *inputs, **named)


def rate(p: float, t: float, epochs: float = EPOCHS, warmup: float = WARMUP) -> float:
    """The dropout rate in epoch t.

    Example:
        >>> [round(rate(0.4, t), 6) for t in (0, 9, 10, 11, 24)]
        [0.384, 0.24, 0.4, 0.327492, 0.024324]
    """
    return max(0.0, p * (epochs - t - 1) / epochs) if t < warmup - 1e-9 else p * math.exp(-0.2 * (t - warmup))


class _Dropping:
    """A candidate whose output is dropped in part if it is its very input."""

    def __init__(self, candidate: Callable[..., Any], q: float) -> None:
        self.candidate, self.q = candidate, q

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        output = self.candidate(*inputs, **named)
        same = bool(inputs) and output is inputs[0] and isinstance(output, Tensor)
        return functional.dropout(output, self.q) if same else output
