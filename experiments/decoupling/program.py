"""The one program of this experiment: ordinary PyTorch with three choices in it, 27 children. It knows no algorithm, flow or task."""

from __future__ import annotations

import torch
from torch import nn

import oche

OPS = {
    "conv3": lambda channels: nn.Conv2d(channels, channels, 3, padding=1, bias=False),
    "conv1": lambda channels: nn.Conv2d(channels, channels, 1, bias=False),
    "identity": lambda channels: nn.Identity(),
}


class Net(nn.Module):
    """A stem, three choices, the mean over the image, a linear head."""

    def __init__(self, in_channels: int = 1, channels: int = 16, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.body = nn.Sequential(*[oche.oneof(OPS, name=f"op{i}", channels=channels) for i in range(3)])
        self.head = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of images `(batch, in_channels, height, width)`."""
        return self.head(self.body(torch.relu(self.stem(x))).mean((2, 3)))
