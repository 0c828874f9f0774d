"""Picks of a few-shot search that are trained from scratch: who goes on, how long, and that it is one training."""

from __future__ import annotations

import pytest
import torch

from oche import flows
from oche.algorithms import Plan
from oche.errors import ArgumentError
from oche.flows._few_shot_halving import PickSearch, Rungs, best_first, n_rungs, rung_steps
from oche.loop import Budget, Part
from oche.loop.workbench import as_factory
from oche.program import Space
from oche.testing.weight_sharing import same
from tests.algorithms.test_one_shot import Net, problem

torch.set_num_threads(1)

FLOW = "few-shot?splits=1:2,2:2&final_epochs=1&batches=1&first=2&criterion=random&select=halving"


def test_the_better_half_goes_on_twice_as_long():
    rungs, scores = Rungs(10), dict(zip("abcdefgh", (5, 1, 7, 7, 2, 8, 3, 4), strict=True))
    rungs.begin({path: {} for path in scores})
    steps, before = 0, dict.fromkeys(scores, 0)
    while rungs.ready():
        part = rungs.ready()[0]
        path = part.settings["path"]
        steps += part.settings["until"] - before[path]
        before[path] = part.settings["until"]
        rungs.tell(part.name, {"score": scores[path]})
    assert rungs.rungs == [list("abcdefgh"), list("acdf"), list("cf")]
    assert (rungs.end(0), rungs.end(1), rungs.end(2), rungs.total) == (10, 20, 40, 40)
    assert steps == rung_steps(8, 10) == 8 * 10 + 4 * 10 + 2 * 20
    found = [{"path": path, "score": rungs.found(path)[-1], "rungs": rungs.found(path)} for path in scores]
    assert [leaf["path"] for leaf in best_first(found)][:5] == ["f", "c", "d", "a", "h"]
    assert [n_rungs(n) for n in (1, 2, 3, 4, 7, 8)] == [0, 1, 1, 2, 2, 3]


def searched(flow: str = FLOW, budget: Budget | None = None):
    search = flows.get(flow).search(as_factory("rsps?epochs=1&n_candidates=2"))
    search.setup(Space(Net), problem(), 0, budget)
    while not search.advance(50).done:
        pass
    return search


def test_the_last_rung_decides_and_its_training_is_a_cost():
    search, plain = searched(), searched(FLOW.replace("&select=halving", ""))
    assert [leaf["pick"] for leaf in search.leaves] == [leaf["pick"] for leaf in plain.leaves]
    # Four picks for an epoch, two of them for another one.
    assert search.cost.epochs == pytest.approx(plain.cost.epochs + 6)
    finals = [leaf for leaf in search.leaves if len(leaf["rungs"]) == 2]
    assert len(finals) == 2 and all(leaf["score"] == leaf["rungs"][-1] for leaf in search.leaves)
    best = search.propose(1)[0].info
    assert best["leaf_score"] == max(leaf["score"] for leaf in finals) and best["leaf"] in [leaf["path"] for leaf in finals]
    nodes = best["facts"]["split_tree"]["nodes"]
    assert best["facts"]["split_tree"]["select"] == "halving"
    assert nodes[best["leaf"]]["rungs"][-1] == best["leaf_score"]
    short = searched(budget=Budget(epochs=9))
    assert short.cost.epochs <= 9


def test_two_rungs_are_one_training():
    settings = {"pick": Space(Net).decisions(Space(Net).at(5)), "path": "root/x", "until": 3, "total": 6}
    settings["pick"] = {key: list(value) if isinstance(value, tuple) else value for key, value in settings["pick"].items()}

    def made(until: int) -> PickSearch:
        search = PickSearch(Plan(epochs=1), Part("x", {**settings, "until": until}))
        search.setup(Space(Net), problem(), 4)
        return search

    first, second, whole = made(3), made(6), made(6)
    while not first.advance(2).done:
        again = made(3)
        again.load(first.state())
        first = again
    second.inherit(first.state())
    assert second.advance(50).done and whole.advance(50).done and not first.advance(5).cost.passes
    assert same(second.state()["net"], whole.state()["net"]) and second.result == whole.result
    assert (second.cost.epochs, whole.cost.epochs) == (3 / 5, 6 / 5)


def test_a_first_rung_has_at_least_an_epoch():
    with pytest.raises(ArgumentError, match="flow few-shot, rung_epochs: got 0"):
        flows.FewShot(select="halving", rung_epochs=0)
