"""Records from files: JSON lines, JSON (a list of records, or a saved report), and CSV tables of published results.

Everything read is checked; an error names the file, the line and the field. Nothing read is executed.
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oche.errors import JudgeError, OcheError
from oche.files import digest
from oche.store.record import KINDS, Record

CSV_COLUMNS = ("dataset", "method", "kind", "run", "accuracy")


def read(path: str | os.PathLike[str]) -> list[Record]:
    """Read records from a file.

    Args:
        path: `.jsonl` or `.ndjson` (one record a line), `.json` (a record, a list of them, or a report saved before), or `.csv`
            with columns dataset, method, kind (`random` or `search`), run, accuracy (percent), and optionally space.

    Raises:
        JudgeError: the file does not exist, is of another form, or holds a bad value; the message names line and field.
    """
    source = Path(path)
    suffix = source.suffix.lower()
    readers = {".jsonl": _read_lines, ".ndjson": _read_lines, ".json": _read_json, ".csv": _read_csv}
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


def _read_csv(name: str, text: str) -> list[Record]:
    rows = csv.DictReader(text.splitlines())
    missing = [c for c in CSV_COLUMNS if c not in (rows.fieldnames or ())]
    if missing:
        raise JudgeError(
            f"{name} line 1: got columns {rows.fieldnames}; allowed: {', '.join(CSV_COLUMNS)} (and space); missing: {', '.join(missing)}"
        )
    # One fingerprint per space and one protocol object, not one per line.
    protocol = {"source": name, "metric": "accuracy"}
    return [_csv_record(row, f"{name} line {rows.line_num}", protocol) for row in rows]


def _csv_record(row: Mapping[str, str | None], where: str, protocol: Mapping[str, Any]) -> Record:
    values = {c: (row.get(c) or "").strip() for c in (*CSV_COLUMNS, "space")}
    for column in CSV_COLUMNS:
        if not values[column]:
            raise JudgeError(f"{where}, field '{column}': got nothing; allowed: a value; leave the whole line out if there was no run")
    if values["kind"] not in KINDS:
        raise JudgeError(f"{where}, field 'kind': got {values['kind']!r}; allowed: {', '.join(map(repr, KINDS))}")
    accuracy = _number(values["accuracy"], where)
    try:
        run = int(values["run"])
    except ValueError:
        raise JudgeError(f"{where}, field 'run': got {values['run']!r}; allowed: a whole number") from None
    space = values["space"] or values["method"]
    random = values["kind"] in ("random", "population")
    return Record(
        kind=values["kind"],
        algorithm="random" if random else values["method"],
        space=space,
        fingerprint=digest(["csv", space.lower()]),
        task=values["dataset"],
        protocol=protocol,
        metric="accuracy",
        metrics={"accuracy": accuracy},
        search_seed=None if random else run,
        settings={"run": run},
    )


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise JudgeError(f"{where}, field 'accuracy': got {text!r}; allowed: a number in percent") from None
    if not math.isfinite(value):
        raise JudgeError(f"{where}, field 'accuracy': got {text!r}, accuracy is not finite; allowed: a number in percent")
    return value
