"""Random crops and flips of a batch of images, on tensors of any device.

The result depends on the batch and the generator only. Works on raw pixels, before normalization: the border of a crop is black.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from oche.errors import ArgumentError
from oche.training._auto_augment import auto_augment


def augment(x: Tensor, parts: Iterable[str], generator: torch.Generator, crop_padding: int = 4) -> Tensor:
    """Crop and flip each image at random.

    Args:
        x: Images, `(batch, channels, height, width)`.
        parts: Any of `crop` (zero border of `crop_padding` pixels, then a window of the old size) and `flip` (left to right with
            probability 1/2), applied in this order, then `autoaugment` (one of 25 pairs of operations for each image).
        generator: Source of randomness, on the CPU.
        crop_padding: Width of the border, in pixels.

    Raises:
        ArgumentError: the inputs are not images.

    Source: the common CIFAR augmentation (He et al. 2016).
    """
    wanted = tuple(parts)
    if not wanted:
        return x
    if x.ndim != 4:
        raise ArgumentError(f"augment: got inputs of shape {tuple(x.shape[1:])}; allowed: (channels, height, width); use augment='none'")
    if "crop" in wanted:
        corners = torch.randint(0, 2 * crop_padding + 1, (2, len(x)), generator=generator)
        x = _crop(x, corners.to(x.device), crop_padding)
    if "flip" in wanted:
        chosen = torch.rand(len(x), generator=generator) < 0.5
        x = torch.where(chosen.to(x.device)[:, None, None, None], x.flip(-1), x)
    if "autoaugment" in wanted:
        x = auto_augment(x, generator)
    return x


def _crop(x: Tensor, corners: Tensor, padding: int) -> Tensor:
    n, _, height, width = x.shape
    padded = F.pad(x, (padding,) * 4)
    rows = corners[0][:, None] + torch.arange(height, device=x.device)
    columns = corners[1][:, None] + torch.arange(width, device=x.device)
    items = torch.arange(n, device=x.device)[:, None, None]
    # Index arrays around a slice put the channels last.
    return padded[items, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()
