"""What a search leaves in its output folder: records, report, the found network and its decisions.

Every file is written to a temporary name and renamed, so that a reader sees the old one or the whole new one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oche.errors import ArgumentError
from oche.files import canonical_json, write_text

BEST_SCHEMA = "oche.best/1"


def prepare(folder: Path) -> None:
    """Make the folder, before any work is done for it.

    Raises:
        ArgumentError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / ".oche", "")
        (folder / ".oche").unlink()
    except OSError as error:
        raise ArgumentError(f"--out: got {str(folder)!r}, which fails ({error.strerror}); allowed: a writable folder") from error


def write_records(folder: Path, records: Sequence[Any]) -> Path:
    """`records.jsonl`: one canonical JSON line per record."""
    path = folder / "records.jsonl"
    write_text(path, "".join(canonical_json(r.to_json()) + "\n" for r in records))
    return path


def write_best(folder: Path, record: Any, program: str) -> Path:
    """`best.json`: the DNA, the decisions and the architecture of the best record, and what they were measured to be worth."""
    value = {
        "schema": BEST_SCHEMA,
        "program": program,
        "space": record.space,
        "fingerprint": record.fingerprint,
        "dna": list(record.dna) if record.dna is not None else None,
        "decisions": dict(record.decisions),
        "arch": record.arch,
        "algorithm": record.algorithm,
        "search_seed": record.search_seed,
        "metrics": dict(record.metrics),
        "record": record.id,
    }
    path = folder / "best.json"
    write_text(path, json.dumps(value, indent=2) + "\n")
    return path


def write_network(folder: Path, record: Any, space: Any, program: str, task: Any) -> Path | None:
    """`best.pt`: the network of the best record with the weights of its final training, and what it takes to build it again.

    Returns:
        The file, or None if the task trains no networks.
    """
    kept = record.artifacts.get("network")
    if kept is None or not Path(kept).is_file():
        return None
    from oche import training
    from oche.cli._network import counted, describe, plain_arguments
    from oche.program import DNA
    from oche.tasks import final_arguments

    dna = DNA(tuple(record.dna))
    arguments = {**plain_arguments(space), **task.arguments(space), **final_arguments(space, task.final)}
    saved = training.load(kept, lambda meta: space.root.build(dna, seed=0, **arguments))
    counts = counted(saved.model, saved.meta["input"].get("shape"))
    meta = describe(space.root, program, dna, arguments, record.train_seed or 0, dict(record.metrics), counts)
    path = folder / "best.pt"
    training.save(path, saved.model, {**meta, "input": saved.meta["input"]})
    return path


def read_best(path: Path) -> dict[str, Any]:
    """What `write_best` wrote.

    Raises:
        ArgumentError: the file is missing, or not one of ours.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["schema"] != BEST_SCHEMA or not isinstance(value["dna"], list):
            raise ValueError(f"schema is {value['schema']!r}, not {BEST_SCHEMA!r}")
    except FileNotFoundError:
        raise ArgumentError(f"best file: got {str(path)!r}, which is not there; allowed: best.json of a search") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArgumentError(f"best file: got {str(path)!r}, not written by a search ({error}); allowed: best.json of a search") from None
    return value
