"""Cutting a set of labeled items into splits, and ordering a split so that every prefix of it is class-balanced.

Everything is a function of the labels and a seed: the same data gives the same splits in every process and on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from oche import seeds
from oche.errors import ArgumentError

Indices = NDArray[np.int64]


def balanced_order(y: NDArray[np.int64], seed: int) -> Indices:
    """An order of all items in which every prefix holds each class equally often, as far as the items last.

    Items of a class are shuffled by `seed`; then the classes take turns.

    Args:
        y: Class of each item, `(n,)`.
        seed: Root of the shuffle.

    Returns:
        Positions, `(n,)`.
    """
    shuffled = seeds.generator(seed, "balanced-order").permutation(len(y))
    labels = y[shuffled]
    by_class = np.argsort(labels, kind="stable")
    turn = np.empty(len(y), dtype=np.int64)
    starts = np.searchsorted(labels[by_class], labels[by_class], side="left")
    turn[by_class] = np.arange(len(y)) - starts
    return shuffled[np.lexsort((labels, turn))].astype(np.int64)


def cut(y: NDArray[np.int64], sizes: Mapping[str, int], seed: int | None, balanced: bool) -> dict[str, Indices]:
    """Disjoint splits of the given sizes.

    Args:
        y: Class of each item, `(n,)`.
        sizes: Items of each split; together at most n.
        seed: Root of the shuffle; None keeps the order of the items and takes them from the front (only if not balanced).
        balanced: Give each split the classes in the proportions of the whole, and order it by `balanced_order`.

    Returns:
        Positions by split.
    """
    if not balanced:
        order = np.arange(len(y)) if seed is None else seeds.generator(seed, "split").permutation(len(y))
        bounds = np.cumsum([0, *sizes.values()])
        return {name: order[a:b].astype(np.int64) for name, a, b in zip(sizes, bounds, bounds[1:], strict=False)}
    if seed is None:
        raise ArgumentError("split: got seed=None with balanced=True; allowed: an integer seed; use balanced=False to split by position")
    order = balanced_order(y, seed)
    # Through the items class by class, handing out in turn: each split gets its share of each class, to within about one item.
    order = order[np.argsort(y[order], kind="stable")]
    names, quotas = _with_rest(sizes, len(y))
    owner = _in_turn(quotas, len(y))
    found: dict[str, Indices] = {}
    for i, name in enumerate(names):
        members = order[owner == i]
        found[name] = members[balanced_order(y[members], seed)]
    return found


def _with_rest(sizes: Mapping[str, int], n: int) -> tuple[list[str], list[int]]:
    # What no split wants is handed out like a split of its own, so that it too is taken evenly from all classes.
    return list(sizes), [*sizes.values(), n - sum(sizes.values())]


def _in_turn(quotas: Sequence[int], n: int) -> NDArray[np.int64]:
    """Owner of each of n places, so that every stretch of places is shared nearly in proportion to the quotas, and exactly in all."""
    # The j-th of q items of an owner is due at place (j + 1/2) * n / q; places are filled in the order of what is due.
    due = np.concatenate([(np.arange(q) + 0.5) * n / max(q, 1) for q in quotas])
    owners = np.repeat(np.arange(len(quotas)), quotas)
    return owners[np.lexsort((owners, due))]


def sizes_of(n: int, wanted: Mapping[str, int | float]) -> dict[str, int]:
    """Turn counts (integers) and shares of n (floats) into counts.

    Raises:
        ArgumentError: a split is empty, or together they want more than n items.
    """
    shares = {name: value for name, value in wanted.items() if isinstance(value, float)}
    bounds = np.floor(np.cumsum([0.0, *shares.values()]) * n + 0.5).astype(int)
    counts = dict(zip(shares, np.diff(bounds).tolist(), strict=True))
    sizes = {name: counts[name] if name in counts else int(value) for name, value in wanted.items()}
    for name, size in sizes.items():
        if size < 1:
            raise ArgumentError(f"split {name!r}: got {wanted[name]!r}, which is {size} of {n} items; allowed: at least one item")
    if sum(sizes.values()) > n:
        raise ArgumentError(f"split: got {dict(wanted)}, together {sum(sizes.values())} items; allowed: at most {n}")
    return sizes
