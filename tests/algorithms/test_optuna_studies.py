"""Runs of a store as studies, opened by Optuna's own functions."""

from __future__ import annotations

import pytest

import oche
from oche.algorithms import export_studies
from oche.errors import ArgumentError, MissingExtraError, StoreError
from oche.loop import Budget
from oche.store import Store
from oche.testing.spaces import SPACES, space

optuna = pytest.importorskip("optuna")


def program():
    return {"rate": oche.floatv(1e-4, 1, "log", name="rate"), "op": oche.oneof(["conv", oche.oneof([3, 5], name="size")], name="op")}


def score(child):
    return -abs(child["rate"] - 0.1) - (0.0 if child["op"] == 5 else 0.01)


@pytest.fixture(autouse=True, scope="module")
def calm():
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(level)


def load(name, path):
    return optuna.load_study(study_name=name, storage=f"sqlite:///{path}")


def test_a_search_is_a_study_per_seed(tmp_path):
    runs = oche.search(
        program(), "random", score, budget=Budget(trials=15), seeds=2, store=tmp_path / "runs.db", name="try", progress=False
    )
    with Store(tmp_path / "runs.db") as store:
        names = export_studies(store, f"sqlite:///{tmp_path / 'studies.db'}", program())
    assert names == ["try seed 0", "try seed 1"]
    study = load(names[1], tmp_path / "studies.db")
    trials = runs[1].trials
    assert [t.value for t in study.trials] == [t.feedback.reward for t in trials]
    assert [t.user_attrs["dna"] for t in study.trials] == [list(t.dna.flat) for t in trials]
    assert {(t.user_attrs["run"], t.user_attrs["seed"]) for t in study.trials} == {(runs[1].id, 1)}
    best = max(trials, key=lambda t: t.feedback.reward)
    assert study.best_trial.number == best.proposal.id
    assert study.best_params["rate"] == best.dna.flat[0]
    assert study.best_trial.distributions["rate"] == optuna.distributions.FloatDistribution(1e-4, 1, log=True)
    on = oche.Space(program())
    for trial in study.trials:
        decided = on.decisions(oche.DNA(tuple(trial.user_attrs["dna"])))
        assert {k: str(v) for k, v in trial.params.items()} == {k: str(v) for k, v in decided.items()}
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert study.user_attrs["algorithm"] == "random" and study.user_attrs["fingerprint"] == on.fingerprint
    importance = optuna.importance.get_param_importances(study, params=["rate", "op"], evaluator=_evaluator())
    assert importance["rate"] > importance["op"]


def _evaluator():
    return optuna.importance.PedAnovaImportanceEvaluator()


def test_measures_and_ends_are_intermediate_values_and_states(tmp_path):
    gates = oche.loop.Gates([oche.loop.ByValue(step=2, threshold=-0.2)])
    loop = oche.sample(program(), "random", n=12, store=tmp_path / "runs.db", name="loop", early_stopping=gates)
    for child, feedback in loop:
        if feedback.number == 0:
            feedback.fail("broken")
        elif feedback.number == 1:
            feedback.skip("known")
        else:
            for step in (1, 2, 3):
                feedback.report(score(child) / step, step)
                if feedback.should_stop():
                    break
            feedback(score(child) / step, seconds=2.0)
    with Store(tmp_path / "runs.db") as store:
        (name,) = export_studies(store, str(tmp_path / "studies.db"), program(), "loop")
        saved = store.load(store.runs()[0].id)
    study = load(name, tmp_path / "studies.db")
    state = {"done": "COMPLETE", "stopped": "PRUNED", "skipped": "PRUNED", "failed": "FAIL"}
    assert [t.state.name for t in study.trials] == [state[t.status] for t in saved.trials]
    assert {t.status for t in saved.trials} == set(state)
    last = study.trials[-1]
    assert len(last.intermediate_values) in (2, 3)
    assert last.intermediate_values[max(last.intermediate_values)] == last.value
    assert last.user_attrs["trial"]["metrics"] == {"seconds": 2.0}
    assert study.trials[0].user_attrs["trial"]["reason"] == "broken"


def test_several_objectives_and_every_kind_of_decision(tmp_path):
    for kind in SPACES:
        on = space(kind)

        def both(child):
            return oche.Feedback(reward=(1.0, 2.0))

        oche.search(on, "random", both, budget=Budget(trials=3), store=tmp_path / f"{kind}.db", progress=False)
        with Store(tmp_path / f"{kind}.db") as store:
            (name,) = export_studies(store, str(tmp_path / f"{kind}.log"), on)
        backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / f"{kind}.log"))
        study = optuna.load_study(study_name=name, storage=optuna.storages.JournalStorage(backend))
        assert len(study.directions) == 2 and [t.values for t in study.trials] == [[1.0, 2.0]] * 3


def test_text_decisions_stay_in_the_dna_only(tmp_path):
    text = oche.custom(encode=str, decode=str, random=lambda rng: f"t{rng.integers(9)}", mutate=lambda v, rng: v, name="t")
    made = {"t": text, "n": oche.intv(1, 9, name="n")}
    oche.search(made, "random", lambda c: c["n"], budget=Budget(trials=4), store=tmp_path / "runs.db", progress=False)
    with Store(tmp_path / "runs.db") as store:
        (name,) = export_studies(store, str(tmp_path / "studies.db"), made)
    trial = load(name, tmp_path / "studies.db").trials[0]
    assert set(trial.params) == {"n"} and trial.user_attrs["dna"][0].startswith("t")


def test_a_baseline_and_runs_without_a_name(tmp_path):
    oche.baseline(program(), score, n=3, store=tmp_path / "runs.db", progress=False)
    for algorithm in ("random", "hill-climbing"):
        oche.search(program(), algorithm, score, budget=Budget(trials=3), store=tmp_path / "runs.db", progress=False)
    with Store(tmp_path / "runs.db") as store:
        names = export_studies(store, str(tmp_path / "studies.db"), program())
        assert len(set(names)) == 3 and all("seed 0 (" in name for name in names)
        assert [len(load(name, tmp_path / "studies.db").trials) for name in names] == [3, 3, 3]
        with pytest.raises(ArgumentError, match="there already"):
            export_studies(store, str(tmp_path / "studies.db"), program())


def test_bad_arguments_are_named(tmp_path, monkeypatch):
    oche.search(program(), "random", score, budget=Budget(trials=3), store=tmp_path / "runs.db", progress=False)
    with Store(tmp_path / "runs.db") as store:
        with pytest.raises(ArgumentError, match="no run of space"):
            export_studies(store, str(tmp_path / "studies.db"), SPACES["picks"]())
        with pytest.raises(StoreError, match="cannot be opened"):
            export_studies(store, f"sqlite:///{tmp_path / 'none' / 'studies.db'}", program())
        import importlib.util

        found = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "optuna" else found(name, *rest))
        with pytest.raises(MissingExtraError, match=r"oche\[optuna\]"):
            export_studies(store, str(tmp_path / "studies.db"), program())
