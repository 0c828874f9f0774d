"""The worker's side of a search: program, task and algorithm, and the four messages that it answers.

It is what every executor carries to its workers. Large state stays here: a weight-sharing algorithm lives on between messages
and is written to a checkpoint file after each; a worker that does not have it alive reads the file.
"""

from __future__ import annotations

import copy
import math
import numbers
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from oche import ranks, seeds
from oche.errors import ArgumentError, FeedbackError, ResumeError, SkipTrial
from oche.files import atomic, digest, file_digest
from oche.loop.contracts import Feedback, Proposal
from oche.loop.messages import Advance, Advanced, Draw, Evaluate, EvaluateMany, Propose, Report, Sizes
from oche.loop.registry import load
from oche.loop.reports import Reports
from oche.loop.watcher import takes_reports
from oche.program import Space


def as_factory(algorithm: Any) -> Callable[[], Any]:
    """Something that makes a new algorithm at each call.

    Args:
        algorithm: Settings text such as `random?measure=space`, an algorithm (each call then gives a copy), a class, or a
            function without arguments.
    """
    if isinstance(algorithm, str):
        return _FromText(algorithm)
    if isinstance(algorithm, type) or (callable(algorithm) and not hasattr(algorithm, "setup")):
        return algorithm
    if not hasattr(algorithm, "setup"):
        raise ArgumentError(
            f"algorithm: got {algorithm!r}; allowed: a name, or an object with setup, see oche.loop.AskTell and WeightSharing"
        )
    return _Copy(algorithm)


class _FromText:
    def __init__(self, text: str) -> None:
        self.text = text

    def __call__(self) -> Any:
        # By name: algorithms live on a higher floor, and a worker loads only the one that it needs.
        return load("oche.algorithms:get")(self.text)


class _Copy:
    def __init__(self, original: Any) -> None:
        self.original = original

    def __call__(self) -> Any:
        return copy.deepcopy(self.original)


class Workbench:
    """Answers `Evaluate`, `EvaluateMany`, `Report`, `Draw`, `Advance`, `Propose` and `Sizes`.

    Args:
        space: The space.
        task: The task.
        algorithm: For weight-sharing searches: see `as_factory`. None for the others, whose algorithm stays in the parent.

    Example:
        >>> bench = Workbench(space, task)
        >>> bench(Evaluate(space.at(0), seed=1)).reward
    """

    def __init__(self, space: Space, task: Any, algorithm: Any = None) -> None:
        self.space = space
        self.task = task
        self._factory = as_factory(algorithm) if algorithm is not None else None
        self._live: dict[str, tuple[Any, int]] = {}

    def __getstate__(self) -> dict[str, Any]:
        # What is alive belongs to one process.
        return {**self.__dict__, "_live": {}}

    def prepare(self) -> None:
        """Import and load what the messages will need, so that limits count from there."""
        if self._factory is not None or hasattr(self.task, "problem"):
            import torch  # noqa: F401 - networks need it
        prepare = getattr(self.task, "prepare", None)
        if prepare is not None:
            prepare()

    def __call__(self, message: Any) -> Any:
        """Do what one message says."""
        if isinstance(message, (Evaluate, Report)):
            try:
                return self._try(message)
            except SkipTrial as error:
                return skipped(error)
        if isinstance(message, EvaluateMany):
            return [as_feedback(f) for f in self.task.evaluate_many(self.space, message.dnas, message.seeds, message.observe)]
        if isinstance(message, Draw):
            return [as_feedback(f) for f in self.task.draw(self.space, message.items)]
        if isinstance(message, Advance):
            return self._advance(message)
        if isinstance(message, Propose):
            return self._propose(message)
        if isinstance(message, Sizes):
            return dict(self.task.problem(seeds.derive(message.seed, "problem")).n_batches)
        raise TypeError(f"unknown message {message!r}")

    def _try(self, message: Evaluate | Report) -> Feedback:
        final = isinstance(message, Report)
        child = self.task.child(self.space, message.dna, message.seed, final=final)
        if isinstance(message, Report):
            return as_feedback(self.task.report(child, message.seed))
        if message.watch is None or not takes_reports(self.task):
            return as_feedback(self.task.evaluate(child, message.seed))
        reports = Reports(message.watch)
        return reported(as_feedback(self.task.evaluate(child, message.seed, reports=reports)), reports)

    def _advance(self, message: Advance) -> Advanced:
        algorithm = self._algorithm(message)
        # Taken out until it is written: after an error the state is not known.
        progress = algorithm.advance(message.steps)
        path, sha = None, ""
        if message.directory is not None:
            mark = "" if message.part is None else f"-{digest(message.part.name)[:16]}"
            path = str(Path(message.directory) / f"step-{progress.step:09d}{mark}.pt")
            sha = save_state(algorithm.state(), path) if ranks.is_first() else ""
            # With a file written, one live algorithm is enough: supernets are large.
            self._live.clear()
        if message.part is not None and progress.done:
            return Advanced(progress, path, sha, dict(algorithm.result))
        self._live[_place(message)] = (algorithm, progress.step)
        return Advanced(progress, path, sha)

    def _propose(self, message: Propose) -> list[Proposal]:
        return list(self._algorithm(message).propose(message.n))

    def _algorithm(self, message: Advance | Propose) -> Any:
        run, at, checkpoint = message.run, message.at, message.checkpoint
        live = self._live.pop(_place(message), None)
        if live is not None and live[1] == at:
            return live[0]
        if at and checkpoint is None:
            raise ResumeError(f"run {run}: got no checkpoint for step {at}; allowed: a run with checkpoint files; start it again")
        if self._factory is None:
            raise ArgumentError("workbench: got no algorithm; allowed: a weight-sharing algorithm for the messages Advance and Propose")
        part, source = (message.part, message.source) if isinstance(message, Advance) else (None, None)
        algorithm = self._factory()
        if part is not None:
            algorithm = algorithm.part(part)
        algorithm.setup(self.space, self.task.problem(seeds.derive(message.seed, "problem")), message.seed, message.budget)
        if checkpoint is not None:
            algorithm.load(load_state(checkpoint))
        elif source is not None:
            algorithm.inherit(load_state(source))
        return algorithm


def _place(message: Advance | Propose) -> str:
    """Under which name a live algorithm is kept."""
    part = message.part if isinstance(message, Advance) else None
    return message.run if part is None else f"{message.run}/{part.name}"


def save_state(state: Any, path: str) -> str:
    """Write tensors, numbers, text, lists and dicts to a file in one step.

    Returns:
        SHA-256 of the file.
    """
    import torch

    with atomic(path) as temporary:
        torch.save(state, temporary)
        sha = file_digest(temporary)
    return sha


def load_state(path: str) -> Any:
    """Read what `save_state` wrote; nothing in the file is executed."""
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)


def reported(feedback: Feedback, reports: Reports) -> Feedback:
    """The feedback of an evaluation with its curve, and with the status `stopped` where a policy ended it."""
    if reports.curve and "reward" not in feedback.curves:
        feedback = replace(feedback, curves={**feedback.curves, "reward": reports.curve})
    if not reports.stopped or feedback.status != "done":
        return feedback
    return replace(feedback, status="stopped", reason=f"stopped early at step {reports.reached:g}")


def skipped(error: SkipTrial) -> Feedback:
    """The feedback of a point that is no valid program: a trial without a reward. It counts as a trial, so that every budget ends."""
    return Feedback(status="skipped", reason=str(error))


def as_feedback(value: Any) -> Feedback:
    """`value` itself, or a feedback with it as the reward if it is a number.

    Raises:
        FeedbackError: the number, or a metric, is not finite.
        ArgumentError: it is neither.
    """
    if isinstance(value, Feedback):
        for name, number in value.metrics.items():
            if not math.isfinite(number):
                raise FeedbackError(f"metric {name!r}: got {number!r}; allowed: finite numbers; leave it out, or report a failed trial")
        return value
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        return Feedback(reward=float(value))
    raise ArgumentError(f"task: got {type(value).__name__} from evaluate or report; allowed: oche.Feedback or a number")
