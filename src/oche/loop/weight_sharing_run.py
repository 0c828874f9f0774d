"""A run of a weight-sharing algorithm: train in segments with a checkpoint after each, propose, one final training of the pick.

A checkpoint counts once its row is committed, and the row is written after the file is complete. A kill between the two leaves
a file that no row names: it is removed at the next start, and the run goes on from the last checkpoint that counts.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oche.errors import OcheError, ResumeError, TrainingError
from oche.files import file_digest
from oche.loop.contracts import Cost, Feedback, Proposal
from oche.loop.executors.base import Outcome
from oche.loop.messages import Advance, Advanced, Propose, Report
from oche.loop.rows import feedback_of, proposal_of, proposal_row, trial_row
from oche.loop.run import FATAL, MakeRecord, Observer, Plan, Run, Trial, Work, feedback_from
from oche.program import Space
from oche.store.log import NullLog, RunLog
from oche.store.rows import CheckpointRow

logger = logging.getLogger("oche.loop")


class WeightSharingRun(Run):
    """One weight-sharing algorithm on one space with one seed; the algorithm itself lives in the workers.

    Args:
        space: The space.
        plan: Seed, budget, steps between checkpoints.
        log: From `plan.open(WeightSharingRun.kind, store)`.
        directory: Folder of the checkpoint files (`store.checkpoint_dir(plan.id)`). None: no files, which only an executor with
            one worker that never ends can do; the engine then gives the others a temporary folder.
        make_record: See `MakeRecord`.
        observer: See `Observer`.

    Raises:
        ResumeError: the last checkpoint is gone or was changed.
    """

    kind = "weight-sharing"
    #: Whether checkpoint files are written even where one worker does everything.
    needs_folder = False

    def __init__(
        self,
        space: Space,
        plan: Plan,
        log: RunLog | NullLog,
        directory: Path | None = None,
        *,
        make_record: MakeRecord | None = None,
        observer: Observer | None = None,
    ) -> None:
        super().__init__(plan, log, make_record, observer)
        self.space = space
        self.directory = directory
        self.step = 0
        self.total = 0
        self.metrics: dict[str, float] = {}
        self._note = ""
        self._checkpoint: str | None = None
        self._stage = "advance"
        self._busy = False
        self._report: Feedback | None = None
        self._resume()

    def _resume(self) -> None:
        saved = self.log.saved
        self._resume_steps(saved.checkpoints)
        if saved.proposals:
            self._set_pick(proposal_of(saved.proposals[0], self.space))
        reports = [t for t in saved.trials if t.phase == "report"]
        if reports:
            self._report = feedback_of(reports[0])
        if self.finished_before or (saved.run.status != "running" and self._report is not None):
            self.final_cost = self._report.cost if self._report is not None else Cost()
            self.load_end()
            return
        if self._stage == "advance" or self.pick is None:
            self._check_files(saved.checkpoints)
        self._remove_orphans()

    def _resume_steps(self, rows: Sequence[CheckpointRow]) -> None:
        """Take over what checkpoints say."""
        for row in rows[-1:]:
            state = json.loads(row.state)
            self.step, self.total = row.step, state["total"]
            self.cost = Cost.from_json(state["cost"])
            self.metrics = state["metrics"]
            self._stage = "propose" if state["done"] else "advance"
            if self.directory is not None:
                self._checkpoint = str(self.directory / Path(row.path).name)

    def _check_files(self, rows: Sequence[CheckpointRow]) -> None:
        """Refuse to go on from files that are gone or were changed."""
        if rows and self._checkpoint is not None:
            self.check_file(rows[-1], Path(self._checkpoint))

    def _kept_files(self) -> set[str]:
        """Checkpoint files that are needed."""
        return set() if self._checkpoint is None else {self._checkpoint}

    def check_file(self, row: CheckpointRow, path: Path) -> None:
        """Refuse a checkpoint that is not as it was written.

        Raises:
            ResumeError: it is gone or was changed.
        """
        if not path.exists():
            raise ResumeError(
                f"run {self.id}: got no file {str(path)!r}; allowed: the checkpoint of step {row.step}; put it back or start a new run"
            )
        if file_digest(path) != row.sha256:
            raise ResumeError(
                f"run {self.id}: got a changed file {str(path)!r}; allowed: the checkpoint as it was written; start a new run"
            )

    def _remove_orphans(self) -> None:
        if self.directory is None or not self.directory.is_dir():
            return
        kept = self._kept_files()
        for path in self.directory.iterdir():
            # `step-*.pt`, and the hidden temporary names of a write that was cut off.
            if path.name.lstrip(".").startswith("step-") and str(path) not in kept:
                path.unlink(missing_ok=True)

    # -- the engine's side --------------------------------------------------------------------------------------------------

    @property
    def priority(self) -> int:
        """Always the same: a run that has started is finished first, so that its supernet stays alive in its worker."""
        return 0

    @property
    def share(self) -> float:
        """Share of the steps."""
        return 1.0 if self.done else self.step / self.total if self.total else 0.0

    @property
    def note(self) -> str:
        """What the algorithm says of itself."""
        return self._note

    def next_work(self) -> Work | None:
        """The next segment, the proposal, or the final training."""
        if self.done or self._busy:
            return None
        if self._stage == "report" and self._report is not None:
            self._finish(self._report)
            return None
        self._busy = True
        if self._stage == "report":
            assert self.pick is not None
            return Work(Report(self.pick.dna, self.pick.seed), False, self.pick)
        if self._stage == "propose":
            return Work(Propose(self.id, self.seed, self.step, 1, self._checkpoint, self.first_budget), False)
        directory = None if self.directory is None else str(self.directory)
        steps = self.plan.checkpoint_every
        return Work(Advance(self.id, self.seed, self.step, steps, self._checkpoint, directory, self.first_budget), False)

    def receive(self, work: Work, outcome: Outcome) -> None:
        """Take an outcome and go to the next stage."""
        self._busy = False
        if isinstance(work.message, Report):
            self._reported(feedback_from(outcome))
        elif outcome.failure is not None:
            self._failed(outcome)
        elif isinstance(work.message, Advance):
            self._advanced(outcome)
        else:
            self._proposed(outcome)

    def _failed(self, outcome: Outcome) -> None:
        failure = outcome.failure
        assert failure is not None
        error = failure.exception
        if isinstance(error, FATAL) or (isinstance(error, OcheError) and not isinstance(error, TrainingError)):
            raise error
        logger.warning("run %s (seed %d) failed after step %d: %s\n%s", self.id, self.seed, self.step, failure.reason, failure.trace)
        self.cost += Cost(seconds=outcome.seconds, cpu_seconds=outcome.cpu_seconds)
        self._finish(Feedback(status="failed", reason=failure.reason, cost=Cost()))

    def _advanced(self, outcome: Outcome) -> None:
        answer: Advanced = outcome.value
        progress = answer.progress
        self.cost += with_times(progress.cost, outcome)
        self.step, self.total, self.metrics, self._note = progress.step, progress.total, dict(progress.metrics), progress.note
        if progress.done:
            self._stage = "propose"
        if answer.path is None:
            self.notify("checkpoint")
            return
        self.notify("checkpoint-file")
        state = {"cost": self.cost.to_json(), "total": self.total, "done": progress.done, "metrics": self.metrics}
        name = f"{self.id}/{Path(answer.path).name}"
        self.log.checkpointed(CheckpointRow(self.step, "advance", name, answer.sha256, json.dumps(state)))
        old, self._checkpoint = self._checkpoint, answer.path
        if old is not None and old != answer.path:
            Path(old).unlink(missing_ok=True)
        self.notify("checkpoint")

    def _proposed(self, outcome: Outcome) -> None:
        proposals: list[Proposal] = outcome.value
        if not proposals:
            self._finish(Feedback(status="failed", reason="the algorithm proposed nothing", cost=Cost()))
            return
        first = proposals[0]
        info = dict(first.info)
        spent = with_times(Cost.from_json(info.pop("cost", {})), outcome)
        self.cost += spent
        # The cost is kept with the proposal, so that a resumed run knows it without proposing again.
        kept = Proposal(0, first.dna, 1, {**info, "spent": spent.to_json()})
        self.space.validate(kept.dna)
        self.log.asked(proposal_row(kept, 0))
        self.log.flush()
        self._set_pick(kept, count=False)
        self.notify("proposed")

    def _set_pick(self, proposal: Proposal, count: bool = True) -> None:
        if count:
            self.cost += Cost.from_json(proposal.info.get("spent", {}))
        self.pick = Trial(proposal, 0, self.report_seed(proposal.dna), "report")
        self.trials = [self.pick]
        self._stage = "report"

    def _reported(self, feedback: Feedback) -> None:
        self.log.finished(trial_row(0, 0, "report", None, feedback))
        self.notify("reported")
        self._finish(feedback)

    def _finish(self, feedback: Feedback) -> None:
        if self.pick is not None:
            self.pick.feedback = feedback
        self.final_cost = feedback.cost
        self.record(self.pick, feedback, {"search": self.cost, "final": feedback.cost})
        self.end("done" if feedback.ok else "failed", feedback.reason)


def with_times(cost: Cost, outcome: Outcome) -> Cost:
    """A cost with the measured times of the work, where it has none of its own."""
    values: dict[str, Any] = cost.to_json()
    values.setdefault("seconds", outcome.seconds)
    values.setdefault("cpu_seconds", outcome.cpu_seconds)
    return Cost.from_json(values)
