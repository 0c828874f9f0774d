"""What a study returns: the judge's result, the records behind it, and its two files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oche.errors import ArgumentError, TrainingError
from oche.files import write_text

SCHEMA = "oche.study/1"


@dataclass(frozen=True)
class Study:
    """Trained members and what the judge says of them.

    Args:
        kind: `ladder`, `rank_study`, `space_study` or `shared_ranks`.
        title: Heading.
        verdict: In whole sentences.
        results: What the judge made: a `Ladder`; `RankStudy` objects and perhaps a `ReRanking`; `SpaceStudy` objects.
        values: Condition to the results of its members; in ladders and rank studies the same members in the same order.
        members: Architectures, in that order; empty where each condition has its own.
        records: All records, failed ones included.
        unit: Unit of the results.
        metric: What was measured.
        settings: What was asked for.
        warnings: What the reader must know.
    """

    kind: str
    title: str
    verdict: tuple[str, ...]
    results: tuple[Any, ...]
    values: Mapping[str, Sequence[float]]
    members: tuple[str, ...]
    records: tuple[Any, ...]
    unit: str
    metric: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def result(self) -> Any:
        """The first of the results: the ladder, the rank study, the comparison with the first space."""
        return self.results[0]

    def to_json(self) -> dict[str, Any]:
        """The study as JSON values, schema `oche.study/1`; equal records and seed give equal values."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "title": self.title,
            "verdict": list(self.verdict),
            "warnings": list(self.warnings),
            "metric": self.metric,
            "unit": self.unit,
            "settings": dict(self.settings),
            "members": list(self.members),
            "values": {name: list(column) for name, column in self.values.items()},
            "results": [_finite(r.to_json()) for r in self.results],
            "runs": [r.to_json() for r in self.records],
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page as `.html`, or everything as `.json`.

        Raises:
            ArgumentError: another suffix.
        """
        target = Path(path)
        if target.suffix == ".json":
            write_text(target, json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        elif target.suffix == ".html":
            from oche.judge import study_page

            write_text(target, study_page(self.to_json()))
        else:
            raise ArgumentError(f"study path: got {str(path)!r}; allowed: a name that ends in .html or .json")
        return target

    def __str__(self) -> str:
        return "\n".join([*self.verdict, *(f"note: {w}" for w in self.warnings)])


def paired(columns: Mapping[str, Sequence[Any]]) -> tuple[dict[str, list[float]], list[int], list[str]]:
    """Values of the members that ended under every condition, the places of these members, and a note on each of the others.

    Args:
        columns: Condition to records, the same members in the same order.

    Raises:
        TrainingError: fewer than 3 members are left.
    """
    count = len(next(iter(columns.values())))
    failed = {i: (name, rs[i].reason) for name, rs in columns.items() for i in range(count) if rs[i].status != "done"}
    kept = [i for i in range(count) if i not in failed]
    notes = [f"member {i} failed under {name} and is left out everywhere: {reason}" for i, (name, reason) in sorted(failed.items())]
    if len(kept) < 3:
        raise TrainingError(f"study: got {len(kept)} of {count} members that ended under every condition; {'; '.join(notes)}")
    return {name: [rs[i].value for i in kept] for name, rs in columns.items()}, kept, notes


def named(record: Any) -> str:
    """A member in words."""
    return record.arch or ", ".join(f"{k}={v}" for k, v in record.decisions.items())


def _finite(value: Any) -> Any:
    """NaN and infinities as None, tuples as lists."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))) else value
