"""The history by epochs: bounded, exact, continued over kills and stages, and in the record."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest
import torch
from tests.algorithms.test_one_shot import Net
from tests.algorithms.test_one_shot import problem as bright_or_not

import oche
from oche.algorithms.one_shot_trace import MOST_CHOICES, MOST_EPOCHS, PROBABILITY, Trace, probabilities
from oche.supernets.policy import Policy


@pytest.fixture
def problem():
    return bright_or_not()


def started(problem, text: str, budget=None, **settings):
    algorithm = oche.algorithms.get(text, **settings)
    algorithm.setup(oche.Space(Net, channels=12), problem, 1, budget)
    return algorithm


@pytest.mark.parametrize("epochs", [1, 33, 34, 35, 100, 1000])
def test_a_long_search_keeps_few_epochs_evenly_and_the_last_one(epochs):
    trace = Trace()
    for epoch in range(1, epochs + 1):
        trace.add(epoch, {"x": float(epoch)})
    kept = [point[0] for point in trace.curves()["x by epochs"]]
    assert kept[-1] == epochs == trace.epoch
    assert len(kept) <= MOST_EPOCHS + 1
    assert len(kept) > min(epochs, MOST_EPOCHS) / 2 - 1
    steps = {b - a for a, b in pairwise(kept[:-1])}
    assert len(steps) <= 1


def test_probabilities_are_those_of_the_logits_and_sum_to_one():
    policy = Policy(oche.Space({"a": oche.oneof(["x", "y", "z"], name="a"), "b": oche.manyof(2, [1, 2, 3], name="b")}), scale=2.0)
    found = dict(probabilities(policy))
    assert list(found) == ["a", "b pick 1", "b pick 2"]
    for labels, values in found.values():
        assert len(labels) == len(values)
        assert sum(values) == pytest.approx(1, abs=2e-4)
    assert found["a"][1] == pytest.approx(torch.softmax(policy.logits("a"), -1).tolist(), abs=1e-4)


def test_a_space_of_many_choices_leaves_a_bounded_record():
    policy = Policy(oche.Space({f"c{i}": oche.oneof([1, 2], name=f"c{i}") for i in range(MOST_CHOICES + 7)}))
    trace = Trace()
    for epoch in range(200):
        trace.add(epoch, {}, policy)
    assert len(trace.curves()) == 2 * MOST_CHOICES
    assert len(json.dumps(trace.curves())) < 60_000


def test_a_search_cut_in_the_middle_of_an_epoch_leaves_the_same_history(problem):
    n = problem.n_batches["train"]
    whole = started(problem, "darts?epochs=2")
    whole.advance(2 * n)
    first = started(problem, "darts?epochs=2")
    first.advance(n + 1)
    second = started(problem, "darts?epochs=2")
    second.load(first.state())
    second.advance(n)
    curves = whole.propose(1)[0].info["curves"]
    assert second.propose(1)[0].info["curves"] == curves
    assert [point[0] for point in curves["train by epochs"]] == [1, 2]
    assert {name for name in curves if not name.startswith(PROBABILITY)} == {
        f"{n} by epochs" for n in ("train", "valid", "entropy", "skips")
    }
    assert sum(name.startswith(PROBABILITY) for name in curves) == 3 * 4


def test_stages_are_one_history_in_which_dropped_candidates_end(problem):
    search = started(problem, "p-darts", epochs=1, keep=[3], dropout=[0.0, 0.1], cells=[1, 1])
    progress = search.advance(10_000)
    assert progress.note.startswith("stage 2 of 2 · epoch 1/1 · ")
    curves = search.propose(1)[0].info["curves"]
    assert [point[0] for point in curves["train by epochs"]] == [1, 2]
    assert curves["stage by epochs"] == [[2, 1.0]]
    ends = [points[-1][0] for name, points in curves.items() if name.startswith(PROBABILITY)]
    assert ends.count(2) == 3 * 3
    assert ends.count(1) == 3


def shares_weights(name: str) -> bool:
    return hasattr(oche.algorithms.get(name), "advance")


# Those that are left out need choices of their own kind: elastic widths, kernels or depths.
OWN_KIND = {"ofa", "sandwich", "slimming", "l1-pruning"}


@pytest.mark.parametrize("name", sorted(set(filter(shares_weights, oche.algorithms.names())) - OWN_KIND))
def test_every_preset_says_how_an_epoch_went(problem, name):
    settings = {"samples": 2, "arch_updates": 2} if name == "enas" else {}
    search = started(problem, name, budget=oche.Budget(epochs=2), **settings)
    notes = [search.advance(1).note for _ in range(2 * problem.n_batches["train"])]
    assert re.search(r"epoch [\d.]+/[\d.]+ · train \d", notes[-1])
    inner = getattr(search, "inner", search)
    if inner.mixer.learns_arch:
        assert re.search(r"entropy [01]\.\d+ · \d skips · \S.*$", notes[-1])
        assert 0 <= inner.watch.trace.curves()["entropy by epochs"][-1][1] <= 1
    # The line of an epoch stays until the next one.
    first = next(i for i, note in enumerate(notes) if note)
    assert first < 2 * problem.n_batches["train"]
    assert all(notes[first:])
