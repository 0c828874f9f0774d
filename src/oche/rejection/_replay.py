"""A sampler that gives responses which were stored before, in their order."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from oche.errors import ArgumentError
from oche.files import digest
from oche.rejection._queries import _find, _read
from oche.rejection._sampler import Completion, Request


class Replay:
    """Responses by query id.

    Args:
        path: JSON lines with `query_id` (or `id`) and `response` (or `text`), and `tokens` if known; one line per response.
        responses: The same as a mapping of ids to lists of texts.
    """

    simulated = True

    def __init__(self, path: str | os.PathLike[str] | None = None, responses: Mapping[str, Sequence[str]] | None = None) -> None:
        if (path is None) == (responses is None):
            raise ArgumentError(
                "replay: got path and responses, or neither; allowed: one of the two, for example replay?path=responses.jsonl"
            )
        self._stored: dict[str, list[Completion]] = {}
        if responses is not None:
            for key, texts in responses.items():
                self._stored[str(key)] = [Completion(t, tokens=len(t.split())) for t in texts]
        else:
            assert path is not None
            for number, record in enumerate(_read(_find(path)), 1):
                self._add(record, number, path)
        self._hash = digest({k: [list(c) for c in v] for k, v in self._stored.items()})[:16]

    def _add(self, record: Any, number: int, path: str | os.PathLike[str]) -> None:
        key = record.get("query_id", record.get("id")) if isinstance(record, dict) else None
        text = record.get("response", record.get("text")) if isinstance(record, dict) else None
        if key is None or not isinstance(text, str):
            raise ArgumentError(
                f"replay: got line {number} of {os.fspath(path)!r} without query_id or response; allowed: both in each line"
            )
        tokens = int(record.get("tokens", len(text.split())))
        self._stored.setdefault(str(key), []).append(Completion(text, str(record.get("finish", "stop")), 0, tokens))

    def describe(self) -> dict[str, Any]:
        """A hash of the responses."""
        return {"sampler": "replay", "responses": self._hash}

    def generate(self, requests: Sequence[Request]) -> list[list[Completion]]:
        """The stored ones from number `first` on; fewer where they end."""
        return [self._stored.get(r.query.id, [])[r.first : r.first + r.count] for r in requests]
