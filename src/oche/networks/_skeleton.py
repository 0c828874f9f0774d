"""What stands around the cells of a network: the stem before them, reductions between them, the classifier after them.

All three take images of any height and width, also odd ones.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from oche.networks._ops import ReluConvNorm


class Stem(nn.Sequential):
    """3x3 convolution and batch normalization, from image channels to `channels`.

    Args:
        in_channels: Channels of the image.
        channels: Channels of the output.
        affine: Whether the normalization has a scale and a shift; the convolution has a bias if not.
    """

    def __init__(self, in_channels: int, channels: int, affine: bool = True) -> None:
        super().__init__(nn.Conv2d(in_channels, channels, 3, padding=1, bias=not affine), nn.BatchNorm2d(channels, affine=affine))

    def forward(self, input: Tensor) -> Tensor:
        # The memory format passes from layer to layer. On a CPU it takes 30 percent off a training step of few channels at 32x32.
        if input.device.type == "cpu":
            input = input.contiguous(memory_format=torch.channels_last)
        return super().forward(input)


class ResidualReduction(nn.Module):
    """Residual block that halves height and width (rounded up): two 3x3 convolutions beside mean pooling and a 1x1 convolution.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.

    Source: Dong and Yang 2020 (NAS-Bench-201), the block between stages; rounding up for odd sizes is ours.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = ReluConvNorm(in_channels, 3, out_channels=out_channels, stride=2)
        self.second = ReluConvNorm(out_channels, 3)
        # With ceil_mode the pool has the size of the strided convolution at odd heights and widths too.
        pool = nn.AvgPool2d(2, stride=2, ceil_mode=True)
        self.shortcut = nn.Sequential(pool, nn.Conv2d(in_channels, out_channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.second(self.first(x))


class Classifier(nn.Sequential):
    """Batch normalization, ReLU, global mean, linear layer: features to one score (logit) per class.

    Args:
        channels: Channels of the features.
        classes: Number of classes.
        affine: Whether the normalization has a scale and a shift.
    """

    def __init__(self, channels: int, classes: int, affine: bool = True) -> None:
        super().__init__(
            nn.BatchNorm2d(channels, affine=affine),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(channels, classes),
        )


class ImageNetStem(nn.Module):
    """Three 3x3 convolutions of stride 2: two features for the first cell, at a quarter and at an eighth of the image's size.

    Args:
        in_channels: Channels of the image.
        channels: Channels of both outputs, even.

    Source: Liu et al. 2019 (DARTS), code of the ImageNet network.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            _halving(in_channels, channels // 2),
            nn.BatchNorm2d(channels // 2),
            nn.ReLU(),
            _halving(channels // 2, channels),
            nn.BatchNorm2d(channels),
        )
        self.second = nn.Sequential(nn.ReLU(), _halving(channels, channels), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features `(batch, channels, height / 4, width / 4)` and `(batch, channels, height / 8, width / 8)`."""
        before = self.first(x)
        return before, self.second(before)


class AuxiliaryHead(nn.Sequential):
    """A second classifier in the middle of a network, whose loss helps to train what lies before it.

    Args:
        channels: Channels of the features.
        classes: Number of classes.
        stride: Of the mean over 5x5 windows: 3 for features of 8x8, 2 for 7x7.
        last_norm: Whether the last convolution is normalized.

    Source: Liu et al. 2019 (DARTS), code. Its ImageNet head has no normalization after the last convolution, on purpose: the published
    models were trained so. The mean over places at the end changes nothing at the published sizes and lets others through (ours).
    """

    def __init__(self, channels: int, classes: int, stride: int = 3, last_norm: bool = True) -> None:
        super().__init__(
            nn.ReLU(),
            nn.AvgPool2d(5, stride, count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            *([nn.BatchNorm2d(768)] if last_norm else []),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(768, classes),
        )


class AuxiliaryOutput(NamedTuple):
    """What a network with an auxiliary head gives in training; a loss adds the auxiliary one with its weight.

    Args:
        logits: Scores, `(batch, classes)`.
        auxiliary: Scores of the auxiliary head.
        weight: How much the auxiliary loss counts.
    """

    logits: Tensor
    auxiliary: Tensor
    weight: float


def _halving(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False)
