"""Schemes with two copies of the weights: what they fit and what scores are taken on do not meet, and the record says which was which."""

from __future__ import annotations

from dataclasses import replace

import pytest

import oche
from oche import algorithms


@pytest.mark.parametrize(
    ("scheme", "arch", "select"),
    [("rarts", "valid-fit", "valid-select"), ("value-penalty", "valid-fit", "valid-select"), ("first-order", "valid", "valid")],
)
def test_scores_come_from_data_that_no_weights_have_seen(scheme, arch, select):
    task = oche.tasks.classification("digits[:200]", recipe={"epochs": 1, "batch_size": 16}, device="cpu")
    space = oche.spaces.get("size", divide=8, in_channels=1)
    problem, read = task.problem(0), []

    def batches(split, seed, epoch):
        read.append(split)
        return problem.batches(split, seed, epoch)

    search = algorithms.get("one-shot", scheme=scheme, epochs=1)
    search.setup(space, replace(problem, batches=batches), 0, oche.Budget(passes=8))
    while not search.advance(4).done:
        pass
    assert set(read) == {"train", arch}
    search.propose(1)
    assert set(read) == {"train", arch, select}
    assert search.splits()["scores"] == select
    assert ("second copy" in search.splits()["weights"]) == (select == "valid-select")


def test_the_record_states_the_split():
    task = oche.tasks.classification("digits[:120]", recipe={"epochs": 1, "batch_size": 16}, device="cpu")
    space = oche.spaces.get("size", divide=8, in_channels=1)
    runs = oche.search(space, "rarts?epochs=1", task, budget=oche.Budget(passes=6), seeds=1, progress=False)
    assert runs.records[0].settings["splits"] == {
        "weights": "train, valid-fit (second copy)",
        "arch": "train and valid-fit",
        "scores": "valid-select",
    }
