"""Weights of a search that ended elsewhere: the path that they stand for, and what they lean towards.

The authors keep the multipliers of a search as numbers without names, in nested lists of five levels:

    [stride][block][width that a way starts at][width that it leads to][operation]

Which operation comes first differs between their files, and the wrong order turns every operation of a path into another one; so the names
are asked for. Source: Hundt et al. 2019 (sharpDARTS), layout of the authors' code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oche.errors import ArgumentError, DataError
from oche.program import DNA, Space
from oche.spaces.hypercuboid._builder import HyperCuboid
from oche.supernets.longest_path import PathLevel, PathRule

#: Largest file that is read, in bytes.
_LARGEST = 50_000_000


def read_weights(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """Weights from a file: nested lists as JSON, or `.npy`.

    Raises:
        DataError: it cannot be read, or does not hold finite numbers in a box.
    """
    file = Path(path)
    try:
        if file.stat().st_size > _LARGEST:
            raise ValueError(f"{file.stat().st_size} bytes")
        raw = np.load(file, allow_pickle=False) if file.suffix == ".npy" else json.loads(file.read_text(encoding="utf-8"))
        found = np.asarray(raw, dtype=np.float64)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"weights file: got {str(path)!r} ({error}); allowed: nested lists of numbers as JSON, or .npy") from error
    if not found.size or not np.isfinite(found).all():
        raise DataError(f"weights file: got {str(path)!r} with numbers that are missing or not finite; allowed: finite numbers")
    return found


def stored_paths(space: Space, weights: Any, ops: Sequence[str], k: int = 1, rule: PathRule | None = None) -> list[tuple[float, DNA]]:
    """The best paths of stored weights, best first, with their scores.

    Args:
        space: A cuboid of widths and operations.
        weights: `(strides, blocks, widths, widths, ops)`: multipliers of all ways.
        ops: Names of the operations in the order of the last axis.
        k: How many paths.
        rule: Which path stands for weights; the space's own by default.

    Raises:
        ArgumentError: the space is no cuboid of one carried and one free axis, or names or shape do not fit it.
    """
    cuboid = space.program
    if not isinstance(cuboid, HyperCuboid) or len(cuboid.carry) != 1 or len(cuboid.free) != 1:
        raise ArgumentError(f"stored weights: got space {space.name!r}; allowed: a cuboid of one carried and one free axis")
    ways, states, strides = list(cuboid.ways), list(cuboid.states), cuboid.strides
    if sorted(ops) != sorted(ways):
        raise ArgumentError(f"stored weights, ops: got {list(ops)}; allowed: {', '.join(ways)}, each once, in the order of the file")
    found = np.asarray(weights, dtype=np.float64)
    shape = (len(strides), len(cuboid.level_strides) // len(strides), len(states), len(states), len(ways))
    if found.shape != shape:
        raise ArgumentError(f"stored weights: got shape {found.shape}; allowed: {shape} (strides, blocks, widths, widths, operations)")
    order = [list(ops).index(way) for way in ways]
    levels, labels = [], []
    for number in range(len(cuboid.level_strides)):
        block, stride = divmod(number, len(strides))
        here = [(a, b, o) for a in range(len(states)) for b in range(len(states)) for o in range(len(ways))]
        scores = [float(found[stride, block, a, b, order[o]]) for a, b, o in here]
        levels.append(PathLevel(scores, [states[a] for a, _, _ in here], [states[b] for _, b, _ in here]))
        start = "" if number else "{}->"
        labels.append([start.format(states[a]) + f"{states[b]} {ways[o]}" for a, b, o in here])
    made = []
    for score, path in (rule or cuboid.rule).best(levels, k):
        decisions = {level: labels[i][at] for i, (level, at) in enumerate(zip(cuboid.level_strides, path, strict=True))}
        made.append((score, space.encode_decisions(decisions)))
    return made


def leanings(weights: Any, ops: Sequence[str]) -> dict[str, tuple[float, int]]:
    """What stored weights lean towards: for each operation its mean weight, and in how many groups it has the largest.

    Args:
        weights: `(..., ops)`; every vector along the last axis is a group, such as an edge of a cell.
        ops: Names in the order of the last axis.

    Raises:
        ArgumentError: there are not as many names as the last axis is long.

    Example:
        >>> leanings([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]], ["none", "skip", "conv"])
        {'none': (0.3, 1), 'skip': (0.3, 0), 'conv': (0.4, 1)}
    """
    found = np.asarray(weights, dtype=np.float64)
    if not found.ndim or found.shape[-1] != len(ops) or len(set(ops)) < len(ops):
        raise ArgumentError(f"stored weights, ops: got {list(ops)}; allowed: one name for each of {found.shape[-1:]} numbers, none twice")
    flat = found.reshape(-1, len(ops))
    tops = np.bincount(flat.argmax(1), minlength=len(ops))
    return {op: (float(mean), int(top)) for op, mean, top in zip(ops, flat.mean(0), tops, strict=True)}
