"""Elastic kernel size: a choice whose candidates are one convolution at several sizes of its kernel.

A child holds an ordinary convolution. A supernet holds one `KernelConv2d`, whose smaller kernels are made from its largest: one drawn
size is one convolution, a mixture of sizes is the convolution with the weighted sum of kernels.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from oche.networks._kernel_conv import KernelConv2d
from oche.program.choice import OneOf
from oche.program.resolver import Defaults, Site, current
from oche.supernets.drawn import Slot, indices
from oche.supernets.relaxed import Relaxed, Runtime


def elastic_kernel(channels: int, kernel_sizes: Sequence[int] = (3, 5, 7), stride: int = 1, name: str | None = None) -> Any:
    """Choose the kernel size of a depthwise convolution; in a supernet all sizes share one kernel.

    Args:
        channels: Channels of input and output; may be elastic.
        kernel_sizes: Sides of the kernel to choose from, odd.
        stride: Step.
        name: Key of the decision, as in `oche.oneof`.

    Returns:
        A module: what the present search says, or the convolution of the first size outside of any.

    Source: Cai et al. 2020 (Once-for-All), elastic kernel size.
    """
    choice = KernelChoice(channels, kernel_sizes, stride, name)
    return (current() or Defaults()).resolve(choice)


class KernelChoice(OneOf):
    """One of several kernel sizes of a depthwise convolution.

    Args:
        channels, kernel_sizes, stride, name: As in `elastic_kernel`.
    """

    def __init__(self, channels: int, kernel_sizes: Sequence[int], stride: int, name: str | None) -> None:
        self.channels, self.stride = channels, stride
        self.sizes = {str(size): size for size in kernel_sizes}
        super().__init__(name, {label: partial(_depthwise, channels, size, stride) for label, size in self.sizes.items()})

    def relax(self, builder: Any, site: Site) -> nn.Module:
        """One convolution that can be used at all sizes, those that are left out of the space included."""
        labels = builder.labels(self, site)
        builder.group(site.key, labels)
        conv = KernelConv2d(self.channels, self.channels, tuple(self.sizes.values()), self.stride, groups=self.channels)
        return MixedKernel(Slot(site.key, site.location, labels), conv, builder.runtime, [self.sizes[label] for label in labels])


class MixedKernel(Relaxed):
    """A convolution at the kernel size of the present draw, or at a mixture of them.

    Args:
        slot: The place.
        conv: The convolution.
        runtime: Shared with the supernet.
        sizes: Kernel size of each label.
    """

    def __init__(self, slot: Slot, conv: KernelConv2d, runtime: Runtime, sizes: Sequence[int]) -> None:
        super().__init__(slot, {"kernel": conv}, runtime)
        self.sizes = tuple(sizes)

    def forward(self, x: Tensor) -> Tensor:
        """Features `(batch, channels, height / stride, width / stride)`."""
        gate = self.runtime.current(self.slot).gate(self.slot)
        active = indices(gate, len(self.sizes))
        if gate.weights is None and len(active) > 1:  # inactive: nothing is weighted
            active = (max(active, key=lambda i: self.sizes[i]),)
        return self.inside[0](x, kernels=[(self.sizes[i], None if gate.weights is None else gate.weights[i]) for i in active])

    def extract(self, decisions: Mapping[str, Any], memo: dict[int, Any]) -> nn.Module:
        """An ordinary convolution with a copy of the chosen kernel, at the chosen width."""
        conv: KernelConv2d = copy.deepcopy(self.inside[0], memo)  # type: ignore[assignment]
        return conv.fixed(int(decisions[self.slot.key])).train(self.training)


def _depthwise(channels: int, kernel_size: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, kernel_size, stride, kernel_size // 2, groups=channels, bias=False)
