"""A convolution whose kernel can be used at smaller sizes.

The smaller kernel is the center of the larger one, passed through a matrix that all channels of the layer share; the next smaller one is
made from that in the same way. Matrices are identities at first, so a small kernel starts as the center of the large one.

Source: Cai et al. 2020 (Once-for-All), elastic kernel size.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from oche.errors import ArgumentError
from oche.networks._elastic import ElasticRule, register_elastic


class KernelConv2d(nn.Conv2d):
    """Convolution of elastic kernel size, without bias.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_sizes: Sides of the kernels, odd.
        stride: Step.
        groups: Groups of channels.

    Raises:
        ArgumentError: a side is even or below 1.

    Example:
        >>> conv = KernelConv2d(4, 4, (3, 7), groups=4)
        >>> torch.equal(conv.kernel(3), conv.weight[:, :, 2:5, 2:5])
        True
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_sizes: Sequence[int] = (3, 5, 7), stride: int = 1, groups: int = 1
    ) -> None:
        sizes = tuple(sorted(set(kernel_sizes)))
        if not sizes or any(size % 2 == 0 or size < 1 for size in sizes):
            raise ArgumentError(f"kernel_sizes: got {tuple(kernel_sizes)}; allowed: odd numbers from 1")
        super().__init__(in_channels, out_channels, sizes[-1], stride, sizes[-1] // 2, groups=groups, bias=False)
        self.kernel_sizes = sizes
        falling = pairwise(reversed(sizes))
        self.transforms = nn.ParameterDict({f"{large}to{small}": torch.eye(small * small) for large, small in falling})

    def kernel(self, size: int) -> Tensor:
        """The kernel of a size, `(out_channels, in_channels / groups, size, size)`."""
        kernel = self.weight
        for large, small in pairwise(reversed(self.kernel_sizes)):
            if large == size:
                break
            edge = (large - small) // 2
            center = kernel[:, :, edge : edge + small, edge : edge + small]
            kernel = functional.linear(center.flatten(2), self.transforms[f"{large}to{small}"]).unflatten(2, (small, small))
        return kernel

    def forward(self, input: Tensor, kernels: Sequence[tuple[int, Tensor | None]] | None = None) -> Tensor:
        """The output with one kernel, or with a weighted sum of several.

        Args:
            input: Features, `(batch, in_channels, height, width)`.
            kernels: Size and weight of each kernel; None: the largest.
        """
        chosen = kernels if kernels is not None else [(self.kernel_sizes[-1], None)]
        most = max(size for size, _ in chosen)
        total: Tensor | None = None
        for size, weight in chosen:
            kernel = functional.pad(self.kernel(size), ((most - size) // 2,) * 4) if size < most else self.kernel(size)
            kernel = kernel if weight is None else weight * kernel
            # Convolution is linear: the sum of outputs is the output of the sum.
            total = kernel if total is None else total + kernel
        assert total is not None
        return functional.conv2d(input, total, None, self.stride, most // 2, self.dilation, self.groups)

    def fixed(self, size: int) -> nn.Conv2d:
        """An ordinary convolution with a copy of the kernel of a size."""
        # On the meta device no random numbers are drawn for weights that are replaced at once.
        made = nn.Conv2d(
            self.in_channels, self.out_channels, size, self.stride[0], size // 2, groups=self.groups, bias=False, device="meta"
        )
        made.weight = nn.Parameter(self.kernel(size).detach().clone(), requires_grad=self.weight.requires_grad)
        return made


register_elastic(
    KernelConv2d,
    ElasticRule(
        {"in_channels": "in", "out_channels": "out", "groups": "groups"},
        {"weight": ("out", "in", None, None)},
        channel_dim=-3,
        groups="groups",
    ),
)
