"""A run's side of early stopping and fidelities: which curves a trial is judged by, how far it goes, and where its files lie."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from typing import Any

from oche.errors import ArgumentError
from oche.loop.gates import Policy
from oche.loop.reports import TrialCurve, Watch
from oche.loop.run import Trial

#: Files of points that were taken further are removed in groups, each after a write of the log.
_GROUP = 16


class Watcher:
    """Makes the `Watch` of each evaluation of one run.

    A trial is judged by the curves of the trials that its run had heard of when its point was asked for: no more, although more may be
    known when it starts. So verdicts do not depend on the number of workers, nor on where a run was killed.

    Args:
        policy: Early stopping, None for none.
        folder: Where evaluations leave files for longer ones of the same point; None: nowhere, they start anew.
    """

    def __init__(self, policy: Policy | None = None, folder: Path | None = None) -> None:
        self.policy = policy
        self.folder = folder
        #: Whether points are evaluated further later, so that a folder is of use.
        self.needs_folder = False
        self.stopped = 0
        self._curves: list[TrialCurve] = []
        self._outgrown: list[int] = []

    def watch(self, trial: Trial) -> Watch | None:
        """What the evaluation of `trial` is to know; None where that is nothing."""
        info = trial.proposal.info
        fidelity = info.get("fidelity")
        if self.policy is None and fidelity is None:
            return None
        files: dict[str, Any] = {}
        if self.folder is not None and fidelity is not None:
            files["keep"] = str(self._file(trial.proposal.id)) if info.get("grows") else None
            files["source"] = str(self._file(info["continues"])) if "continues" in info else None
        history = tuple(self._curves[: trial.seen]) if self.policy is not None else ()
        return Watch(trial.proposal.id, self.policy, history, fidelity, info.get("previous", 0), **files)

    def told(self, trial: Trial) -> None:
        """A trial ended, and its run heard of it."""
        feedback = trial.feedback
        assert feedback is not None
        self.stopped += feedback.status == "stopped"
        if self.policy is not None:
            reward = feedback.reward[0] if isinstance(feedback.reward, tuple) else feedback.reward
            points = tuple((float(step), float(value)) for step, value in feedback.curves.get("reward", ()))
            self._curves.append(TrialCurve(points, trial.proposal.id, feedback.status, reward))
        if self.folder is not None and "continues" in trial.proposal.info:
            self._outgrown.append(trial.proposal.info["continues"])

    @property
    def untidy(self) -> bool:
        """Whether there are enough files to be removed."""
        return len(self._outgrown) >= _GROUP

    def tidy(self) -> None:
        """Remove files of points that were taken further; only after what was made of them is written."""
        for number in self._outgrown:
            self._file(number).unlink(missing_ok=True)
        self._outgrown.clear()

    def close(self) -> None:
        """The run is over: remove all files."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, number: int) -> Path:
        assert self.folder is not None
        return self.folder / f"trial-{number:06d}.pt"


def takes_reports(task: Any) -> bool:
    """Whether evaluations of a task report while they work: its `evaluate` has an argument `reports`, or it says so itself."""
    own = getattr(task, "takes_reports", None)
    if own is not None:
        return bool(own)
    try:
        return "reports" in inspect.signature(task.evaluate).parameters
    except (TypeError, ValueError):
        return False


def check_reports(task: Any, what: str) -> None:
    """Refuse a task that says nothing before its end.

    Raises:
        ArgumentError: it does not report.
    """
    if not takes_reports(task):
        raise ArgumentError(
            f"{what}: got task {getattr(task, 'name', type(task).__name__)!r}, which reports nothing before its end; "
            "allowed: a classification, or a function with an argument `reports` that calls reports.report(value, step)"
        )
