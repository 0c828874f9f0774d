"""A run: one algorithm with one seed, as the engine sees it. The engine asks for work, does it somewhere, and gives it back.

What a run *is* (asking and telling, training a supernet, or another kind) is decided by its subclass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from oche import seeds
from oche.errors import ArgumentError, DataError, MissingExtraError, OcheError, StoreError, UnknownNameError
from oche.files import digest
from oche.loop.contracts import Budget, Cost, Feedback, Proposal
from oche.loop.executors.base import Outcome
from oche.program import DNA
from oche.store.log import NullLog, RunLog
from oche.store.record import Record
from oche.store.rows import RunRow
from oche.store.store import BaseStore, run_id

#: Errors of the installation or the settings: every other trial would meet them too, so they end the search at once.
FATAL = (MissingExtraError, DataError, UnknownNameError, StoreError)


@dataclass(frozen=True)
class Plan:
    """How a run is to be made.

    Args:
        seed: Root seed of the run.
        budget: What may be spent; None only for an algorithm that ends by itself.
        settings: JSON that makes two runs the same run, together with the seed: program, algorithm, task, flow. Leave the
            budget out of it, so that a finished run can go on with a larger one.
        name: What the user calls it.
        parallel: Proposals in flight.
        order: `ask` tells in the order of asks; `arrival` in the order of completion, which is faster and not reproducible.
        threads: Threads per trial.
        checkpoint_every: Steps of a weight-sharing search between two checkpoints.
    """

    seed: int
    budget: Budget | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    parallel: int = 1
    order: str = "ask"
    threads: int = 1
    checkpoint_every: int = 50

    def __post_init__(self) -> None:
        for key in ("parallel", "threads", "checkpoint_every"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ArgumentError(f"{key}: got {value!r}; allowed: a whole number above 0")
        if self.order not in ("ask", "arrival"):
            raise ArgumentError(f"order: got {self.order!r}; allowed: 'ask', 'arrival'")

    @property
    def id(self) -> str:
        """Identity of the run in every store."""
        return run_id(digest(self.settings), self.seed)

    def open(self, kind: str, store: BaseStore | None, resume: bool = True) -> RunLog | NullLog:
        """The log of the run: a new one, or the one that the store has. See `BaseStore.open_run`."""
        limits = self.budget.to_json() if self.budget else {}
        row = RunRow(
            id=self.id, identity=digest(self.settings), name=self.name, kind=kind, seed=self.seed, settings=self.settings,
            parallel=self.parallel, order=self.order, threads=self.threads, budget=limits, limit=limits,
        )  # fmt: skip
        return NullLog(row) if store is None else store.open_run(row, resume)


@dataclass
class Trial:
    """One evaluation of a proposal.

    Args:
        proposal: The proposal.
        replicate: Which of its evaluations, from 0.
        seed: Seed of the evaluation.
        phase: `search`, or `report` where the evaluation is a final result.
        feedback: What came back, None while it runs (and for the pick of a weight-sharing search).
        told: Position in the order of tells.
        seen: Tells that were known when its proposal was asked for.
    """

    proposal: Proposal
    replicate: int
    seed: int
    phase: str = "search"
    feedback: Feedback | None = None
    told: int | None = None
    seen: int = 0

    @property
    def dna(self) -> DNA:
        """The point of the space."""
        return self.proposal.dna


@dataclass(frozen=True)
class Work:
    """One message of a run. `limited` says whether the limits per trial hold for it; `trial` is what it belongs to.

    A message that draws samples for several proposals belongs to `trials`.
    """

    message: Any
    limited: bool
    trial: Trial | None = None
    trials: tuple[Trial, ...] = ()


#: `make_record(run, pick, feedback, cost)`: the pick (None if there is none), its final feedback, and `cost["search"]`,
#: `cost["final"]`.
MakeRecord = Callable[["Run", "Trial | None", Feedback, dict[str, Cost]], Record]

#: `observer(run, event)`; events: `asked`, `told`, `checkpoint-file`, `checkpoint`, `proposed`, `reported`, `ended`.
Observer = Callable[["Run", str], None]


class Run(ABC):
    """Base of all kinds of run.

    Attributes:
        id: Identity in the store.
        plan: How it is made.
        status: `running`, `done` or `failed`.
        reason: Why it failed.
        trials: All evaluations that were asked for, in the order of asks.
        pick: What the search found.
        cost: What the search spent.
        final_cost: What final results spent; for a baseline, whose trials are final results, the same as `cost`.
        records: What it ended in.
    """

    kind: str

    def __init__(self, plan: Plan, log: RunLog | NullLog, make_record: MakeRecord | None, observer: Observer | None) -> None:
        self.id = log.run.id
        self.plan = plan
        self.log = log
        self.status = "running"
        self.reason = ""
        self.pick: Trial | None = None
        self.trials: list[Trial] = []
        self.cost = Cost()
        self.final_cost = Cost()
        self.records: list[Record] = []
        self._make_record = make_record
        self._observer = observer

    @property
    def front(self) -> list[Any]:
        """With several objectives, the points that no other one dominates, as its record has them."""
        return [point for record in self.records for point in record.front]

    @property
    def seed(self) -> int:
        """Root seed of the run."""
        return self.plan.seed

    @property
    def first_budget(self) -> Budget | None:
        """The budget of the first start: sizes that depend on the budget are functions of this one."""
        limits = self.log.saved.run.budget
        return Budget.from_json(limits) if limits else None

    @property
    def finished_before(self) -> bool:
        """Whether the store holds the end of this very run; a larger budget opens it again."""
        saved = self.log.saved.run
        return saved.status != "running" and dict(saved.limit) == (self.plan.budget.to_json() if self.plan.budget else {})

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do."""
        return self.status != "running"

    @property
    @abstractmethod
    def priority(self) -> int:
        """The engine serves the run with the smallest number first."""

    @property
    @abstractmethod
    def share(self) -> float:
        """How much of the run is done, in [0, 1], for display."""

    @property
    def note(self) -> str:
        """How the run stands, a few words for display."""
        return ""

    @abstractmethod
    def next_work(self) -> Work | None:
        """Something that can be done now, or None: the run waits, or has ended."""

    @abstractmethod
    def receive(self, work: Work, outcome: Outcome) -> None:
        """Take the outcome of one piece of work.

        Raises:
            OcheError: it shows a mistake that every other piece of work would meet too.
        """

    def report_seed(self, dna: DNA, replicate: int = 0) -> int:
        """Seed of a final training: the same for a search's pick and for a random member with the same run seed."""
        return seeds.derive(self.seed, "report", list(dna.flat), replicate)

    def notify(self, event: str) -> None:
        """Tell the observer."""
        if self._observer is not None:
            self._observer(self, event)

    def record(self, trial: Trial | None, feedback: Feedback, cost: dict[str, Cost]) -> None:
        """Make a record and put it into the log."""
        if self._make_record is None:
            return
        made = self._make_record(self, trial, feedback, cost)
        if made.run != self.id:
            made = replace(made, run=self.id)
        self.records.append(made)
        self.log.recorded(made.to_json())

    def end(self, status: str, reason: str = "") -> None:
        """The run is over: write everything."""
        self.status = status
        self.reason = reason
        self.log.close(status=status, reason=reason)
        self.notify("ended")

    def load_end(self) -> None:
        """Take over the end of a run that was finished before."""
        row = self.log.saved.run
        self.records = [Record.from_json(r) for r in self.log.saved.records]
        self.status, self.reason = row.status, row.reason


def measured(feedback: Feedback, outcome: Outcome, trials: int = 1) -> Feedback:
    """`feedback` with the measured times in its cost; a task that knows better (a table) keeps its own seconds."""
    cost = feedback.cost
    return replace(
        feedback,
        cost=replace(cost, trials=trials, seconds=cost.seconds or outcome.seconds, cpu_seconds=cost.cpu_seconds or outcome.cpu_seconds),
    )


def feedback_from(outcome: Outcome, fatal: tuple[type[OcheError], ...] = FATAL) -> Feedback:
    """The feedback of an evaluation, whatever happened to it.

    Raises:
        OcheError: the failure is one of `fatal`.
    """
    failure = outcome.failure
    if failure is None:
        return measured(outcome.value, outcome)
    if isinstance(failure.exception, fatal):
        raise failure.exception
    return Feedback(status="failed", reason=failure.reason, cost=Cost(trials=1, seconds=outcome.seconds, cpu_seconds=outcome.cpu_seconds))
