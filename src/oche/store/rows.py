"""What is stored, as plain rows: numbers, text and JSON text only.

The store knows nothing of spaces, DNA or feedback; `loop/` turns its objects into these rows and back. A row is what one line
of one table holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

#: How a run can stand.
RUN_STATUSES = ("running", "done", "failed")


@dataclass
class RunRow:
    """One algorithm with one seed.

    Args:
        id: Identity of the run: hash of (identity, seed).
        identity: Hash of the settings that make two runs the same run.
        name: What the user calls it; several seeds share a name.
        kind: `asktell`, `weight-sharing` or what a later kind calls itself.
        seed: Root seed.
        settings: What the identity was computed from.
        parallel: Proposals in flight.
        order: `ask` or `arrival`: the order of tells.
        threads: Threads per trial.
        budget: Limits at the first start; sizes that depend on the budget are computed from these.
        limit: Limits of the latest start.
        asked: Number of proposals.
        told: Number of evaluations that the algorithm was told of.
        state: State of the algorithm (JSON) after `state_told` tells and `state_asked` asks, or None.
        state_told: Tells behind `state`.
        state_asked: Asks behind `state`.
        status: One of `RUN_STATUSES`.
        reason: Why it failed.
        owner: Process that executes it now, empty if none does.
        created: Unix time of the first start, seconds.
        updated: Unix time of the last write, seconds.
    """

    id: str
    identity: str
    name: str
    kind: str
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    parallel: int = 1
    order: str = "ask"
    threads: int = 1
    budget: Mapping[str, float] = field(default_factory=dict)
    limit: Mapping[str, float] = field(default_factory=dict)
    asked: int = 0
    told: int = 0
    state: str | None = None
    state_told: int = 0
    state_asked: int = 0
    status: str = "running"
    reason: str = ""
    owner: str = ""
    created: float = 0.0
    updated: float = 0.0


@dataclass(frozen=True)
class ProposalRow:
    """One proposal. `seen` is the number of tells known at the ask; `dna` and `info` are JSON text."""

    id: int
    dna: str
    count: int
    seen: int
    info: str = "{}"


@dataclass
class TrialRow:
    """One evaluation.

    Args:
        proposal: Id of the proposal.
        replicate: Which of the proposal's evaluations, from 0.
        phase: `search`, or `report` for a final result.
        told: Position in the order of tells, None while the algorithm does not know it.
        status: Status of the feedback.
        reason: Why, if not done.
        reward: The reward (its first objective), None if there is none.
        zone: Reward zone.
        metrics: JSON text.
        cost: JSON text.
        more: JSON text of what is rare: several objectives, descriptor, curves, artifacts.
    """

    proposal: int
    replicate: int
    phase: str
    told: int | None
    status: str
    reason: str = ""
    reward: float | None = None
    zone: str | None = None
    metrics: str = "{}"
    cost: str = "{}"
    more: str = "{}"


class SampleRow(NamedTuple):
    """One raw sample of a task that draws many of one point: a line of its own, a tenth of the size and time of a trial.

    Args:
        query: Number of the point, for example of a query.
        number: Which of its samples, from 0.
        proposal: Id of the proposal that drew it.
        verdict: How it was graded, for example `correct`.
        distinct: 1 if it is correct and unlike every earlier one of the point, else 0.
        text: What was sampled.
        answer: What was read out of it, None if nothing.
        finish: Why it ended, for example `stop` or `length`.
        prompt_tokens: Tokens read.
        tokens: Tokens generated.
        seconds: Seconds of work.
        money: Its price.
    """

    query: int
    number: int
    proposal: int
    verdict: str
    distinct: int
    text: str
    answer: str | None = None
    finish: str = "stop"
    prompt_tokens: int = 0
    tokens: int = 0
    seconds: float = 0.0
    money: float = 0.0


@dataclass(frozen=True)
class MeasureRow:
    """Intermediate numbers of a trial at a step; `metrics` is JSON text."""

    proposal: int
    replicate: int
    step: float
    metrics: str


@dataclass(frozen=True)
class CheckpointRow:
    """A state that is too large for the database: a file, its hash, and where in the run it was written.

    Args:
        step: Steps done when it was written.
        boundary: Name of the point where it was written, for example `advance`.
        path: File, relative to the store's folder of files.
        sha256: Hash of the file's content.
        state: Progress so far, JSON text.
    """

    step: int
    boundary: str
    path: str
    sha256: str
    state: str = "{}"


@dataclass
class Saved:
    """Everything a store holds of one run."""

    run: RunRow
    proposals: list[ProposalRow] = field(default_factory=list)
    trials: list[TrialRow] = field(default_factory=list)
    measures: list[MeasureRow] = field(default_factory=list)
    checkpoints: list[CheckpointRow] = field(default_factory=list)
    records: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass
class Batch:
    """What is written in one transaction. `told` holds (proposal, replicate, phase, position) of trials stored before.

    `samples` belong to `pool`, which several runs may share.
    """

    proposals: list[ProposalRow] = field(default_factory=list)
    trials: dict[tuple[int, int, str], TrialRow] = field(default_factory=dict)
    told: list[tuple[int, int, str, int]] = field(default_factory=list)
    measures: list[MeasureRow] = field(default_factory=list)
    checkpoints: list[CheckpointRow] = field(default_factory=list)
    records: list[Mapping[str, Any]] = field(default_factory=list)
    samples: list[SampleRow] = field(default_factory=list)
    pool: str = ""
    run: dict[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(
            self.samples or self.proposals or self.trials or self.told or self.measures or self.checkpoints or self.records or self.run
        )
