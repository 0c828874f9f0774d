"""A small grid of searches; as a script it runs or resumes one, perhaps kills itself, and prints the hashes of its records.

Usage: killable.py STORE EXECUTOR WORKERS EVENT:NUMBER; events are those of `oche.loop.run.Observer`, counted in this process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import oche
from oche.loop.run import Run

SMALL = {"supernets": ["single-cell"], "operations": ["no-skip"], "recipes": {"a": {"lr": 0.1}, "b": {"lr": 0.02}}}


def grid(**more: Any) -> Any:
    task = oche.tasks.classification("digits[:40]", "digits?epochs=1")
    return oche.studies.darts_bench(task, ["darts"], runs=2, budget=oche.Budget(passes=3), name="g", progress=False, **SMALL, **more)


def hashes(study: Any) -> list[str]:
    return [r.content_hash() for r in study.records]


def arm(text: str) -> None:
    """Make this process kill itself at an event."""
    event, _, number = text.partition(":")
    left, notify = int(number), Run.notify

    def notified(self: Any, name: str) -> None:
        nonlocal left
        left -= name == event
        if name == event and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        notify(self, name)

    Run.notify = notified  # type: ignore[method-assign]


if __name__ == "__main__":
    store, executor, workers, event = sys.argv[1:]
    arm(event)
    print(json.dumps(hashes(grid(store=store, executor=executor, workers=int(workers)))))
