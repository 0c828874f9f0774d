"""Several objectives: what a task gives, what a record keeps, what is refused."""

from __future__ import annotations

import json

import pytest
from tests.cli.conftest import run_oche

import oche
from oche.errors import ArgumentError, FeedbackError
from oche.store.record import Record

NET = """
import oche
from torch import nn

HEADS = {"small": lambda: nn.Linear(64, 10), "large": lambda: nn.Sequential(nn.Linear(64, 32), nn.Linear(32, 10))}


class Net(nn.Sequential):
    def __init__(self, in_channels=1, classes=10):
        super().__init__(nn.Flatten(), oche.oneof(HEADS, name="head"))
"""
PROGRAM = {"x": oche.oneof([1, 2, 3], name="x"), "y": oche.oneof([0, 5], name="y")}


def _task():
    return oche.tasks.objectives(
        lambda child: (child["x"], {"valid": child["x"] * 1.0, "price": child["x"] + child["y"]}), "valid,price:min"
    )


def test_rewards_are_maximized_and_metrics_keep_their_sign():
    feedback = _task().evaluate({"x": 2, "y": 5}, seed=0)
    assert feedback.reward == (2.0, -7.0)
    assert feedback.metrics["price"] == 7.0
    assert _task().describe()["objectives"] == {"valid": "max", "price": "min"}


def test_a_record_holds_the_front_and_nothing_that_is_dominated():
    runs = oche.search(PROGRAM, "sweep", _task())
    record = runs.records[0]
    assert record.objectives == {"valid": "max", "price": "min"}
    assert [p["metrics"] for p in record.front] == [{"valid": x, "price": x} for x in (1.0, 2.0, 3.0)]
    assert all(p["arch"] == f"x={p['metrics']['valid']:.0f}, y=0" for p in record.front)
    assert [p["dna"] for p in record.front] == [[0, 0], [1, 0], [2, 0]]
    assert runs.front == list(record.front) == runs[0].front
    assert Record.from_json(json.loads(json.dumps(record.to_json()))).front == record.front
    # The pick is the best of the first objective.
    assert runs.best.decisions["x"] == "3"


def test_fronts_of_several_seeds_are_one_front():
    runs = oche.search(PROGRAM, "random", _task(), budget=oche.Budget(trials=4), seeds=4)
    points = [p["metrics"] for p in runs.front]
    assert len({json.dumps(p) for p in points}) == len(points)
    for a in points:
        assert not any(b != a and b["valid"] >= a["valid"] and b["price"] <= a["price"] for b in points)


def test_one_objective_leaves_records_as_they_were():
    record = oche.search(PROGRAM, "sweep", lambda child: child["x"]).records[0]
    assert record.objectives == {} and list(record.front) == []


def test_a_bare_tuple_has_objectives_by_number():
    record = oche.search(PROGRAM, "sweep", lambda child: (child["x"], -child["x"])).records[0]
    assert record.objectives == {"value": "max", "value_1": "max"} and record.value == 3.0
    assert len(record.front) == 3


def test_a_network_is_counted():
    torch = pytest.importorskip("torch")
    task = oche.tasks.objectives(lambda net: (0.5, {"valid": 0.5}), ("valid", "max"), ("params", "min"))
    assert task.evaluate(torch.nn.Linear(3, 2), seed=0).reward == (0.5, -8.0)


def test_the_text_of_a_task_names_objectives_and_weights_can_be_counted():
    task = oche.tasks.get("classification?data=digits&objectives=valid:max,macs:min")
    assert task.objectives == {"valid": "max", "macs": "min"}
    assert task.name == "classification:digits" and not hasattr(task, "problem")
    kept = oche.tasks.keeping(task, "somewhere")
    assert kept.keep.endswith("somewhere") and task.keep is None and kept.objectives == task.objectives


def test_what_is_not_allowed_is_refused():
    for named, words in (
        (("valid",), "at least two"),
        (("valid:up", "price:min"), "got direction 'up'"),
        ((("a", "max"), ("a", "min")), "each metric once"),
        ((("a", "max", "b"),), "pairs"),
    ):
        with pytest.raises(ArgumentError, match=words):
            oche.tasks.objectives(lambda child: 1.0, *named)
    with pytest.raises(FeedbackError, match=r"objective 'speed': got no such metric .* allowed: value"):
        oche.tasks.objectives(lambda child: 1.0, "value", "speed").evaluate({}, seed=0)


def test_the_command_line_prints_the_front(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    words = "--data digits[:200] --recipe epochs=1 --budget trials=5 --objectives valid:max,params:min --no-baseline --no-random-search"
    done = run_oche("search", "net.py:Net", "--algorithm", "nsga2?population=2", *words.split(), "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["front"] and set(result["front"][0]["metrics"]) == {"valid", "params"}
    assert {p["metrics"]["params"] for p in result["front"]} <= {650.0, 2410.0}
    bad = run_oche("search", "net.py:Net", "-a", "nsga2", *words.replace("params:min", "parms:least").split(), cwd=tmp_path)
    assert bad.returncode == 2 and "least" in bad.stderr
