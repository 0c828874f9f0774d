"""The history by epochs: bounded, exact, continued over kills and stages, and in the record."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import torch

import oche
from oche import spaces, training
from oche.algorithms.one_shot_trace import MOST_CHOICES, MOST_EPOCHS, PROBABILITY, Trace, probabilities
from oche.supernets.policy import Policy

CELL = {"channels": 4, "cells": 1, "in_channels": 1}


@pytest.fixture(scope="module")
def problem():
    return training.problem(training.data.load("digits[:64]"), training.recipe("digits?batch_size=16"), seed=0)


def started(problem, text: str, **settings):
    algorithm = oche.algorithms.get(text, **settings)
    algorithm.setup(spaces.get("nasbench201", **CELL), problem, seed=1)
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
    assert sum(name.startswith(PROBABILITY) for name in curves) == 6 * 5


def test_stages_are_one_history_in_which_dropped_candidates_end(problem):
    search = started(problem, "p-darts", epochs=2, keep=[3], dropout=[0.0, 0.1], cells=[1, 1])
    progress = search.advance(10_000)
    assert progress.note.startswith("stage 2 of 2 · epoch 1/1 · ")
    curves = search.propose(1)[0].info["curves"]
    assert [point[0] for point in curves["train by epochs"]] == [1, 2]
    assert curves["stage by epochs"] == [[2, 1.0]]
    ends = [points[-1][0] for name, points in curves.items() if name.startswith(PROBABILITY + "edge ")]
    assert ends.count(2) == 6 * 3
    assert ends.count(1) == 6 * 2
