"""`search` and `baseline`: one call for every algorithm, and records that say what was done."""

from __future__ import annotations

import math

import pytest

import oche
from oche.errors import ArgumentError, BudgetError, ResumeError, SpaceError, UnknownNameError
from oche.tasks import function


def program():
    return {"x": oche.oneof(list(range(8))), "y": oche.oneof(list(range(8)))}


NINE = oche.Budget(trials=9)


def product(child):
    return float(child["x"] * child["y"])


def test_evolution_finds_the_best_of_a_small_space():
    runs = oche.search(program(), "regularized-evolution", product, budget=oche.Budget(trials=200), seeds=3, progress=False)
    assert [r.value for r in runs.records] == [49, 49, 49]
    assert runs.best.decisions == {"x": "7", "y": "7"}
    assert runs.best.build() == {"x": 7, "y": 7}
    assert runs.cost.trials == 600
    assert len(runs[0].trials) == 200


def test_sweep_needs_no_budget_and_sees_every_point():
    runs = oche.search(program(), "sweep", product, progress=False)
    assert len(runs[0].trials) == 64
    assert runs.best.record.value == 49


def test_a_record_says_what_was_searched_by_what_and_with_which_seeds():
    runs = oche.search(program(), "random?measure=space", product, budget=oche.Budget(trials=5), seeds=[7, 3], progress=False)
    first, second = runs.records
    assert (first.search_seed, second.search_seed) == (7, 3)
    assert first.kind == "random_search"
    assert first.algorithm == "random?measure=space"
    assert first.budget == {"trials": 5}
    assert first.metrics["valid"] == first.metrics["value"] == max(t.feedback.reward for t in runs[0].trials)
    assert first.cost["search"]["trials"] == 5
    assert first.protocol_hash == second.protocol_hash
    assert oche.Record.from_json(first.to_json()) == first


def test_baseline_reports_members_and_not_searches():
    base = oche.baseline(program(), product, n=6, progress=False)
    assert [r.kind for r in base.records] == ["random"] * 6
    assert len({r.id for r in base.records}) == 6
    assert all(r.search_seed is None and r.budget == {} for r in base.records)
    again = oche.baseline(program(), product, n=6, progress=False)
    assert [r.content_hash() for r in again.records] == [r.content_hash() for r in base.records]


def test_the_same_search_in_a_store_does_no_work_twice(tmp_path):
    calls = []

    def counted(child):
        calls.append(child)
        return product(child)

    task = function(counted, name="counted")
    arguments = {"budget": oche.Budget(trials=10), "store": tmp_path / "runs.db", "name": "try", "progress": False}
    first = oche.search(program(), "random", task, **arguments)
    n = len(calls)
    second = oche.search(program(), "random", task, **arguments)
    assert len(calls) == n == 11
    assert [r.content_hash() for r in first.records] == [r.content_hash() for r in second.records]
    with pytest.raises(ResumeError, match=r"'try'.*another name"):
        oche.search({"z": oche.oneof([1, 2])}, "random", lambda c: 0.0, **arguments)


def test_a_finished_search_goes_on_with_a_larger_budget(tmp_path):
    task = function(product)
    arguments = {"store": tmp_path / "runs.db", "progress": False}
    short = oche.search(program(), "random", task, budget=oche.Budget(trials=5), **arguments)
    longer = oche.search(program(), "random", task, budget=oche.Budget(trials=12), **arguments)
    whole = oche.search(program(), "random", task, budget=oche.Budget(trials=12), progress=False)
    assert [t.dna for t in longer[0].trials] == [t.dna for t in whole[0].trials]
    assert [t.dna for t in longer[0].trials[:5]] == [t.dna for t in short[0].trials]


def test_workers_change_nothing():
    arguments = {"budget": oche.Budget(trials=12), "seeds": 2, "parallel": 2, "progress": False}
    task = function(product)
    serial = oche.search(program(), "regularized-evolution", task, **arguments)
    pool = oche.search(program(), "regularized-evolution", task, executor="processes", workers=2, **arguments)
    assert [r.content_hash() for r in serial.records] == [r.content_hash() for r in pool.records]


def test_several_objectives_and_failed_trials_do_not_end_a_search():
    def sometimes(child):
        if child["x"] == 0:
            raise ValueError("no")
        return product(child)

    runs = oche.search(program(), "random", sometimes, budget=oche.Budget(trials=30), progress=False)
    failed = [t for t in runs[0].trials if t.feedback.status == "failed"]
    assert failed
    assert all("no" in t.feedback.reason for t in failed)
    assert runs.best.record.value > 0


def test_equal_budget_takes_over_what_was_declared():
    runs = oche.search(program(), "random", product, budget=oche.Budget(trials=7), progress=False)
    assert runs.equal_budget() == oche.Budget(trials=7)
    swept = oche.search(program(), "sweep", product, progress=False)
    assert swept.equal_budget() == oche.Budget(trials=64)


def test_arguments_and_restrictions_go_together():
    def sized(size=3):
        return [oche.oneof(["a", "b", "c"], name="op"), size]

    space = oche.Space(sized).restrict({"op": ["b", "c"]})
    runs = oche.search(space, "sweep", lambda child: float(child[1] + (child[0] == "c")), size=5, progress=False)
    assert runs.best.record.value == 6
    assert runs.best.record.dna == [2]
    assert runs.best.record.protocol["arguments"] == {"size": 5}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: oche.search(program(), "regularised-evolution", product, budget=NINE), UnknownNameError, "regularized-evolution"),
        (lambda: oche.search("nasbench21", "random", product, budget=NINE), UnknownNameError, "nasbench201"),
        (lambda: oche.search(program(), "random", product), BudgetError, "budget"),
        (lambda: oche.search({"a": 1}, "random", product, budget=NINE), SpaceError, "no choices"),
        (lambda: oche.search(program(), "random", "clasification", budget=NINE), UnknownNameError, "classification"),
        (lambda: oche.search(program(), "random", product, flow="jont", budget=NINE), UnknownNameError, "joint"),
        (lambda: oche.search(program(), "random", product, seeds=[1, 1], budget=NINE), ArgumentError, "seeds"),
        (lambda: oche.search(program(), "random", product, budget=NINE, executor="proceses"), UnknownNameError, "processes"),
        (lambda: oche.search(program(), "regularized-evolution?population=9", product, budget=NINE), ArgumentError, "population"),
        (lambda: oche.baseline(program(), product, n=1), ArgumentError, "baseline n"),
        (lambda: oche.baseline(program(), product, n="all"), ArgumentError, "tables"),
        (lambda: oche.Budget(trials=0), BudgetError, "trials=0"),
        (lambda: oche.Budget(), BudgetError, "no limit"),
    ],
)  # fmt: skip
def test_mistakes_are_told_before_anything_is_spent(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_the_exact_population_of_a_table(oche_data):
    task = oche.tasks.tabular("nasbench201", dataset="cifar10", search=("valid", 12), report=("test", 200))
    record = oche.baseline("nasbench201", task, n="all").records[0]
    assert record.kind == "population"
    assert math.isclose(record.value, 87.0629, abs_tol=1e-4)
    assert sum(count for count, _ in record.curves["members"]) == 15_625
    runs = oche.search("nasbench201", "random", task, budget=oche.Budget(trials=100), seeds=2, progress=False)
    assert all(92 < r.value < 94.4 for r in runs.records)
    assert all("~0|+|" in r.arch for r in runs.records)
