"""`oche diversity` is killed, goes on, and ends in the same records, results and states, with any number of workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from oche.store.record import Record
from oche.store.store import Store

ROOT = Path(__file__).parents[2]
_WORDS = ["diversity", "stax?population=10&chunk=100&epochs=1", "--env", "point?frames=2", "--budget", "400", "--seeds", "1"]
_WORDS += ["--against", "serene?population=10&chunk=100"]


def python(*words: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environment, cwd=ROOT, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def left(out: Path) -> tuple[list[str], list[list[str]]]:
    """Records without their times, and all proposals."""
    records = [Record.from_json(json.loads(line)) for line in (out / "records.jsonl").read_text().splitlines()]
    assert all(r.curves["coverage"] for r in records)
    with Store(out / "runs.db") as store:
        found = [store.load(row.id) for row in sorted(store.runs(), key=lambda r: r.name)]
    return [r.content_hash() for r in records], [[p.dna for p in saved.proposals] for saved in found if saved is not None]


@pytest.mark.slow
def test_four_workers_change_nothing(tmp_path: Path) -> None:
    for executor in ("serial", "processes?workers=4"):
        python("-m", "oche", *_WORDS, "--quiet", "--executor", executor, "--out", str(tmp_path / executor[:4]))
    assert left(tmp_path / "proc") == left(tmp_path / "seri")


@pytest.mark.slow
def test_twenty_kills_of_one_search_change_no_bit(tmp_path: Path) -> None:
    found = json.loads(python("-m", "tests.kills", "--kills", "20", "--folder", str(tmp_path), "--", *_WORDS[:-2], "--against", ""))
    assert found["equal"], found["different"]
    assert (found["kills"], found["runs"], found["of"]) == (20, 1, 400)
    # Kills at different places, and nothing that was known is lost by one.
    assert found["told"] == sorted(found["told"])
    assert len(set(found["told"])) >= 5
    # One checkpoint file is left, and no temporary one.
    files = [p.name for p in (tmp_path / "unbroken" / "runs.db.files").rglob("*") if p.is_file()]
    assert len(files) == 1
    assert all(name.startswith("told-") and name.endswith(".pt") for name in files)
