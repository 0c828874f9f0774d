"""Which samples a report shows: a few of every kind of grade, spread from easy to hard queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oche.rejection._allocation import OUTCOMES
from oche.rejection._queries import Query
from oche.rejection._trace import Trace
from oche.store.store import BaseStore

_EACH = 3
_LONGEST = 4_000


def to_read(
    trace: Trace, difficulty: NDArray[np.float64], queries: Sequence[Query] | None, store: BaseStore, pool: str, each: int = _EACH
) -> list[dict[str, Any]]:
    """Samples with query, reference and grade: `each` of every kind, from the easiest query with such a sample to the hardest."""
    drawn = trace.drawn
    right = drawn.verdict == 0
    kinds = {
        "kept": drawn.distinct,
        "duplicate": right & ~drawn.distinct,
        "truncated": drawn.cut,
        **{name: (drawn.verdict == i) & ~drawn.cut for i, name in enumerate(OUTCOMES) if name != "correct"},
    }
    found = []
    for kind, mask in kinds.items():
        at = np.flatnonzero(mask)
        if not at.size:
            continue
        # One sample per query, so that three samples show three queries where there are so many.
        _, first = np.unique(drawn.query[at], return_index=True)
        at = at[first]
        at = at[np.argsort(difficulty[drawn.query[at]], kind="stable")]
        chosen = at[np.unique(np.linspace(0, len(at) - 1, min(each, len(at))).round().astype(int))]
        for i in chosen.tolist():
            found.append(_sample(kind, int(drawn.query[i]), int(drawn.number[i]), difficulty, queries, store, pool))
    return found


def _sample(
    kind: str, number: int, sample: int, difficulty: NDArray[np.float64], queries: Sequence[Query] | None, store: BaseStore, pool: str
) -> dict[str, Any]:
    *_, row = store.samples(pool, number, sample + 1)
    query = queries[number] if queries is not None else None
    text = row.text if len(row.text) <= _LONGEST else row.text[:_LONGEST] + f"… ({len(row.text):,} characters)"
    return {
        "kind": kind, "id": query.id if query is not None else str(number), "query": query.text if query is not None else None,
        "reference": query.reference if query is not None else None, "fail_rate": float(difficulty[number]), "number": sample,
        "text": text, "answer": row.answer, "verdict": row.verdict, "finish": row.finish, "tokens": row.tokens,
    }  # fmt: skip
