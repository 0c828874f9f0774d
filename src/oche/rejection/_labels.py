"""Suspected label errors: no response is right, yet most agree on another answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from oche.rejection._queries import Query
from oche.store.rows import SampleRow


def suspected(
    queries: Sequence[Query], samples: Iterable[tuple[int, list[SampleRow]]], majority: float = 0.6, least: int = 8
) -> list[dict[str, Any]]:
    """Queries whose reference is in doubt.

    Args:
        queries: All queries.
        samples: Query number and its rows.
        majority: Share of the samples that must agree.
        least: Samples that a query must have.
    """
    found = []
    for number, rows in samples:
        if len(rows) < least or any(r.verdict == "correct" for r in rows):
            continue
        answer, votes = Counter(r.answer for r in rows).most_common(1)[0]
        if answer is not None and votes >= majority * len(rows):
            query = queries[number]
            found.append({"id": query.id, "query": query.text, "reference": query.reference, "majority": answer, "votes": votes,
                          "samples": len(rows)})  # fmt: skip
    return found


def grouped(rows: Iterable[SampleRow]) -> Iterator[tuple[int, list[SampleRow]]]:
    """Rows in the order of the store, by query."""
    for number, group in groupby(rows, key=lambda r: r.query):
        yield number, list(group)
