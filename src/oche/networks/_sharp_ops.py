"""Operations of the sharpDARTS spaces: every convolution is a `SharpSepConv`, every pool a `ResizablePool`, and all may change the width.

They take the keyword arguments that `oche.networks.DARTS_OPS` describes, and `out_channels` beside them:

    sep     both layers of one width                    dil     the first depthwise kernel is dilated by 2
    flood   the middle is four times as wide            choke   the middle has a width of its own, whatever the width around it

Names that other dictionaries share (`dil_conv_3x3`) mean another network here: which dictionary is meant is said by the space.
Source: Hundt et al. 2019 (sharpDARTS) and the authors' code. Padding follows from kernel and dilation; theirs is too small for
`dil_flood_conv_5x5`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from oche.errors import ArgumentError
from oche.networks._cell_ops import FactorizedReduce, StridedZero
from oche.networks._drop_path import DropPath
from oche.networks._ops import ReluConvNorm, Skip
from oche.networks._sharp import ResizablePool, SharpSepConv

#: Middle width of choke convolutions in the published searches and CIFAR networks; 96 in the wider ImageNet networks.
CHOKE = 32

#: How much wider the middle of a flood convolution is.
FLOOD = 4


def sharp_ops(mid: int) -> dict[str, Callable[..., nn.Module]]:
    """All operations that cells of the sharpDARTS family use, by their published names.

    Args:
        mid: Middle width of choke convolutions, which have none by themselves: without it they would be plain separable ones.

    Raises:
        ArgumentError: no width is given, or one below 1.
    """
    if not isinstance(mid, int) or isinstance(mid, bool) or mid < 1:
        raise ArgumentError(
            f"mid: got {mid!r}; allowed: a whole number from 1, the middle width of choke convolutions, which have none by themselves; "
            f"use mid={CHOKE} as in the published CIFAR networks"
        )
    made: dict[str, Callable[..., nn.Module]] = {
        "none": _none,
        "max_pool_3x3": partial(_pool, kind="max"),
        "avg_pool_3x3": partial(_pool, kind="avg"),
        "skip_connect": _skip,
        "sep_conv_3x3": partial(_sharp, kernel_size=3),
        "sep_conv_5x5": partial(_sharp, kernel_size=5),
        "sep_conv_7x7": partial(_sharp, kernel_size=7),
        "dil_conv_3x3": partial(_sharp, kernel_size=3, dilation=2),
        "dil_conv_5x5": partial(_sharp, kernel_size=5, dilation=2),
        "flood_conv_3x3": partial(_sharp, kernel_size=3, mid_multiplier=FLOOD),
        "flood_conv_5x5": partial(_sharp, kernel_size=5, mid_multiplier=FLOOD),
        "dil_flood_conv_3x3": partial(_sharp, kernel_size=3, dilation=2, mid_multiplier=FLOOD),
        "dil_flood_conv_5x5": partial(_sharp, kernel_size=5, dilation=2, mid_multiplier=FLOOD),
        "choke_conv_3x3": partial(_sharp, kernel_size=3, mid=mid),
        "dil_choke_conv_3x3": partial(_sharp, kernel_size=3, dilation=2, mid=mid),
        "conv_7x1_1x7": _conv_7x1_1x7,
    }
    return {name: SharpOp(name, build) for name, build in made.items()}


class SharpOp:
    """Makes one operation; a class, so that factories can be pickled and shown by their names.

    Args:
        name: Name of the operation.
        build: Builds it from the widths of input and output, the stride, and whether norms have a scale and pools a norm.
    """

    def __init__(self, name: str, build: Callable[..., nn.Module]) -> None:
        self.__name__ = name
        self.build = build

    def __call__(
        self,
        channels: int,
        stride: int = 1,
        affine: bool = True,
        normalize: bool = False,
        drop_path: float = 0.0,
        out_channels: int | None = None,
    ) -> nn.Module:
        """The operation; `out_channels` is the width of its output, by default that of its input."""
        made = self.build(channels, out_channels or channels, stride, affine, normalize)
        if drop_path and isinstance(made, nn.Sequential):
            made.append(DropPath(drop_path))
        elif drop_path and isinstance(made, FactorizedReduce):
            made.drop = DropPath(drop_path)
        return made

    def __repr__(self) -> str:
        return self.__name__


class WiderZero(StridedZero):
    """Zeros of another width than the input.

    Args:
        stride: 1 or 2.
        channels: Of the output.
    """

    def __init__(self, stride: int, channels: int) -> None:
        super().__init__(stride)
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Zeros, not connected to `x`."""
        zeros = super().forward(x)
        return torch.zeros((), dtype=x.dtype, device=x.device).expand(len(x), self.channels, *zeros.shape[2:])


def _sharp(channels: int, out: int, stride: int, affine: bool, normalize: bool, kernel_size: int, **more: int) -> nn.Module:
    return SharpSepConv(channels, out, kernel_size, stride, affine=affine, **more)


def _pool(channels: int, out: int, stride: int, affine: bool, normalize: bool, kind: str) -> nn.Module:
    norm = [nn.BatchNorm2d(out, affine=False)] if normalize else []
    return nn.Sequential(ResizablePool(channels, out, 3, stride, kind, affine), *norm)


def _none(channels: int, out: int, stride: int, affine: bool, normalize: bool) -> nn.Module:
    return StridedZero(stride) if out == channels else WiderZero(stride, out)


def _skip(channels: int, out: int, stride: int, affine: bool, normalize: bool) -> nn.Module:
    if stride != 1:
        return FactorizedReduce(channels, out, affine)
    return Skip() if out == channels else ReluConvNorm(channels, kernel_size=1, affine=affine, out_channels=out, bias=False)


def _conv_7x1_1x7(channels: int, out: int, stride: int, affine: bool, normalize: bool) -> nn.Module:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, (1, 7), (1, stride), (0, 3), bias=False),
        nn.Conv2d(channels, out, (7, 1), (stride, 1), (3, 0), bias=False),
        nn.BatchNorm2d(out, eps=1e-3, affine=affine),
    )


#: All operations with the published middle width of choke convolutions.
SHARP_OPS: Mapping[str, Callable[..., nn.Module]] = sharp_ops(CHOKE)
