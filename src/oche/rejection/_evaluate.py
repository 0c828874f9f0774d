"""How often a sampler is right: responses drawn once per query, or a few times, and graded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from oche.rejection._queries import Query
from oche.rejection._sampler import Request

# Queries at work at once.
_AT_ONCE = 64


def shares_correct(queries: Sequence[Query], sampler: Any, grader: Any, samples: int = 1, seed: int = 0) -> np.ndarray:
    """Share of right responses for each query, `(queries,)`; one that was cut off is wrong.

    Args:
        queries: What is asked.
        sampler: Draws responses; at temperature 0 one sample says all.
        grader: Says which are right: has `grade_many([(response, query), ...])`.
        samples: Responses per query.
        seed: Seed of the samples.
    """
    found = []
    for start in range(0, len(queries), _AT_ONCE):
        part = queries[start : start + _AT_ONCE]
        drawn = sampler.generate([Request(q, start + i, 0, samples, seed) for i, q in enumerate(part)])
        for query, completions in zip(part, drawn, strict=True):
            grades = grader.grade_many([(c.text, query) for c in completions])
            right = [g.correct and c.finish != "length" for g, c in zip(grades, completions, strict=True)]
            found.append(np.mean(right) if right else 0.0)
    return np.array(found)
