"""Priors: draws follow beliefs by their confidence, proposals follow the prior less and less, and nothing is ruled out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oche
from oche import seeds
from oche.algorithms import get
from oche.errors import ArgumentError, OcheError, UnknownNameError
from oche.loop import Budget, Prior
from oche.loop.priors import Guided, as_prior
from oche.testing import AskTellContract
from oche.testing.spaces import SPACES, space


def draws(prior, on, n=4000):
    rng = seeds.generator(0)
    return [on.decisions(prior.draw(on, rng)) for _ in range(n)]


def share(found, key, label):
    return sum(d.get(key) == label for d in found) / len(found)


@pytest.mark.parametrize(
    ("confidence", "expected"), [("low", 0.25 + 0.75 / 5), ("medium", 0.5 + 0.5 / 5), ("high", 0.75 + 0.25 / 5), (0.9, 0.92)]
)
def test_a_label_is_drawn_with_its_confidence_plus_its_share_of_the_rest(confidence, expected):
    found = draws(Prior({"op0": "c"}, confidence), space("categorical"))
    assert share(found, "op0", "c") == pytest.approx(expected, abs=0.025)
    assert share(found, "op1", "c") == pytest.approx(0.2, abs=0.025)


def test_weights_divide_the_confidence():
    found = draws(Prior({"op0": {"weights": {"a": 3, "b": 1}, "confidence": 0.8}, "op1": ["d", "e"]}), space("categorical"))
    assert share(found, "op0", "a") == pytest.approx(0.8 * 0.75 + 0.04, abs=0.025)
    assert share(found, "op0", "b") == pytest.approx(0.8 * 0.25 + 0.04, abs=0.025)
    assert share(found, "op1", "d") == pytest.approx(0.25 + 0.1, abs=0.025)


@pytest.mark.parametrize(("confidence", "radius"), [("low", 0.4), ("medium", 0.25), ("high", 0.1)])
def test_a_number_is_drawn_from_its_window_on_its_scale(confidence, radius):
    # log10(rate) goes from -4 to 0, so 0.01 is the middle.
    prior = Prior({"rate": 0.01}, confidence)
    assert prior.beliefs["rate"].radius == pytest.approx(radius)
    shares = np.array([np.log10(d["rate"]) / 4 + 1 for d in draws(prior, space("numbers"))])
    inside = (np.abs(shares - 0.5) <= radius).mean()
    believed = prior.beliefs["rate"].confidence
    assert inside == pytest.approx(believed + (1 - believed) * 2 * radius, abs=0.025)


def test_distinct_picks_prefer_what_is_believed_in_and_stay_distinct():
    found = draws(Prior({"distinct": ["a", "b"], "sorted": "e", "repeated": "c"}, 0.9), space("picks"), 2000)
    both = sum(set(d["distinct"]) == {"a", "b"} for d in found) / len(found)
    assert both > 0.75  # one of six sets of two
    assert sum("e" in d["sorted"] for d in found) / len(found) > 0.85
    assert sum(d["repeated"] == ("c", "c") for d in found) / len(found) > 0.7


@pytest.mark.parametrize("name", SPACES)
@given(seed=st.integers(0, 10_000))
def test_every_draw_is_a_point_of_the_space(name, seed):
    on = space(name)
    beliefs = {p.key: list(p.labels[:2]) if p.kind == "categorical" else (p.lo + p.hi) / 2 for p in on.points}
    on.validate(Prior(beliefs, "high").draw(on, seeds.generator(seed)))


def test_the_share_of_the_prior_decays():
    on = space("categorical")
    marked = np.zeros(100)
    for seed in range(100):
        algorithm = Guided(get("random"), Prior({"op0": "c"}))
        algorithm.setup(on, seeds.generator(seed), Budget(trials=100))
        marked += [bool(p.info.get("prior")) for p in algorithm.ask(100)]
    assert marked[0] == 100
    assert marked[10] == pytest.approx(50, abs=15)  # b = 10 trials: 10 / (10 + 10)
    assert marked[80:].mean() == pytest.approx(10, abs=3)
    assert marked.sum() / 100 == pytest.approx(sum(10 / (10 + t) for t in range(100)), abs=1.5)


@pytest.mark.parametrize(
    "text", ["random", "regularized-evolution?population=5", "optuna:tpe?n_startup_trials=5", "hill-climbing", "cma-es"]
)
def test_a_right_prior_helps_every_algorithm_early_and_a_wrong_one_rules_nothing_out(text):
    if text.startswith("optuna"):
        pytest.importorskip("optuna")
    program = {"a": oche.floatv(0, 1, name="a"), "b": oche.floatv(0, 1, name="b"), "c": oche.intv(0, 50, name="c")}

    def score(child):
        return -abs(child["a"] - 0.9) - abs(child["b"] - 0.9) - abs(child["c"] / 50 - 0.9)

    def early(prior):
        runs = oche.search(program, text, score, budget=Budget(trials=40), seeds=3, prior=prior, progress=False)
        return sum(t.feedback.reward for run in runs for t in run.trials[:8]) / 24, runs

    plain, _ = early(None)
    right, runs = early({"a": 0.9, "b": 0.9, "c": {"value": 45, "confidence": "high"}})
    assert right > plain + 0.1
    record = runs.records[0]
    assert record.algorithm.endswith("with a prior") and record.kind == "search"
    assert record.settings["prior"]["beliefs"]["c"] == {"value": 45.0, "confidence": 0.75}
    assert record.settings["prior"]["drawn"] == sum(bool(t.proposal.info.get("prior")) for t in runs[0].trials) > 6
    wrong, runs = early({"a": 0.1, "b": 0.1, "c": 5})
    assert wrong < plain
    assert max(r.metrics["valid"] for r in runs.records) > -0.9


def test_algorithms_learn_from_draws_of_the_prior():
    on = space("categorical")
    algorithm = Guided(get("regularized-evolution?population=4"), Prior({"op0": "c"}))
    algorithm.setup(on, seeds.generator(0), Budget(trials=100))
    first = algorithm.ask(1)[0]
    assert first.info == {"prior": True}
    algorithm.tell([(first.id, oche.Feedback(reward=3.0))])
    assert algorithm.algorithm.members == [(first.dna, 3.0)]
    with pytest.raises(ArgumentError, match="not told yet"):
        algorithm.tell([(first.id, oche.Feedback(reward=3.0))])


class TestGuided(AskTellContract):
    trials = 24
    space_names = ("categorical", "conditional", "numbers")

    def make_algorithm(self):
        class Any(Guided):
            def setup(self, on, rng, budget=None):
                p = on.points[0]
                self.prior = Prior({p.key: p.labels[0] if p.kind == "categorical" else p.hi})
                super().setup(on, rng, budget)

        return Any(get("regularized-evolution"), Prior({"op0": "a"}))


def test_a_file_says_the_same(tmp_path):
    beliefs = {"op0": "c", "op1": {"weights": {"a": 2, "b": 1}, "confidence": "low"}}
    path = tmp_path / "prior.json"
    path.write_text(json.dumps(beliefs))
    assert as_prior(path).describe() == Prior(beliefs).describe() == as_prior(beliefs).describe()
    assert as_prior(f"{path}?confidence=high").beliefs["op0"].confidence == 0.75
    assert as_prior(f"{path}?confidence=high").beliefs["op1"].confidence == 0.25
    assert as_prior(None) is None


@pytest.mark.parametrize(
    ("beliefs", "fragment"),
    [
        ({"op9": "a"}, "did you mean 'op"),
        ({"op0": "z"}, "candidate of 'op0'"),
        ({"op0": 3}, "labels of a"),
        ({"op0": {"a": 0}}, "above 0"),
        ({"op0": {"a": -1, "b": 2}}, "from 0"),
        ({"op0": {"value": 1, "weights": {"a": 1}}}, "'value' or 'weights'"),
        ({"op0": {"weights": {"a": 1}, "confidence": 2}}, "in (0, 1)"),
        ({"op0": {"weights": {"a": 1}, "confidence": "hihg"}}, "did you mean 'high'"),
        ({"op0": True}, "a label"),
        ({}, "beliefs by key"),
    ],
)
def test_bad_beliefs_are_named(beliefs, fragment):
    with pytest.raises(OcheError) as caught:
        Prior(beliefs).check(space("categorical"))
    assert fragment in str(caught.value)


def test_bad_numbers_and_files_are_named(tmp_path):
    with pytest.raises(ArgumentError, match=r"number in \[0.0001, 1\]"):
        Prior({"rate": 3}).check(space("numbers"))
    with pytest.raises(ArgumentError, match="cannot be read"):
        as_prior(tmp_path / "none.json")
    with pytest.raises(ArgumentError, match="confidence=high"):
        as_prior("prior.json?trust=high")
    with pytest.raises(UnknownNameError, match="op9"):
        oche.search(SPACES["categorical"](), "random", lambda c: 0.0, budget=Budget(trials=3), prior={"op9": "a"}, progress=False)
