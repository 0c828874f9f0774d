"""What the mobile networks share: stem, a first block without choices, a body of blocks, last convolution, classifier."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn


class MobileFrame(nn.Module, ABC):
    """Runs its parts one after another."""

    stem: nn.Module
    first: nn.Module
    body: nn.Sequential
    last: nn.Module
    classifier: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        """Scores (logits), `(batch, classes)`, of images `(batch, channels, height, width)`."""
        return self.classifier(self.last(self.body(self.first(self.stem(x)))))

    @staticmethod
    def arguments_for(shape: Sequence[int], classes: int) -> dict[str, Any]:
        """Arguments that fit a data set; for images below 64 pixels a narrow network with fewer strides.

        Args:
            shape: Of one input, `(channels, height, width)`.
            classes: Number of classes.
        """
        side = min(shape[1:], default=0)
        small = {} if side >= 64 else {"width": 0.5, "downsampling": 8} if side >= 28 else {"width": 0.25, "downsampling": 4}
        return {"in_channels": shape[0], "classes": classes, **small}
