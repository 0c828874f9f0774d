"""Records from files: JSON lines, JSON (a list of records, or a saved report), CSV tables, and NASLib's `errors.json`.

Everything read is checked; an error names the file, the line and the field. Nothing read is executed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oche.errors import JudgeError, OcheError
from oche.judge._csv import read_table
from oche.judge._naslib import is_naslib_name, read_naslib
from oche.store.record import Record


def read(path: str | os.PathLike[str]) -> list[Record]:
    """Read records from a file.

    Args:
        path: `.jsonl` or `.ndjson` (one record a line), `.json` (a record, a list of them, or a report saved before), `.csv` with one
            line per run (columns method, kind, accuracy; optional dataset, run, space, valid, unit, budget_trials, cost_seconds and
            more), `errors.json` of NASLib, or a folder that holds `records.jsonl` or NASLib's files.

    Raises:
        JudgeError: the file does not exist, is of another form, or holds a bad value; the message names line and field.
    """
    source = Path(path)
    if source.is_dir():
        if (source / "records.jsonl").is_file():
            source = source / "records.jsonl"
        else:
            return read_naslib(source)
    if is_naslib_name(source.name):
        return read_naslib(source)
    suffix = source.suffix.lower()
    readers = {".jsonl": _read_lines, ".ndjson": _read_lines, ".json": _read_json, ".csv": read_table}
    if suffix not in readers:
        raise JudgeError(
            f"records: got {source.name!r}; allowed: files that end in {', '.join(readers)}; export a store with oche runs export"
        )
    try:
        text = source.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise JudgeError(f"records: got {str(path)!r}, which does not exist; allowed: a file; check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise JudgeError(f"records: got {str(path)!r}, which cannot be read ({error}); allowed: a UTF-8 text file") from error
    records = readers[suffix](source.name, text)
    if not records:
        raise JudgeError(f"records: got {source.name!r} without a record; allowed: at least one")
    return records


def _read_lines(name: str, text: str) -> list[Record]:
    records = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            where = f"{name} line {number}"
            records.append(_record(_parse(line, where), where))
    return records


def _read_json(name: str, text: str) -> list[Record]:
    value = _parse(text, name)
    if isinstance(value, Mapping) and str(value.get("schema", "")).startswith("oche.report/"):
        value = value.get("runs", [])
    elif isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list):
        raise JudgeError(f"{name}: got {type(value).__name__}; allowed: a record, a list of records, or a saved report")
    return [_record(item, f"{name} record {i}") for i, item in enumerate(value)]


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise JudgeError(f"{where}: got text that is not JSON ({error.msg}, column {error.colno}); allowed: JSON records") from None


def _record(value: Any, where: str) -> Record:
    try:
        return Record.from_json(value)
    except OcheError as error:
        raise JudgeError(f"{where}: {error}") from error
