"""Queries: a problem text with its reference answer, read from the files that the field uses.

JSON lines (also gzip), JSON lists and Parquet; field names of GSM8K, MATH, DeepMind-Mathematics, TheoremQA, OlympiadBench and the
`query`/`ref_ans` layout are known.
"""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oche.errors import ArgumentError, DataError

_TEXT = ("query", "question", "Question", "problem", "text", "prompt")
_REFERENCE = ("ref_ans", "reference", "answer", "Answer", "final_answer", "solution")


@dataclass(frozen=True)
class Query:
    """One problem.

    Args:
        id: Its name, different from all others.
        text: What is asked.
        reference: The right answer, text; several answers as a list.
        level: Difficulty as its source gives it.
        domain: Field as its source gives it.
        fields: The raw record, for graders that look at units or tolerances.
    """

    id: str
    text: str
    reference: str | list[str]
    level: str = ""
    domain: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


def queries(source: Any, limit: int | None = None) -> list[Query]:
    """Read queries.

    Args:
        source: A file; a name below `OCHE_DATA` (`gsm8k_train.jsonl.gz` is found in its `math` folder); or queries and records in a list.
        limit: Take the first so many.

    Raises:
        DataError: the file is missing or cannot be read.
        ArgumentError: no queries, equal ids, or a query without text or reference.
    """
    records: Iterable[Any]
    if isinstance(source, (str, os.PathLike)):
        records = _read(_find(source))
    elif isinstance(source, Sequence):
        records = source
    else:
        raise ArgumentError(f"queries: got {type(source).__name__}; allowed: a file, or a list of queries or records")
    if limit is not None and limit < 1:
        raise ArgumentError(f"queries limit: got {limit}; allowed: a whole number above 0")
    found = [r if isinstance(r, Query) else _query(r, number) for number, r in enumerate(records)][:limit]
    return _checked(found)


def _checked(found: list[Query]) -> list[Query]:
    if not found:
        raise ArgumentError("queries: got none; allowed: at least one; check the file and its filters")
    twice = [i for i, n in Counter(q.id for q in found).items() if n > 1][:5]
    if twice:
        raise ArgumentError(f"query ids: got {', '.join(map(repr, twice))} more than once; allowed: each id once")
    for name in ("text", "reference"):
        empty = [q.id for q in found if not getattr(q, name)][:5]
        if empty:
            raise ArgumentError(f"query {name}: got none for {', '.join(map(repr, empty))}; allowed: a {name} for every query")
    return found


def _find(source: str | os.PathLike[str]) -> Path:
    from oche.files import data_dir

    path = Path(source).expanduser()
    folder = data_dir()
    for candidate in [path, *([folder / path, folder / "math" / path] if folder is not None else [])]:
        if candidate.is_file():
            return candidate
    where = "OCHE_DATA is not set" if folder is None else f"also looked in {folder} and its folder 'math'"
    raise DataError(f"queries: got {os.fspath(source)!r}, which is not there ({where}); allowed: a file of JSON lines, JSON or Parquet")


def _read(path: Path) -> list[Any]:
    try:
        if path.suffix == ".parquet":
            return _parquet(path)
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
        name = path.name.removesuffix(".gz")
        if name.endswith(".json"):
            value = json.loads(text)
            return list(value.values()) if isinstance(value, dict) else list(value)
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"queries: got {str(path)!r}, which cannot be read ({error}); allowed: JSON lines, JSON or Parquet") from error


def _parquet(path: Path) -> list[Any]:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        from oche.errors import MissingExtraError

        raise MissingExtraError("pyarrow", "data") from error
    return parquet.read_table(path).to_pylist()


def _query(record: Any, number: int) -> Query:
    if not isinstance(record, Mapping):
        raise ArgumentError(f"query {number}: got {type(record).__name__}; allowed: a record with {_TEXT[0]!r} and {_REFERENCE[0]!r}")
    if len(record) == 1 and isinstance(inner := next(iter(record.values())), Mapping):
        # Odyssey-Math: one key per line that names the problem.
        record = {"id": next(iter(record)), **inner}
    text = next((record[k] for k in _TEXT if record.get(k)), "")
    reference = next((record[k] for k in _REFERENCE if record.get(k) not in (None, "", [])), "")
    if isinstance(reference, str) and "####" in reference:
        # GSM8K: a worked solution that ends in the number.
        reference = reference.rpartition("####")[2].strip().replace(",", "")
    elif isinstance(reference, (list, tuple)):
        reference = [str(r) for r in reference]
        reference = reference[0] if len(reference) == 1 else reference
    else:
        reference = str(reference).strip()
    name = record.get("id", record.get("unique_id"))
    level, domain = record.get("level", ""), record.get("domain", record.get("subfield", ""))
    return Query(str(number if name is None else name), str(text).strip(), reference, str(level), str(domain), dict(record))
