"""Batch norm in supernets.

Running statistics of a shared network belong to no single child. With `batch` statistics a batch norm keeps none and normalizes every
batch by itself, also in evaluation; `recalibrate` computes proper ones for what is run at present.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

#: What a batch norm normalizes by: the present batch, or running statistics in evaluation.
MODES = ("batch", "running")

# Marks layers that kept running statistics in the program, so that children get theirs back.
_MARK = "_oche_running"


def drop_statistics(module: nn.Module) -> None:
    """Let every batch norm normalize by the batch, in evaluation too."""
    for norm in _norms(module):
        if norm.track_running_stats or norm.running_mean is not None:
            setattr(norm, _MARK, norm.momentum)
            norm.track_running_stats = False
            norm.running_mean = norm.running_var = norm.num_batches_tracked = None


def give_statistics(module: nn.Module, momentum: float | str | None = "own") -> None:
    """Give fresh running statistics to every batch norm that had them in the program.

    Args:
        module: Changed in place.
        momentum: Of the running average; None for the plain mean over all batches, `own` for what the program says.
    """
    for norm in _norms(module):
        if hasattr(norm, _MARK):
            reference = norm.weight if norm.weight is not None else torch.zeros(())
            norm.track_running_stats = True
            norm.running_mean = torch.zeros(norm.num_features, dtype=reference.dtype, device=reference.device)
            norm.running_var = torch.ones(norm.num_features, dtype=reference.dtype, device=reference.device)
            norm.num_batches_tracked = torch.tensor(0, dtype=torch.long, device=reference.device)
            norm.momentum = getattr(norm, _MARK) if momentum == "own" else momentum  # type: ignore[assignment]


def restore(module: nn.Module) -> None:
    """Make every batch norm of a child what the program built; statistics that are there stay."""
    for norm in _norms(module):
        if hasattr(norm, _MARK):
            if norm.running_mean is None:
                give_statistics(norm)
            norm.momentum = getattr(norm, _MARK)
            delattr(norm, _MARK)


def recalibrate(module: nn.Module, batches: Iterable[Any]) -> int:
    """Set the running statistics of every batch norm to their plain mean over some batches.

    Args:
        module: A network, changed in place; its mode of training or evaluation is kept.
        batches: Inputs, or pairs of inputs and targets, of which the targets are not used.

    Returns:
        Number of batches that were read.
    """
    norms = [norm for norm in _norms(module) if norm.running_mean is not None]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # type: ignore[assignment]
    modes, count = {m: m.training for m in module.modules()}, 0
    module.train()
    try:
        with torch.no_grad():
            for batch in batches:
                module(batch[0] if isinstance(batch, (tuple, list)) else batch)
                count += 1
    finally:
        for m, mode in modes.items():
            m.training = mode
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    return count


def has_statistics(module: nn.Module) -> bool:
    """Whether any batch norm holds running statistics."""
    return any(isinstance(norm.running_mean, Tensor) for norm in _norms(module))


def _norms(module: nn.Module) -> Iterator[_BatchNorm]:
    return (m for m in module.modules() if isinstance(m, _BatchNorm))
