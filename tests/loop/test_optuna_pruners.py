"""Pruners of Optuna as policies: the same verdicts as Optuna's own loop gives, from the arguments alone."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oche
from oche.errors import ArgumentError, MissingExtraError, UnknownNameError
from oche.loop import Budget, OptunaPruner, TrialCurve, as_policy
from oche.loop.optuna_pruners import PRUNERS

optuna = pytest.importorskip("optuna")

TEXTS = (
    "optuna:median?n_startup_trials=3",
    "optuna:percentile?percentile=30&n_startup_trials=2&n_warmup_steps=1",
    "optuna:successive-halving",
    "optuna:successive-halving?min_resource=2&reduction_factor=2",
    "optuna:hyperband?max_resource=8&reduction_factor=2",
    "optuna:hyperband",
    "optuna:threshold?lower=0.3",
    "optuna:patient?patience=1&wrapped_pruner=median",
)


def value(number, step):
    """A curve that climbs to a height of its own."""
    height = (number * 7919 % 31) / 31
    return height * step / (step + 2.0) + 0.05 * ((number * step) % 3)


def ours(policy, trials=24, steps=8):
    """(number, step at which it was stopped or None) of a serial loop."""
    curves, ends = [], []
    for number in range(trials):
        points, stopped = [], None
        for step in range(1, steps + 1):
            points.append((float(step), value(number, step)))
            if policy.verdict(TrialCurve(tuple(points), number), curves) is True:
                stopped = step
                break
        curves.append(TrialCurve(tuple(points), number, "done" if stopped is None else "stopped", points[-1][1]))
        ends.append(stopped)
    return ends


def theirs(pruner, trials=24, steps=8):
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # The bracket of Hyperband follows from the name of the study and the number of the trial.
    study = optuna.create_study(direction="maximize", pruner=pruner, study_name="oche")
    optuna.logging.set_verbosity(level)
    ends = []
    for number in range(trials):
        trial, stopped = study.ask(), None
        for step in range(1, steps + 1):
            trial.report(value(number, step), step)
            if trial.should_prune():
                stopped = step
                break
        if stopped is None:
            study.tell(trial, value(number, steps))
        else:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        ends.append(stopped)
    return ends


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_verdicts_are_those_of_optuna(text):
    policy = as_policy(text)
    found = ours(policy)
    assert found == theirs(as_policy(text)._make())
    if text != "optuna:patient?patience=1&wrapped_pruner=median":
        assert any(found)
    assert not all(found)


@pytest.mark.parametrize("text", TEXTS)
@settings(max_examples=3)
@given(order=st.permutations(range(8)))
def test_a_verdict_follows_from_its_arguments_alone(text, order):
    # One policy that is asked in any order, and a new one for each question: equal answers.
    curves = [TrialCurve(tuple((float(s), value(n, s)) for s in range(1, 9)), n, "done", value(n, 8)) for n in range(10)]
    questions = [(TrialCurve(curves[9].points[: 1 + i % 8], 9 - i % 3), tuple(curves[: 2 + (3 * i) % 5])) for i in range(8)]
    policy = as_policy(text)
    for i in order:
        assert policy.verdict(*questions[i]) == as_policy(text).verdict(*questions[i])


def test_plain_curves_will_do():
    policy = OptunaPruner("median", n_startup_trials=2)
    assert policy.verdict([(1, 0.1)], [[(1, 0.5)], [(1, 0.6)]]) is True
    assert policy.verdict([(1, 0.7)], [[(1, 0.5)], [(1, 0.6)]]) is False
    assert policy.verdict([], [[(1, 0.5)]]) is None


def test_policies_compose_and_travel():
    policy = as_policy("optuna:threshold?lower=0.3") & ~as_policy("optuna:median?n_startup_trials=1")
    again = pickle.loads(pickle.dumps(policy))
    assert repr(again) == repr(policy)
    earlier = [[(1, 0.1)]]
    assert policy.verdict([(1, 0.2)], earlier) is again.verdict([(1, 0.2)], earlier) is True
    assert policy.verdict([(1, 0.05)], earlier) is False


def test_a_search_stops_bad_trials_early_and_alike_for_any_number_of_workers():
    program = {"height": oche.floatv(0, 1, name="height")}

    def climb(child, reports):
        reached = 0.0
        for step in range(1, 9):
            reached = child["height"] * step / (step + 2)
            reports.report(reached, step)
            if reports.should_stop():
                break
        return reached

    def search(**more):
        policy = "optuna:median?n_startup_trials=4"
        return oche.search(program, "random", climb, budget=Budget(trials=30), early_stopping=policy, parallel=2, progress=False, **more)

    runs = search()
    ends = [(t.dna.flat[0], t.feedback.status, len(t.feedback.curves["reward"])) for t in runs[0].trials]
    stopped = [end for end in ends if end[1] == "stopped"]
    assert 8 <= len(stopped) <= 22
    assert sum(h for h, *_ in stopped) / len(stopped) < sum(h for h, s, _ in ends if s == "done") / (30 - len(stopped))
    assert runs.records[0].settings["stopped"] == len(stopped)
    again = search(executor="processes", workers=2)
    assert [(t.dna.flat[0], t.feedback.status, len(t.feedback.curves["reward"])) for t in again[0].trials] == ends


def test_wrong_names_and_settings_are_named(monkeypatch):
    with pytest.raises(UnknownNameError, match="did you mean 'optuna:median'"):
        as_policy("optuna:medium")
    with pytest.raises(UnknownNameError, match="n_startup_trials"):
        as_policy("optuna:median?n_startup_trial=3")
    with pytest.raises(ArgumentError, match="percentile"):
        as_policy("optuna:percentile?percentile=300")
    with pytest.raises(ArgumentError, match="whole numbers from 0"):
        as_policy("optuna:median").verdict([(0.5, 1.0)], [])
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "optuna" else found(name, *rest))
    with pytest.raises(MissingExtraError, match=r"oche\[optuna\]"):
        as_policy("optuna:median")


def test_every_pruner_is_registered():
    from oche.loop.stopping import registry

    assert {f"optuna:{name}" for name in PRUNERS} <= set(registry.names())
