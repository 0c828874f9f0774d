"""A real process for every command that a test runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Result = subprocess.CompletedProcess[str]


def environment(**extra: str) -> dict[str, str]:
    """The environment of a user's shell: the library on the path, one thread, a width that does not fold messages."""
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "160", "NO_COLOR": "1", **extra}


@pytest.fixture
def oche(tmp_path) -> Callable[..., Result]:
    """Run `oche WORDS...` in an empty folder and return what it printed and its exit code."""

    def run(*words: str, timeout: float = 300, cwd: Path | None = None, env: dict[str, str] | None = None) -> Result:
        command = [sys.executable, "-m", "oche", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd or tmp_path, env=environment(**(env or {})), timeout=timeout)

    return run
