"""A search that stops and goes on ends in the same records on every kind of store."""

from __future__ import annotations

from typing import Any

from oche.algorithms import get
from oche.loop.asktell_run import AskTellRun
from oche.loop.contracts import Budget, Feedback
from oche.loop.engine import Engine
from oche.loop.executors.serial import Serial
from oche.loop.run import Plan
from oche.loop.workbench import Workbench
from oche.store import BaseStore, Record
from oche.testing.spaces import ScoreTask, space


class _Odd(ScoreTask):
    """Reasons with characters that databases dislike; stops the process's search half-way by an error of the user's code."""

    def __init__(self, stop_at: int) -> None:
        super().__init__(skips=0.2)
        self.left = stop_at

    def evaluate(self, child: Any, seed: int) -> Feedback:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        if int(child[1]) % 3 == 1:
            raise ValueError("NUL \x00, surrogate \udcff, ü")
        return super().evaluate(child, seed)


def _record(run: Any, pick: Any, feedback: Feedback, cost: Any) -> Record:
    return Record(
        kind="search", algorithm="a", space="s", fingerprint="f", task="t", protocol={}, metric="test", metrics=dict(feedback.metrics),
        search_seed=run.seed, dna=list(pick.dna.flat), cost={k: v.to_json() for k, v in cost.items()},
    )  # fmt: skip


def _search(store: BaseStore | None, stop_at: int = -1) -> AskTellRun:
    on = space("numbers")
    plan = Plan(3, Budget(trials=50), {"a": 1}, "try", parallel=2)
    algorithm = get("regularized-evolution?population=8")
    run = AskTellRun(on, algorithm, plan, plan.open(AskTellRun.kind, store), make_record=_record)
    Engine([run], Serial(), Workbench(on, _Odd(stop_at)), quiet=True).run()
    return run


def test_a_stopped_search_goes_on_to_the_same_record(any_store: BaseStore) -> None:
    for stop_at in (5, 12, 20):
        try:
            _search(any_store, stop_at)
        except KeyboardInterrupt:
            continue
        raise AssertionError
    run, whole = _search(any_store), _search(None)
    assert [t.dna for t in run.trials] == [t.dna for t in whole.trials]
    assert [t.feedback.reason for t in run.trials if t.feedback and t.feedback.status == "failed"]
    assert [r.content_hash() for r in any_store.records()] == [r.content_hash() for r in whole.records]
