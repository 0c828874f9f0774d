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


def test_a_problem_without_parts_is_said_to_be_scored_on_what_was_trained_on():
    task = oche.tasks.classification("digits[:120]", recipe={"epochs": 1, "batch_size": 16}, device="cpu")
    search = algorithms.get("rarts", epochs=1)
    search.setup(oche.spaces.get("size", divide=8, in_channels=1), replace(task.problem(0), parts=()), 0, oche.Budget(passes=4))
    assert search.splits()["scores"] == "valid, on which the second copy was trained"


def test_the_record_states_the_split():
    task = oche.tasks.classification("digits[:120]", recipe={"epochs": 1, "batch_size": 16}, device="cpu")
    space = oche.spaces.get("size", divide=8, in_channels=1)
    runs = oche.search(space, "rarts?epochs=1", task, budget=oche.Budget(passes=6), seeds=1, progress=False)
    assert runs.records[0].settings["splits"] == {
        "weights": "train, valid-fit (second copy)",
        "arch": "train and valid-fit",
        "scores": "valid-select",
    }


def test_leaves_of_a_tree_are_chosen_on_data_that_no_weights_have_seen():
    task = oche.tasks.classification("digits[:200]", recipe={"epochs": 1, "batch_size": 16}, device="cpu")
    space = oche.spaces.get("size", divide=8, in_channels=1).restrict({f"c{i}": ["8", "16"] for i in range(5)})
    problem, read = task.problem(0), []

    def batches(split, seed, epoch):
        read.append(split)
        return problem.batches(split, seed, epoch)

    flow = oche.flows.FewShot("1:2", final_epochs=1, batches=2, first=2, prune=1)
    search = flow.search(lambda: algorithms.get("rarts", epochs=1))
    search.setup(space, replace(problem, batches=batches), 0)
    while not search.advance(50).done:
        pass
    assert search.propose(1)[0].info["splits"]["scores"] == "valid-select"
    oche.flows.shared_scores(search, [space.sample(0)], 16)
    assert set(read) == {"train", "valid-fit", "valid-select"}
