"""Data sets to files: JSON lines, Parquet, or a folder in the layout of the hub with a data card. With counts, settings and hashes."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oche.errors import ArgumentError, MissingExtraError
from oche.files import atomic, digest, file_digest, write_text

# Types of columns that can be empty: a column without a value has no type of its own, and files of two runs would not fit together.
_EMPTY = {"shares_ngram": "bool_", "suspected_answer": "string"}

if TYPE_CHECKING:
    from oche.rejection._synthesize import Synthesis


def export(done: Synthesis, path: str | os.PathLike[str], seed: int | None = None, **settings: Any) -> Path:
    """Write the data set of a synthesis, one row per response.

    Args:
        done: The synthesis.
        path: A name that ends in `.jsonl` or `.parquet`; anything else is a folder: `data/train.parquet`, `data/queries.parquet` (pass
            rates of all queries, also of those that keep nothing) and the card `README.md`.
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
        _parquet(query_rows(done, seed), target / "data" / "queries.parquet")
        write_text(target / "README.md", card(done, rows, entries, target / "data", seed, settings.get("decontaminate", ())))
    return target


def _row(entry: dict[str, Any], number: int, text: str) -> dict[str, Any]:
    return {
        "query_id": entry["id"],
        "query": entry["query"],
        "response": text,
        "reference": _text(entry["reference"]),
        "sample_number": number,
        "pass_rate": entry["pass_rate"],
        "n": entry["n"],
        "correct": entry["correct"],
        "source": entry["source"],
        "shares_ngram": entry["shares_ngram"],
    }


def query_rows(done: Synthesis, seed: int | None = None) -> list[dict[str, Any]]:
    """One row per query, for filters by pass rate: text, reference, counts, pass rate with interval, stop reason, suspected label error."""
    suspected = {line["id"]: line["majority"] for line in done.suspected_label_errors(seed)}
    return [
        {"query_id": q.id, "query": q.text, "reference": _text(q.reference), "level": q.level, "n": line["n"], "correct": line["correct"],
         "kept": min(line["kept"], line["target"]), "reason": line["reason"], "pass_rate": line["pass_rate"], "pass_rate_low": line["low"],
         "pass_rate_high": line["high"], "suspected_answer": suspected.get(q.id)}
        for q, line in zip(done.queries, done.table(seed), strict=True)
    ]  # fmt: skip


def _text(reference: str | list[str]) -> str:
    return reference if isinstance(reference, str) else json.dumps(reference)


def _parquet(rows: list[dict[str, Any]], path: Path) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "data") from error
    table = pyarrow.Table.from_pylist(rows)
    for name, kind in _EMPTY.items():
        if name in table.column_names:
            at = table.column_names.index(name)
            table = table.set_column(at, name, table[name].cast(getattr(pyarrow, kind)()))
    with atomic(path) as temporary:
        pyarrow.parquet.write_table(table, temporary)


def card(
    done: Synthesis, rows: list[dict[str, Any]], entries: list[dict[str, Any]], data: Path, seed: int | None, tests: Sequence[Any] = ()
) -> str:
    """The data card: front matter that the hub reads, how the set was made, what is in it, and what it does not promise."""
    record = done.record(seed)
    table = done.table(seed)
    reasons = Counter(line["reason"] for line in table)
    about = done.task.describe()
    covered = f"{len(entries):,} of {len(table):,}"
    per_query = len(rows) / len(entries)
    suspected = len(done.suspected_label_errors(seed))
    warnings = "".join(f"- {text}\n" for text in done.warnings)
    stops = ", ".join(f"{name} {count:,}" for name, count in sorted(reasons.items()))
    return f"""---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train.parquet
- config_name: queries
  data_files:
  - split: train
    path: data/queries.parquet
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
| suspected label errors | {suspected:,} |
| `data/train.parquet`, SHA-256 | `{file_digest(data / "train.parquet")}` |
| `data/queries.parquet`, SHA-256 | `{file_digest(data / "queries.parquet")}` |

{_decontaminated(done, tests)}
{warnings}
Columns of `default`, a row per response: `query_id`, `query`, `response`, `reference`, `sample_number`, `pass_rate` (without bias, over `n`
raw samples of which `correct` were right), `source`, `shares_ngram` (13 words in a row with a query of a test set). Columns of `queries`,
a row per query that was asked: the counts, `pass_rate` with its 95 % interval, why sampling stopped, and the answer that most samples agree
on where none is right, which may mean that the reference is wrong.

A response is here because its final answer agrees with the reference. Its reasoning was not checked.
"""


def _decontaminated(done: Synthesis, tests: Sequence[Any]) -> str:
    """What was checked against which test set, as a sentence each."""
    found = done.contamination(tests)
    if not found:
        return "The queries were not checked against any test set.\n"
    return "".join(
        f"- {name}: {len(c.exact):,} equal queries left out, {len(c.shared):,} share {c.n} words in a row and are marked\n"
        for name, c in found.items()
    )
