"""Data sets to files: JSON lines, Parquet, or a folder in the layout of the hub with a data card. With counts, settings and hashes."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oche.errors import ArgumentError, MissingExtraError
from oche.files import atomic, digest, file_digest, write_text

if TYPE_CHECKING:
    from oche.rejection._synthesize import Synthesis


def export(done: Synthesis, path: str | os.PathLike[str], seed: int | None = None, **settings: Any) -> Path:
    """Write the data set of a synthesis, one row per response.

    Args:
        done: The synthesis.
        path: A name that ends in `.jsonl` or `.parquet`; anything else is a folder: `data/train.parquet` and the card `README.md`.
        seed: Which run.
        **settings: See `Synthesis.dataset`.

    Raises:
        ArgumentError: nothing was kept.
        MissingExtraError: Parquet without pyarrow.
    """
    target = Path(path)
    entries = done.dataset(seed, **settings)
    rows = [
        _row(entry, number, text) for entry in entries for number, text in zip(entry["sample_numbers"], entry["responses"], strict=True)
    ]
    if not rows:
        raise ArgumentError(
            "export: got a synthesis that kept no response; allowed: one that kept some; check grader, template and sampler"
        )
    if target.suffix == ".jsonl":
        write_text(target, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    elif target.suffix == ".parquet":
        _parquet(rows, target)
    elif target.suffix:
        raise ArgumentError(f"export: got {str(path)!r}; allowed: a name that ends in .jsonl or .parquet, or a folder")
    else:
        _parquet(rows, target / "data" / "train.parquet")
        write_text(target / "README.md", card(done, rows, entries, target / "data" / "train.parquet", seed))
    return target


def _row(entry: dict[str, Any], number: int, text: str) -> dict[str, Any]:
    reference = entry["reference"]
    return {
        "query_id": entry["id"],
        "query": entry["query"],
        "response": text,
        "reference": reference if isinstance(reference, str) else json.dumps(reference),
        "sample_number": number,
        "pass_rate": entry["pass_rate"],
        "n": entry["n"],
        "correct": entry["correct"],
        "source": entry["source"],
    }


def _parquet(rows: list[dict[str, Any]], path: Path) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "data") from error
    with atomic(path) as temporary:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), temporary)


def card(done: Synthesis, rows: list[dict[str, Any]], entries: list[dict[str, Any]], data: Path, seed: int | None) -> str:
    """The data card: front matter that the hub reads, how the set was made, what is in it, and what it does not promise."""
    record = done.record(seed)
    table = done.table(seed)
    reasons = Counter(line["reason"] for line in table)
    about = done.task.describe()
    covered = f"{len(entries):,} of {len(table):,}"
    per_query = len(rows) / len(entries)
    stops = ", ".join(f"{name} {count:,}" for name, count in sorted(reasons.items()))
    return f"""---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train.parquet
task_categories:
- text-generation
tags:
- synthetic
- rejection-sampling
---

# Responses kept by rejection sampling

{len(rows):,} responses to {covered} queries ({per_query:.1f} each).

| | |
|---|---|
| allocation | `{record.algorithm}` |
| seed | {record.search_seed} |
| raw samples | {record.metrics["samples"]:,.0f} |
| tokens | {record.metrics["tokens"]:,.0f} |
| targets reached | {record.metrics["reached"]:.1f} % |
| why queries stopped | {stops} |
| queries, SHA-256 | `{about["queries"]["sha256"]}` |
| sampler | `{json.dumps(about["sampler"])}` |
| grader | `{json.dumps(about["grader"])}` |
| duplicates | `{about["dedup"]}` |
| settings, SHA-256 | `{digest(about)[:16]}` |
| data, SHA-256 | `{file_digest(data)}` |

Columns: `query_id`, `query`, `response`, `reference`, `sample_number`, `pass_rate` (without bias, over `n` raw samples of which `correct`
were right), `source`.

A response is here because its final answer agrees with the reference. Its reasoning was not checked.
"""
