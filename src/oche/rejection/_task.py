"""The task of a synthesis: its space is one choice over the queries, an evaluation is raw samples drawn and graded.

Samples are drawn in rounds over all queries of a message, each round as many of a query as it still needs: a target can then only be
met by the last one of a round, so nothing is drawn in vain and a query is closed by the very sample that meets its target.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from oche.errors import ArgumentError
from oche.files import digest
from oche.loop.contracts import Cost, DrawItem, Feedback
from oche.program import DNA, Space, oneof
from oche.rejection._allocation import OUTCOMES
from oche.rejection._dedup import DEDUP, Seen
from oche.rejection._queries import Query
from oche.rejection._sampler import Completion, Request
from oche.store.rows import SampleRow


def queries_hash(queries: Sequence[Query]) -> str:
    """Equal for equal ids, texts and references in equal order."""
    text = json.dumps([[q.id, q.text, q.reference] for q in queries]).encode()
    return hashlib.sha256(text).hexdigest()[:16]


def pool_of(described: Mapping[str, Any], seed: int) -> str:
    """Name of the pool of a description, as a task gives it or a record's protocol holds it."""
    return digest([{k: v for k, v in described.items() if k != "arguments"}, seed])[:16]


@dataclass
class _Open:
    """A proposal at work."""

    item: DrawItem
    query: Query
    index: int
    seen: Seen
    number: int
    left: int
    need: int | None
    rows: list[SampleRow] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    stopped: bool = False

    @property
    def closed(self) -> bool:
        return self.left <= 0 or self.stopped or self.need == 0


class Samples:
    """Queries, sampler and grader as a task.

    Args:
        queries: What is asked.
        sampler: Draws responses.
        grader: Says which are right: has `grade_many([(response, query), ...])`.
        dedup: `exact`, `ngram` or `none`: which right responses of a query count as new.
    """

    name = "synthesis"
    metric = "hard_coverage"
    direction = "max"
    unit = "%"

    def __init__(self, queries: Sequence[Query], sampler: Any, grader: Any, dedup: str = "exact") -> None:
        if dedup not in DEDUP:
            raise ArgumentError(f"dedup: got {dedup!r}; allowed: {', '.join(map(repr, DEDUP))}")
        if not hasattr(sampler, "generate"):
            raise ArgumentError(f"sampler: got {type(sampler).__name__}; allowed: a name, or an object with generate and describe")
        if not hasattr(grader, "grade_many"):
            raise ArgumentError(f"grader: got {type(grader).__name__}; allowed: a name, or an object with grade_many")
        self.queries, self.sampler, self.grader, self.dedup = list(queries), sampler, grader, dedup

    @cached_property
    def space(self) -> Space:
        """One choice over the ids of the queries."""
        return Space(oneof([q.id for q in self.queries], name="query"))

    @property
    def history(self) -> bool:
        """Whether a later draw needs the earlier responses."""
        return self.dedup != "none"

    def describe(self) -> dict[str, Any]:
        """Queries, sampler, grader and the rule for duplicates."""
        grader = getattr(self.grader, "describe", None)
        return {
            "task": "synthesis",
            "queries": {"count": len(self.queries), "sha256": queries_hash(self.queries)},
            "sampler": dict(self.sampler.describe()),
            "grader": grader() if grader is not None else getattr(self.grader, "name", type(self.grader).__name__),
            "dedup": self.dedup,
            "metric": {"name": self.metric, "direction": self.direction, "unit": self.unit},
        }

    def pool(self, seed: int) -> str:
        """Samples of equal queries, sampler, grader, rule for duplicates and seed are the same samples."""
        return pool_of(self.describe(), seed)

    def prepare(self) -> None:
        """Load the sampler's model."""
        prepare = getattr(self.sampler, "prepare", None)
        if prepare is not None:
            prepare()

    def child(self, space: Space, dna: DNA, seed: int, final: bool = False) -> Query:
        """The query of a point."""
        return self.queries[int(dna.flat[0] or 0)]

    def evaluate(self, child: Query, seed: int) -> Feedback:
        """One sample: 1 if it is right."""
        (completion,) = self.sampler.generate([Request(child, self.queries.index(child), 0, 1, seed)])[0]
        (grade,) = self.grader.grade_many([(completion.text, child)])
        return Feedback(float(str(grade.outcome) == "correct"), cost=Cost(trials=1, samples=1, tokens=completion.tokens))

    report = evaluate

    def draw(self, space: Space, items: Sequence[DrawItem]) -> list[Feedback]:
        """Draw for all items until each has what it needs or what it may."""
        work = [self._opened(space, item) for item in items]
        simulated = getattr(self.sampler, "simulated", False)
        while todo := [w for w in work if not w.closed]:
            counts = [w.left if simulated or w.need is None else min(w.left, w.need) for w in todo]
            requests = [Request(w.query, w.index, w.number, n, w.item.seed) for w, n in zip(todo, counts, strict=True)]
            for w, count, completions in zip(todo, counts, self.sampler.generate(requests), strict=True):
                self._take(w, completions)
                # A sampler that gave less has no more of this query.
                w.stopped = w.stopped or len(completions) < count
                w.counts["exhausted"] += len(completions) < count and w.need != 0
        return [self._feedback(w) for w in work]

    def _opened(self, space: Space, item: DrawItem) -> _Open:
        index = int(item.dna.flat[0] or 0)  # the space is one choice
        old = [r.text for r in item.have if r.number < item.first and r.distinct]
        w = _Open(item, self.queries[index], index, Seen(self.dedup, old), item.first, item.count, item.need)
        for row in item.have:
            if row.number >= item.first and not w.closed:
                self._count(w, row.verdict, bool(row.distinct), row.text, row.tokens, row.finish)
                w.counts["reused"] += 1
        return w

    def _take(self, w: _Open, completions: Sequence[Completion]) -> None:
        grades = self.grader.grade_many([(c.text, w.query) for c in completions])
        index, proposal = w.index, w.item.proposal
        for c, grade in zip(completions, grades, strict=True):
            verdict = str(grade.outcome)
            if c.finish == "length" and verdict == "correct":
                verdict = "wrong"
            distinct = verdict == "correct" and w.seen.add(c.text)
            w.rows.append(
                SampleRow(
                    index, w.number, proposal, verdict, int(distinct), c.text, grade.answer,
                    c.finish, c.prompt_tokens, c.tokens, c.seconds, c.money,
                )
            )  # fmt: skip
            self._count(w, verdict, distinct, None, c.tokens, c.finish)
            if w.need == 0:
                return

    def _count(self, w: _Open, verdict: str, distinct: bool, text: str | None, tokens: int, finish: str) -> None:
        """Count one sample; `text` is given for one that the store had."""
        counts = w.counts
        counts[verdict] += 1
        counts["tokens"] += tokens
        counts["truncated"] += finish == "length"
        if distinct:
            if text is not None:
                w.seen.add(text)
            counts["kept"] += 1
            if w.need is not None:
                w.need -= 1
        elif verdict == "correct":
            counts["duplicate"] += 1
        w.number += 1
        w.left -= 1

    def _feedback(self, w: _Open) -> Feedback:
        counts = w.counts
        samples = sum(counts[name] for name in OUTCOMES)
        metrics: dict[str, float] = {"samples": samples, "correct": counts["correct"], "kept": counts["kept"]}
        metrics.update({name: n for name, n in counts.items() if n})
        cost = Cost(
            trials=1,
            samples=len(w.rows),
            tokens=sum(r.tokens for r in w.rows),
            money=sum(r.money for r in w.rows),
        )
        return Feedback(float(counts["kept"]), metrics, cost=cost, samples=w.rows)
