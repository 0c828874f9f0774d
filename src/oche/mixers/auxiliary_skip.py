"""Auxiliary skip: an identity beside the mixture that fades away, so that the candidate `skip` need not carry the gradient.

    out = beta * skip(x) + mixture(x),   beta falls linearly from 1 to 0 over the epochs

Where candidates change the size, the skip is the program's own candidate for it (`skip_connect`), with weights of its own.
Source: Chu et al. 2021 (DARTS-).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from oche.errors import ArgumentError, ShapeMismatch
from oche.mixers._wrapping import Wrapping
from oche.supernets.drawn import Drawn, Slot
from oche.supernets.mixer import Candidates, Mixer, name
from oche.supernets.outputs import combine, shape
from oche.supernets.policy import Policy

#: Labels of candidates that serve as a skip, if the program has one.
SKIPS = ("skip_connect", "skip", "identity", "id")


class AuxiliarySkip(Wrapping):
    """Another mixer with a fading skip beside it.

    Args:
        inner: Mixer of the candidates, or its text; default `Softmax()`.
        beta: Weight of the skip in the first epoch.
        fade: Whether it falls to 0 over the epochs; otherwise it stays.
    """

    def __init__(self, inner: Mixer | str | None = None, beta: float = 1.0, fade: bool = True) -> None:
        super().__init__(inner)
        if isinstance(beta, bool) or not isinstance(beta, (int, float)) or beta < 0:
            raise ArgumentError(f"beta: got {beta!r}; allowed: a number from 0")
        self.beta = float(beta)
        self.fade = bool(fade)

    def build(self, slot: Slot, make: Callable[..., Any]) -> Candidates:
        """The candidates of the inner mixer, and behind them the skip."""
        built = self.inner.build(slot, make)
        label = next((one for one in SKIPS if one in slot.labels), None)
        skip = nn.Identity() if label is None else make(label)
        return replace(built, modules={**built.modules, "+skip": skip})

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """The draw of the inner mixer, and the weight of the skip."""
        drawn = self.inner.draw(policy, generator, step, phase, path)
        beta = self.beta * (1 - policy.moment.ramp if self.fade else 1.0)
        return replace(drawn, extra={**drawn.extra, "beta": beta})

    def mix(self, slot: Slot, drawn: Drawn, candidates: Sequence[Callable[..., Any]], *inputs: Any, **named: Any) -> Any:
        """The mixture, and a share of the input."""
        extra = isinstance(candidates[-1], nn.Module) and len(candidates) == len(slot.labels) + 1
        own = candidates[:-1] if extra else candidates
        output = self.inner.mix(slot, drawn, own, *inputs, **named)
        beta = drawn.extra.get("beta", 0.0)
        if not extra or beta == 0.0 or drawn.is_forced(slot):
            return output
        skipped = candidates[-1](*inputs, **named)
        if shape(skipped) != shape(output):
            raise ShapeMismatch(
                f"choice {name(slot)}: got {shape(output)} from its candidates and {shape(skipped)} from a skip; allowed with "
                f"AuxiliarySkip: candidates that keep the shape, or one of them called {' or '.join(repr(s) for s in SKIPS[:2])}"
            )
        return combine([output, skipped], lambda parts: parts[0] + beta * parts[1])
