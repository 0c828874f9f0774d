"""Partial channels: 1/K of an input's channels go through another mixer, the rest pass by.

    x1 = x[:, S], x2 = x[:, not S], |S| = C / K
    y1 = inner mixture of candidates that are built with C / K channels, on x1
    y2 = x2, max-pooled 2 by 2 where the candidates halve the size
    out = shuffle_K(concat(y1, y2))

Memory and time of the mixture fall by about K. With `edges`, inputs of a merging choice get logits of their own (edge
normalization), which steadies what the noisier choice of ops would select.
Source: Xu et al. 2020 (PC-DARTS) and the authors' CIFAR search; `shift` and `random` are ours: the authors' random variant samples nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from oche.errors import ArgumentError, NotRelaxable, ShapeMismatch
from oche.mixers._wrapping import Wrapping
from oche.seeds import building, torch_generator
from oche.supernets.drawn import Drawn, Slot
from oche.supernets.mixer import Candidates, Mixer, name
from oche.supernets.policy import Policy

#: Which channels are mixed. `shuffle`: the first C / K, and channels are interleaved afterwards, so that others stand first at the next
#: node. `shift`: a window that moves by C / K every step. `random`: a new subset every step and place.
SUBSETS = ("shuffle", "shift", "random")


class PartialChannels(Wrapping):
    """Mix 1/K of the channels and let the rest pass by.

    Args:
        k: The share is 1/k. Default: the authors' CIFAR search; 2 on ImageNet.
        inner: Mixer of the part that is mixed, or its text; default `Softmax()`.
        edges: Whether inputs of merging choices are weighted by a softmax of their own logits.
        channels: One of `SUBSETS`.
    """

    def __init__(self, k: int = 4, inner: Mixer | str | None = None, edges: bool = True, channels: str = "shuffle") -> None:
        if not isinstance(k, int) or isinstance(k, bool) or k < 1:
            raise ArgumentError(f"partial channels, k: got {k!r}; allowed: a whole number from 1")
        if channels not in SUBSETS:
            raise ArgumentError(f"partial channels, channels: got {channels!r}; allowed: {', '.join(repr(s) for s in SUBSETS)}")
        super().__init__(inner)
        self.k = k
        self.needs_edges = bool(edges) or self.inner.needs_edges
        self.channels = channels

    def build(self, slot: Slot, make: Callable[..., Any]) -> Candidates:
        """Candidates with C / K channels; whole ones where candidates change the number of channels.

        Raises:
            NotRelaxable: the choice does not say from how many channels its candidates are built.
            ArgumentError: K does not divide the channels, or exceeds them.
        """
        if self.k == 1:
            return self.inner.build(slot, make)
        part = self._part(slot)
        built = self.inner.build(slot, lambda label, **more: make(label, **{"channels": part, **more}))
        keeps = [_keeps_channels(module, part) for module in built.modules.values()]
        if False not in keeps and True in keeps:
            return built
        whole = self.inner.build(slot, make)
        if False not in keeps and all(_keeps_channels(module, slot.given["channels"]) is None for module in whole.modules.values()):
            return built  # nothing could be tried out, for example because choices stand inside
        note = f"mixed whole: candidates do not map {part} channels to {part}"
        return Candidates(whole.modules, whole=True, note=note)

    def _part(self, slot: Slot) -> int:
        total = slot.given.get("channels")
        if total is None:
            raise NotRelaxable(
                f"choice {name(slot)}: got no channels=; allowed with PartialChannels: choices that say from how many channels their "
                f"candidates are built; write oneof({{...}}, name={slot.key!r}, channels=C), and each candidate is called with channels=C"
            )
        if self.k > total:
            raise ArgumentError(f"partial channels at choice {name(slot)}: got k={self.k} of {total} channels; allowed: k up to {total}")
        if total % self.k:
            raise ArgumentError(
                f"partial channels at choice {name(slot)}: got {total} channels and k={self.k}; allowed: channels that k divides; "
                f"use {total - total % self.k} or {total + self.k - total % self.k} channels, or another k"
            )
        return total // self.k

    def draw(self, policy: Policy, generator: torch.Generator, step: int, phase: str, path: int) -> Drawn:
        """The inner mixer's gates, and one for the inputs of merging choices."""
        drawn = self.inner.draw(policy, generator, step, phase, path)
        seed = int(torch.randint(2**62, (1,), generator=generator)) if self.channels == "random" else 0
        return replace(drawn, step=step, extra={**drawn.extra, "channels": seed})

    def mix(self, slot: Slot, drawn: Drawn, candidates: Sequence[Callable[..., Any]], *inputs: Any, **named: Any) -> Any:
        """The mixture of a part of the channels beside the rest."""
        part = slot.rebuilt.get("channels")
        if self.k == 1 or part is None:
            return self.inner.mix(slot, drawn, candidates, *inputs, **named)
        x = inputs[0]
        if len(inputs) != 1 or not isinstance(x, Tensor) or x.dim() < 2 or x.shape[1] != part * self.k:
            shown = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ShapeMismatch(
                f"input of choice {name(slot)}: got {len(inputs)} input(s), the first {shown}; allowed with PartialChannels: one tensor "
                f"with {part * self.k} channels, as channels= says"
            )
        if self.channels == "shuffle":
            y1 = self.inner.mix(slot, drawn, candidates, x[:, :part], **named)
            return shuffle(torch.cat([y1, bypass(x[:, part:], y1, name(slot))], dim=1), self.k)
        order = self._order(slot, drawn, x.shape[1], part)
        y1 = self.inner.mix(slot, drawn, candidates, x[:, order[:part]], **named)
        y = torch.cat([y1, bypass(x[:, order[part:]], y1, name(slot))], dim=1)
        return y[:, torch.argsort(order)]

    def _order(self, slot: Slot, drawn: Drawn, channels: int, part: int) -> Tensor:
        """All channels, those that are mixed first."""
        if self.channels == "shift":
            return torch.roll(torch.arange(channels), -part * (drawn.step % self.k))
        return torch.randperm(channels, generator=torch_generator(drawn.extra["channels"], slot.location))


def shuffle(z: Tensor, groups: int) -> Tensor:
    """Interleave the channels of `groups` equal blocks: `out[c] = in[(c mod G) * (C / G) + c div G]`.

    Args:
        z: `(batch, channels, ...)`.
        groups: G, a divisor of the channels.

    Example:
        >>> shuffle(torch.arange(8).view(1, 8, 1), 4).flatten().tolist()
        [0, 2, 4, 6, 1, 3, 5, 7]
    """
    return z.unflatten(1, (groups, z.shape[1] // groups)).transpose(1, 2).flatten(1, 2)


def bypass(x: Tensor, y: Tensor, place: str) -> Tensor:
    """`x` with the size of `y`: as it is, or max-pooled 2 by 2 with stride 2.

    Raises:
        ShapeMismatch: the candidates change the size in another way.
    """
    if x.shape[2:] == y.shape[2:]:
        return x
    halved = tuple((size + 1) // 2 for size in x.shape[2:])
    pools = {3: functional.max_pool1d, 4: functional.max_pool2d, 5: functional.max_pool3d}
    if tuple(y.shape[2:]) != halved or x.dim() not in pools:
        raise ShapeMismatch(
            f"outputs of choice {place}: got size {tuple(y.shape[2:])} from {tuple(x.shape[2:])}; allowed with PartialChannels: the same "
            f"size, or {halved}"
        )
    return pools[x.dim()](x, 2, 2, ceil_mode=any(size % 2 for size in x.shape[2:]))


def _keeps_channels(module: nn.Module, channels: int) -> bool | None:
    """Whether a candidate maps `channels` channels to as many; None if it cannot be tried out.

    A copy is tried, where the module lies: a small real input takes less time than the first use of the meta device, with which torch
    loads its compiler.
    """
    size = 16 if channels != 16 else 24  # unlike the channels, so that a layer over the last axis is not taken for one over channels
    trial = copy.deepcopy(module)
    device = next((tensor.device for tensor in (*module.parameters(), *module.buffers())), None)
    for shape in ((2, channels, size, size), (2, channels, size), (2, channels)):
        try:
            with torch.no_grad(), building(0):
                output = trial(torch.zeros(shape, device=device))
        except Exception:
            continue
        return isinstance(output, Tensor) and output.dim() > 1 and output.shape[1] == channels
    return None
