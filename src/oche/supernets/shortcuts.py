"""A shortcut between two widths: nothing at all where they agree, a 1x1 convolution where they differ.

    one width each       the features themselves, or their projection: exactly what the child has
    widths mixed         P(equal) * features + (1 - P(equal)) * projection, P(equal) from the weights of both choices

In a supernet whose two widths are choices, which of the two a child has is open; so the module holds the projection and decides in the
forward pass. Mixing by the probability of equal widths is ours.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from oche.supernets.drawn import indices
from oche.supernets.elastic import running_size
from oche.supernets.relaxed import Runtime, extracted
from oche.supernets.widths import Block, Width, equality


class WidthShortcut(nn.Module):
    """Features of `in_channels` as features of `out_channels`, in the same places.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        affine: Whether the normalization has a scale and a shift; the convolution has a bias if not.
        project: Whether other widths are reached by a 1x1 convolution and a normalization; otherwise by leaving out the last channels,
            or by channels of zeros.
    """

    def __init__(self, in_channels: int, out_channels: int, affine: bool = True, project: bool = True) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.equal = equality(in_channels, out_channels)
        self.runtime: Runtime | None = None
        self.project: nn.Module | None = None
        if project and not all(self.equal.sizes):
            self.project = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, bias=not affine), nn.BatchNorm2d(out_channels, affine=affine)
            )

    def relax(self, runtime: Runtime) -> None:
        """Take what the supernet shares."""
        self.runtime = runtime

    def forward(self, x: Tensor) -> Tensor:
        """Features `(batch, out_channels, height, width)` of `(batch, in_channels, height, width)`."""
        if all(self.equal.sizes):
            return x
        if self.project is None:
            return _as_wide(x, self._size())  # in a mixture the sum that follows is masked by the layers that read it
        share = self._share()
        if isinstance(share, float):
            return x if share else self.project(x)
        projected = self.project(x)
        # Each is as wide as its widest candidate; channels that only one side has are in no pair of equal widths.
        return share * _as_wide(x, projected.shape[1]) + (1 - share) * projected

    def _share(self) -> float | Tensor:
        """How much of the widths that are drawn agrees: 0 or 1 for one pair."""
        block = self.equal
        if not block.keys or self.runtime is None:
            return float(block.sizes[0])
        gate = self.runtime.current(block.slot).gate(block.slot)
        active = list(indices(gate, len(block.sizes)))
        if len(active) == 1:
            return float(block.sizes[active[0]])
        agree = torch.tensor([float(block.sizes[i]) for i in active])
        if gate.weights is None:
            return float(agree.all())
        weights = gate.weights[active]
        return (weights * agree.to(weights)).sum() / weights.sum()

    def _size(self) -> int:
        if self.runtime is None or not isinstance(self.out_channels, Width):
            return int(self.out_channels)
        return running_size(self.runtime, self.out_channels)

    def __deepcopy__(self, memo: dict[int, Any]) -> WidthShortcut:
        decisions = extracted()
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        if decisions is None:
            made.__dict__.update(copy.deepcopy(self.__dict__, memo))
            return made
        equal = self.equal.under(decisions) if self.equal.keys else self.equal.sizes[0]
        state = dict(self.__dict__)
        modules = state.pop("_modules")
        state["runtime"], state["equal"] = None, Block((), (), (equal,))
        made.__dict__.update(copy.deepcopy(state, memo))
        found = modules.get("project")
        made.__dict__["_modules"] = {} if equal or found is None else {"project": copy.deepcopy(found, memo)}
        if not made._modules:
            made.__dict__["project"] = None
        return made


def _as_wide(x: Tensor, size: int) -> Tensor:
    """The first `size` channels, and zeros for those that are not there."""
    if x.shape[1] >= size:
        return x[:, :size]
    return torch.cat([x, x.new_zeros(x.shape[0], size - x.shape[1], *x.shape[2:])], 1)
