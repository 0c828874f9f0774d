"""A search of networks with early stopping or fidelities; as a script it runs or resumes one and kills itself.

Usage: stoppable.py STORE KIND EVENT:NUMBER; events: `told`, `asked` (of the run), `trained` (an evaluation has trained and not answered).
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import oche
from oche import training
from oche.loop import AskTellRun
from tests.tinynet import TinyNet

KINDS = {
    "policy": {"algorithm": "regularized-evolution?population=5", "early_stopping": "asha?min=1&eta=2", "budget": oche.Budget(trials=14)},
    "asha": {"algorithm": "asha?min=1&eta=2&inner=regularized-evolution", "budget": oche.Budget(trials=18)},
    "hyperband": {"algorithm": "hyperband?min=1&eta=2", "budget": oche.Budget(epochs=24)},
}
RECIPE = {"epochs": 4, "batch_size": 50, "lr": 0.1}


def search(store: str | None, kind: str, executor: str = "serial", workers: int = 1, **more: Any) -> Any:
    task = oche.tasks.classification("digits[:200]", recipe=RECIPE)
    given: dict[str, Any] = {**KINDS[kind], **more}
    algorithm = given.pop("algorithm")
    return oche.search(TinyNet, algorithm, task, store=store, executor=executor, workers=workers, parallel=2, progress=False, **given)


def arm(text: str) -> None:
    """Make this process kill itself at an event."""
    event, _, number = text.partition(":")
    left = int(number)

    def strike() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    notify, fit = AskTellRun.notify, training.fit

    def notified(self: Any, name: str) -> None:
        if name == event:
            strike()
        notify(self, name)

    def fitted(*args: Any, **kwargs: Any) -> Any:
        found = fit(*args, **kwargs)
        if event == "trained":
            strike()
        return found

    AskTellRun.notify = notified  # type: ignore[method-assign]
    training.fit = fitted  # type: ignore[attr-defined] - its names load lazily


if __name__ == "__main__":
    arm(sys.argv[3])
    search(sys.argv[1], sys.argv[2])
