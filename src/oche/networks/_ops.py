"""Operations of cell spaces: the five of NAS-Bench-201, each a class that takes `channels`.

An operation maps features `(batch, channels, height, width)` to the same shape. All of them take the same keyword arguments, also
those that they do not need, so that one choice can build any of its candidates from one set of arguments, and a mixer can ask for
the same operation with fewer channels. Operations with other strides belong to other spaces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from oche.errors import ArgumentError


class Zero(nn.Module):
    """No connection: zeros of the shape of the input, whatever the input holds.

    Nothing is computed and nothing is stored: the result is one zero, seen at every place. Its gradient is not connected to the
    input, and a NaN in the input does not pass.

    Args:
        channels: Not needed; taken so that all operations are built alike.
        affine: Not needed.
    """

    def __init__(self, channels: int | None = None, affine: bool = True) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros((), dtype=x.dtype, device=x.device).expand(x.shape)


class Skip(nn.Identity):
    """The input itself.

    Args:
        channels: Not needed; taken so that all operations are built alike.
        affine: Not needed.
    """

    def __init__(self, channels: int | None = None, affine: bool = True) -> None:
        super().__init__()


class AvgPool(nn.AvgPool2d):
    """Mean over a 3x3 window with stride 1; places outside the image do not count.

    Args:
        channels: Not needed; taken so that all operations are built alike.
        affine: Not needed.
        kernel_size: Side of the window, odd.
    """

    def __init__(self, channels: int | None = None, affine: bool = True, kernel_size: int = 3) -> None:
        super().__init__(kernel_size, stride=1, padding=_same(kernel_size), count_include_pad=False)


class ReluConvNorm(nn.Sequential):
    """ReLU, convolution, batch normalization.

    By default the convolution has a bias only if the normalization is not affine: an affine one has its own.

    Args:
        channels: Channels of input and output.
        kernel_size: Side of the kernel, odd; padding keeps height and width at stride 1.
        affine: Whether the normalization has a scale and a shift.
        out_channels: Channels of the output, if they differ.
        stride: Step of the convolution.
        bias: Whether the convolution has a bias; None: if the normalization is not affine.

    Raises:
        ArgumentError: the kernel size is even.

    Source: Dong and Yang 2020 (NAS-Bench-201), operations `nor_conv_1x1` and `nor_conv_3x3`; no bias in Liu et al. 2019 (DARTS).
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int,
        affine: bool = True,
        out_channels: int | None = None,
        stride: int = 1,
        bias: bool | None = None,
    ) -> None:
        out_channels = channels if out_channels is None else out_channels
        bias = not affine if bias is None else bias
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, out_channels, kernel_size, stride=stride, padding=_same(kernel_size), bias=bias),
            nn.BatchNorm2d(out_channels, affine=affine),
        )


def nor_conv_1x1(channels: int, affine: bool = True) -> ReluConvNorm:
    """ReLU, 1x1 convolution, batch normalization."""
    return ReluConvNorm(channels, 1, affine)


def nor_conv_3x3(channels: int, affine: bool = True) -> ReluConvNorm:
    """ReLU, 3x3 convolution, batch normalization."""
    return ReluConvNorm(channels, 3, affine)


def avg_pool_3x3(channels: int, affine: bool = True) -> AvgPool:
    """Mean over a 3x3 window."""
    return AvgPool(channels, affine)


#: Operations of NAS-Bench-201 by their published names, in the published order.
NASBENCH201_OPS: Mapping[str, Callable[..., nn.Module]] = {
    "none": Zero,
    "skip_connect": Skip,
    "nor_conv_1x1": nor_conv_1x1,
    "nor_conv_3x3": nor_conv_3x3,
    "avg_pool_3x3": avg_pool_3x3,
}


def _same(kernel_size: int) -> int:
    if kernel_size % 2 == 0 or kernel_size < 1:
        raise ArgumentError(f"kernel_size: got {kernel_size}; allowed: odd numbers from 1, so that height and width stay equal")
    return kernel_size // 2
