"""`oche diversity` is killed, goes on, and ends in the same records, with any number of workers."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oche.store.record import Record
from oche.store.store import Store

_WORDS = ["diversity", "stax?population=10&chunk=250&epochs=2", "--env", "point?frames=2", "--budget", "500", "--seeds", "1"]
_WORDS += ["--against", "serene?population=10&chunk=250", "--quiet"]


def start(out: Path, *more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "oche", *_WORDS, "--out", str(out), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finish(out: Path, *more: str) -> list[str]:
    process = start(out, *more)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return hashes(out)


def hashes(out: Path) -> list[str]:
    records = [Record.from_json(json.loads(line)) for line in (out / "records.jsonl").read_text().splitlines()]
    assert all(r.curves["coverage"] for r in records)
    return [r.content_hash() for r in records]


def proposals(out: Path) -> list[list[str]]:
    with Store(out / "runs.db") as store:
        found = [store.load(row.id) for row in sorted(store.runs(), key=lambda r: r.name)]
    return [[p.dna for p in saved.proposals] for saved in found if saved is not None]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken")
    finish(out)
    return out


@pytest.mark.slow
def test_four_workers_change_nothing(unbroken: Path, tmp_path: Path) -> None:
    assert finish(tmp_path, "--executor", "processes?workers=4") == hashes(unbroken)
    assert proposals(tmp_path) == proposals(unbroken)


@pytest.mark.slow
def test_kills_change_nothing(unbroken: Path, tmp_path: Path) -> None:
    rng = random.Random(3)
    kills = 0
    for _ in range(4):
        process = start(tmp_path)
        database = tmp_path / "runs.db"
        begun = time.monotonic()
        # Imports take seconds: wait until there is something to lose, then a little.
        while process.poll() is None and not database.exists() and time.monotonic() - begun < 60:
            time.sleep(0.05)
        time.sleep(rng.uniform(1.0, 4.0))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
    assert kills
    assert finish(tmp_path) == hashes(unbroken)
    assert proposals(tmp_path) == proposals(unbroken)
    # One checkpoint file per run is left, and no temporary one.
    files = [p.name for p in (tmp_path / "runs.db.files").rglob("*.pt")]
    assert len(files) == 2
    assert all(name.startswith("told-") for name in files)
