"""Cutout: a square of each image is blanked, anywhere, so that no network can lean on one part."""

from __future__ import annotations

import torch
from torch import Tensor

from oche.errors import ArgumentError


def cutout(x: Tensor, side: int, generator: torch.Generator, whole: tuple[int, int] | None = None) -> Tensor:
    """Blank a square of each image, at a middle that is drawn over all pixels; what is outside of the image is lost.

    Args:
        x: Normalized images, `(batch, channels, height, width)`: blank is 0, the mean of the data set.
        side: Of the square, in pixels; 0 changes nothing.
        generator: Source of randomness, on the CPU.
        whole: If `x` is a part of a batch: the position of its first item there, and the items of the whole batch. The part gets what
            it would get in the whole.

    Raises:
        ArgumentError: the inputs are not images.

    Source: DeVries and Taylor 2017; sides of 16 on CIFAR, in the form that DARTS and its followers train with.
    """
    if not side:
        return x
    if x.ndim != 4:
        raise ArgumentError(f"cutout: got inputs of shape {tuple(x.shape[1:])}; allowed: (channels, height, width); use cutout=0")
    height, width = x.shape[2:]
    start, n = whole or (0, len(x))
    mine = slice(start, start + len(x))
    rows = torch.randint(0, height, (n,), generator=generator)[mine].to(x.device)
    columns = torch.randint(0, width, (n,), generator=generator)[mine].to(x.device)
    return x.masked_fill((_inside(rows, height, side)[:, :, None] & _inside(columns, width, side)[:, None, :])[:, None], 0.0)


def _inside(middles: Tensor, length: int, side: int) -> Tensor:
    """Which places of a line lie in the square, `(batch, length)`."""
    places = torch.arange(length, device=middles.device)
    first = middles[:, None] - side // 2
    return (places >= first) & (places < first + side)
