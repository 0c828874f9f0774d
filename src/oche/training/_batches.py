"""Batches of a split: order and augmentation are functions of (seed, epoch, number of the batch) and of nothing else.

So a run that resumes at epoch 7 sees what an unbroken one saw, without any state being saved; and several ranks, each with its share of
every batch, see together what one sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from oche import seeds
from oche.errors import ArgumentError
from oche.training._augment import augment, crop_draws, resized_crops
from oche.training._cutout import cutout
from oche.training._recipe import Recipe
from oche.training.data import DataSet


@dataclass(frozen=True)
class _Share:
    """What one rank takes of a batch: positions in the data set, the place of the first one in the batch, the size of the batch."""

    number: int
    positions: Tensor
    start: int
    whole: int


def batches(
    data: DataSet,
    split: str,
    batch_size: int,
    seed: int | None = None,
    epoch: int = 0,
    recipe: Recipe | None = None,
    device: torch.device | str = "cpu",
    part: tuple[int, int] = (0, 1),
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
        part: `(rank, world)`. With a seed every batch is cut into `world` equal shares and this is one of them; items of the last batch
            that do not divide are left out. Without a seed whole batches are dealt out in turn.

    Yields:
        Normalized inputs `(batch, ...)`, float32, and classes `(batch,)`, int64.

    Raises:
        ArgumentError: the recipe augments and there is no seed, or a batch cannot be shared out equally.
    """
    parts = recipe.augmentations if recipe is not None else ()
    side = recipe.cutout if recipe is not None else 0
    if recipe is not None and (parts or side) and seed is None:
        what = f"augment={recipe.augment!r}" if parts else f"cutout={side}"
        raise ArgumentError(f"batches: got {what} without a seed; allowed: an integer seed")
    if seed is not None and batch_size % part[1]:
        raise ArgumentError(f"batch_size: got {batch_size} on {part[1]} ranks; allowed: a multiple of {part[1]}")
    positions = torch.from_numpy(data.indices(split).copy())
    if seed is not None:
        positions = positions[torch.randperm(len(positions), generator=seeds.torch_generator(seed, "order", epoch))]
    chunks = positions.split(batch_size)
    shares = _dealt(chunks, part) if seed is None else _cut(chunks, batch_size, part)
    source = _Source(data, shares, (seed, epoch) if seed is not None and "resized-crop" in parts else None)
    for share, (x, y) in zip(shares, _read(source), strict=True):
        x, y = x.to(device), y.to(device)
        if parts and recipe is not None and seed is not None:
            stream = seeds.torch_generator(seed, "augment", epoch, share.number)
            x = augment(x, parts, stream, recipe.crop_padding, (share.start, share.whole))
        x = normalize(x, data)
        if side and seed is not None:
            x = cutout(x, side, seeds.torch_generator(seed, "cutout", epoch, share.number), (share.start, share.whole))
        yield x, y


def n_batches(data: DataSet, split: str, batch_size: int, world: int = 1) -> int:
    """Number of batches in one pass with a seed, over so many ranks."""
    full, rest = divmod(len(data.indices(split)), batch_size)
    share = rest // world
    return full + (share > 1 or (share == 1 and full == 0))


def _dealt(chunks: Sequence[Tensor], part: tuple[int, int]) -> list[_Share]:
    rank, world = part
    return [_Share(i, chunk, 0, len(chunk)) for i, chunk in enumerate(chunks) if i % world == rank]


def _cut(chunks: Sequence[Tensor], batch_size: int, part: tuple[int, int]) -> list[_Share]:
    rank, world = part
    found = []
    for number, chunk in enumerate(chunks):
        size = len(chunk) // world
        if size < 1 or (number and size < 2 <= batch_size // world and len(chunk) < batch_size):
            break
        found.append(_Share(number, chunk[rank * size : (rank + 1) * size], rank * size, len(chunk)))
    return found


class _Source(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Raw batches by number: what is read, decoded and cropped, in this process or in a worker."""

    def __init__(self, data: DataSet, shares: Sequence[_Share], crops: tuple[int, int] | None) -> None:
        self.data, self.shares, self.crops = data, shares, crops

    def __len__(self) -> int:
        return len(self.shares)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        share = self.shares[i]
        if self.crops is None:
            return items(self.data, share.positions)
        seed, epoch = self.crops
        draws = crop_draws(seeds.torch_generator(seed, "resized-crop", epoch, share.number), share.whole)
        draws = draws[share.start : share.start + len(share.positions)]
        if not hasattr(self.data.x, "cropped"):
            x, y = items(self.data, share.positions)
            return resized_crops(x, draws), y
        chosen = share.positions.numpy()
        return torch.from_numpy(self.data.x.cropped(chosen, draws)), torch.from_numpy(self.data.y[chosen])


def _read(source: _Source) -> Iterator[tuple[Tensor, Tensor]]:
    """All batches of a source, by worker processes where its images have to be decoded and the set asks for them."""
    workers: int = getattr(source.data.x, "workers", 0)
    if not workers or len(source) < 2:
        return (source[i] for i in range(len(source)))
    # Its own generator: the loader would draw a number from the global one.
    settings: dict[str, Any] = {"num_workers": min(workers, len(source)), "generator": torch.Generator().manual_seed(0)}
    return iter(torch.utils.data.DataLoader(source, batch_size=None, shuffle=False, **settings))


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
