"""What passes between an algorithm, a task and the loop, and nothing else.

An algorithm sees the space and feedback; a task sees a child and a seed; neither sees the other. Both kinds of algorithm
(`AskTell` and `WeightSharing`) go through one driver and end in the same records.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, runtime_checkable

import numpy as np

from oche.errors import ArgumentError, BudgetError, FeedbackError
from oche.program import DNA, Space
from oche.store.rows import SampleRow

#: How a trial can end.
STATUSES = ("done", "stopped", "skipped", "failed")


@dataclass(frozen=True)
class Cost:
    """What was spent. Costs add up; every field counts one unit and is never negative.

    Args:
        trials: Evaluations of a DNA that ended, in whatever way.
        passes: Forward-and-backward passes over one batch (a forward pass alone counts one third).
        epochs: Passes over the training split.
        samples: Raw samples drawn (synthesis) or environment steps (policies).
        tokens: Tokens generated.
        money: Price of what was bought, in the currency of its seller.
        seconds: Wall-clock seconds of the work itself, waiting excluded.
        cpu_seconds: Processor seconds of the process that did the work.
    """

    trials: int = 0
    passes: float = 0.0
    epochs: float = 0.0
    samples: int = 0
    tokens: int = 0
    money: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def to_json(self) -> dict[str, float]:
        """The fields that are not zero."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name)}

    @classmethod
    def from_json(cls, value: Mapping[str, float]) -> Cost:
        """The inverse of `to_json`."""
        return cls(**value)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Budget:
    """What may be spent. A run ends before the first piece of work that starts with any limit reached.

    Args: one limit per field of `Cost` that can be limited; None means no limit.

    Raises:
        BudgetError: no limit is given, or a limit is not positive.
    """

    trials: int | None = None
    epochs: float | None = None
    passes: float | None = None
    samples: int | None = None
    tokens: int | None = None
    money: float | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None

    def __post_init__(self) -> None:
        limits = self.limits()
        if not limits:
            raise BudgetError(
                "budget: got no limit; allowed: at least one of trials, epochs, passes, samples, tokens, money, seconds, cpu_seconds"
            )
        for unit, limit in limits.items():
            if not limit > 0 or math.isnan(limit):
                raise BudgetError(f"budget: got {unit}={limit!r}; allowed: a number above 0")

    def limits(self) -> dict[str, float]:
        """The limits that are set, by unit."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}

    def exhausted(self, cost: Cost) -> bool:
        """Whether `cost` reaches any limit."""
        return any(getattr(cost, unit) >= limit for unit, limit in self.limits().items())

    def share(self, cost: Cost) -> float:
        """The largest used share of any limit, in [0, 1]."""
        return min(1.0, max(getattr(cost, unit) / limit for unit, limit in self.limits().items()))

    def to_json(self) -> dict[str, float]:
        """The limits that are set."""
        return self.limits()

    @classmethod
    def from_json(cls, value: Mapping[str, float]) -> Budget:
        """The inverse of `to_json`."""
        return cls(**value)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Proposal:
    """One DNA that an algorithm asks to have evaluated.

    Args:
        id: Number of the proposal in its run, from 0 in the order of asks.
        dna: The point of the space.
        count: Evaluations wanted of it (more than one for replicates or raw samples of a query).
        info: Anything small and JSON that the algorithm wants back, or wants recorded. Some keys have a meaning for the loop: `first`
            is the number of the first of these evaluations, where the DNA was evaluated before (so that seeds go on instead of
            starting again); `need` is how many successes are still wanted, where a task draws many samples at once; `fidelity` is the
            step (epoch) at which the evaluation ends, `previous` the step that this DNA was evaluated to before, by the proposal
            `continues`, and `grows` says that a longer evaluation may follow.
    """

    id: int
    dna: DNA
    count: int = 1
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Feedback:
    """What came back for one evaluation. Rewards are always maximized.

    Args:
        reward: A finite number, or a sequence of them (several objectives). None unless the status is `done` or `stopped`.
        metrics: Named numbers, for example `valid` (percent).
        observations: Large results that an algorithm may need (frames, trajectories); never stored as text.
        descriptor: Behavior descriptor, a vector.
        zone: Name of the reward zone that was reached.
        status: One of `STATUSES`.
        reason: Why, if the status is not `done`.
        cost: What this evaluation spent.
        curves: Named lists of (cost, value).
        artifacts: Named paths of files that were left behind.
        samples: Where one evaluation draws many raw samples, a row for each; the loop stores them and forgets them.
    """

    reward: float | tuple[float, ...] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    observations: Any = None
    descriptor: Sequence[float] | None = None
    zone: str | None = None
    status: str = "done"
    reason: str = ""
    cost: Cost = Cost(trials=1)
    curves: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    artifacts: Mapping[str, str] = field(default_factory=dict)
    samples: Sequence[SampleRow] = ()

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise FeedbackError(f"feedback status: got {self.status!r}; allowed: {', '.join(STATUSES)}")
        if self.reward is None:
            if self.status == "done":
                raise FeedbackError(
                    "feedback: got no reward with status 'done'; allowed: a finite number or a tuple of them; use skip() or fail()"
                )
            return
        if type(self.reward) is float and math.isfinite(self.reward):
            return  # by far the most frequent case
        values = self.reward if isinstance(self.reward, tuple) else (self.reward,)
        if not values or not all(math.isfinite(v) for v in values):
            raise FeedbackError(f"reward: got {self.reward!r}; allowed: finite numbers; report a failed trial with fail() or skip()")

    @property
    def scalar(self) -> float:
        """The single reward.

        Raises:
            ArgumentError: there are several objectives, or no reward.
        """
        if self.reward is None:
            raise ArgumentError(f"reward: got none, the trial is {self.status!r}; allowed: a trial with status 'done'")
        if isinstance(self.reward, tuple):
            if len(self.reward) != 1:
                raise ArgumentError(
                    f"reward: got {len(self.reward)} objectives; allowed: 1; use an algorithm for several, 'nsga2' or 'pareto-local-search'"
                )
            return self.reward[0]
        return self.reward

    @property
    def ok(self) -> bool:
        """Whether there is a reward to learn from."""
        return self.reward is not None


@runtime_checkable
class AskTell(Protocol):
    """A black-box algorithm: it proposes points of a space and learns from what comes back.

    Life: `setup` once; then `ask` and `tell` in any mixture, where `tell` comes in the order of asks. The loop replaces the
    state of `rng` before each ask by a stream that depends on the run's seed and the ask's number only, so an algorithm
    must draw from `rng` inside `ask` alone and keeps no other source of randomness.
    """

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`. Sizes such as the population are functions of `budget`.

        Raises:
            ArgumentError: the algorithm cannot work on this space or budget.
        """
        ...

    def ask(self, n: int) -> list[Proposal]:
        """At most `n` new proposals with ids that go up by one.

        An empty list while proposals are out means: not before one of them is told; with none out, that the search is over.
        """
        ...

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Learn from results, each the id of a proposal and its feedback."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything but `rng` as JSON values; small, since it is stored with every trial."""
        ...

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, after `setup`."""
        ...


@dataclass(frozen=True)
class Problem:
    """What a weight-sharing algorithm may know of a task: losses and batches, never the data set itself.

    A batch is a pair of tensors (inputs, targets) on the task's device. `model` is anything that maps inputs to outputs.

    Args:
        loss: `loss(model, batch)` -> mean training loss, a scalar tensor with a graph.
        score: `score(model, batch)` -> (sum of scores, count); for classification the number of correct answers.
        batches: `batches(split, seed, epoch)` -> iterator over the batches of `split` in an order that depends on
            (seed, epoch) only; on several ranks it is asked with `part=(rank, world)` too, for a share of every batch. Splits are
            `train` (for weights) and `valid` (for architecture parameters and selection).
        n_batches: Number of batches per epoch of each split.
        epochs: Epochs that the task's own recipe would train, as a default plan.
        device: Where batches lie.
        parts: Number of batches per epoch of disjoint parts of `valid`, if there are any: `valid-fit` for weights that are trained on
            validation data, `valid-select` for scores that no weights have seen.
    """

    loss: Any
    score: Any
    batches: Any
    n_batches: Mapping[str, int]
    epochs: int
    device: str = "cpu"
    parts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """How far a weight-sharing search is.

    Args:
        step: Steps done.
        total: Steps planned.
        done: Whether `propose` may be called.
        cost: What these steps spent.
        metrics: Named numbers to show.
        note: How the search stands, a line for display.
    """

    step: int
    total: int
    done: bool
    cost: Cost
    metrics: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@runtime_checkable
class WeightSharing(Protocol):
    """An algorithm that trains one network with all candidates and then proposes from it.

    Life: `setup`, `advance` until `Progress.done`, then `propose`. State may be large and goes to checkpoint files.
    """

    def setup(self, space: Space, problem: Problem, seed: int, budget: Budget | None = None) -> None:
        """Build what is trained. Everything random derives from `seed`."""
        ...

    def advance(self, steps: int) -> Progress:
        """Do at most `steps` more steps, fewer at the end of the plan or of the budget.

        Raises:
            TrainingError: the loss is not finite; the message names the step.
        """
        ...

    def gradients(self, fixed: Mapping[str, str]) -> Any:
        """Mean gradient of the shared weights with some decisions fixed, for splits by gradient matching."""
        ...

    def propose(self, n: int) -> list[Proposal]:
        """The `n` best DNAs, best first, and in `info` what the choice rests on."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything needed to continue: tensors, numbers, text, lists and dicts of them (loadable with `weights_only`)."""
        ...

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, after `setup`."""
        ...


@runtime_checkable
class Task(Protocol):
    """What turns a child into feedback.

    Optional attributes: `space` (tasks that bring their own), `name`, and for networks `problem()`. A task whose `evaluate` has a third
    argument `reports` takes early stopping and fidelities, see `oche.loop.Reports`; `max_fidelity` is then its whole way, in steps.
    """

    def describe(self) -> dict[str, Any]:
        """Everything that two results must share to be comparable, as JSON: data, recipe, splits, metric, final training."""
        ...

    def child(self, space: Space, dna: DNA, seed: int, final: bool = False) -> Any:
        """What `evaluate` and `report` take: the decoded program, or just its text where no program is needed."""
        ...

    def evaluate(self, child: Any, seed: int) -> Feedback:
        """The search signal. Reads `train` and `valid` only."""
        ...

    def report(self, child: Any, seed: int) -> Feedback:
        """The final result with its test metrics. Read once per run, when the search has ended."""
        ...


@runtime_checkable
class SamplingTask(Task, Protocol):
    """A task whose evaluations are raw samples, too many and too quick for a trial each.

    A proposal is then evaluated whole: `count` samples at most, each with a row in the store, and one feedback with their sums.
    """

    def pool(self, seed: int) -> str:
        """Names the samples that runs with this seed may share: equal for equal queries, sampler, grader and seed."""
        ...

    def draw(self, space: Space, items: Sequence[DrawItem]) -> list[Feedback]:
        """Draw samples for every item, in batches over all of them."""
        ...


@dataclass(frozen=True)
class DrawItem:
    """What one proposal asks of a `SamplingTask`.

    Args:
        proposal: Id of the proposal.
        dna: The point.
        seed: Seed of the run; sample `number` of a point is a function of (seed, point, number) alone.
        first: Number of the first sample.
        count: At most so many.
        need: Stop at the moment when so many successes are there; None draws all.
        have: Rows that the store holds of this point below `first + count`: those from `first` on are taken instead of drawn again.
    """

    proposal: int
    dna: DNA
    seed: int
    first: int
    count: int
    need: int | None = None
    have: tuple[SampleRow, ...] = ()


@runtime_checkable
class NetworkTask(Task, Protocol):
    """A task that weight-sharing algorithms can work on."""

    def problem(self, seed: int) -> Problem:
        """Losses and batches."""
        ...


Batches = Iterator[tuple[Any, Any]]
