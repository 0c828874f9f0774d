"""The contract of ask-and-tell algorithms.

Example:
    >>> class TestMine(AskTellContract):
    ...     def make_algorithm(self):
    ...         return Mine()
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from oche.loop.asktell_run import AskTellRun
from oche.loop.contracts import AskTell, Budget
from oche.loop.engine import Engine
from oche.loop.executors.serial import Serial
from oche.loop.run import Plan
from oche.loop.workbench import Workbench
from oche.program import DNA, Space
from oche.store.store import MemoryStore
from oche.testing._elsewhere import elsewhere
from oche.testing.spaces import SPACES, ScoreTask, space


def history(make: Callable[[], AskTell], space_name: str, seed: int, trials: int, parallel: int = 1) -> list[list[Any]]:
    """The proposals of one search on a test space, as flat lists."""
    run, _ = _search(make, space(space_name), Plan(seed, Budget(trials=trials), parallel=parallel), ScoreTask())
    return [list(t.dna.flat) for t in run.trials]


def _search(
    make: Callable[[], AskTell], on: Space, plan: Plan, task: ScoreTask, store: MemoryStore | None = None
) -> tuple[AskTellRun, AskTell]:
    algorithm = make()
    run = AskTellRun(on, algorithm, plan, plan.open(AskTellRun.kind, store))
    Engine([run], Serial(), Workbench(on, task), quiet=True).run()
    return run, algorithm


class AskTellContract:
    """Inherit, and override `make_algorithm`; narrow `space_names` for an algorithm that does not take every decision."""

    #: Test spaces that the algorithm works on.
    space_names: tuple[str, ...] = tuple(SPACES)
    #: Trials per search in the tests.
    trials = 40

    def make_algorithm(self) -> AskTell:
        """A new algorithm, not set up."""
        raise TypeError(f"{type(self).__name__}: override make_algorithm")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)

        # One fixture per subclass: its tests run on its own spaces only, with nothing skipped.
        def each_space(self: Any, request: pytest.FixtureRequest) -> Space:
            return space(request.param)

        cls.space = pytest.fixture(name="space", params=cls.space_names)(each_space)  # type: ignore[attr-defined]

    def _length(self, on: Space) -> int:
        made = self.make_algorithm()
        # One that chooses fidelities comes back to its points, and repeats its plan until the budget ends.
        ends = getattr(made, "finite", False) and not getattr(made, "multi_fidelity", False)
        return min(self.trials, on.size) if ends else self.trials  # type: ignore[return-value]

    def test_it_has_every_method_of_the_protocol(self) -> None:
        """Setup, ask, tell, state, load."""
        assert isinstance(self.make_algorithm(), AskTell)

    def test_proposals_are_legal_and_numbered(self, space: Space) -> None:
        """Every proposal is a point of the space, and ids go up by one."""
        run, _ = _search(self.make_algorithm, space, Plan(3, Budget(trials=self.trials)), ScoreTask())
        for number, trial in enumerate(run.trials):
            space.validate(DNA(trial.dna.flat))
            assert trial.proposal.id == number

    def test_the_budget_is_spent_exactly(self, space: Space) -> None:
        """A budget of n trials gives n trials, fewer only if the algorithm ends by itself."""
        run, _ = _search(self.make_algorithm, space, Plan(3, Budget(trials=self.trials)), ScoreTask())
        assert run.cost.trials == len(run.trials) == self._length(space)

    @pytest.mark.parametrize("parallel", [1, 3])
    def test_same_seed_gives_the_same_history(self, space: Space, parallel: int) -> None:
        """Two searches with one seed make equal proposals."""
        first, again = (history(self.make_algorithm, space.name, 5, self.trials, parallel) for _ in range(2))
        assert first == again

    def test_same_seed_gives_the_same_history_in_another_process(self) -> None:
        """Hash seeds, import order and the state of global generators do not matter."""
        make, names, trials = self.make_algorithm, self.space_names, self.trials
        there = elsewhere(lambda: [history(make, name, 5, trials) for name in names])
        assert there == [history(make, name, 5, trials) for name in names]

    @pytest.mark.parametrize("parallel", [1, 3])
    def test_stopped_and_resumed_equals_never_stopped(self, space: Space, parallel: int) -> None:
        """A search that stops after every few trials goes on with the proposals of one that never stopped."""
        whole = history(self.make_algorithm, space.name, 7, self.trials, parallel)
        store = MemoryStore()
        for stop in range(1, self._length(space) + 1, 7):
            plan = Plan(7, Budget(trials=self.trials), parallel=parallel)
            run = AskTellRun(space, self.make_algorithm(), plan, plan.open(AskTellRun.kind, store))
            bench = Workbench(space, ScoreTask())
            executor = Serial()
            executor.start(bench)
            while run.told < stop and (work := run.next_work()) is not None:
                executor.submit(0, work.message)
                run.receive(work, executor.next()[1])
            run.log.close()
            executor.close()
        run, _ = _search(self.make_algorithm, space, Plan(7, Budget(trials=self.trials), parallel=parallel), ScoreTask(), store)
        assert [list(t.dna.flat) for t in run.trials] == whole
        assert sorted(t.told for t in run.trials if t.told is not None) == list(range(len(whole)))

    def test_state_survives_json(self, space: Space) -> None:
        """A state that was written and read again is the same state."""
        _, algorithm = _search(self.make_algorithm, space, Plan(3, Budget(trials=self.trials)), ScoreTask())
        text = json.dumps(algorithm.state(), allow_nan=False)
        run, other = _search(self.make_algorithm, space, Plan(4, Budget(trials=self.trials)), ScoreTask())
        other.load(json.loads(text))
        assert json.dumps(other.state(), allow_nan=False) == text
        assert run.trials

    def test_failed_and_skipped_trials_do_no_harm(self, space: Space) -> None:
        """The search goes on to its end."""
        task = ScoreTask(fails=0.3, skips=0.3)
        run, _ = _search(self.make_algorithm, space, Plan(2, Budget(trials=self.trials)), task)
        assert len(run.trials) == self._length(space)
        assert {t.feedback.status for t in run.trials if t.feedback} <= {"done", "failed", "skipped"}

    def test_a_constant_reward_does_no_harm(self, space: Space) -> None:
        """Nothing divides by a spread of rewards."""
        run, _ = _search(self.make_algorithm, space, Plan(2, Budget(trials=self.trials)), ScoreTask(constant=1.0))
        assert len(run.trials) == self._length(space)
