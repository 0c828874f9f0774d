"""Three layers, each with a width and one of four operations: 4^3 * 4^3 = 4,096 networks."""

from __future__ import annotations

import torch
from torch import nn

import oche
from oche.networks import Classifier, ReluConvNorm, Stem
from oche.supernets import elastic_width

WIDTHS = (2, 4, 8, 16)


class Separable(nn.Sequential):
    """ReLU, depthwise 3x3, 1x1, normalization."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.Conv2d(channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )


class Pooled(nn.Sequential):
    """Mean over 3x3, 1x1 convolution, normalization."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__(nn.AvgPool2d(3, 1, 1), nn.Conv2d(channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))


OPS = {
    "conv3": lambda channels, out_channels: ReluConvNorm(channels, 3, out_channels=out_channels),
    "conv1": lambda channels, out_channels: ReluConvNorm(channels, 1, out_channels=out_channels),
    "separable": Separable,
    "pool": Pooled,
}


class Net(nn.Module):
    """Stem, three layers, classifier."""

    def __init__(self, classes: int = 10, in_channels: int = 1) -> None:
        super().__init__()
        self.stem = Stem(in_channels, 8)
        layers, channels = [], 8
        for i in range(3):
            width = elastic_width(WIDTHS, name=f"width{i}")
            layers.append(oche.oneof(OPS, name=f"op{i}", channels=channels, out_channels=width))
            channels = width
        self.layers = nn.Sequential(*layers)
        self.head = Classifier(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores `(batch, classes)`."""
        return self.head(self.layers(self.stem(x)))
