"""What a search returns: its runs, their records, and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, overload

from oche._pareto import pareto_front
from oche.driver._equal_cost import Price
from oche.driver._incumbents import in_work
from oche.driver._job import algorithm_text
from oche.errors import ArgumentError, BudgetError
from oche.loop import WeightSharingRun
from oche.loop.contracts import Budget, Cost
from oche.program import DNA, Space
from oche.store.record import Record
from oche.tasks import architecture, final_arguments


@dataclass(frozen=True)
class Found:
    """What a search found.

    Args:
        space: The root space.
        dna: The point.
        record: The record of its final training.
        final: Arguments with which the final network is built.
    """

    space: Space
    dna: DNA
    record: Record
    final: Mapping[str, Any] = field(default_factory=dict)

    @property
    def decisions(self) -> dict[str, Any]:
        """Labels by key."""
        return self.space.decisions(self.dna)

    @property
    def arch(self) -> str:
        """The architecture in text form."""
        return architecture(self.space, self.dna)

    def build(self, seed: int = 0, final: bool = True) -> Any:
        """The program of the point with fresh weights, in its final size by default."""
        return self.space.build(self.dna, seed=seed, **(self.final if final else {}))


class Runs(Sequence[Any]):
    """All runs of one algorithm, one per seed, as `search` and `baseline` return them.

    Items have `.trials`, `.pick`, `.cost`, `.records`, `.status` and `.seed`; see `oche.loop.Run`.
    """

    def __init__(
        self,
        runs: Sequence[Any],
        space: Space,
        task: Any,
        algorithm: Any,
        budget: Budget | None,
        records: Sequence[Record] = (),
        price: Price | None = None,
    ) -> None:
        self.runs = list(runs)
        self.space = space
        self.task = task
        self.algorithm = algorithm
        self.budget = budget
        self._records = list(records)
        self._price = price

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        return self.runs[index]

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def records(self) -> list[Record]:
        """The records of all runs, in the order of seeds."""
        found = [*self._records, *(record for run in self.runs for record in run.records)]
        return found if self._price is None or not self._price.known else [_priced(record, self._price) for record in found]

    @property
    def front(self) -> list[Mapping[str, Any]]:
        """With several objectives, the points of all runs that no other one dominates, each `{"metrics", "dna", "arch"}`."""
        named = next((r.objectives for r in self.records if r.objectives), {})
        points = [point for record in self.records for point in record.front]
        signs = {name: 1.0 if direction == "max" else -1.0 for name, direction in named.items()}
        rewards = [tuple(sign * point["metrics"][name] for name, sign in signs.items()) for point in points]
        return [points[i] for i in pareto_front(rewards)]

    @property
    def cost(self) -> Cost:
        """What all searches spent together."""
        return sum((run.cost for run in self.runs), Cost())

    @property
    def best(self) -> Found:
        """The pick with the best search signal (never the best test result: that would be choosing on test data).

        Raises:
            ArgumentError: no run found anything.
        """
        done = [r for r in self.records if r.status == "done" and r.dna is not None]
        if not done:
            reasons = "; ".join(f"seed {run.seed}: {run.reason or 'no pick'}" for run in self.runs)
            raise ArgumentError(f"best: got no finished search ({reasons}); allowed: at least one")
        record = max(done, key=lambda r: r.metrics.get("valid", float("-inf")))
        root = self.space.root
        assert record.dna is not None
        return Found(root, DNA(record.dna, root.fingerprint), record, final_arguments(root, getattr(self.task, "final", {})))

    def equal_budget(self) -> Budget:
        """The budget with which random search spends as much as these runs did, always the same for the same runs.

        A declared budget in trials or seconds is taken over; where trials were not all trained to the end (early stopping, fidelities), the
        mean of the epochs that they took is, since such a trial is less than one of random search. A weight-sharing search is priced in
        trials: its counted work (operator calls and arithmetic, see `oche.training.Work`), divided by the counted work of evaluating a
        random member.

        Raises:
            BudgetError: nothing was spent, or the work cannot be counted.
        """
        declared = self.budget.limits() if self.budget else {}
        if self._shortened and all(run.cost.epochs for run in self.runs):
            return Budget(epochs=sum(run.cost.epochs for run in self.runs) / len(self.runs))
        if declared and set(declared) <= {"trials", "seconds", "cpu_seconds"}:
            return Budget.from_json(declared)
        if any(isinstance(run, WeightSharingRun) for run in self.runs):
            return Budget(trials=self._equal_trials())
        spent = [run.cost.trials for run in self.runs if run.cost.trials]
        if not spent:
            raise BudgetError("equal budget: got runs that spent nothing; allowed: runs that ended")
        return Budget(trials=max(1, round(sum(spent) / len(spent))))

    def _equal_trials(self) -> int:
        """Trials of random search that are as much counted work as a mean weight-sharing run."""
        passes = [run.cost.passes for run in self.runs if run.cost.passes]
        if not passes:
            raise BudgetError(f"equal budget: got runs on {self.task.name!r} without passes; allowed: give random search a budget")
        if self._price is None:
            self._price = Price(self.space, self.task, self.algorithm, lambda: self.runs[0].first_budget)
        return max(1, round(sum(passes) / len(passes) * self._price.per_pass))

    @property
    def _shortened(self) -> bool:
        trials = [t for run in self.runs if hasattr(run, "watcher") for t in run.trials]
        return any("fidelity" in t.proposal.info or (t.feedback is not None and t.feedback.status == "stopped") for t in trials)

    def __repr__(self) -> str:
        done = sum(run.status == "done" for run in self.runs)
        return f"Runs({algorithm_text(self.algorithm)} on {self.space.name}, {done} of {len(self.runs)} done)"


def _priced(record: Record, price: Price) -> Record:
    """The record with its incumbents over counted work too."""
    more = {name: curve for name, curve in in_work(record.curves, price).items() if name not in record.curves}
    return replace(record, curves={**record.curves, **more}) if more else record
