"""The program of `oche demo --quick`: six choices of five, and a table that says how good each pair of neighbors is.

Small enough for ten seconds without torch, and not a plane: what is best at one place depends on what stands beside it, so a
search that changes one place at a time has something to find and something to be caught by. The numbers come from a hash; they
were not chosen so that any algorithm wins.
"""

from __future__ import annotations

import hashlib

import oche

OPS = ("a", "b", "c", "d", "e")
PLACES = 6


class Word:
    """An ordinary class with six choices in it."""

    def __init__(self) -> None:
        self.letters = tuple(oche.oneof(list(OPS), name=f"place{i}") for i in range(PLACES))


def worth(word: Word) -> float:
    """Mean worth of neighbors, in percent: `(PLACES - 1)` numbers of a fixed table, each uniform in [0, 100)."""
    pairs = zip(word.letters, word.letters[1:], strict=False)
    return sum(_entry(i, left, right) for i, (left, right) in enumerate(pairs)) / (PLACES - 1)


def _entry(place: int, left: str, right: str) -> float:
    raw = hashlib.sha256(f"{place}{left}{right}".encode()).digest()
    return int.from_bytes(raw[:4], "big") / 2**32 * 100
