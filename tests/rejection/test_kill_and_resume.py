"""A synthesis that is killed and started again holds every sample once, the same as one that nobody stopped."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

_SCRIPT = Path(__file__).parent / "killable.py"


def _start(store: Path, executor: str = "serial", workers: int = 1) -> subprocess.Popen[str]:
    command = [sys.executable, str(_SCRIPT), str(store), executor, str(workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finish(process: subprocess.Popen[str]) -> Any:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return _finish(_start(tmp_path_factory.mktemp("unbroken") / "runs.db"))


def test_a_killed_synthesis_loses_and_doubles_no_sample(unbroken: Any, tmp_path: Path) -> None:
    draw = random.Random(7)
    killed = 0
    for _ in range(10):
        process = _start(tmp_path / "runs.db")
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.3 + draw.random() * 0.5)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert killed > 0
    rows, hashed, cost = _finish(_start(tmp_path / "runs.db"))
    assert rows == unbroken[0]
    assert len({(q, n) for q, n, *_ in rows}) == len(rows) == cost
    assert hashed == unbroken[1]


def test_worker_processes_draw_the_same(unbroken: Any, tmp_path: Path) -> None:
    rows, hashed, _ = _finish(_start(tmp_path / "runs.db", "processes", 2))
    assert rows == unbroken[0]
    assert hashed == unbroken[1]
