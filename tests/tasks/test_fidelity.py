"""What tasks report while they work, and where they end."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from tests.tinynet import TinyNet

import oche
from oche.errors import ArgumentError
from oche.loop import Evaluate, HalvingPolicy, Reports, Watch, Workbench, takes_reports
from oche.program import Space


@pytest.fixture(scope="module")
def digits() -> oche.tasks.Classification:
    return oche.tasks.classification("digits[:100]", recipe={"epochs": 3, "batch_size": 50}, device="cpu")


@pytest.fixture(scope="module")
def space(digits: oche.tasks.Classification) -> Space:
    return Space(TinyNet).with_arguments(in_channels=1, classes=10)


def test_without_a_watch_nothing_is_reported_and_nothing_changes(digits: oche.tasks.Classification, space: Space) -> None:
    bench = Workbench(space, digits)
    plain = bench(Evaluate(space.at(4), seed=1))
    watched = bench(Evaluate(space.at(4), seed=1, watch=Watch(policy=HalvingPolicy())))
    assert dict(plain.curves) == {} and "epochs" not in plain.metrics
    assert watched.reward == plain.reward and watched.metrics["train_loss"] == plain.metrics["train_loss"]
    assert [step for step, _ in watched.curves["reward"]] == [1, 3]
    assert watched.curves["reward"][-1][1] == plain.reward
    assert watched.cost.passes - plain.cost.passes == pytest.approx(1 / 3), "one more look at one batch of `valid`"


def test_a_fidelity_ends_a_training_and_leaves_a_file(digits: oche.tasks.Classification, space: Space, tmp_path: Path) -> None:
    bench = Workbench(space, digits)
    first = bench(Evaluate(space.at(4), 1, Watch(fidelity=1, keep=str(tmp_path / "a.pt"))))
    assert (first.status, first.metrics["epochs"], first.cost.epochs) == ("done", 1, 1)
    further = bench(Evaluate(space.at(4), 1, Watch(fidelity=3, previous=1, source=str(tmp_path / "a.pt"))))
    whole = bench(Evaluate(space.at(4), 1))
    assert further.reward == whole.reward and further.cost.epochs == 2
    assert digits.max_fidelity == 3


def test_a_watch_travels_to_workers() -> None:
    watch = Watch(3, HalvingPolicy(1, 3), (), 9, 3, "/a", "/b")
    again = pickle.loads(pickle.dumps(watch))
    assert repr(again) == repr(watch)


def test_which_tasks_report(digits: oche.tasks.Classification) -> None:
    assert takes_reports(digits) and takes_reports(oche.tasks.function(lambda child, reports: 0.0))
    assert not takes_reports(oche.tasks.function(lambda child: 0.0))
    assert not takes_reports(oche.tasks.objectives(digits, ("valid", "max"), ("params", "min")))


def test_a_table_gives_what_it_knows_and_charges_each_training(oche_data: Path) -> None:
    task = oche.tasks.tabular("nasbench201", dataset="cifar10", search=("test", 200), report=("test", 200))
    cell = task.table.cells[6111]
    assert task.fidelities() == [12, 200] and task.max_fidelity == 200
    short = task.evaluate(cell, 0, reports=Reports(Watch(fidelity=12)))
    assert short.reward == task.table.query(cell, dataset="cifar10", epochs=12, split="test")
    assert short.cost.epochs == 12 and short.metrics["epochs"] == 12
    long = task.evaluate(cell, 0, reports=Reports(Watch(fidelity=200, previous=12)))
    assert long.reward == task.evaluate(cell, 0).reward and long.cost.epochs == 200
    stopped = Reports(Watch(policy=HalvingPolicy(min=12, eta=2), history=(((12, 100.0),),) * 3))  # type: ignore[arg-type]
    assert task.evaluate(cell, 0, reports=stopped).cost.epochs == 12 and stopped.stopped
    with pytest.raises(ArgumentError, match=r"got 13 epochs.*allowed: 12, 200"):
        task.evaluate(cell, 0, reports=Reports(Watch(fidelity=13)))


def test_asha_on_a_table(oche_data: Path) -> None:
    task = oche.tasks.tabular("nasbench201", dataset="cifar10", search=("test", 200), report=("test", 200))
    runs = oche.search("nasbench201", "asha?min=12&eta=17&n=34", task, progress=False)
    assert [t.proposal.info["fidelity"] for t in runs[0].trials].count(200) == 2
    assert runs.cost.epochs == 34 * 12 + 2 * 200
    assert runs[0].pick.proposal.info["fidelity"] == 200
