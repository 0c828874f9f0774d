"""A synthesis that is killed and started again holds every sample once, the same as one that nobody stopped."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from oche.rejection import Bernoulli, Completion, Request, report, synthesize
from oche.rejection._task import pool_of
from oche.store import Store
from tests.cli.conftest import environment

_SCRIPT = Path(__file__).parent / "killable.py"


def _start(store: Path | str, executor: str = "serial", workers: int = 1) -> subprocess.Popen[str]:
    command = [sys.executable, str(_SCRIPT), str(store), executor, str(workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finish(process: subprocess.Popen[str]) -> Any:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return _finish(_start(tmp_path_factory.mktemp("unbroken") / "runs.db"))


def _killed(store: Path | str, times: int, executor: str = "serial", workers: int = 1) -> int:
    """Start and kill at seeded instants; how many starts were still at work then."""
    draw = random.Random(7)
    killed = 0
    for _ in range(times):
        process = _start(store, executor, workers)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.3 + draw.random() * 0.5)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    return killed


def test_a_killed_synthesis_loses_and_doubles_no_sample(unbroken: Any, tmp_path: Path) -> None:
    assert _killed(tmp_path / "runs.db", 10) > 0
    rows, hashed, cost = _finish(_start(tmp_path / "runs.db"))
    assert rows == unbroken[0]
    assert len({(q, n) for q, n, *_ in rows}) == len(rows) == cost
    assert hashed == unbroken[1]


def test_worker_processes_draw_the_same(unbroken: Any, tmp_path: Path) -> None:
    rows, hashed, _ = _finish(_start(tmp_path / "runs.db", "processes", 2))
    assert rows == unbroken[0]
    assert hashed == unbroken[1]


def test_postgresql_holds_the_same_after_kills(unbroken: Any, postgres: str) -> None:
    assert _killed(postgres, 4, "processes", 2) > 0
    rows, hashed, cost = _finish(_start(postgres, "processes", 2))
    assert rows == unbroken[0]
    assert hashed == unbroken[1]
    assert len({(q, n) for q, n, *_ in rows}) == len(rows) == cost
    # The whole report comes out of that database as well.
    with Store(postgres) as store:
        values = report(store).to_json()
    assert values["runs"][0]["samples"] == len(rows)
    assert values["samples"]


@pytest.mark.slow
def test_ray_workers_draw_the_same(unbroken: Any, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    rows, hashed, _ = _finish(_start(tmp_path / "runs.db", "ray", 2))
    assert rows == unbroken[0]
    assert hashed == unbroken[1]


class Late(Bernoulli):
    """In worker processes: how long a message takes has nothing to do with its place in the order."""

    simulated = False

    def __init__(self, delay: int) -> None:
        super().__init__()
        self.delay = delay

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "sampler": "late"}

    def generate(self, requests: Sequence[Request]) -> list[list[Completion]]:
        time.sleep(0.02 * random.Random(self.delay + requests[0].index).random())
        return super().generate(requests)


def test_the_order_of_completion_selects_nothing(tmp_path: Path) -> None:
    found = []
    for delay in (0, 100):
        asked = [{"id": f"q{i}", "query": f"1+{i}=", "ref_ans": str(1 + i)} for i in range(24)]
        done = synthesize(asked, Late(delay), "uniform?k=3", cap=32, executor="processes", workers=2, store=tmp_path / f"{delay}.db")
        found.append([(query.id, row.number, row.text) for query, row in done.kept(selection="index")])
    assert found[0] == found[1]
    # The first right ones by number, of each query.
    counts = Counter(name for name, _, _ in found[0])
    assert set(counts.values()) <= {1, 2, 3}
    assert counts["q0"] >= 1


# From the command line ---------------------------------------------------------------------------------------------


def _command(folder: Path) -> list[str]:
    words = ["--queries", "q.jsonl", "--allocation", "uniform?k=8", "--cap", "128", "--store", "runs.db", "--quiet"]
    return [sys.executable, "-m", "oche", "synthesize", *words, "--out", str(folder / "kept.jsonl")]


def _content(folder: Path) -> tuple[str, str]:
    """Hash of all raw samples, and of the record."""
    with Store(folder / "runs.db") as store:
        (record,) = store.records()
        rows = list(store.samples(pool_of(record.protocol, 0)))
    assert len({(r.query, r.number) for r in rows}) == len(rows) == record.metrics["samples"] == record.cost["search"]["samples"]
    text = "\n".join(json.dumps([r.query, r.number, r.verdict, r.distinct, r.text, r.answer, r.tokens]) for r in rows)
    return hashlib.sha256(text.encode()).hexdigest(), record.content_hash()


def _stored(folder: Path) -> int:
    """Rows that are committed."""
    if not (folder / "runs.db").exists():
        return 0
    with closing(sqlite3.connect(f"file:{folder / 'runs.db'}?mode=ro", uri=True, timeout=10)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM sample").fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # before its tables are made


@pytest.mark.slow
def test_the_command_killed_ten_times_ends_in_the_same_rows(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("whole", "killed")]
    lines = "\n".join(json.dumps({"id": i, "query": f"1+{i}=", "ref_ans": str(1 + i)}) for i in range(500))
    for folder in folders:
        folder.mkdir()
        (folder / "q.jsonl").write_text(lines)
    subprocess.run(_command(folders[0]), cwd=folders[0], env=environment(), check=True, timeout=300, capture_output=True)
    draw, killed, whole = random.Random(11), 0, _stored(folders[0])
    for moment in sorted(draw.random() * 0.9 * whole for _ in range(10)):
        process = subprocess.Popen(
            _command(folders[1]), cwd=folders[1], env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and _stored(folders[1]) <= moment:
            time.sleep(0.002)
        process.kill()
        killed += process.wait() == -signal.SIGKILL
        assert _stored(folders[1]) <= whole
    assert killed >= 8
    subprocess.run(_command(folders[1]), cwd=folders[1], env=environment(), check=True, timeout=300, capture_output=True)
    assert _content(folders[0]) == _content(folders[1])
    assert (folders[0] / "kept.jsonl").read_bytes() == (folders[1] / "kept.jsonl").read_bytes()
