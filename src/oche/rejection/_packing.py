"""Packing: several examples side by side in one sequence, which never see each other.

A pack is filled in the order of the examples while it has room (next fit). Positions start anew at each example, attention is
block-diagonal by `segments`, and the loss is taken on the response and its end: the prompt carries none, nor does the first symbol of an
example, which nothing of its own comes before. Source: Tong et al. 2024 (DART-Math), training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from oche.errors import ArgumentError
from oche.rejection._tune import IGNORED


@dataclass(frozen=True)
class Pack:
    """One packed sequence; every field is `(length,)`.

    Args:
        sequence: Symbols.
        targets: The symbol after each that counts, else `IGNORED`.
        positions: Place of each symbol in its own example.
        segments: Number of its example within the pack.
    """

    sequence: Tensor
    targets: Tensor
    positions: Tensor
    segments: Tensor


def next_fit(lengths: Sequence[int], limit: int) -> list[list[int]]:
    """Numbers of the examples of each pack.

    Args:
        lengths: Symbols of each example, its end included.
        limit: Symbols of a pack, at most.

    Raises:
        ArgumentError: an example alone is longer than a pack.
    """
    groups: list[list[int]] = []
    left = -1
    for number, length in enumerate(lengths):
        if length > limit:
            raise ArgumentError(
                f"packing: got example {number} of {length} symbols; allowed: at most the {limit} of a pack; raise it, or leave it out"
            )
        if length > left:
            groups.append([])
            left = limit
        groups[-1].append(number)
        left -= length
    return groups


def join(examples: Sequence[tuple[Sequence[int], Sequence[int]]], end: int) -> Pack:
    """Put examples side by side.

    Args:
        examples: Symbols of a prompt and of its response.
        end: The symbol that ends a response; it is added, and counts.
    """
    sequence, targets, positions, segments = [], [], [], []
    for number, (prompt, response) in enumerate(examples):
        whole = [*prompt, *response, end]
        # Target j is symbol j + 1; the last symbol of an example predicts nothing of its own.
        following = [*whole[1:], IGNORED]
        first = max(len(prompt) - 1, 0)
        sequence += whole
        targets += [IGNORED] * first + following[first:]
        positions += range(len(whole))
        segments += [number] * len(whole)
    return Pack(*(torch.tensor(part) for part in (sequence, targets, positions, segments)))


def seen_within(segments: Tensor) -> Tensor:
    """Which position sees which, `(batch, 1, length, length)`: earlier ones of its own example, and itself.

    Args:
        segments: `(batch, length)`.
    """
    same = segments[:, None, :, None] == segments[:, None, None, :]
    return same & torch.ones(segments.shape[1], segments.shape[1], dtype=torch.bool, device=segments.device).tril()
