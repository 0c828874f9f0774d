"""Duplicates of responses to one query: equal text, or nearly equal by shared word 8-grams; and the choice of the most diverse ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from oche.errors import ArgumentError

DEDUP = ("exact", "ngram", "none")
_N, _SAME = 8, 0.9
_TOKEN = re.compile(r"[a-z0-9]+")


def normalized(text: str) -> str:
    """`text` with white space collapsed; case is kept."""
    return " ".join(text.split())


def grams(text: str, n: int = _N) -> frozenset[tuple[str, ...]]:
    """The word n-grams of `text` in lower case (runs of letters and digits); of a shorter text, all of it as one."""
    words = _TOKEN.findall(text.lower())
    if len(words) < n:
        return frozenset([tuple(words)]) if words else frozenset()
    return frozenset(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def jaccard(a: frozenset[tuple[str, ...]], b: frozenset[tuple[str, ...]]) -> float:
    """Shared part of two sets; 1 for two empty ones."""
    union = len(a | b)
    return len(a & b) / union if union else 1.0


class Seen:
    """The responses of one query that count so far.

    Args:
        how: `exact`, `ngram` (Jaccard of 8-gram sets above 0.9) or `none`.
        texts: Earlier ones.
    """

    def __init__(self, how: str = "exact", texts: Iterable[str] = ()) -> None:
        if how not in DEDUP:
            raise ArgumentError(f"dedup: got {how!r}; allowed: {', '.join(map(repr, DEDUP))}")
        self.how = how
        self._texts: set[str] = set()
        self._grams: list[frozenset[tuple[str, ...]]] = []
        for text in texts:
            self.add(text)

    def add(self, text: str) -> bool:
        """Take `text`; whether it is new."""
        if self.how == "none":
            return True
        plain = normalized(text)
        if plain in self._texts:
            return False
        if self.how == "ngram":
            mine = grams(plain)
            if any(jaccard(mine, other) > _SAME for other in self._grams):
                return False
            self._grams.append(mine)
        self._texts.add(plain)
        return True


def most_diverse(texts: Sequence[str], k: int) -> list[int]:
    """Indices of k texts, each the one least like those chosen before (the first is the first), in the order of choice."""
    sets = [grams(t, 3) for t in texts]
    chosen: list[int] = []
    nearest = [0.0] * len(texts)
    while len(chosen) < min(k, len(texts)):
        best = min((i for i in range(len(texts)) if i not in chosen), key=lambda i: (nearest[i], i))
        chosen.append(best)
        nearest = [max(near, jaccard(s, sets[best])) for near, s in zip(nearest, sets, strict=True)]
    return chosen
