"""Records for the tests: small made ones, and real ones played on the table of NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from oche.store.record import Record

PROTOCOL = {"data": "digits", "recipe": {"epochs": 8, "batch_size": 64}, "metric": "test"}
FINGERPRINT = "a" * 64


def record(kind: str, value: float, number: int = 0, **overrides: Any) -> Record:
    """One run on `digits`; `number` makes it another run of the same arm."""
    random = kind in ("random", "population")
    settings: dict[str, Any] = {
        "kind": kind,
        "algorithm": {"random": "random", "population": "random", "random_search": "random"}.get(kind, "evolution"),
        "space": "net.py:Net",
        "fingerprint": FINGERPRINT,
        "task": "classification:digits",
        "protocol": PROTOCOL,
        "metric": "test",
        "metrics": {"test": value, "valid": value - 0.5},
        "search_seed": None if random else number,
        "train_seed": 0,
        "dna": (number, 1, 2),
        "budget": {} if random else {"trials": 40},
        "cost": {"search": {"seconds": 10.0, "cpu_seconds": 9.0, "trials": 40}, "final": {"seconds": 2.0, "cpu_seconds": 2.0}},
    }
    return Record(**{**settings, **overrides})


def runs(kind: str, values: Sequence[float], **overrides: Any) -> list[Record]:
    """One arm."""
    return [record(kind, v, i, **overrides) for i, v in enumerate(values)]


def table_columns(table: Path) -> dict[str, np.ndarray]:
    """Columns of the NAS-Bench-201 table by name."""
    import csv
    import gzip

    with gzip.open(table, "rt", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    return {name: np.array([r[name] if name in ("arch", "iso_class") else float(r[name]) for r in rows]) for name in rows[0]}


def table_search(
    columns: dict[str, np.ndarray], kind: str, algorithm: str, seeds: int, evaluations: int, dataset: str = "cifar10"
) -> list[Record]:
    """Play random search or a mutation search on the table: picked by 12-epoch valid, reported by 200-epoch test."""
    return [_table_run(columns, kind, algorithm, seed, evaluations, dataset) for seed in range(seeds)]


def table_population(columns: dict[str, np.ndarray], dataset: str = "cifar10") -> list[Record]:
    """Every cell of the table as a record."""
    protocol = _table_protocol(dataset)
    test = columns[f"{dataset}_test_200"]
    return [
        _table_record(
            "population",
            "random",
            i,
            None,
            float(test[i]),
            float(columns[f"{dataset}_valid_12"][i]),
            columns,
            dataset,
            protocol,
            {},
            {},
            {},
        )
        for i in range(len(test))
    ]


def table_random(columns: dict[str, np.ndarray], n: int, dataset: str = "cifar10") -> list[Record]:
    """Random cells as records."""
    members = np.random.default_rng(7).choice(15625, n, replace=False)
    everything = table_population(columns, dataset)
    from dataclasses import replace

    return [replace(everything[i], kind="random", id="") for i in members]


def _table_protocol(dataset: str) -> dict[str, Any]:
    return {
        "table": "nasbench201",
        "dataset": dataset,
        "search": {"split": "valid", "epochs": 12},
        "report": {"split": "test", "epochs": 200},
    }


def _table_run(columns: dict[str, np.ndarray], kind: str, algorithm: str, seed: int, evaluations: int, dataset: str) -> Record:
    valid, test = columns[f"{dataset}_valid_12"], columns[f"{dataset}_test_200"]
    codes = _codes(columns)
    by_code = {tuple(c): i for i, c in enumerate(codes)}
    rng = np.random.default_rng(1000 * len(algorithm) + seed)
    seen: list[int] = []
    curve: list[tuple[float, float]] = []
    for step in range(evaluations):
        if kind == "random_search" or step < 10:
            found = int(rng.integers(len(valid)))
        else:
            parent = max((seen[i] for i in rng.integers(max(0, step - 10), step, 3)), key=lambda i: valid[i])
            code = list(codes[parent])
            code[int(rng.integers(6))] = int(rng.integers(5))
            found = by_code[tuple(code)]
        seen.append(found)
        best = max(seen, key=lambda i: valid[i])
        curve.append((step + 1.0, float(test[best])))
    best = max(seen, key=lambda i: valid[i])
    cost = {
        "search": {"trials": float(evaluations), "epochs": 12.0 * evaluations, "seconds": 0.5 * evaluations},
        "final": {"epochs": 200.0},
    }
    return _table_record(
        kind,
        algorithm,
        best,
        seed,
        float(test[best]),
        float(valid[best]),
        columns,
        dataset,
        _table_protocol(dataset),
        cost,
        {"incumbent test": curve},
        {"trials": evaluations},
    )


def _table_record(
    kind: str, algorithm: str, index: int, seed: int | None, test: float, valid: float, columns: dict[str, np.ndarray], dataset: str,
    protocol: dict[str, Any], cost: dict[str, Any], curves: dict[str, Any], budget: dict[str, Any],
) -> Record:  # fmt: skip
    return Record(
        kind=kind,
        algorithm=algorithm,
        space="nasbench201",
        fingerprint="b" * 64,
        task=f"tabular:nasbench201/{dataset}",
        protocol=protocol,
        metric="test",
        metrics={"test": test, "valid": valid},
        search_seed=seed,
        train_seed=None,
        dna=tuple(int(c) for c in _codes(columns)[index]),
        arch=str(columns["arch"][index]),
        budget=budget,
        cost=cost,
        curves=curves,
        settings={"space_size": 15625},
    )


_OPS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
_CODES: dict[int, np.ndarray] = {}


def _codes(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Decisions of every cell, `(15625, 6)`."""
    if id(columns) not in _CODES:
        _CODES[id(columns)] = np.array([[_OPS.index(p.split("~")[0]) for p in a.replace("+", "").split("|") if p] for a in columns["arch"]])
    return _CODES[id(columns)]
