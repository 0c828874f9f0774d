"""The program: a network for digits with three choices between four operations, 64 children."""

from __future__ import annotations

from torch import Tensor, nn

import oche


def normal(kernel_size: int, channels: int) -> nn.Module:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2), nn.BatchNorm2d(channels), nn.ReLU())


OPS = {
    "conv3": lambda channels: normal(3, channels),
    "conv1": lambda channels: normal(1, channels),
    "identity": lambda channels: nn.Identity(),
    "maxpool3": lambda channels: nn.MaxPool2d(3, stride=1, padding=1),
}


class Net(nn.Module):
    """Stem, three chosen operations, mean over the image, linear classifier."""

    def __init__(self, channels: int = 8, in_channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.body = nn.Sequential(*[oche.oneof(OPS, name=f"op{i}", channels=channels) for i in range(3)])
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of each image."""
        return self.head(self.body(self.stem(x)).mean((2, 3)))
