"""Novelty: how far a descriptor lies from its nearest neighbors, by blocks of matrix products.

Learned descriptors have tens of dimensions, where this is quicker than any tree, and it needs no index that every change of the archive
would make invalid. In up to four dimensions a tree is made at each call.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Points and references per block: 512 x 4096 distances are 16 MB.
_BLOCK, _REFERENCES = 512, 4096
# Measured: a tree pays in so few dimensions and from so many references on.
_TREE_DIMENSIONS, _TREE_SIZE = 4, 256


def novelty(points: Any, reference: Any, n_neighbors: int = 15, own: Any = None, drop_nearest: bool = False) -> np.ndarray:
    """Mean Euclidean distance to the nearest neighbors in a reference set.

    Args:
        points: `(n, d)` descriptors.
        reference: `(m, d)` descriptors.
        n_neighbors: So many neighbors; all that there are, if fewer.
        own: `(n,)` row of each point in `reference`, which is then left out; -1 for points that are not in it. None: none is.
        drop_nearest: Leave out the nearest neighbor of points that are not in the reference, as the reference code does.

    Returns:
        `(n,)`; 0 where there is no neighbor.

    Source: Lehman and Stanley 2011; neighbors 2 to k + 1 of a set that holds the point itself.

    Example:
        >>> novelty([(0, 0)], [(0, 0), (3, 4), (1, 0)], n_neighbors=2, own=[0]).tolist()
        [3.0]
    """
    found, distances = nearest(points, reference, n_neighbors + int(drop_nearest), own)
    known = found >= 0
    if drop_nearest:
        outside = np.ones(len(found), dtype=bool) if own is None else np.asarray(own) < 0
        known[outside, :1] = False
        known[~outside, n_neighbors:] = False
    count = known.sum(1)
    return np.where(known, distances, 0.0).sum(1) / np.maximum(count, 1)


def nearest(points: Any, reference: Any, n_neighbors: int, own: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """The nearest neighbors of each point in a reference set.

    Args:
        points: See `novelty`.
        reference: See `novelty`.
        n_neighbors: See `novelty`.
        own: See `novelty`.

    Returns:
        Rows of the reference `(n, k)`, nearest first, -1 where there are fewer; and distances, infinite there.
    """
    x, y = np.asarray(points, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    k = min(n_neighbors, len(y))
    rows = np.full((len(x), k), -1)
    distances = np.full((len(x), k), np.inf)
    if not k or not len(x):
        return rows, distances
    mine = np.full(len(x), -1) if own is None else np.asarray(own)
    if x.shape[1] <= _TREE_DIMENSIONS and len(y) >= _TREE_SIZE:
        return _by_tree(x, y, k, mine)
    lengths = (y * y).sum(1)
    for i in range(0, len(x), _BLOCK):
        part = slice(i, i + _BLOCK)
        kept = _candidates(x[part], y, lengths, k, mine[part])
        # Products lose digits where points are near each other: the chosen few are measured again.
        exact = np.sqrt(((x[part][:, None] - y[kept]) ** 2).sum(2))
        exact[kept == mine[part][:, None]] = np.inf
        order = np.argsort(exact, axis=1, kind="stable")
        rows[part], distances[part] = np.take_along_axis(kept, order, 1), np.take_along_axis(exact, order, 1)
    rows[np.isinf(distances)] = -1
    return rows, distances


def _by_tree(x: np.ndarray, y: np.ndarray, k: int, mine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same by a tree, made anew: in few dimensions that is quicker."""
    from scipy.spatial import KDTree

    # Cells cut in the middle: quicker to make than to balance, for a tree that is asked once.
    found = KDTree(y, leafsize=20, balanced_tree=False, compact_nodes=False).query(x, min(k + 1, len(y)))
    distances, rows = (np.asarray(part).reshape(len(x), -1) for part in found)
    # Its own row goes to the end; of equal distances the smaller row comes first.
    distances = np.where(rows == mine[:, None], np.inf, distances)
    order = np.lexsort((rows, distances), axis=1)[:, :k]
    rows, distances = np.take_along_axis(rows, order, 1), np.take_along_axis(distances, order, 1)
    return np.where(np.isinf(distances), -1, rows), distances


def _candidates(x: np.ndarray, y: np.ndarray, lengths: np.ndarray, k: int, mine: np.ndarray) -> np.ndarray:
    """Rows `(n, k)` of the nearest references by squared distance less the point's own square, block after block."""
    at = np.arange(len(x))[:, None]
    kept, values = np.zeros((len(x), 0), dtype=np.int64), np.zeros((len(x), 0))
    doubled = -2 * x
    for j in range(0, len(y), _REFERENCES):
        found = doubled @ y[j : j + _REFERENCES].T
        found += lengths[j : j + _REFERENCES]
        inside = np.flatnonzero((mine >= j) & (mine < j + found.shape[1]))
        found[inside, mine[inside] - j] = np.inf
        if values.shape[1] == k:
            # Only what beats the k-th best so far counts: from the second block on, that is little.
            best, found = _below(found, values.max(1))
        elif found.shape[1] > k:
            best = np.argpartition(found, k - 1, axis=1)[:, :k]
            found = found[at, best]
        else:
            best = np.broadcast_to(np.arange(found.shape[1]), found.shape)
        kept, values = np.concatenate([kept, best + j], 1), np.concatenate([values, found], 1)
        if values.shape[1] > k:
            best = np.argpartition(values, k - 1, axis=1)[:, :k]
            kept, values = kept[at, best], values[at, best]
    return kept


def _below(values: np.ndarray, limits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of the values of each row that are below its limit, and these values; infinite where a row has fewer than another."""
    rows, columns = np.divmod(np.flatnonzero(values < limits[:, None]), values.shape[1])
    counts = np.bincount(rows, minlength=len(values))
    places = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    most = int(counts.max(initial=0))
    where, kept = np.zeros((len(values), most), dtype=np.int64), np.full((len(values), most), np.inf)
    where[rows, places], kept[rows, places] = columns, values[rows, columns]
    return where, kept


def local_competition(points: Any, rewards: Any, reference: Any, reference_rewards: Any, n_neighbors: int, own: Any = None) -> np.ndarray:
    """How many of a point's nearest neighbors it beats.

    Args:
        points: `(n, d)` descriptors.
        rewards: `(n,)`.
        reference: `(m, d)`.
        reference_rewards: `(m,)`.
        n_neighbors: See `novelty`.
        own: See `novelty`.

    Source: Lehman and Stanley 2011 (NSLC).
    """
    rows, _ = nearest(points, reference, n_neighbors, own)
    theirs = np.asarray(reference_rewards, dtype=np.float64)[rows]
    return ((theirs < np.asarray(rewards, dtype=np.float64)[:, None]) & (rows >= 0)).sum(1)
