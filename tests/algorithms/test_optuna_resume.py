"""A search by a sampler of Optuna that is killed again and again ends in the record of one that was not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("optuna")

_SCRIPT = Path(__file__).parents[1] / "loop" / "killable.py"


def _run(store: Path, executor: str, workers: int, kill: str = "none:0") -> list[str] | None:
    """Hashes of the records; None if the process was killed, as it was told to."""
    command = [sys.executable, str(_SCRIPT), str(store), "optuna", executor, str(workers), kill]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode == -signal.SIGKILL:
        return None
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_kills_and_workers_change_no_record(tmp_path: Path) -> None:
    whole = _run(tmp_path / "whole.db", "serial", 1)
    kills = [_run(tmp_path / "killed.db", "serial", 1, event) for event in ("asked:7", "told:31", "told:30", "asked:25", "reported:1")]
    assert kills.count(None) >= 4
    assert _run(tmp_path / "killed.db", "serial", 1) == whole
    assert _run(tmp_path / "two.db", "processes", 2, "told:50") is None
    assert _run(tmp_path / "two.db", "processes", 2) == whole
