"""A real process for every command that a test runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Result = subprocess.CompletedProcess[str]


def environment(**extra: str) -> dict[str, str]:
    """The environment of a user's shell: the library on the path, one thread, a width that does not fold messages."""
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "160", "NO_COLOR": "1", **extra}


def run_oche(*words: str | Path, cwd: Path, env: dict[str, str] | None = None, timeout: float = 300) -> Result:
    """Run `oche WORDS...` in a folder and return what it printed and its exit code."""
    command = [sys.executable, "-m", "oche", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment(**(env or {})), timeout=timeout)


@pytest.fixture
def oche(tmp_path) -> Callable[..., Result]:
    """`run_oche` in an empty folder."""
    return partial(run_oche, cwd=tmp_path)
