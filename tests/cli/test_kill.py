"""A search that is killed again and again ends as an unbroken one does: real processes, real SIGKILL, no cooperation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KILLS = 20
COMMAND = ["search", "nasbench201", "--algorithm", "pc-darts?epochs=6&warmup=2", "--data", "digits[:300]", "--seeds", "2", "--members", "2"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_kills_change_nothing(tmp_path: Path) -> None:
    # Every third kill falls between a complete checkpoint file and its row in the store; every fourth attempt has two worker processes.
    how = ["--kills", str(KILLS), "--strike", "checkpoint-file", "--others", "--executor processes?workers=2", "--folder", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    words = [sys.executable, "-m", "tests.kills", *how, "--", *COMMAND, "--no-random-search"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=800)
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    # Records, proposals, results, states, and files of checkpoints with what they hold: none left over, none missing.
    assert found["equal"], found["different"]
    assert (found["kills"], found["runs"]) == (KILLS, 3)
    assert found["told"] == sorted(found["told"])
    assert len(set(found["told"])) > 3
