"""Dumps of NATS-Bench: answers of its interface written to a file, read as random members or as the whole space.

There is no default fidelity and no random trial here. The interface itself defaults to twelve epochs and to one of the trials drawn at
random, and many published confusions come from that; so the caller names split and epochs, and answers of a random trial are refused.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from oche.errors import JudgeError
from oche.files import digest
from oche.judge._population import population_curves
from oche.store.record import Record

#: Members of the topology space and of the size space.
SIZES = {15_625: "tss", 32_768: "sss"}


def read_nats_bench(
    path: str | os.PathLike[str],
    dataset: str,
    *,
    split: str,
    epochs: int,
    kind: str = "population",
    like: Record | None = None,
) -> list[Record]:
    """Read a dump.

    Args:
        path: `.csv` or `.csv.gz` with columns such as `cifar10_test_200` and `arch`, one line per architecture; or `.json` or `.jsonl`
            with the answers of `get_more_info`, each with `arch` or `index`, `dataset`, `hp` and keys such as `test-accuracy`.
        dataset: `cifar10`, `cifar10-valid`, `cifar100` or `ImageNet16-120`.
        split: `test` or `valid`.
        epochs: 12, 90 or 200, the schedule that the numbers belong to.
        kind: `population` for the whole space (one record that stands for it), `random` for members that were drawn.
        like: A record of a search on the same table: its task, space and protocol are taken over, so that both can be compared.

    Raises:
        JudgeError: no such column or fidelity (what there is is listed), a random trial, or not the whole space.

    Source: Dong et al. 2021.
    """
    source = Path(path)
    rows = _rows(source)
    values = _from_columns(rows, dataset, split, epochs) if "dataset" not in rows[0] else _from_answers(rows, dataset, split, epochs)
    if kind not in ("population", "random"):
        raise JudgeError(f"kind: got {kind!r}; allowed: 'population', 'random'")
    if kind == "population" and len(values) not in SIZES:
        raise JudgeError(
            f"{source.name}: got {len(values):,} architectures; allowed: all {' or '.join(f'{n:,}' for n in SIZES)} of the space; "
            "use kind='random' for members that were drawn"
        )
    space = like.space if like is not None else "nasbench201" if SIZES.get(len(values)) != "sss" else "nats-bench-size"
    protocol = {
        "task": "tabular", "table": space, "data": {"name": dataset}, "report": [split, epochs],
        "metric": {"name": split, "direction": "max", "unit": "%"},
    }  # fmt: skip
    template = Record(
        kind=kind,
        algorithm="random",
        space=space,
        fingerprint=digest(["nats-bench", space]),
        task=f"tabular:{space}/{dataset}",
        protocol=protocol,
        metric=split,
        metrics={split: 0.0},
        settings={"source": source.name},
    )
    if like is not None:
        template = replace(template, fingerprint=like.fingerprint, task=like.task, protocol=like.protocol, metric=like.metric)
    if kind == "population":
        numbers = [value for _, value in values]
        mean = math.fsum(numbers) / len(numbers)
        settings = {**template.settings, "members": len(numbers)}
        return [replace(template, metrics={template.metric: mean}, curves=population_curves(numbers), settings=settings, id="")]
    return [
        replace(template, metrics={template.metric: value}, arch=arch, settings={**template.settings, "member": i}, id="")
        for i, (arch, value) in enumerate(values)
    ]


def _rows(source: Path) -> list[dict[str, Any]]:
    try:
        raw = gzip.decompress(source.read_bytes()) if source.suffix == ".gz" else source.read_bytes()
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise JudgeError(f"records: got {source.name!r}, which cannot be read ({error}); allowed: a UTF-8 text file, also .gz") from None
    stem = source.name.removesuffix(".gz")
    rows: list[dict[str, Any]]
    if stem.endswith(".csv"):
        rows = [dict(r) for r in csv.DictReader(io.StringIO(text))]
    else:
        try:
            value = [json.loads(line) for line in text.splitlines() if line.strip()] if stem.endswith(".jsonl") else json.loads(text)
        except json.JSONDecodeError as error:
            raise JudgeError(f"{source.name}: got text that is not JSON ({error}); allowed: a list of answers") from None
        rows = value if isinstance(value, list) else [{"index": k, **v} for k, v in value.items() if isinstance(v, dict)]
    if not rows or not all(isinstance(r, dict) for r in rows):
        raise JudgeError(f"{source.name}: got no answers; allowed: one line or one object per architecture")
    return rows


def _from_columns(rows: Sequence[Mapping[str, Any]], dataset: str, split: str, epochs: int) -> list[tuple[str | None, float]]:
    wanted = f"{_plain(dataset)}_{split}_{epochs}"
    column = next((c for c in rows[0] if _plain_column(c) == wanted), None)
    if column is None:
        known = [c for c in rows[0] if c and c.rsplit("_", 1)[-1].isdigit()]
        raise JudgeError(f"column: got {wanted!r}; allowed: {', '.join(known)}; name data set, split and epochs as they are in the dump")
    return [(row.get("arch"), _accuracy(row[column], i)) for i, row in enumerate(rows)]


def _from_answers(rows: Sequence[Mapping[str, Any]], dataset: str, split: str, epochs: int) -> list[tuple[str | None, float]]:
    known = {(str(r.get("dataset")), str(r.get("hp"))) for r in rows}
    chosen = [r for r in rows if _plain(str(r.get("dataset"))) == _plain(dataset) and str(r.get("hp")) == str(epochs)]
    if not chosen:
        listed = ", ".join(f"{d} with hp {h}" for d, h in sorted(known))
        raise JudgeError(f"fidelity: got {dataset!r} with hp {epochs}; allowed: {listed}; the interface's own default is hp 12")
    found: dict[str, tuple[str | None, float]] = {}
    for i, row in enumerate(chosen):
        if row.get("is_random") not in (None, False):
            raise JudgeError(
                f"answer {i}: got is_random={row['is_random']!r}, one trial drawn at random; allowed: the mean over trials; "
                "query with is_random=False"
            )
        key = f"{split}-accuracy"
        if key not in row:
            hint = "; 'cifar10' was trained on train+valid, its validation results are those of 'cifar10-valid'" if split == "valid" else ""
            raise JudgeError(f"answer {i}: got no {key!r}; allowed: one of {', '.join(k for k in row if k.endswith('accuracy'))}{hint}")
        name = str(row.get("index", row.get("arch_index", row.get("arch", i))))
        if name in found:
            raise JudgeError(f"answer {i}: got architecture {name} twice; allowed: each once; average over trials before")
        found[name] = (row.get("arch"), _accuracy(row[key], i))
    return list(found.values())


def _accuracy(value: Any, place: int) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise JudgeError(f"architecture {place}: got accuracy {value!r}; allowed: a number in percent") from None
    if not math.isfinite(number):
        raise JudgeError(f"architecture {place}: accuracy is not finite: got {value!r}; allowed: a number in percent")
    return number


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _plain_column(name: str | None) -> str:
    """`ImageNet16-120_test_200` as `imagenet16120_test_200`."""
    parts = (name or "").rsplit("_", 2)
    return f"{_plain(parts[0])}_{parts[1].lower()}_{parts[2]}" if len(parts) == 3 else ""
