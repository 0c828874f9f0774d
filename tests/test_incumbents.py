"""What searches had in hand at any time: in records of every kind of search, over counted work, beside random search."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oche
from oche import judge
from oche.driver._incumbents import _changes
from oche.loop.contracts import Feedback
from oche.loop.picking import pick_best
from oche.store import Store
from oche.training import Recipe
from oche.training import data as sets
from tests.algorithms.test_one_shot import Net

TABLE = "tabular?table=nasbench201&dataset=cifar10&search=valid,12&report=test,200"


@pytest.fixture(scope="module")
def task():
    x = np.random.default_rng(0).normal(size=(120, 1, 4, 4)).astype(np.float32)
    data = sets.from_arrays(x, (x.sum((1, 2, 3)) > 0).astype(int), "bright", {"train": 48, "valid": 48, "test": 24})
    return oche.tasks.classification(data, recipe=Recipe(epochs=1, batch_size=16))


def held(record):
    return {name: curve for name, curve in record.curves.items() if name.startswith("incumbent ")}


trials = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([0.0, 1.0, 2.0, None]), st.sampled_from([1, 3]), st.sampled_from(["done", "stopped"])),
    max_size=12,
)


@given(trials)
def test_the_incumbent_is_at_any_time_what_the_search_would_pick(made):
    found = []
    for point, reward, fidelity, status in made:
        feedback = Feedback(reward=reward, status=status if reward is not None else "failed")
        proposal = SimpleNamespace(info={"fidelity": fidelity})
        found.append(SimpleNamespace(dna=SimpleNamespace(flat=(point,)), proposal=proposal, feedback=feedback))
    changes = list(_changes(found))
    assert [at for at, *_ in changes] == sorted({at for at, *_ in changes})
    for end in range(1, len(found) + 1):
        known = [best for at, best, _ in changes if at < end]
        pick = pick_best(found[:end])
        assert (known[-1].dna.flat if known else None) == (pick.dna.flat if pick is not None else None)


@pytest.fixture(scope="module")
def searched(task):
    """A search that scores candidates, one that derives, random search at equal cost, and evolution with half the budget."""
    quiet = {"progress": False}
    rsps = oche.search(Net, "rsps?epochs=2&n_candidates=6", task, seeds=2, **quiet)
    assert not any("by work" in name for r in rsps.records for name in r.curves)  # nobody asked what it is worth
    equal = rsps.equal_budget()
    random = oche.search(Net, "random", task, budget=equal, seeds=3, **quiet)
    return {
        "rsps": rsps,
        "darts": oche.search(Net, "darts?epochs=2", task, seeds=2, **quiet),
        "random": random,
        "evolution": oche.search(
            Net, "regularized-evolution?population=2&tournament=2", task, budget=oche.Budget(trials=3), seeds=2, **quiet
        ),
        "members": oche.baseline(Net, task, n=3, **quiet),
    }


def test_live_trials_have_the_best_signal_so_far_over_every_cost_that_they_count(task, searched):
    for run in searched["random"]:
        (record,) = run.records
        best, expected = -1.0, []
        for number, trial in enumerate(run.trials, start=1):
            if trial.feedback.reward > best:
                best = trial.feedback.reward
                expected.append([float(number), best])
        if expected[-1][0] < len(run.trials):
            expected.append([float(len(run.trials)), best])
        curves = held(record)
        assert {n.rpartition(" by ")[2] for n in curves} == {"trials", "epochs", "passes", "seconds", "work"}
        assert curves["incumbent valid by trials"] == expected
        # One evaluation of a member is one unit of work, whatever it is counted in.
        for unit, each in (("work", 1.0), ("epochs", 1.0), ("passes", task.evaluation_passes)):
            assert curves[f"incumbent valid by {unit}"] == [[pytest.approx(each * t), v] for t, v in expected]
        found = run.trials.index(run.pick) + 1.0
        # The reported result is known from where the pick was found: nothing is said of incumbents before it.
        assert curves["incumbent test by trials"][0] == [found, record.value]
        assert {v for _, v in curves["incumbent test by work"]} == {record.value}


def test_a_search_with_shared_weights_is_over_work_that_random_search_is_given(searched):
    rsps, random = searched["rsps"], searched["random"]
    for run, record in zip(rsps, rsps.records, strict=True):
        curves = held(record)
        scored = curves["incumbent shared valid by passes"]
        assert [v for _, v in scored] == sorted(v for _, v in scored)
        assert scored[-1][0] == run.cost.passes == record.cost["search"]["passes"]
        # Six scores of one pass each come after two epochs of three passes.
        assert 6 < scored[0][0] <= 7
        assert curves["incumbent test by passes"] == [[run.cost.passes, record.value]]
        factor = curves["incumbent test by work"][0][0] / run.cost.passes
        assert curves["incumbent shared valid by work"] == [[pytest.approx(c * factor), v] for c, v in scored]
    ends = [r.curves["incumbent test by work"][-1][0] for r in rsps.records]
    assert random.budget.trials == max(1, round(sum(ends) / len(ends)))
    # Nothing of this is part of what makes two records the same.
    assert [r.content_hash() for r in rsps.records] == [run.records[0].content_hash() for run in rsps]


def test_the_report_draws_them_beside_random_search(searched, tmp_path):
    report = judge.report(searched["rsps"], searched["evolution"], baseline=searched["members"], random_search=searched["random"])
    by = {(a.metric, a.axis): a for a in report.anytime}
    whole = by["test", "work"]
    assert [c.role for c in whole.curves] == ["random_search", "search", "search"]
    assert whole.random_average == pytest.approx(np.mean([r.value for r in searched["members"].records]))
    assert {c.role for c in by["valid", "work"].curves} == {"random_search", "search"} and len(by["valid", "work"].curves) == 2
    assert [c.algorithm for c in by["shared valid", "work"].curves] == ["rsps?epochs=2&n_candidates=6"]
    # Where an arm begins as late as the others end, an area would say nothing.
    assert all(c.area is None for c in whole.curves)
    page = report.save(tmp_path / "report.html").read_text()
    assert "test over counted work" in page
    assert "Over other kinds of cost" in page
    assert "“shared valid” is a score with the shared weights" in page
    # The picture of reported results comes first, over the kind of cost that all arms share.
    assert page.index("test over counted work") < page.index("test over trials")


def test_the_store_keeps_them(task, tmp_path):
    def again():
        return oche.search(Net, "rsps?epochs=1&n_candidates=3", task, seeds=1, store=tmp_path / "runs.db", name="a", progress=False)

    first, second = again(), again()
    assert held(first.records[0]) == held(second.records[0])
    assert "incumbent test by work" in first.records[0].curves
    with Store(tmp_path / "runs.db") as store:
        (kept,) = store.records()
    assert json.loads(json.dumps(kept.to_json()))["curves"] == json.loads(json.dumps(first.records[0].to_json()))["curves"]


def test_a_function_has_its_value_in_hand_and_a_noisy_one_its_signal():
    program = {"x": oche.oneof(list(range(8)))}

    def noisy(child, seed):
        return child["x"] + (seed % 7) / 10

    plain, other = (
        oche.search(program, "random", f, budget=oche.Budget(trials=9), progress=False).records[0] for f in (lambda c: c["x"], noisy)
    )
    assert set(held(plain)) == {"incumbent value by trials"}
    assert plain.curves["incumbent value by trials"][-1] == [9.0, plain.value]
    assert set(held(other)) == {"incumbent value by trials", "incumbent valid by trials"}
    assert len(other.curves["incumbent value by trials"]) <= 2


def test_what_the_logits_stand_for_is_looked_up_after_each_epoch(oche_data):
    search = oche.tasks.classification("digits[:60]", "digits?epochs=1&batch_size=8")
    task = oche.tasks.benchmarked(search, TABLE)
    small = {"channels": 4, "cells": 1, "progress": False}
    table = oche.spaces.table("nasbench201")
    for algorithm in ("darts?epochs=3&arch_lr=0.5", "rsps?epochs=1&n_candidates=5"):
        run = oche.search("nasbench201", algorithm, task, **small)[0]
        (record,) = run.records
        curve = record.curves["incumbent test by passes"]
        held_points = run.pick.proposal.info["in_hand"]
        assert len(held_points) > 1 and len(curve) == len(held_points) + 1
        for point, (passes, value) in zip(held_points, curve, strict=False):
            dna = run.pick.dna.__class__(tuple(point["dna"]), run.pick.dna.fingerprint)
            text = oche.tasks.architecture(run.space, dna)
            assert (passes, value) == (point["passes"], table.query(text, dataset="cifar10", epochs=200, split="test"))
        assert curve[-1] == [run.cost.passes, record.value]
        assert curve[-2][1] == record.value  # the last one held is the pick
