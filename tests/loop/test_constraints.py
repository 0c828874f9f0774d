"""Hard constraints: what breaks one is never evaluated, never counted, and every algorithm obeys, resumes and repeats as without."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter

import pytest

import oche
from oche.algorithms.random import Random
from oche.algorithms.regularized_evolution import RegularizedEvolution
from oche.algorithms.sweep import Sweep
from oche.errors import ArgumentError, ResumeError, SpaceError, UnknownNameError
from oche.loop.constraints import Constrained, Constraint
from oche.testing.asktell import AskTellContract


def numbers():
    return {"x": oche.oneof([1, 2, 3, 4], name="x"), "y": oche.oneof([1, 2, 3, 4], name="y")}


def small(child):
    return child["x"] + child["y"] <= 4


def even_rank(dna):
    """About half of every test space."""
    return sum(int(g * 100) for g in dna.flat if g is not None) % 2 == 0


class TestConstrainedEvolution(AskTellContract):
    def make_algorithm(self):
        return Constrained(RegularizedEvolution(population=6), Constraint(where=even_rank, of="dna"))


class TestConstrainedRandom(AskTellContract):
    def make_algorithm(self):
        return Constrained(Random(), Constraint(where=even_rank, of="dna"))


def test_random_search_is_uniform_over_what_is_allowed():
    seen = Counter()
    for child, feedback in oche.sample(numbers(), "random", n=1200, seed=1, constraint=small):
        seen[child["x"], child["y"]] += 1
        feedback(0.0)
    assert set(seen) == {(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1)}
    # Chi-square with 5 degrees of freedom: 20.5 is passed once in a thousand.
    assert sum((count - 200) ** 2 / 200 for count in seen.values()) < 20.5


def test_sweep_visits_what_is_allowed_and_ends():
    seen = []
    for child, feedback in oche.sample(numbers(), "sweep", constraint=small):
        seen.append((child["x"], child["y"]))
        feedback(1.0)
    assert seen == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1)]


@pytest.mark.parametrize("parallel", [1, 3])
def test_trials_and_budget_count_what_is_evaluated_only(parallel):
    tried = []

    def task(child):
        tried.append(child)
        return -float(child["x"])

    runs = oche.search(
        numbers(),
        "regularized-evolution?population=4",
        task,
        budget=oche.Budget(trials=30),
        parallel=parallel,
        constraint=small,
        progress=False,
    )
    assert len(runs[0].trials) == runs.cost.trials == 30
    assert all(small(child) for child in tried)
    assert runs[0].algorithm.rejected > 0
    assert runs.best.decisions["x"] == "1"


def test_an_algorithm_is_told_why_it_was_skipped():
    class Watching(Random):
        def __init__(self):
            super().__init__()
            self.told = []

        def tell(self, results):
            self.told += [(number, feedback.status, feedback.reason) for number, feedback in results]

    watching = Watching()
    bound = Constrained(watching, Constraint(where=small))
    space = oche.Space(numbers())
    import numpy as np

    bound.setup(space, np.random.default_rng(0))
    proposals = bound.ask(5)
    assert [p.id for p in proposals] == [0, 1, 2, 3, 4]
    assert watching.told
    assert {(status, reason) for _, status, reason in watching.told} == {("skipped", "constraint: small does not hold")}
    assert bound.rejected == len(watching.told)
    skipped = {number for number, _, _ in watching.told}
    watching.told.clear()
    bound.tell([(3, oche.Feedback(1.0))])
    [(inner, status, _)] = watching.told
    assert status == "done"
    assert inner not in skipped
    assert inner == [i for i in range(100) if i not in skipped][3]
    with pytest.raises(ArgumentError, match="got proposal 3"):
        bound.tell([(3, oche.Feedback(1.0))])


def test_params_and_macs_of_networks():
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            width = oche.oneof([4, 8, 16, 32], name="width")
            self.layers = nn.Sequential(nn.Linear(10, width), nn.Linear(width, 2))

        def forward(self, x):
            return self.layers(x)

    def widths(**limits):
        return {fb.dna.flat[0] for _, fb in _skipping(oche.sample(Net, "random", n=40, constraint=limits))}

    # Weights: 13 w + 2; multiply-adds: 12 w.
    assert widths(max_params=106) == {0, 1}
    assert widths(max_params=105) == {0}
    assert widths(max_macs=192, input_size=(10,)) == {0, 1, 2}
    assert widths(max_macs=192, input_size=(10,), where=lambda net: net.layers[0].out_features != 8) == {0, 2}
    data = oche.tasks.classification("digits")
    with pytest.raises(ArgumentError, match="shares weights"):
        oche.search(Net, "darts", data, constraint={"max_params": 100}, progress=False)


def _skipping(loop):
    for child, feedback in loop:
        yield child, feedback
        feedback(0.0)


def test_random_members_obey_the_same_constraint_and_records_say_so():
    limit = {"where": small}
    runs = oche.search(numbers(), "random", lambda c: float(c["x"]), budget=oche.Budget(trials=8), constraint=limit, progress=False)
    base = oche.baseline(numbers(), lambda c: float(c["x"]), n=12, constraint=limit, progress=False)
    assert all(int(r.decisions["x"]) + int(r.decisions["y"]) <= 4 for r in base.records)
    assert runs.records[0].protocol["constraint"] == base.records[0].protocol["constraint"]
    assert runs.records[0].protocol["constraint"]["where"] == "small"
    free = oche.baseline(numbers(), lambda c: float(c["x"]), n=12, progress=False)
    assert "constraint" not in free.records[0].protocol
    assert free[0].id != base[0].id
    with pytest.raises(ArgumentError, match="n='all'"):
        oche.baseline("nasbench201", oche.tasks.function(lambda c: 0.0), n="all", constraint=limit)


def test_another_constraint_is_another_run(tmp_path):
    store = tmp_path / "runs.db"
    list(_skipping(oche.sample(numbers(), "random", n=4, store=store, name="try", constraint=small)))
    with pytest.raises(ResumeError, match="constraint"):
        list(oche.sample(numbers(), "random", n=4, store=store, name="try"))
    made = [Constraint(where=(lambda limit: lambda c: c["x"] < limit)(k)).describe()["source"] for k in (2, 2, 3)]
    assert made[0] == made[1] != made[2]


@pytest.mark.parametrize("algorithm", ["random", "regularized-evolution?population=4"])
def test_partial_spaces_are_judged_with_the_rest_at_its_defaults(algorithm):
    seen = set()
    for child, feedback in oche.sample(numbers(), algorithm, n=30, where="^x", constraint=small):
        seen.add(child["x"])
        feedback(float(child["x"]))
    assert seen <= {1, 2, 3}
    assert 3 in seen  # y is 1 by default


def test_an_infeasible_constraint_ends_with_a_clear_error():
    def never(child):
        return False

    def broken(child):
        return child["z"]

    loop = oche.sample(numbers(), "sweep", constraint=never)
    assert list(loop) == []
    with pytest.raises(SpaceError, match=r"space 'dict': got 50 proposals in a row.*never does not hold.*loosen"):
        next(oche.sample(numbers(), "random", n=3, constraint={"where": never, "attempts": 50}))
    with pytest.raises(SpaceError, match=r"constraint, broken: got KeyError"):
        next(oche.sample(numbers(), "random", n=3, constraint=broken))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({}, ArgumentError, "at least one of max_params"),
        ({"max_params": 0}, ArgumentError, "max_params: got 0"),
        ({"max_macs": 10}, ArgumentError, "input_size"),
        ({"where": 3}, ArgumentError, "where: got 3"),
        ({"where": small, "of": "program"}, UnknownNameError, "form of a member"),
        (5, ArgumentError, "constraint: got 5"),
    ],
)
def test_ill_formed_constraints(given, error, message):
    with pytest.raises(error, match=message):
        oche.sample(numbers(), "random", n=3, constraint=given)


def test_finite_algorithms_stay_finite_under_a_constraint():
    bound = Constrained(Sweep(), Constraint(where=small))
    assert bound.finite
    assert bound.settings == {}
    assert not getattr(Constrained(Random(), Constraint(where=small)), "finite", False)


SCRIPT = """
import os, signal, sys, time
import oche

def small(child):
    return child["x"] + child["y"] + child["z"] <= 9

program = {k: oche.oneof([1, 2, 3, 4, 5, 6], name=k) for k in "xyz"}
stop, store = int(sys.argv[1]), sys.argv[2] or None
done = 0
for child, feedback in oche.sample(program, "regularized-evolution?population=5", n=40, seed=3, store=store, name="k", constraint=small):
    time.sleep(0.02)  # trials are written in groups, by time
    if store and done == stop:
        os.kill(os.getpid(), signal.SIGKILL)
    print(*feedback.dna.flat, flush=True)
    feedback(float(child["x"] * child["y"] - child["z"]))
    done += 1
"""


def test_killed_and_resumed_equals_never_killed(tmp_path):
    script = tmp_path / "loop.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script)]
    whole = subprocess.run([*command, "0", ""], capture_output=True, text=True, check=True).stdout.split("\n")
    store = tmp_path / "k.db"
    for stop in (3, 9, 0, 14):
        done = subprocess.run([*command, str(stop), str(store)], capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL
    last = subprocess.run([*command, "99", str(store)], capture_output=True, text=True, check=True).stdout
    tail = last.split("\n")
    assert 0 < len(tail) < len(whole)
    assert tail == whole[-len(tail) :]
