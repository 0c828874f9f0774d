"""A real process for every command that a test runs; one for all commands that are refused."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache, partial
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


@cache
def _warm() -> subprocess.Popen[str]:
    path = os.pathsep.join([str(ROOT), environment()["PYTHONPATH"]])
    command = [sys.executable, "-m", "tests.cli.warm"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(PYTHONPATH=path), cwd=ROOT
    )

    def end() -> None:
        process.communicate()

    atexit.register(end)
    return process


def refused(*words: str | Path, cwd: Path) -> Result:
    """Run `oche WORDS...` in a process that ran others before: for mistakes, which cost nothing but to load the library."""
    process = _warm()
    assert process.stdin is not None and process.stdout is not None
    print(json.dumps({"words": [str(word) for word in words], "folder": str(cwd)}), file=process.stdin, flush=True)
    answer = json.loads(process.stdout.readline())
    return Result([str(word) for word in words], **answer)


@pytest.fixture
def oche(tmp_path) -> Callable[..., Result]:
    """`run_oche` in an empty folder."""
    return partial(run_oche, cwd=tmp_path)
