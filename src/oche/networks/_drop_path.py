"""Drop path: in training, the output of an edge is set to zero for some images of a batch.

The probability rises linearly while a network is trained: a training loop says how far it is by `set_progress`, and a network that
nobody tells anything drops as if it were at the end.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from oche.errors import ArgumentError


class DropPath(nn.Module):
    """Zero the features of some images, and scale the others so that the mean stays.

    Args:
        probability: Share of images at the end of a training, 0 to below 1.

    Source: Larsson et al. 2017 (FractalNet); the linear rise is that of Zoph et al. 2018 and of the DARTS code.

    Example:
        >>> DropPath(0.5).eval()(torch.ones(2, 1, 1, 1)).flatten().tolist()
        [1.0, 1.0]
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        if isinstance(probability, bool) or not isinstance(probability, (int, float)) or not 0 <= probability < 1:
            raise ArgumentError(f"drop_path: got {probability!r}; allowed: 0 to below 1")
        self.probability = float(probability)
        #: How much of the training is done, in [0, 1].
        self.progress = 1.0

    def forward(self, x: Tensor) -> Tensor:
        """Features of the shape of `x`, `(batch, ...)`."""
        dropped = self.probability * self.progress
        if not self.training or dropped == 0:
            return x
        shape = (len(x), *(1,) * (x.dim() - 1))
        return x * (torch.empty(shape, dtype=x.dtype, device=x.device).bernoulli_(1 - dropped) / (1 - dropped))

    def extra_repr(self) -> str:
        """The probability at the end."""
        return f"{self.probability:g}"


def set_progress(module: nn.Module, progress: float) -> None:
    """Tell every drop path of a network how much of its training is done.

    Args:
        module: The network.
        progress: In [0, 1].
    """
    for layer in module.modules():
        if isinstance(layer, DropPath):
            layer.progress = progress
