"""Candidates into groups of nearly equal size, so that as little similarity as possible is cut."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from oche.errors import ArgumentError

#: Up to so many candidates every partition is looked at; above it pairs are swapped from a spectral start.
EXACT = 12

#: Cuts that differ by less are equal.
TIE = 1e-12


def partition(similarity: Any, groups: int = 2) -> list[list[int]]:
    """The balanced partition with the smallest cut: the sum of the similarities of pairs in different groups.

    Groups have `K // groups` or one more members. Up to 12 candidates the result is exact. Of equal partitions, each written with sorted
    groups in the order of their sizes and then of their members, the lexicographically smallest one is taken.

    Args:
        similarity: `(K, K)`, symmetric; may be negative. The diagonal is not read.
        groups: From 2 to K.

    Returns:
        Indices, the smaller groups first.

    Raises:
        ArgumentError: no square matrix of finite numbers, or a number of groups outside 2 to K.

    Source: Hu et al. 2022 (GM-NAS). The authors' scripts minimize the distance within groups instead, which is the same for equal sizes.

    Example:
        >>> partition([[1, 0.9, 0.1, 0.1], [0.9, 1, 0.1, 0.1], [0.1, 0.1, 1, 0.9], [0.1, 0.1, 0.9, 1]])
        [[0, 1], [2, 3]]
    """
    s = as_similarity(similarity)
    k = len(s)
    if isinstance(groups, bool) or not isinstance(groups, int) or not 2 <= groups <= k:
        raise ArgumentError(f"groups: got {groups!r}; allowed: a number between 2 and the number of allowed candidates (K={k})")
    if groups == k:
        return [[i] for i in range(k)]
    sizes = _sizes(k, groups)
    return _exact(s, sizes) if k <= EXACT else _swapped(s, sizes)


def cut(similarity: Any, groups: Sequence[Sequence[int]]) -> float:
    """Sum of the similarities of pairs in different groups."""
    s = np.asarray(similarity, dtype=float)
    return float(sum(s[i, j] for a, b in combinations(groups, 2) for i in a for j in b))


def mean_cut(similarity: Any, groups: Sequence[Sequence[int]]) -> float:
    """Mean similarity of pairs in different groups: a cut that compares between choices with different numbers of candidates."""
    return cut(similarity, groups) / sum(len(a) * len(b) for a, b in combinations(groups, 2))


def as_similarity(similarity: Any) -> np.ndarray:
    """A symmetric matrix of finite numbers, as float64.

    Raises:
        ArgumentError: it is none.
    """
    s = np.asarray(similarity, dtype=float)
    if s.ndim != 2 or s.shape[0] != s.shape[1] or not len(s):
        raise ArgumentError(f"similarity: got an array of shape {s.shape}; allowed: a square matrix")
    if not np.isfinite(s).all():
        i, j = (int(n) for n in np.argwhere(~np.isfinite(s))[0])
        raise ArgumentError(f"similarity: got {s[i, j]} at ({i}, {j}); allowed: finite numbers")
    if not np.allclose(s, s.T, atol=1e-8):
        raise ArgumentError("similarity: got a matrix that is not symmetric; allowed: equal values at (i, j) and (j, i)")
    return s


def _sizes(k: int, groups: int) -> list[int]:
    """Sizes of the groups, the smaller ones first."""
    small, more = divmod(k, groups)
    return [small] * (groups - more) + [small + 1] * more


def _exact(s: np.ndarray, sizes: Sequence[int]) -> list[list[int]]:
    values = s.tolist()
    best, found = math.inf, []
    # Partitions come in lexicographic order, so of equal ones the first stays.
    for groups in partitions(range(len(s)), sizes):
        value = sum(values[i][j] for a, b in combinations(groups, 2) for i in a for j in b)
        if value < best - TIE:
            best, found = value, groups
    return [list(group) for group in found]


def partitions(members: Sequence[int], sizes: Sequence[int]) -> Iterator[list[tuple[int, ...]]]:
    """All partitions into groups of these sizes, each once, in lexicographic order.

    Args:
        members: In ascending order.
        sizes: In ascending order.
    """
    if not sizes:
        yield []
        return
    again = sizes[1:].count(sizes[0])
    for first in combinations(members, sizes[0]):
        rest = [m for m in members if m not in first]
        for others in partitions(rest, sizes[1:]):
            # Groups of one size stand in the order of their members.
            if not again or others[0] > first:
                yield [first, *others]


def _swapped(s: np.ndarray, sizes: Sequence[int]) -> list[list[int]]:
    """A good partition of many candidates: cut the second eigenvector into pieces, then swap pairs while that helps."""
    laplacian = np.diag(s.sum(1) - np.diag(s)) - (s - np.diag(np.diag(s)))
    vector = np.linalg.eigh(laplacian)[1][:, 1]
    # The sign of an eigenvector means nothing.
    vector = vector * (1.0 if vector[int(np.abs(vector).argmax())] > 0 else -1.0)
    order = [int(i) for i in np.argsort(vector, kind="stable")]
    ends = np.cumsum([0, *sizes])
    groups = [order[a:b] for a, b in pairwise(ends)]
    while True:
        gain, swap = 0.0, None
        for a, b in combinations(range(len(groups)), 2):
            for x, i in enumerate(groups[a]):
                for y, j in enumerate(groups[b]):
                    more = _after(s, groups[a], groups[b], i, j)
                    if more > gain + TIE:
                        gain, swap = more, (a, x, b, y)
        if swap is None:
            return sorted((sorted(group) for group in groups), key=lambda group: (len(group), group))
        a, x, b, y = swap
        groups[a][x], groups[b][y] = groups[b][y], groups[a][x]


def _after(s: np.ndarray, a: Sequence[int], b: Sequence[int], i: int, j: int) -> float:
    """By how much the cut falls if i of a and j of b change places."""
    left_a, left_b = [m for m in a if m != i], [m for m in b if m != j]
    return float(s[i, left_b].sum() + s[j, left_a].sum() - s[i, left_a].sum() - s[j, left_b].sum())
