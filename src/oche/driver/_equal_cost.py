"""The price of a weight-sharing search in trials of random search, counted and not timed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from oche.errors import BudgetError
from oche.loop.contracts import Budget
from oche.loop.workbench import as_factory
from oche.program import Space
from oche.seeds import derive

#: Random members whose work is counted.
_MEMBERS = 8


class Price:
    """What a pass of a search's supernet is worth in evaluations of a random member; counted once, when it is asked for.

    Args:
        space: The space.
        task: The task.
        algorithm: The search.
        budget: Gives the budget of its first start, on which its size may depend.
    """

    def __init__(self, space: Space, task: Any, algorithm: Any, budget: Callable[[], Budget | None]) -> None:
        self._of = space, task, algorithm, budget

    @property
    def known(self) -> bool:
        """Whether it was counted."""
        return "per_pass" in self.__dict__

    @cached_property
    def per_pass(self) -> float:
        """Evaluations of a random member that are as much counted work as one pass of the supernet.

        Raises:
            BudgetError: the task does not say how many passes an evaluation takes.
        """
        import torch

        from oche.training import count_work

        space, task, algorithm, budget = self._of
        per_trial = getattr(task, "evaluation_passes", None)
        if per_trial is None:
            raise BudgetError(f"equal budget: got task {task.name!r}, whose passes are not known; allowed: give random search a budget")
        problem = task.problem(0)
        searcher = as_factory(algorithm)()
        searcher.setup(space, problem, 0, budget())
        batch = next(iter(problem.batches("train", 0, 0)))

        def one_pass(network: Any) -> float:
            with torch.random.fork_rng(devices=[]):
                problem.loss(network, batch)  # a supernet checks shapes in its first pass
            return count_work(lambda: problem.loss(network, batch).backward()).units

        shared = one_pass(searcher.network)
        members = [one_pass(space.build(space.sample(derive(0, "work", i)))) for i in range(_MEMBERS)]
        return shared / (per_trial * sum(members) / len(members))
