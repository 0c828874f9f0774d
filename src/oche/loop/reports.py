"""What an evaluation says while it runs, and by what it may be stopped.

An evaluation gets a `Watch` (how far to go, a policy, the curves that were known when its point was proposed) and reports to `Reports`.
The verdict follows from the watch and the reports alone, so it is the same in every process, for any number of workers and after a
resume.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oche.errors import ArgumentError, FeedbackError
from oche.loop.gates import Policy


@dataclass(frozen=True)
class TrialCurve(Sequence[tuple[float, float]]):
    """The reports of one trial: a sequence of (step, value), values maximized, with what a policy may want to know besides.

    Args:
        points: (step, value) in the order of reports.
        number: Number of the trial in its run, from 0.
        status: `running` for the trial that is judged; else how it ended: `done`, `stopped`, `skipped` or `failed`.
        reward: What it ended with, None while it runs or where there is none.

    Example:
        >>> curve = TrialCurve(((1.0, 0.3), (2.0, 0.5)), number=7)
        >>> len(curve), curve[-1], curve.number
        (2, (2.0, 0.5), 7)
    """

    points: tuple[tuple[float, float], ...] = ()
    number: int = 0
    status: str = "running"
    reward: float | None = None

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[tuple[float, float]]:
        return iter(self.points)

    def __getitem__(self, index: Any) -> Any:
        return self.points[index]


@dataclass(frozen=True)
class Watch:
    """How far an evaluation goes, and what may stop it.

    Args:
        number: Number of the trial.
        policy: Early stopping, None for none.
        history: Curves of the trials that were known when the point was proposed, in the order of tells.
        fidelity: Step to end at, for example an epoch; None for the whole way.
        previous: Step that an earlier evaluation of this point went to, 0 for none.
        source: File with the state at `previous`, None if there is none.
        keep: File for the state at the end, None if nobody wants it.
    """

    number: int = 0
    policy: Policy | None = None
    history: tuple[TrialCurve, ...] = ()
    fidelity: float | None = None
    previous: float = 0.0
    source: str | None = None
    keep: str | None = None


@dataclass
class Reports:
    """What a task's `evaluate` talks to while it works.

    Args:
        watch: What it was asked for.

    Example:
        >>> reports = Reports(Watch(fidelity=2))
        >>> for epoch in (1, 2, 3):
        ...     reports.report(0.1 * epoch, step=epoch)
        ...     if reports.should_stop():
        ...         break
        >>> epoch, reports.stopped
        (2, False)
    """

    watch: Watch = field(default_factory=Watch)

    def __post_init__(self) -> None:
        self._points: list[tuple[float, float]] = []
        #: Whether the policy ended the evaluation (reaching the fidelity is no stop).
        self.stopped = False

    @property
    def fidelity(self) -> float | None:
        """Step to end at; None for the whole way."""
        return self.watch.fidelity

    @property
    def previous(self) -> float:
        """Step that an earlier evaluation of this point went to, 0 for none."""
        return self.watch.previous

    @property
    def source(self) -> str | None:
        """File that an earlier evaluation of this point left, if it is there; else start anew: the result must be the same."""
        return self.watch.source if self.watch.source is not None and os.path.exists(self.watch.source) else None

    @property
    def keep(self) -> str | None:
        """Where to leave a file for a longer evaluation of this point; None: nobody will want it."""
        return self.watch.keep

    @property
    def start(self) -> float:
        """Step to go on from: `previous` where `source` is there, else 0."""
        return self.previous if self.source is not None else 0.0

    @property
    def active(self) -> bool:
        """Whether reports are wanted at all."""
        return self.watch.policy is not None or self.watch.fidelity is not None

    @property
    def curve(self) -> tuple[tuple[float, float], ...]:
        """The reports so far, (step, value)."""
        return tuple(self._points)

    @property
    def reached(self) -> float:
        """The last reported step; without reports the fidelity, or 0."""
        return self._points[-1][0] if self._points else float(self.fidelity or 0.0)

    def wants(self, step: float) -> bool:
        """Whether a report at `step` may matter; measuring at other steps is work for nothing."""
        if self.fidelity is not None and step >= self.fidelity:
            return True
        return self.watch.policy is not None and self.watch.policy.wants(step)

    def report(self, metrics: Mapping[str, float] | float, step: float) -> None:
        """Report a value at a step; both go up to any size, and steps must not go down.

        Args:
            metrics: A number to be maximized, or named numbers with one that is called `reward`.
            step: Where in the evaluation, for example the number of epochs done.

        Raises:
            ArgumentError: there is no `reward`, or the step goes down.
            FeedbackError: the value is not finite.
        """
        if isinstance(metrics, Mapping):
            if "reward" not in metrics:
                raise ArgumentError(f"report: got {', '.join(metrics) or 'nothing'}; allowed: a number, or named numbers with 'reward'")
            value = float(metrics["reward"])
        else:
            value = float(metrics)
        if not math.isfinite(value):
            raise FeedbackError(f"report at step {step:g}: got {value!r}; allowed: finite numbers; let the evaluation fail instead")
        if self._points and step < self._points[-1][0]:
            raise ArgumentError(f"report: got step {step:g} after {self._points[-1][0]:g}; allowed: steps that do not go down")
        self._points.append((float(step), value))

    def should_stop(self) -> bool:
        """Whether to end now, because the fidelity is reached or the policy says so; ask after a report."""
        if not self._points:
            return False
        policy = self.watch.policy
        if policy is not None and not self.stopped:
            curve = TrialCurve(self.curve, self.watch.number)
            self.stopped = policy.verdict(curve, self.watch.history) is True
        return self.stopped or (self.fidelity is not None and self._points[-1][0] >= self.fidelity)
