"""The smallest network with choices that is worth training: 27 children, a few hundredths of a second an epoch."""

from __future__ import annotations

from torch import Tensor, nn

import oche


class TinyNet(nn.Module):
    """Three choices between convolutions and nothing."""

    def __init__(self, channels: int = 6, in_channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(in_channels, channels, 3, stride=2, padding=1)
        ops = {
            "conv3": lambda: nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()),
            "conv1": lambda: nn.Sequential(nn.Conv2d(channels, channels, 1), nn.Dropout(0.1), nn.ReLU()),
            "none": nn.Identity,
        }
        self.body = nn.Sequential(*[oche.oneof(ops, name=f"op{i}") for i in range(3)])
        self.head = nn.Linear(channels * 16, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of each image."""
        return self.head(self.body(self.stem(x)).flatten(1))
