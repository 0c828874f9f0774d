"""Batches of a split: order and augmentation are functions of (seed, epoch, number of the batch) and of nothing else.

So a run that resumes at epoch 7 sees what an unbroken one saw, without any state being saved.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from oche import seeds
from oche.errors import ArgumentError
from oche.training._augment import augment
from oche.training._recipe import Recipe
from oche.training.data import DataSet


def batches(
    data: DataSet,
    split: str,
    batch_size: int,
    seed: int | None = None,
    epoch: int = 0,
    recipe: Recipe | None = None,
    device: torch.device | str = "cpu",
) -> Iterator[tuple[Tensor, Tensor]]:
    """Go once through a split.

    Args:
        data: The data set.
        split: `train`, `valid`, `test`, or several joined by `+`.
        batch_size: Items of a batch; the last one may be smaller.
        seed: Root of order and augmentation. None keeps the stored order, which is class-balanced. With a seed a last batch of one
            item is left out: batch normalization cannot train on it, and another epoch has another order.
        epoch: Number of the pass, from 0.
        recipe: Augment as it says; None for no augmentation.
        device: Where the batches go.

    Yields:
        Normalized inputs `(batch, ...)`, float32, and classes `(batch,)`, int64.

    Raises:
        ArgumentError: the recipe augments and there is no seed.
    """
    if recipe is not None and recipe.augmentations and seed is None:
        raise ArgumentError(f"batches: got augment={recipe.augment!r} without a seed; allowed: an integer seed")
    positions = torch.from_numpy(data.indices(split).copy())
    if seed is not None:
        positions = positions[torch.randperm(len(positions), generator=seeds.torch_generator(seed, "order", epoch))]
    for number, chosen in enumerate(positions.split(batch_size)):
        if seed is not None and number and len(chosen) < 2 <= batch_size:
            return
        x, y = items(data, chosen, device)
        if recipe is not None and recipe.augmentations and seed is not None:
            stream = seeds.torch_generator(seed, "augment", epoch, number)
            x = augment(x, recipe.augmentations, stream, recipe.crop_padding)
        yield normalize(x, data), y


def n_batches(data: DataSet, split: str, batch_size: int) -> int:
    """Number of batches in one pass with a seed."""
    whole, rest = divmod(len(data.indices(split)), batch_size)
    return whole + (rest > 1 or (rest == 1 and whole == 0))


def items(data: DataSet, positions: Tensor, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Raw inputs and classes at `positions`."""
    chosen = positions.numpy()
    # Fancy indexing copies, so the tensors never share memory with the data set or a mapped file.
    return torch.from_numpy(data.x[chosen]).to(device), torch.from_numpy(data.y[chosen]).to(device)


def normalize(x: Tensor, data: DataSet) -> Tensor:
    """Raw inputs as float32 with the mean and deviation of the data set taken out, channel by channel."""
    return standardize(x, data.mean, data.std)


def standardize(x: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """`(x - mean) / std` for each channel, the second axis; unchanged where mean is empty."""
    x = x.float()
    if not mean:
        return x
    shape = (1, -1, *(1,) * (x.ndim - 2))
    return (x - torch.tensor(mean, device=x.device).view(shape)) / torch.tensor(std, device=x.device).view(shape)
