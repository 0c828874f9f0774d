"""Learning rates by epoch, as plain functions: no optimizer is stepped, so no rate can be skipped or shifted by one."""

from __future__ import annotations

from oche.errors import ArgumentError
from oche.training._cosine_power import cosine_power


def cosine(epoch: float, epochs: int, lr: float, lr_min: float = 0.0, warmup_epochs: int = 0, power: float = 1.0) -> float:
    """Learning rate of an epoch: half a cosine from `lr` at the first epoch toward `lr_min`.

    `lr_min + (lr - lr_min) * (1 + cos(pi * t / T)) / 2` for t = 0..T-1; T counts the epochs after the warm-up. The warm-up rises in
    equal steps, `lr * (t + 1) / (warmup_epochs + 1)`.

    Args:
        epoch: From 0; fractions are allowed, for schedules by batch.
        epochs: All epochs, warm-up included.
        lr: Highest rate.
        lr_min: Rate that the cosine would reach at epoch `epochs`.
        warmup_epochs: Epochs of linear rise.
        power: Above 1 the rate falls earlier, as in `CosinePowerAnnealing`.

    Raises:
        ArgumentError: the warm-up leaves no epoch.

    Source: Loshchilov and Hutter 2017 without restarts; the warm-up is ours.
    """
    share = _share(epoch, epochs, warmup_epochs)
    return _risen(epoch, lr, warmup_epochs) if share < 0 else lr_min + (lr - lr_min) * cosine_power(share, power)


def linear(epoch: float, epochs: int, lr: float, lr_min: float = 0.0, warmup_epochs: int = 0) -> float:
    """Learning rate of an epoch: a line from `lr` at the first epoch toward `lr_min`, `lr_min + (lr - lr_min) * (1 - t / T)`.

    Args:
        epoch, epochs, lr, lr_min, warmup_epochs: As in `cosine`, the warm-up too.

    Raises:
        ArgumentError: the warm-up leaves no epoch.
    """
    share = _share(epoch, epochs, warmup_epochs)
    return _risen(epoch, lr, warmup_epochs) if share < 0 else lr_min + (lr - lr_min) * (1 - share)


def _share(epoch: float, epochs: int, warmup_epochs: int) -> float:
    """How much of the fall is over, negative in the warm-up."""
    if not 0 <= warmup_epochs < epochs:
        raise ArgumentError(f"warmup_epochs: got {warmup_epochs} of {epochs} epochs; allowed: 0 to {epochs - 1}")
    return (epoch - warmup_epochs) / (epochs - warmup_epochs)


def _risen(epoch: float, lr: float, warmup_epochs: int) -> float:
    return lr * (epoch + 1) / (warmup_epochs + 1)
