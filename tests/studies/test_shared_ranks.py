"""Shared ranks: scores of a tree of supernets against trainings alone."""

from __future__ import annotations

import numpy as np
import pytest

import oche
from oche import judge, studies
from oche.errors import ArgumentError
from oche.training import Recipe
from oche.training import data as sets
from tests.algorithms.test_one_shot import Net


def task():
    x = np.random.default_rng(0).normal(size=(120, 1, 4, 4)).astype(np.float32)
    data = sets.from_arrays(x, (x.sum((1, 2, 3)) > 0).astype(int), "bright", {"train": 48, "valid": 48, "test": 24})
    return oche.tasks.classification(data, recipe=Recipe(epochs=1, batch_size=16))


def test_members_are_scored_by_their_leaves_and_trained_alone():
    flow = "few-shot?splits=1:2&final_epochs=1&batches=2&first=2&choose=op0"
    found = studies.shared_ranks(Net, task(), "rsps?epochs=2&n_candidates=2", flow, n=6, top=(1.0, 0.5), n_scored=48, progress=False)
    assert len(found.members) == 6 == len(found.records) and list(found.values) == ["shared weights", "alone"]
    again = judge.rank_correlation(found.values["shared weights"], found.values["alone"], top=(1.0, 0.5))
    assert found.result == again or found.result.to_json() == again.to_json()
    assert found.settings["epochs"] >= 3 and flow.split("?")[0] in found.settings["algorithm"]
    page = judge.study_page(found.to_json())
    assert "Scores against the truth" in page and "true top 50" in page


def test_an_algorithm_without_a_supernet_is_refused():
    with pytest.raises(ArgumentError, match="shared ranks: got algorithm 'random'"):
        studies.shared_ranks(Net, task(), "random", n=3)
