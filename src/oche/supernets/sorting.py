"""Channels of elastic widths in the order of their importance, so that smaller widths keep the channels that matter.

The importance of a channel is the L1 norm of the weights that read it. All tensors that hold the channels of a width are permuted alike, so
the function of the network at full width stays what it was, up to rounding.
Source: Cai et al. 2020 (Once-for-All), sorting when a stage of elastic widths begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from oche.supernets.elastic import axes_of, elastic_layers_of
from oche.supernets.network import Supernet


@torch.no_grad()
def sort_channels(supernet: Supernet) -> list[str]:
    """Sort the channels of each elastic width in place, the most important first.

    Widths whose channels are bound together in groups, or that are read in another number than they are written, stay as they are.

    Returns:
        Names of the widths that were sorted.
    """
    places: dict[Any, list[tuple[Tensor, int, int, str]]] = {}
    kept: set[Any] = set()
    for _, layer in elastic_layers_of(supernet.network):
        for block, tensor, dim, offset, axis, groups in axes_of(layer):
            if not block.keys:
                continue
            places.setdefault(block, []).append((tensor, dim, offset, axis))
            if groups not in (1, block.largest):
                kept.add(block)
    # Channels that are read at a multiple, as behind a flattening, cannot be told from others: their width stays, too.
    loose = {key for block, found in places.items() if not any(axis == "out" for *_, axis in found) for key in block.keys}
    done = []
    for block, found in places.items():
        reads = [(tensor, dim, offset) for tensor, dim, offset, axis in found if axis == "in"]
        if block in kept or not reads or loose & set(block.keys):
            continue
        importance = torch.stack([_norms(tensor, dim, offset, block.largest) for tensor, dim, offset in reads]).sum(0)
        order = torch.argsort(importance, descending=True, stable=True)
        for tensor, dim, offset in _distinct(found):
            part = tensor.narrow(dim, offset, block.largest)
            part.copy_(part.index_select(dim, order))
        done.append(block.names[0])
    return done


def _norms(tensor: Tensor, dim: int, offset: int, n: int) -> Tensor:
    part = tensor.narrow(dim, offset, n)
    return part.abs().sum([d for d in range(tensor.dim()) if d != dim])


def _distinct(found: list[tuple[Tensor, int, int, str]]) -> Iterator[tuple[Tensor, int, int]]:
    seen = set()
    for tensor, dim, offset, _ in found:
        key = (id(tensor), dim, offset)
        if key not in seen:
            seen.add(key)
            yield tensor, dim, offset
