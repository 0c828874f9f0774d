"""The members of a study: drawn once, so that every condition trains the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import oche
from oche import seeds
from oche.errors import ArgumentError
from oche.program import DNA, Space

# A draw that gives known members only, so often in a row, has met all that can be expected of the space.
_PATIENCE = 1000


def draw(space: Space, n: int, seed: int = 0) -> list[DNA]:
    """`n` different random members, the first ones always the same for a seed, however many are drawn.

    Args:
        space: Where from; uniform at each decision, as a baseline draws.
        n: How many, from 3: fewer have no ranks to speak of.
        seed: Root of the draws.

    Raises:
        ArgumentError: fewer than 3, or more than the space has.

    Example:
        >>> import oche
        >>> space = oche.Space({"x": oche.oneof([1, 2, 3, 4])})
        >>> len({dna.flat for dna in draw(space, 4)})
        4
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 3:
        raise ArgumentError(f"study members: got {n!r}; allowed: a whole number from 3")
    if isinstance(space.size, int) and space.size < n:
        raise ArgumentError(f"study members: got {n}; allowed: up to {space.size}, which is all of space {space.name!r}")
    rng = seeds.generator(seed, "study", "members")
    found: dict[Any, DNA] = {}
    idle = 0
    while len(found) < n and idle < _PATIENCE:
        dna = space.sample(rng)
        idle = idle + 1 if dna.flat in found else 0
        found.setdefault(dna.flat, dna)
    if len(found) < n:
        raise ArgumentError(f"study members: got {n}; allowed: up to {len(found)}, which is all that {_PATIENCE:,} draws meet here")
    return list(found.values())


def train(space: Space, task: Any, members: Sequence[DNA] | int, seed: int, name: str, shared: Mapping[str, Any]) -> list[Any]:
    """Records of members in their order, trained from a seed; of a number of fresh random ones if `members` is a number."""
    chosen: dict[str, Any] = {"n": members} if isinstance(members, int) else {"members": members}
    runs = oche.baseline(space, task, **chosen, seed=seed, name=name, **shared)
    return sorted(runs.records, key=lambda r: r.settings["member"])
