"""A run of a weight-sharing algorithm that is a tree of parts: every part that is ready is a job for any free worker.

Each part has checkpoints of its own, and its row says its result once it is done. The tree is a function of these results, so it is the
same for any number of workers and after a kill in the middle of any of the parts; costs are added up in a fixed order for the same reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oche.errors import ResumeError
from oche.loop.contracts import Cost
from oche.loop.executors.base import Outcome
from oche.loop.messages import Advance, Advanced, Report, Sizes
from oche.loop.parts import TreeSharing
from oche.loop.run import MakeRecord, Observer, Plan, Work
from oche.loop.weight_sharing_run import WeightSharingRun, with_times
from oche.program import Space
from oche.store.log import NullLog, RunLog
from oche.store.rows import CheckpointRow


@dataclass
class _Known:
    """How far a part is."""

    step: int = 0
    cost: Cost = field(default_factory=Cost)
    path: str | None = None
    row: CheckpointRow | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    busy: bool = False


class TreeRun(WeightSharingRun):
    """One search over a tree of supernets with one seed.

    Args:
        space: The space.
        plan: Seed, budget, steps between checkpoints of a part.
        log: From `plan.open(TreeRun.kind, store)`.
        directory: Folder of the checkpoint files; None: the engine gives a temporary one, since parts go on from files of others.
        tree: The algorithm, which knows the parts; their searches live in the workers.
        make_record: See `MakeRecord`.
        observer: See `Observer`.

    Raises:
        ResumeError: the checkpoint of a part is gone or was changed.
    """

    needs_folder = True

    def __init__(
        self,
        space: Space,
        plan: Plan,
        log: RunLog | NullLog,
        directory: Path | None = None,
        *,
        tree: TreeSharing,
        make_record: MakeRecord | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.tree = tree
        self._planned = False
        self._parts: dict[str, _Known] = {}
        super().__init__(space, plan, log, directory, make_record=make_record, observer=observer)

    # -- what is known ----------------------------------------------------------------------------------------------------------

    def _resume_steps(self, rows: Sequence[CheckpointRow]) -> None:
        for row in rows:
            state = json.loads(row.state)
            if "result" not in state:
                raise ResumeError(
                    f"run {self.id}: got a checkpoint of a search in one piece; allowed: one of a tree of parts, as this version makes "
                    "them; use another name or another store"
                )
            known = self._parts[row.boundary] = _Known(row.step, Cost.from_json(state["cost"]), row=row)
            known.metrics, known.result = state["metrics"], state["result"]
            known.path = None if self.directory is None else str(self.directory / Path(row.path).name)
        self._count()

    def _check_files(self, rows: Sequence[CheckpointRow]) -> None:
        for known in self._parts.values():
            # That of a part that is done is looked at when another one goes on from it: it may not be needed.
            if known.result is None and known.row is not None and known.path is not None:
                self.check_file(known.row, Path(known.path))

    def _kept_files(self) -> set[str]:
        return {known.path for known in self._parts.values() if known.path is not None}

    def _count(self) -> None:
        """Steps and cost of all parts, in an order that does not depend on when they came."""
        self.step = sum(known.step for known in self._parts.values())
        self.cost = sum((known.cost for _, known in sorted(self._parts.items())), Cost())
        self.total = max(self.step, self.tree.steps) if self._planned else self.step

    @property
    def share(self) -> float:
        """Share of the steps, an estimate: how many a probe needs is not known before."""
        return 1.0 if self.done else min(0.99, self.step / self.total) if self.total else 0.0

    # -- the engine's side --------------------------------------------------------------------------------------------------

    def next_work(self) -> Work | None:
        """How long an epoch is, then a segment of the first part that nobody works on, and at last the final training."""
        if self.done or self._stage == "report":
            return super().next_work()
        if not self._planned:
            if self._busy:
                return None
            self._busy = True
            return Work(Sizes(self.seed), False)
        for part in self.tree.ready():
            known = self._parts.setdefault(part.name, _Known())
            if known.busy:
                continue
            known.busy = True
            source = self._source(part.source) if part.source is not None and known.path is None else None
            directory = None if self.directory is None else str(self.directory)
            steps, budget = self.plan.checkpoint_every, self.first_budget
            return Work(Advance(self.id, self.seed, known.step, steps, known.path, directory, budget, part, source), False)
        return None

    def _source(self, name: str) -> str:
        known = self._parts[name]
        if known.path is None or not Path(known.path).exists():
            raise ResumeError(f"run {self.id}: got no checkpoint of the end of {name!r}, from which others go on; start a new run")
        if known.row is not None:
            self.check_file(known.row, Path(known.path))
        return known.path

    def receive(self, work: Work, outcome: Outcome) -> None:
        """Take an outcome; what belongs to a run that has failed meanwhile is left."""
        if self.done:
            return
        if isinstance(work.message, Report):
            super().receive(work, outcome)
        elif outcome.failure is not None:
            self._failed(outcome)
        elif isinstance(work.message, Sizes):
            self._busy = False
            self._plan_parts(outcome.value)
        else:
            self._moved(work.message, outcome)

    def _plan_parts(self, sizes: Mapping[str, int]) -> None:
        self.tree.plan(self.space, sizes, self.seed, self.first_budget)
        self._planned = True
        # A part is told once it is ready: after those above it.
        while found := [part.name for part in self.tree.ready() if part.name in self._parts and self._result(part.name) is not None]:
            for name in found:
                self.tree.tell(name, self._result(name) or {})
        self._count()
        self._end_parts()

    def _result(self, name: str) -> dict[str, Any] | None:
        return self._parts[name].result

    def _moved(self, message: Advance, outcome: Outcome) -> None:
        """A segment of a part came in."""
        assert message.part is not None
        answer: Advanced = outcome.value
        name, progress = message.part.name, answer.progress
        known = self._parts[name]
        known.busy, known.step, known.metrics = False, progress.step, dict(progress.metrics)
        known.cost += with_times(progress.cost, outcome)
        # As a resumed run reads it, so that both go on alike.
        known.result = json.loads(json.dumps(answer.result)) if answer.result is not None else None
        self.metrics, self._note = known.metrics, progress.note
        self.notify("checkpoint-file")
        old, known.path = known.path, answer.path
        if answer.path is not None:
            state = {"cost": known.cost.to_json(), "metrics": known.metrics, "result": known.result}
            file = f"{self.id}/{Path(answer.path).name}"
            known.row = CheckpointRow(progress.step, name, file, answer.sha256, json.dumps(state))
            self.log.checkpointed(known.row)
        if old is not None and old != answer.path:
            Path(old).unlink(missing_ok=True)
        if known.result is not None:
            self.tree.tell(name, known.result)
        self._count()
        self._clear()
        self.notify("checkpoint")
        self._end_parts()

    def _clear(self) -> None:
        """Remove the end states from which no part has still to begin."""
        sources = {part.source for part in self.tree.ready() if self._parts.get(part.name, _Known()).path is None}
        for name, known in self._parts.items():
            if known.result is not None and known.path is not None and name not in sources and not self.tree.awaited(name):
                Path(known.path).unlink(missing_ok=True)
                known.path = None

    def _end_parts(self) -> None:
        """After the last part, the proposal: it rests on the results alone."""
        if self.tree.over and self.pick is None:
            self._proposed(Outcome(self.tree.propose(1)))
