"""The price of a weight-sharing search in trials of random search, counted and not timed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oche.errors import BudgetError
from oche.loop.workbench import as_factory
from oche.program import Space
from oche.seeds import derive


def equal_trials(runs: Sequence[Any], space: Space, task: Any, algorithm: Any) -> int:
    """Trials of random search that are as much counted work as a mean weight-sharing run."""
    from oche.training import count_work

    passes = [run.cost.passes for run in runs if run.cost.passes]
    per_trial = getattr(task, "evaluation_passes", None)
    if not passes or per_trial is None:
        raise BudgetError(f"equal budget: got task {task.name!r}, whose passes are not known; allowed: give random search a budget")
    problem = task.problem(0)
    searcher = as_factory(algorithm)()
    searcher.setup(space, problem, 0, runs[0].first_budget)
    batch = next(iter(problem.batches("train", 0, 0)))

    def one_pass(network: Any) -> float:
        problem.loss(network, batch)  # a supernet checks shapes in its first pass
        return count_work(lambda: problem.loss(network, batch).backward()).units

    shared = one_pass(searcher.network)
    members = [one_pass(space.build(space.sample(derive(0, "work", i)))) for i in range(8)]
    return max(1, round(sum(passes) / len(passes) * shared / (per_trial * sum(members) / len(members))))
