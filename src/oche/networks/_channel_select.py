"""Read some channels of features that others read too."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from oche.networks._elastic import ElasticRule, register_elastic


class ChannelSelect(nn.Module):
    """Some channels of the input, in a fixed order; all of them until it is pruned.

    A residual stream keeps its width, since all that is added to it must agree. What a block *reads* of it may differ from block to block:
    that is what this layer holds, and it has no weights.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the output; by default all.

    Source: Liu et al. 2017 (network slimming), channel selection of the authors' code, which stores the choice as a parameter.
    """

    index: Tensor

    def __init__(self, in_channels: int, channels: int | None = None) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.channels = in_channels if channels is None else channels
        self.register_buffer("index", torch.arange(int(self.channels)))

    def forward(self, x: Tensor) -> Tensor:
        """Features `(batch, channels, height, width)` of `(batch, in_channels, height, width)`."""
        return x[:, self.index]

    def extra_repr(self) -> str:
        """Sizes."""
        return f"{int(self.in_channels)}, {int(self.channels)}"


register_elastic(ChannelSelect, ElasticRule({"channels": "out"}, {"index": ("out",)}))
