"""A search that is killed again and again ends with the records of an unbroken one: real processes, real SIGKILL, no cooperation."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from oche.store import Record

KILLS = 20
# Dies at the n-th moment between a complete checkpoint file and its row in the store.
BETWEEN = """
import os, signal, sys
from oche.loop.weight_sharing_run import WeightSharingRun
left, notify = int(sys.argv.pop(1)), WeightSharingRun.notify
def dying(self, event):
    global left
    left -= event == "checkpoint-file"
    if left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
    notify(self, event)
WeightSharingRun.notify = dying
from oche.cli import main
main()
"""


def command(folder: Path) -> list[str]:
    return [
        "search",
        "nasbench201",
        *("--algorithm", "pc-darts?epochs=12&warmup=4", "--data", "digits", "--seeds", "3", "--members", "3", "--no-random-search"),
        *("--executor", "processes?workers=2", "--store", str(folder / "runs.db"), "--out", str(folder / "out"), "--quiet"),
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}


def records(folder: Path) -> list[str]:
    lines = (folder / "out" / "records.jsonl").read_text().splitlines()
    return [Record.from_json(json.loads(line)).content_hash() for line in lines]


def run_to_the_end(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "oche", *command(folder)], env=environment(), capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr


def kill_once(folder: Path, rng: random.Random, between: bool) -> bool:
    """Start the search and kill it; whether it was still alive then."""
    start = ["-c", BETWEEN, str(rng.randint(1, 2))] if between else ["-m", "oche"]
    process = subprocess.Popen(
        [sys.executable, *start, *command(folder)], env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(120 if between else rng.uniform(1.0, 9.0))
    except subprocess.TimeoutExpired:
        process.kill()
    return process.wait() == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_twenty_kills_change_no_record(tmp_path):
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    unbroken.mkdir()
    broken.mkdir()
    run_to_the_end(unbroken)
    rng = random.Random(2)
    killed, folder = 0, broken
    for i in range(KILLS):
        if not kill_once(folder, rng, between=i % 3 == 0):
            # It ended before the kill: what it left must be right already; go on with a new store.
            assert records(folder) == records(unbroken)
            folder = tmp_path / f"broken{i}"
            folder.mkdir()
            continue
        killed += 1
    run_to_the_end(folder)
    assert records(folder) == records(unbroken)
    assert len(records(folder)) == 3 + 3
    assert killed >= KILLS // 2
    # Files that a kill left between writing and committing are gone.
    files = sorted(p.name for p in (folder / "runs.db.files").rglob("step-*.pt"))
    assert files == sorted(p.name for p in (unbroken / "runs.db.files").rglob("step-*.pt"))
