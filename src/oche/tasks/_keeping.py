"""Keep the networks of final trainings as files: any task, with one more thing done after its report.

A network is trained where the work is done, often in another process; only there its weights exist. The result of the task is
untouched, and so is its protocol: a search that keeps its networks has the same records as one that does not.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from oche.loop.contracts import Feedback


class Keeping:
    """A task whose reports leave the trained network in a folder, under `artifacts["network"]`.

    Args:
        task: The task that does the work. Everything but `report` is its own.
        folder: Where networks go; made if needed. Children that are no torch modules leave nothing.
    """

    def __init__(self, task: Any, folder: str | os.PathLike[str]) -> None:
        self.task = task
        self.folder = str(Path(folder).resolve())

    def __getattr__(self, name: str) -> Any:
        # Only called for what this class lacks. While an object is unpickled it has no `task` yet.
        if name.startswith("__") or "task" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.task, name)

    def report(self, child: Any, seed: int) -> Feedback:
        """The task's report, and the network as a file."""
        feedback = self.task.report(child, seed)
        if not feedback.ok or not hasattr(child, "state_dict"):
            return feedback
        from oche import training

        path = Path(self.folder) / f"{seed:016x}.pt"
        # Seeds of evaluations are hashes of run and DNA: no two different networks share a name.
        training.save(path, child, {}, data=getattr(self.task, "data", None))
        return replace(feedback, artifacts={**feedback.artifacts, "network": str(path)})


def keeping(task: Any, folder: str | os.PathLike[str]) -> Keeping:
    """`task`, with the networks of its final trainings kept in `folder`; see `Keeping`."""
    return Keeping(task, folder)
