"""Queries that a test set holds too: equal after normalization, or sharing a long word n-gram."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from oche.rejection._dedup import grams
from oche.rejection._queries import Query

_TOKEN = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True)
class Contamination:
    """What training queries share with test queries.

    Args:
        exact: Ids of training queries whose text equals a test query's.
        shared: Ids of training queries that share an n-gram with a test query.
        test_shared: Ids of test queries that share an n-gram with a training query.
        n: Length of the n-grams, in words.
    """

    exact: tuple[str, ...]
    shared: tuple[str, ...]
    test_shared: tuple[str, ...]
    n: int


def contamination(train: Sequence[Query], test: Sequence[Query], n: int = 13) -> Contamination:
    """Compare the texts of questions; words are runs of letters a-z and digits in lower case."""
    theirs = {" ".join(_TOKEN.findall(q.text.lower())) for q in test}
    exact = tuple(q.id for q in train if " ".join(_TOKEN.findall(q.text.lower())) in theirs)
    test_grams = [_long(q.text, n) for q in test]
    all_test = frozenset().union(*test_grams) if test_grams else frozenset()
    shared, met = [], set()
    for query in train:
        common = _long(query.text, n) & all_test
        if common:
            shared.append(query.id)
            met |= common
    return Contamination(exact, tuple(shared), tuple(q.id for q, g in zip(test, test_grams, strict=True) if g & met), n)


def _long(text: str, n: int) -> frozenset[tuple[str, ...]]:
    found = grams(text, n)
    return frozenset(g for g in found if len(g) == n)
