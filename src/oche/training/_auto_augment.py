"""AutoAugment: each image gets one of the 25 pairs of operations that were found for CIFAR-10.

The operations are those of kornia, on tensors of any device. Places that a rotation or a translation leaves empty are black, where the
original has a middle gray. Source: Cubuk et al. 2019 (AutoAugment), policy for CIFAR-10.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from oche.errors import ArgumentError, MissingExtraError
from oche.seeds import building


def auto_augment(x: Tensor, generator: torch.Generator, whole: tuple[int, int] | None = None) -> Tensor:
    """Change each image by one pair of operations, each with its own probability and strength.

    Args:
        x: RGB images with pixels from 0 to 255, `(batch, 3, height, width)`.
        generator: Source of randomness, on the CPU; torch's global generator stays as it is.
        whole: If `x` is a part of a batch: the position of its first item there, and the items of the whole batch. The part gets the pairs
            that it would get in the whole; whether and how strongly they are applied is drawn for the part.

    Returns:
        Images of the same shape, float32, from 0 to 255.

    Raises:
        MissingExtraError: kornia is not installed.
        ArgumentError: the images are not RGB.
    """
    if x.ndim != 4 or x.shape[1] != 3:
        raise ArgumentError(f"augment 'autoaugment': got inputs of shape {tuple(x.shape[1:])}; allowed: (3, height, width), RGB images")
    pairs = _pairs()
    start, n = whole or (0, len(x))
    which = torch.randint(len(pairs), (n,), generator=generator)[start : start + len(x)]
    seed = int(torch.randint(2**62, (1,), generator=generator)) + start
    found = x.float() / 255
    # kornia draws from the global generator; images with one pair go through it together.
    with building(seed), torch.no_grad():
        for index in which.unique().tolist():
            mine = (which == index).nonzero().flatten().to(x.device)
            found[mine] = pairs[index](found[mine])
    return found.clamp_(0, 1) * 255


@lru_cache(maxsize=1)
def _pairs() -> list[Any]:
    try:
        from kornia.augmentation.auto import AutoAugment
        from kornia.augmentation.auto.autoaugment.autoaugment import cifar10_policy
    except ImportError as error:
        raise MissingExtraError("kornia", "augment") from error
    return [AutoAugment([pair]) for pair in cifar10_policy]
