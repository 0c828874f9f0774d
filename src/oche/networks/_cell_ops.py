"""Operations of the DARTS family of cell spaces, each with stride 1 or 2.

An operation maps features `(batch, channels, height, width)` to as many channels, and halves height and width (rounded up) at stride 2.
All are made by one set of keyword arguments, so that one choice can build any of its candidates, and a mixer can ask for the same one
with fewer channels:

    channels    of input and output
    stride      1 or 2
    affine      whether batch normalization has a scale and a shift
    normalize   whether a pool is followed by a batch normalization, without scale and shift, as in a network that compares candidates
    drop_path   probability of `DropPath` after it; an identity is never dropped

Convolutions have no bias. Source: Liu et al. 2019 (DARTS), section 3.1 and the authors' code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from oche.errors import ArgumentError
from oche.networks._drop_path import DropPath
from oche.networks._ops import Skip


class StridedZero(nn.Module):
    """No connection: zeros of the size that the other operations give; nothing is computed or stored.

    Args:
        stride: 1 or 2.
    """

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Zeros, not connected to `x`."""
        return torch.zeros((), dtype=x.dtype, device=x.device).expand(_strided(x, self.stride))


class Noise(nn.Module):
    """Standard normal noise in place of the features: an operation that no good cell can use.

    Args:
        stride: 1 or 2.

    Source: Zela et al. 2020 (RobustDARTS), space S4.
    """

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Noise, not connected to `x`."""
        return torch.randn(_strided(x, self.stride), dtype=x.dtype, device=x.device)


class FactorizedReduce(nn.Module):
    """Halve height and width without losing pixels: two 1x1 convolutions, the second one shifted by a pixel, side by side.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output, even.
        affine: Whether the normalization has a scale and a shift.
        drop_path: Probability of `DropPath`.

    Raises:
        ArgumentError: the channels of the output are odd.

    Source: Liu et al. 2019, code; odd sizes are padded by a row and a column of zeros (ours), where the original fails.
    """

    def __init__(self, in_channels: int, out_channels: int, affine: bool = True, drop_path: float = 0.0) -> None:
        super().__init__()
        if out_channels % 2:
            raise ArgumentError(
                f"skip_connect at stride 2: got {out_channels} channels; allowed: an even number, since two halves are put side by side; "
                "use more channels, or a smaller k of partial channels"
            )
        self.relu = nn.ReLU()
        self.left = nn.Conv2d(in_channels, out_channels // 2, 1, bias=False)
        self.right = nn.Conv2d(in_channels, out_channels // 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels, affine=affine)
        self.drop = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Features `(batch, out_channels, height / 2, width / 2)`."""
        x = self.relu(x)
        height, width = x.shape[2:]
        padded = functional.pad(x, (0, width % 2, 0, height % 2))
        # Every second pixel is taken before the convolution: with a stride in it, torch 2.13 writes out of bounds in the backward pass
        # of few channels in the channels-last format on a CPU, and the process dies.
        both = [self.left(x[:, :, ::2, ::2]), self.right(padded[:, :, 1::2, 1::2])]
        return self.drop(self.norm(torch.cat(both, dim=1)))


class SeparableConv(nn.Sequential):
    """ReLU, depthwise convolution, 1x1 convolution, batch normalization; a chosen number of times, with the stride in the first.

    Args:
        channels: Channels of input and output.
        kernel_size: Side of the depthwise kernel, odd.
        stride: 1 or 2.
        dilation: Distance of the pixels that a kernel sees.
        times: How often.
        affine: Whether the normalization has a scale and a shift.
        drop_path: Probability of `DropPath`.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int,
        stride: int = 1,
        dilation: int = 1,
        times: int = 1,
        affine: bool = True,
        drop_path: float = 0.0,
    ) -> None:
        padding = dilation * (kernel_size // 2)
        layers: list[nn.Module] = []
        for i in range(times):
            step = stride if i == 0 else 1
            layers += [
                nn.ReLU(),
                nn.Conv2d(channels, channels, kernel_size, step, padding, dilation, groups=channels, bias=False),
                nn.Conv2d(channels, channels, 1, bias=False),
                nn.BatchNorm2d(channels, affine=affine),
            ]
        super().__init__(*layers, *_drop(drop_path))


def none(channels: int, stride: int = 1, affine: bool = True, normalize: bool = False, drop_path: float = 0.0) -> nn.Module:
    """No connection."""
    return StridedZero(stride)


def noise(channels: int, stride: int = 1, affine: bool = True, normalize: bool = False, drop_path: float = 0.0) -> nn.Module:
    """Noise."""
    return Noise(stride)


def max_pool_3x3(channels: int, stride: int = 1, affine: bool = True, normalize: bool = False, drop_path: float = 0.0) -> nn.Module:
    """Maximum over a 3x3 window."""
    return _pool(nn.MaxPool2d(3, stride, padding=1), channels, normalize, drop_path)


def avg_pool_3x3(channels: int, stride: int = 1, affine: bool = True, normalize: bool = False, drop_path: float = 0.0) -> nn.Module:
    """Mean over a 3x3 window; places outside the image do not count."""
    return _pool(nn.AvgPool2d(3, stride, padding=1, count_include_pad=False), channels, normalize, drop_path)


def skip_connect(channels: int, stride: int = 1, affine: bool = True, normalize: bool = False, drop_path: float = 0.0) -> nn.Module:
    """The input itself; a factorized reduction at stride 2."""
    return Skip() if stride == 1 else FactorizedReduce(channels, channels, affine, drop_path)


def conv_7x1_1x7(channels: int, stride: int = 1, affine: bool = True, normalize: bool = False, drop_path: float = 0.0) -> nn.Module:
    """ReLU, 1x7 convolution, 7x1 convolution, batch normalization."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, (1, 7), (1, stride), (0, 3), bias=False),
        nn.Conv2d(channels, channels, (7, 1), (stride, 1), (3, 0), bias=False),
        nn.BatchNorm2d(channels, affine=affine),
        *_drop(drop_path),
    )


class _Separable:
    """Makes separable convolutions of one kernel; a class, so that factories can be pickled and compared.

    Args:
        name: Name of the operation.
        kernel_size, dilation, times: As in `SeparableConv`.
    """

    def __init__(self, name: str, kernel_size: int, dilation: int, times: int) -> None:
        self.__name__ = name
        self.kernel_size, self.dilation, self.times = kernel_size, dilation, times

    def __call__(
        self, channels: int, stride: int = 1, affine: bool = True, normalize: bool = False, drop_path: float = 0.0
    ) -> SeparableConv:
        return SeparableConv(channels, self.kernel_size, stride, self.dilation, self.times, affine, drop_path)

    def __repr__(self) -> str:
        return self.__name__


#: The eight operations of the DARTS space by their published names, in the published order.
DARTS_OPS: Mapping[str, Callable[..., nn.Module]] = {
    "none": none,
    "max_pool_3x3": max_pool_3x3,
    "avg_pool_3x3": avg_pool_3x3,
    "skip_connect": skip_connect,
    "sep_conv_3x3": _Separable("sep_conv_3x3", 3, 1, 2),
    "sep_conv_5x5": _Separable("sep_conv_5x5", 5, 1, 2),
    "dil_conv_3x3": _Separable("dil_conv_3x3", 3, 2, 1),
    "dil_conv_5x5": _Separable("dil_conv_5x5", 5, 2, 1),
}

#: All operations that published cells of this family use: those of DARTS, two of NASNet and AmoebaNet, and noise.
CELL_OPS: Mapping[str, Callable[..., nn.Module]] = {
    **DARTS_OPS,
    "sep_conv_7x7": _Separable("sep_conv_7x7", 7, 1, 2),
    "conv_7x1_1x7": conv_7x1_1x7,
    "noise": noise,
}


def _strided(x: Tensor, stride: int) -> tuple[int, ...]:
    return (*x.shape[:2], *(-(-side // stride) for side in x.shape[2:]))


def _drop(probability: float) -> list[nn.Module]:
    return [DropPath(probability)] if probability else []


def _pool(pool: nn.Module, channels: int, normalize: bool, drop_path: float) -> nn.Module:
    layers = [pool, *([nn.BatchNorm2d(channels, affine=False)] if normalize else []), *_drop(drop_path)]
    return nn.Sequential(*layers) if len(layers) > 1 else pool
