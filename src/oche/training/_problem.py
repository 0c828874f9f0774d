"""What a weight-sharing algorithm may know of a data set: losses and batches of its `train` and `valid` splits, never `test`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from oche import ranks, seeds
from oche.errors import ArgumentError
from oche.loop import Problem
from oche.training._batches import batches, n_batches
from oche.training._device import device as device_of
from oche.training._forward import forward
from oche.training._loop import correct_and_count
from oche.training._loss import cross_entropy, scores
from oche.training._recipe import Recipe
from oche.training.data import DataSet

_SPLITS = ("train", "valid")
#: Disjoint parts of `valid`, for searches that train weights on validation data: what they fit, and what they may select by.
PARTS = ("valid-fit", "valid-select")


def problem(data: DataSet, recipe: Recipe, seed: int = 0, device: str = "cpu") -> Problem:
    """Losses and batches for a search over a classification data set.

    `train` batches are augmented as the recipe says, `valid` batches are not. `batches(split, seed, epoch)` depends on its
    arguments and on this `seed` only; with `part=(rank, world)` it gives a rank's share of each batch. Beside the two splits there are
    two disjoint parts of `valid`, three quarters and one quarter, each class-balanced: `valid-fit` and `valid-select`.

    Args:
        data: The data set.
        recipe: Batch size, augmentation, label smoothing and the planned epochs.
        seed: Root of order and augmentation, mixed with the seed of each call.
        device: Name of the device for batches.
    """
    where = device_of(device)
    parts = _parts(data)
    known = (*_SPLITS, *parts)

    def loss(model: object, batch: tuple[Tensor, Tensor]) -> Tensor:
        x, y = batch
        return cross_entropy(forward(model, x, recipe), y, recipe.label_smoothing)

    def score(model: object, batch: tuple[Tensor, Tensor]) -> tuple[int, int]:
        x, y = batch
        with torch.no_grad():
            return correct_and_count(scores(forward(model, x, recipe)), y)

    def both(split: str, batch_seed: int, epoch: int, part: tuple[int, int] = (0, 1)) -> Iterator[tuple[Tensor, Tensor]]:
        if split not in known:
            raise ArgumentError(f"split: got {split!r}; allowed in a search: {', '.join(known)}; the test split is read once at the end")
        root = seeds.derive(seed, "problem", split, int(batch_seed))
        augmented = recipe if split == "train" else None
        cut = parts.get(split)
        return batches(cut or data, "valid" if cut else split, recipe.batch_size, root, epoch, augmented, where, part)

    counts = {split: n_batches(data, split, recipe.batch_size, ranks.world()) for split in _SPLITS}
    held = {split: n_batches(part, "valid", recipe.batch_size, ranks.world()) for split, part in parts.items()}
    return Problem(loss=loss, score=score, batches=both, n_batches=counts, epochs=recipe.epochs, device=str(where), parts=held)


def _parts(data: DataSet) -> dict[str, DataSet]:
    """The data set with a part of `valid` in its place, by name; none if `valid` is too small to be parted."""
    valid = data.indices("valid")
    held = len(valid) // 4
    if held < 2:
        return {}
    # Splits are stored in a class-balanced order, so that both ends of it are balanced too.
    cuts = dict(zip(PARTS, (valid[:-held], valid[-held:]), strict=True))
    return {name: replace(data, splits={**data.splits, "valid": cut}, origin=None) for name, cut in cuts.items()}
