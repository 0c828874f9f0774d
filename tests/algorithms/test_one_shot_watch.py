"""The line of an epoch: it costs nothing, changes nothing, and says what the logits stand for."""

from __future__ import annotations

import logging

import pytest
import torch

import oche
from oche import spaces, training
from oche.algorithms.one_shot_watch import brief, count_skips

CELL = {"channels": 4, "cells": 1, "in_channels": 1}


@pytest.fixture(scope="module")
def parts():
    data = training.data.load("digits[:120]")
    return spaces.get("nasbench201", **CELL), training.problem(data, training.recipe("digits?batch_size=16"), seed=0)


def search(parts, text: str, steps: int):
    space, problem = parts
    algorithm = oche.algorithms.get(text)
    algorithm.setup(space, problem, seed=1)
    return algorithm, algorithm.advance(steps)


def test_one_line_for_each_epoch_with_accuracies_entropy_and_the_point(parts, caplog):
    n = parts[1].n_batches["train"]
    with caplog.at_level(logging.INFO, logger="oche.algorithms"):
        _, progress = search(parts, "darts?epochs=3", 2 * n + 1)
    lines = [record.getMessage() for record in caplog.records if record.name == "oche.algorithms"]
    assert [line.split(" · ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3"]
    words = lines[-1].split(" · ")
    assert [word.split()[0] for word in words[1:4]] == ["train", "valid", "entropy"]
    assert words[4].endswith(" skips")
    assert words[5].startswith("|")
    assert progress.note == lines[-1]
    # One of 120 images more or less: accuracies are shares of the batches as they passed.
    assert 0 <= float(words[1].split()[1]) <= 100
    assert float(words[3].split()[1]) == pytest.approx(1.0, abs=0.01)


def test_accuracies_are_counted_exactly(parts):
    _, problem = parts
    algorithm, _ = search(parts, "darts?epochs=2", 0)
    net, batch = algorithm.net, next(iter(problem.batches("train", 0, 0)))
    model = net.functional(net.named_weights(), net.named_arch())
    loss = algorithm.problem.loss(model, batch)
    with torch.no_grad(), net.at(0):
        right, n = problem.score(model, batch)
    assert algorithm.watch._right == {"train": [right, n]}
    assert loss.item() == pytest.approx(problem.loss(model, batch).item())


def test_a_search_without_logits_says_its_accuracy_alone(parts):
    n = parts[1].n_batches["train"]
    _, progress = search(parts, "rsps?epochs=1", n)
    assert progress.note.startswith("epoch 1/1 · train ")
    assert "entropy" not in progress.note


def test_skips_are_those_of_the_normal_cell_where_there_is_one():
    decisions = {"normal edge 2<-0": "skip_connect", "reduce edge 2<-0": "skip_connect", "normal node 3": ("3<-0", "3<-1")}
    assert count_skips(decisions) == 1
    assert count_skips({"edge 1<-0": "skip_connect", "edge 2<-0": "skip_connect"}) == 2


def test_points_in_short():
    space = spaces.get("darts", channels=4, cells=3)
    dna = space.encode_decisions(spaces.darts.decisions("DARTS_V2"))
    expected = "s3 0 s3 1 | s3 0 s3 1 | sk 0 s3 1 | sk 0 d3 2 ; mp 0 mp 1 | mp 1 sk 2 | mp 0 sk 2 | mp 1 sk 2"
    assert brief(space, dna) == expected
    plain = oche.Space({"a": oche.oneof([1, 2], name="a"), "b": oche.oneof(["x", "y"], name="b")})
    assert brief(plain, plain.at(3)) == "2, y"
