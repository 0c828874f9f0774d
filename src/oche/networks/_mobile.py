"""Blocks of mobile networks: an expanding 1x1 convolution, a depthwise convolution, perhaps squeeze-and-excite, a 1x1 convolution."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn

from oche.errors import ArgumentError

#: Activations by name.
ACTIVATIONS = {"relu": nn.ReLU, "relu6": nn.ReLU6, "h-swish": nn.Hardswish}


def divisible(value: int, by: int = 8) -> int:
    """The multiple of `by` next to a number of channels, at least `by` and at least nine tenths of it.

    Only differences, products and whole quotients are taken, so that it holds for elastic widths too (a sum would keep its terms apart).

    Source: Howard et al. 2019 (MobileNetV3), the rounding of the authors' code.

    Example:
        >>> [divisible(n) for n in (3, 12, 18, 24, 27, 100)]
        [8, 16, 24, 24, 32, 104]
    """
    near = (value + by // 2) // by * by
    # One where `near` is below nine tenths of `value`, else zero; numbers of channels are far below a million.
    short = (9 * value - 10 * near + 999_999) // 1_000_000
    return near - (0 - short * by)


class ConvNorm(nn.Sequential):
    """Convolution without bias, batch normalization, activation.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the kernel, odd.
        stride: Step.
        activation: Name of an activation, or None.
        eps: Of the normalization.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        activation: str | None = "relu6",
        eps: float = 1e-5,
    ) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False),
            nn.BatchNorm2d(out_channels, eps=eps),
            *([ACTIVATIONS[activation]()] if activation is not None else []),
        )


class SqueezeExcite(nn.Module):
    """Scale channels by what their means over places say of each other.

    Args:
        channels: Channels of input and output; a quarter of them, rounded to eights, in between.

    Source: Howard et al. 2019 (MobileNetV3).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        between = divisible(channels // 4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, between, 1)
        self.expand = nn.Conv2d(between, channels, 1)
        self.relu = nn.ReLU()
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Features of the shape of `x`."""
        return x * self.gate(self.expand(self.relu(self.reduce(self.pool(x)))))


class MobileBlock(nn.Sequential):
    """An inverted bottleneck, without the shortcut around it.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        hidden: Channels in between; as many as the input has: no expanding convolution.
        depthwise: The depthwise convolution, from `hidden` to as many channels.
        activation: Name of an activation.
        squeeze: Whether squeeze-and-excite follows the depthwise convolution.
        eps: Of the normalizations.
        expands: Whether there is an expanding convolution.

    Source: Sandler et al. 2018 (MobileNetV2).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden: int,
        depthwise: nn.Module,
        activation: str = "relu6",
        squeeze: bool = False,
        eps: float = 1e-5,
        expands: bool = True,
    ) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if expands:
            layers["expand"] = ConvNorm(in_channels, hidden, activation=activation, eps=eps)
        layers["depthwise"] = depthwise
        layers["norm"] = nn.BatchNorm2d(hidden, eps=eps)
        layers["activation"] = ACTIVATIONS[activation]()
        if squeeze:
            layers["squeeze"] = SqueezeExcite(hidden)
        layers["project"] = ConvNorm(hidden, out_channels, activation=None, eps=eps)
        super().__init__(layers)


class Residual(nn.Module):
    """A block and the input added to what it gives.

    Args:
        block: From features to features of the same shape.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """`x + block(x)`."""
        return x + self.block(x)


def mobile_strides(strides: tuple[int, ...], downsampling: int) -> tuple[int, ...]:
    """Strides of a network that is to make images smaller by a given factor: the first ones become 1.

    Args:
        strides: Of the published network, 1 or 2.
        downsampling: A power of two, at most the published one.

    Raises:
        ArgumentError: the factor is another number.

    Example:
        >>> mobile_strides((2, 2, 2, 2, 1, 2, 1), 8)
        (1, 1, 2, 2, 1, 2, 1)
    """
    most = 2 ** sum(stride == 2 for stride in strides)
    allowed: list[Any] = [2**i for i in range(most.bit_length())]
    if downsampling not in allowed or isinstance(downsampling, bool):
        raise ArgumentError(f"downsampling: got {downsampling!r}; allowed: {', '.join(map(str, allowed))}")
    surplus = (most // downsampling).bit_length() - 1
    found = []
    for stride in strides:
        found.append(1 if stride == 2 and surplus > 0 else stride)
        surplus -= stride == 2
    return tuple(found)
