"""The order of asks and tells, exact budgets, replicates, failures, the pick, replays, and what they give to records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from oche import seeds
from oche.algorithms import get
from oche.errors import ArgumentError, BudgetError, DataError, DNAError, ResumeError
from oche.loop.asktell_run import AskTellRun, pick_best
from oche.loop.contracts import Budget, Cost, Feedback, Proposal
from oche.loop.engine import Engine
from oche.loop.executors.base import Failure, Outcome
from oche.loop.executors.processes import Processes
from oche.loop.executors.serial import Serial
from oche.loop.messages import Evaluate, Report
from oche.loop.run import Plan, Run, Trial
from oche.loop.workbench import Workbench
from oche.program import DNA, Space, oneof
from oche.store.record import Record
from oche.store.rows import Saved
from oche.store.store import BaseStore, MemoryStore
from oche.testing.spaces import ScoreTask, space


class Recorder:
    """Random search that writes down what it sees, and may want several evaluations of each proposal."""

    def __init__(self, count: int = 1, observing: bool = False) -> None:
        self.count = count
        self.uses_observations = observing
        self.events: list[tuple[str, int]] = []
        self.draws: list[float] = []
        self.observed: list[Any] = []
        self.filler = ""

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        self.space, self.rng, self.budget, self.asked = space, rng, budget, 0

    def ask(self, n: int) -> list[Proposal]:
        assert n == 1
        self.events.append(("ask", self.asked))
        self.draws.append(float(self.rng.random()))
        self.asked += 1
        return [Proposal(self.asked - 1, self.space.sample(self.rng), self.count)]

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        self.events += [("tell", number) for number, _ in results]
        self.observed += [f.observations for _, f in results]

    def state(self) -> dict[str, Any]:
        return {"asked": self.asked, "filler": self.filler}

    def load(self, state: Mapping[str, Any]) -> None:
        self.asked = state["asked"]


def make_record(run: Run, pick: Trial | None, feedback: Feedback, cost: dict[str, Cost]) -> Record:
    return Record(
        kind="search", algorithm="a", space="s", fingerprint="f", task="t", protocol={}, metric="test", metrics=dict(feedback.metrics),
        search_seed=run.seed, dna=None if pick is None else list(pick.dna.flat), status="done" if feedback.ok else "failed",
        reason=feedback.reason, cost={k: v.to_json() for k, v in cost.items()},
    )  # fmt: skip


def _run(algorithm: Any, plan: Plan, task: Any = None, store: BaseStore | None = None, executor: Any = None, **kwargs: Any) -> AskTellRun:
    on = space("categorical")
    run = AskTellRun(on, algorithm, plan, plan.open(AskTellRun.kind, store), make_record=make_record, **kwargs)
    Engine([run], executor or Serial(), Workbench(on, task or ScoreTask()), quiet=True).run()
    return run


def _load(store: BaseStore, plan: Plan) -> Saved:
    saved = store.load(plan.id)
    assert saved is not None
    return saved


# -- order ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parallel", [1, 2, 4])
@pytest.mark.parametrize("workers", [0, 2])
def test_ask_t_sees_exactly_the_tells_up_to_t_minus_parallel(parallel: int, workers: int) -> None:
    algorithm = Recorder()
    _run(algorithm, Plan(0, Budget(trials=9), parallel=parallel), executor=Processes(workers) if workers else None)
    told = -1
    for event, number in algorithm.events:
        if event == "tell":
            assert number == told + 1
            told = number
        else:
            assert told == max(-1, number - parallel)
    assert told == 8


def test_outcomes_that_come_early_wait_for_their_turn_and_are_kept() -> None:
    algorithm, store = Recorder(), MemoryStore()
    plan = Plan(0, Budget(trials=4), parallel=3)
    run = AskTellRun(space("categorical"), algorithm, plan, plan.open(AskTellRun.kind, store))
    works = [run.next_work() for _ in range(3)]
    assert run.next_work() is None
    for work in (works[2], works[1]):
        assert work is not None
        run.receive(work, Outcome(Feedback(reward=1.0)))
    assert [e for e in algorithm.events if e[0] == "tell"] == []
    run.log.flush()
    assert sorted((t.proposal, t.told) for t in _load(store, plan).trials) == [(1, None), (2, None)]
    assert works[0] is not None
    run.receive(works[0], Outcome(Feedback(reward=1.0)))
    # Ask 3 comes right after tell 0, before the other tells.
    assert algorithm.events == [("ask", 0), ("ask", 1), ("ask", 2), ("tell", 0), ("ask", 3), ("tell", 1), ("tell", 2)]
    run.log.flush()
    assert sorted((t.proposal, t.told) for t in _load(store, plan).trials) == [(0, 0), (1, 1), (2, 2)]


def test_order_of_arrival_tells_at_once_and_is_replayed_from_the_log() -> None:
    plan = Plan(0, Budget(trials=6), parallel=3, order="arrival")
    store = MemoryStore()
    algorithm = Recorder()
    # Too large for every transaction: what follows the stored state is replayed.
    algorithm.filler = "x" * 16_384 * 50
    run = AskTellRun(space("categorical"), algorithm, plan, plan.open(AskTellRun.kind, store))
    works = [run.next_work() for _ in range(3)]
    for i, place in enumerate((2, 0, 1)):
        work = works[place]
        assert work is not None
        run.receive(work, Outcome(Feedback(reward=float(i))))
        run.log.flush()
    assert [n for e, n in algorithm.events if e == "tell"] == [2, 0, 1]
    again = Recorder()
    resumed = AskTellRun(space("categorical"), again, plan, plan.open(AskTellRun.kind, store))
    assert len(again.events) >= 4
    assert again.events == algorithm.events[-len(again.events) :]
    assert [t.dna for t in resumed.trials] == [t.dna for t in run.trials]
    assert resumed.told == 3


def test_each_ask_draws_from_its_own_stream() -> None:
    algorithm = Recorder()
    _run(algorithm, Plan(42, Budget(trials=3)))
    assert algorithm.draws == [float(seeds.generator(42, "ask", t).random()) for t in range(3)]


def test_the_seed_of_an_evaluation_depends_on_the_point_only() -> None:
    one, other = (_run(Recorder(count=2), Plan(7, Budget(trials=4), parallel=p)) for p in (1, 2))
    for trial in one.trials:
        assert trial.seed == seeds.derive(7, "eval", list(trial.dna.flat), trial.replicate)
    assert [t.seed for t in one.trials] == [t.seed for t in other.trials]


# -- budgets ----------------------------------------------------------------------------------------------------------------


def test_a_budget_of_trials_counts_replicates_exactly() -> None:
    run = _run(Recorder(count=3), Plan(0, Budget(trials=7)))
    assert [(t.proposal.id, t.replicate) for t in run.trials] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)]
    assert run.cost.trials == 7


class _Costs(ScoreTask):
    def evaluate(self, child: Any, seed: int) -> Feedback:
        return Feedback(reward=1.0, cost=Cost(trials=5, epochs=3.0, passes=10.0, seconds=100.0))


def test_other_budgets_end_before_the_first_ask_that_starts_with_the_limit_reached() -> None:
    assert len(_run(Recorder(), Plan(0, Budget(epochs=7)), _Costs()).trials) == 3
    assert len(_run(Recorder(), Plan(0, Budget(epochs=6)), _Costs()).trials) == 2
    assert len(_run(Recorder(), Plan(0, Budget(passes=1, trials=9)), _Costs()).trials) == 1
    # Three in flight: asks 1 and 2 see no tell yet.
    assert len(_run(Recorder(), Plan(0, Budget(passes=1), parallel=3), _Costs()).trials) == 3


def test_a_task_that_knows_its_seconds_keeps_them_and_one_evaluation_is_one_trial() -> None:
    run = _run(Recorder(), Plan(0, Budget(seconds=250)), _Costs())
    assert (run.cost.trials, run.cost.epochs, run.cost.seconds) == (3, 9.0, 300.0)


def test_an_endless_algorithm_needs_a_budget_and_a_sweep_does_not() -> None:
    with pytest.raises(BudgetError, match="got None"):
        _run(Recorder(), Plan(0))
    on = Space({"a": oneof([1, 2]), "b": oneof([1, 2, 3])})
    plan = Plan(0)
    run = AskTellRun(on, get("sweep"), plan, plan.open("asktell", None), mode="loop")
    Engine([run], Serial(), Workbench(on, ScoreTask()), quiet=True).run()
    assert [t.dna.flat for t in run.trials] == [(a, b) for a in range(2) for b in range(3)]


def test_a_metric_that_is_not_finite_is_a_failed_trial() -> None:
    class Infinite(ScoreTask):
        def evaluate(self, child: Any, seed: int) -> Feedback:
            return Feedback(reward=1.0, metrics={"valid": float("inf")})

    run = _run(Recorder(), Plan(0, Budget(trials=2)), Infinite())
    assert run.trials[1].feedback is not None
    assert "metric 'valid': got inf" in run.trials[1].feedback.reason


class _Breaks(Recorder):
    """Fails in the middle of an ask, after it has changed its state."""

    broken = True

    def ask(self, n: int) -> list[Proposal]:
        if self.broken and self.asked == 4:
            self.asked += 1
            raise ZeroDivisionError
        return super().ask(n)


def test_the_state_of_an_algorithm_that_broke_half_way_is_not_kept() -> None:
    store, plan = MemoryStore(), Plan(1, Budget(trials=8))
    with pytest.raises(ZeroDivisionError):
        _run(_Breaks(), plan, store=store)
    assert len(_load(store, plan).trials) == 4
    mended = _Breaks()
    mended.broken = False
    run = _run(mended, plan, store=store)
    assert [t.dna for t in run.trials] == [t.dna for t in _run(Recorder(), Plan(1, Budget(trials=8))).trials]


@pytest.mark.parametrize("bad", [{"parallel": 0}, {"threads": True}, {"checkpoint_every": 1.5}, {"order": "random"}])
def test_plans_are_checked(bad: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(bad))):
        Plan(0, **bad)


# -- algorithms that break the contract ---------------------------------------------------------------------------------------


class _WrongId(Recorder):
    def ask(self, n: int) -> list[Proposal]:
        return [Proposal(5, super().ask(n)[0].dna)]


class _Illegal(Recorder):
    def ask(self, n: int) -> list[Proposal]:
        return [Proposal(super().ask(n)[0].id, DNA((9, 0, 0, 0, 0, 0)))]


def test_wrong_ids_and_illegal_points_are_refused() -> None:
    with pytest.raises(ArgumentError, match="id 5"):
        _run(_WrongId(), Plan(0, Budget(trials=3)))
    with pytest.raises(DNAError):
        _run(_Illegal(), Plan(0, Budget(trials=3)))


# -- the end of a search ------------------------------------------------------------------------------------------------------


class _Reports(ScoreTask):
    """Remembers what was asked of it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reported: list[tuple[Any, int]] = []

    def report(self, child: Any, seed: int) -> Feedback:
        self.reported.append((child, seed))
        return super().report(child, seed)


def test_the_pick_is_reported_once_with_its_own_seed() -> None:
    task = _Reports()
    run = _run(Recorder(), Plan(3, Budget(trials=20)), task)
    best = max(run.trials, key=lambda t: t.feedback.reward)  # type: ignore[union-attr,arg-type,return-value]
    assert run.pick is best
    assert task.reported == [(best.dna.flat, seeds.derive(3, "report", list(best.dna.flat), 0))]
    assert len(run.records) == 1
    assert run.records[0].run == run.id
    assert run.records[0].cost["search"]["trials"] == 20
    assert run.records[0].cost["final"]["trials"] == 1
    assert run.status == "done"


def _trial(number: int, *rewards: float | tuple[float, ...] | None) -> list[Trial]:
    proposal = Proposal(number, DNA((number,)), len(rewards))
    made = []
    for i, reward in enumerate(rewards):
        feedback = Feedback(status="failed") if reward is None else Feedback(reward=reward)
        made.append(Trial(proposal, i, 0, feedback=feedback))
    return made


def test_the_pick_has_the_best_mean_and_of_equal_ones_was_asked_first() -> None:
    def pick(*trials: list[Trial]) -> int | None:
        found = pick_best([t for group in trials for t in group])
        return None if found is None else found.proposal.id

    assert pick(_trial(0, 1.0), _trial(1, 3.0), _trial(2, 3.0)) == 1
    assert pick(_trial(0, 5.0, 1.0), _trial(1, 4.0, 4.0)) == 1
    assert pick(_trial(0, None), _trial(1, -2.0, None)) == 1
    assert pick(_trial(0, (1.0, 9.0)), _trial(1, (2.0, 0.0))) == 1
    assert pick(_trial(0, None)) is None
    assert pick() is None


def test_a_search_without_any_reward_fails_and_says_why() -> None:
    run = _run(Recorder(), Plan(0, Budget(trials=5)), ScoreTask(fails=1.0))
    assert run.status == "failed"
    assert "no trial gave a reward" in run.reason
    assert "fails by design" in run.reason
    assert (run.records[0].status, run.records[0].dna, run.records[0].reason) == ("failed", None, run.reason)


class _FailingReport(ScoreTask):
    def report(self, child: Any, seed: int) -> Feedback:
        raise RuntimeError("final network too large")


def test_a_failed_final_training_is_in_the_record() -> None:
    store = MemoryStore()
    plan = Plan(0, Budget(trials=3))
    run = _run(Recorder(), plan, _FailingReport(), store)
    assert run.status == "failed"
    assert run.records[0].status == "failed"
    assert run.records[0].reason == "RuntimeError: final network too large"
    assert run.records[0].dna is not None
    assert _load(store, plan).run.status == "failed"


class _NoData(ScoreTask):
    def evaluate(self, child: Any, seed: int) -> Feedback:
        raise DataError("data 'cifar': got nothing")


def test_an_error_that_all_trials_would_meet_ends_the_search_at_once() -> None:
    for executor in (Serial(), Processes(1)):
        with pytest.raises(DataError, match="cifar"):
            _run(Recorder(), Plan(0, Budget(trials=3)), _NoData(), executor=executor)


class _NaN(ScoreTask):
    def evaluate(self, child: Any, seed: int) -> Any:
        return float("nan")


def test_a_reward_that_is_not_finite_is_a_failed_trial() -> None:
    run = _run(Recorder(), Plan(0, Budget(trials=2)), _NaN())
    assert run.trials[0].feedback is not None
    assert run.trials[0].feedback.reason.startswith("FeedbackError: reward: got nan")


def test_a_lost_worker_or_a_deadline_is_a_failed_trial_with_its_reason() -> None:
    plan = Plan(0, Budget(trials=1))
    run = AskTellRun(space("categorical"), Recorder(), plan, plan.open("asktell", None))
    work = run.next_work()
    assert work is not None
    assert isinstance(work.message, Evaluate)
    run.receive(work, Outcome(None, Failure("deadline", "took longer than 1 s and was stopped"), seconds=1.0))
    feedback = run.trials[0].feedback
    assert feedback is not None
    assert (feedback.status, feedback.reason, feedback.cost.seconds) == ("failed", "took longer than 1 s and was stopped", 1.0)


# -- baseline -----------------------------------------------------------------------------------------------------------------


def test_a_baseline_reports_every_member_and_makes_a_record_of_each() -> None:
    task = _Reports()
    run = _run(get("random"), Plan(5, Budget(trials=4)), task, mode="baseline")
    assert [child for child, _ in task.reported] == [t.dna.flat for t in run.trials]
    assert [seed for _, seed in task.reported] == [run.report_seed(t.dna) for t in run.trials]
    assert [r.dna for r in run.records] == [list(t.dna.flat) for t in run.trials]
    assert all("search" not in r.cost or not r.cost["search"] for r in run.records)
    assert run.final_cost.trials == 4


def test_a_baseline_that_stopped_makes_each_record_once() -> None:
    whole = _run(get("random"), Plan(5, Budget(trials=6), parallel=3), mode="baseline")
    store = MemoryStore()
    plan = Plan(5, Budget(trials=6), parallel=3)
    for stop in (1, 2, 4):
        run = AskTellRun(space("categorical"), get("random"), plan, plan.open("asktell", store), mode="baseline", make_record=make_record)
        bench = Workbench(space("categorical"), ScoreTask())
        while run.told < stop:
            work = run.next_work()
            assert work is not None
            assert isinstance(work.message, Report)
            run.receive(work, Outcome(bench(work.message)))
        run.log.close()
    run = _run(get("random"), plan, store=store, mode="baseline")
    assert [r.content_hash() for r in run.records] == [r.content_hash() for r in whole.records]
    assert [r.content_hash() for r in store.records()] == [r.content_hash() for r in whole.records]


# -- resuming -----------------------------------------------------------------------------------------------------------------


def test_a_finished_run_comes_back_without_work() -> None:
    store, plan = MemoryStore(), Plan(1, Budget(trials=12))
    first = _run(get("random"), plan, store=store)
    task = _Reports()
    again = _run(get("random"), plan, task, store)
    assert task.reported == []
    assert again.done
    assert [r.content_hash() for r in again.records] == [r.content_hash() for r in first.records]
    assert again.pick is not None
    assert first.pick is not None
    assert again.pick.dna == first.pick.dna
    assert (again.cost, again.final_cost.trials) == (first.cost, first.final_cost.trials)
    assert len(store.records()) == 1


def test_a_larger_budget_goes_on_with_the_sizes_of_the_first_start() -> None:
    store = MemoryStore()
    small, large = (Plan(1, Budget(trials=n), {"same": "run"}) for n in (24, 60))
    algorithm = get("regularized-evolution")
    _run(algorithm, small, store=store)
    assert algorithm.size == 6
    again = get("regularized-evolution")
    run = _run(again, large, store=store)
    assert again.size == 6
    assert len(run.trials) == 60
    # The same as if the size had been given from the start.
    whole = _run(get("regularized-evolution?population=6"), Plan(1, Budget(trials=60)))
    assert [t.dna for t in run.trials] == [t.dna for t in whole.trials]
    assert [r.cost["search"]["trials"] for r in store.records()] == [24, 60]


class _Changed(Recorder):
    """A newer version that draws once more."""

    def ask(self, n: int) -> list[Proposal]:
        if self.asked >= 3:
            self.rng.random()
        return super().ask(n)


def test_a_replay_that_proposes_something_else_stops() -> None:
    store, plan = MemoryStore(), Plan(1, Budget(trials=10))
    algorithm = Recorder()
    # Large enough that only the first state is written.
    algorithm.filler = "x" * 16_384 * 100
    run = AskTellRun(space("categorical"), algorithm, plan, plan.open("asktell", store))
    bench = Workbench(space("categorical"), ScoreTask())
    for _ in range(6):
        work = run.next_work()
        assert work is not None
        run.receive(work, Outcome(bench(work.message)))
        run.log.flush()
    assert _load(store, plan).run.state_told == 1
    with pytest.raises(ResumeError, match=r"proposal 3 = .* as in the store.*another name"):
        AskTellRun(space("categorical"), _Changed(), plan, plan.open("asktell", store))
    same = Recorder()
    resumed = AskTellRun(space("categorical"), same, plan, plan.open("asktell", store))
    assert resumed.told == 6
    assert [n for e, n in same.events if e == "tell"] == [1, 2, 3, 4, 5]


class _Observes(ScoreTask):
    def __init__(self) -> None:
        super().__init__()
        self.evaluations = 0

    def evaluate(self, child: Any, seed: int) -> Feedback:
        self.evaluations += 1
        return Feedback(reward=1.0, observations=[seed])


def test_observations_are_not_stored_and_are_made_again_where_an_algorithm_needs_them() -> None:
    for observing, repeated in ((False, 0), (True, 4)):
        store, plan, task = MemoryStore(), Plan(1, Budget(trials=8)), _Observes()
        algorithm = Recorder(observing=observing)
        algorithm.filler = "x" * 16_384 * 100
        run = AskTellRun(space("categorical"), algorithm, plan, plan.open("asktell", store))
        bench = Workbench(space("categorical"), task)
        for _ in range(5):
            work = run.next_work()
            assert work is not None
            run.receive(work, Outcome(bench(work.message)))
            run.log.flush()
        again = Recorder(observing=observing)
        _run(again, plan, task, store)
        assert task.evaluations == 8 + repeated
        seen = [o is not None for o in again.observed]
        assert seen == ([True] * 7 if observing else [False] * 4 + [True] * 3)
        assert [t.told for t in _load(store, plan).trials if t.phase == "search"] == list(range(8))


def test_everything_of_a_feedback_survives_the_store() -> None:
    from oche.loop.rows import feedback_of, trial_row

    feedback = Feedback(
        reward=(0.1 + 0.2, -1.0), metrics={"valid": np.float64(1.5)}, descriptor=[0.5, 1.0], zone="z", status="stopped", reason="r",
        cost=Cost(trials=1, epochs=0.1), curves={"loss": [(1.0, 2.0)]}, artifacts={"net": "a/b.pt"},
    )  # fmt: skip
    again = feedback_of(trial_row(3, 1, "search", 0, feedback))
    assert again == feedback
    assert json.loads(trial_row(3, 1, "search", 0, feedback).metrics) == {"valid": 1.5}
