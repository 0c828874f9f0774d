"""Samplers of Optuna, priors, known trials and the export of studies, from the command line."""

from __future__ import annotations

import json

import pytest

PROGRAM = """
import torch.nn as nn

import oche


class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        width = oche.oneof([4, 8], name="width")
        act = oche.oneof({"relu": nn.ReLU, "tanh": nn.Tanh}, name="act")
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, width), act, nn.Linear(width, classes))

    def forward(self, x):
        return self.body(x)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "net.py").write_text(PROGRAM)
    (tmp_path / "prior.json").write_text(json.dumps({"width": "8", "act": {"weights": {"relu": 2, "tanh": 1}, "confidence": "low"}}))
    (tmp_path / "known.csv").write_text("width,act,reward\n8,relu,80\n4,tanh,40\n")
    return tmp_path


SEARCH = ("search", "net.py:Net", "--data", "digits", "--recipe", "epochs=1", "--no-baseline", "--no-random-search", "--budget", "trials=3")


@pytest.mark.slow
def test_a_helped_search_is_recorded_and_becomes_a_study(oche, folder):
    optuna = pytest.importorskip("optuna")
    sampler = ("--algorithm", "optuna:tpe?n_startup_trials=2", "--store", "runs.db")
    helped = oche(*SEARCH, *sampler, "--name", "first", "--warm-start", "known.csv", "--prior", "prior.json?confidence=high", "--json")
    assert helped.returncode == 0, helped.stderr
    best = json.loads(helped.stdout)["best"]
    assert best["algorithm"] == "optuna:tpe?n_startup_trials=2 after 2 known trials with a prior"
    assert best["settings"]["warm_start"]["source"] == "known.csv" and best["settings"]["warm_start"]["trials"] == 2
    assert best["settings"]["prior"]["beliefs"]["width"]["confidence"] == 0.75
    assert best["cost"]["search"]["trials"] == 3
    more = oche(*SEARCH, *sampler, "--name", "second", "--warm-start", "runs.db:first", "--json")
    assert more.returncode == 0, more.stderr
    assert json.loads(more.stdout)["best"]["settings"]["warm_start"] | {"digest": ""} == {
        "trials": 3,
        "source": "runs.db:first",
        "digest": "",
    }
    exported = oche("runs", "export", "sqlite:///studies.db", "--format", "optuna", "--store", "runs.db", "--json")
    assert exported.returncode == 0, exported.stderr
    assert json.loads(exported.stdout)["studies"] == ["first seed 0", "second seed 0"]
    study = optuna.load_study(study_name="second seed 0", storage=f"sqlite:///{folder / 'studies.db'}")
    assert len(study.trials) == 3 and set(study.best_params) == {"width", "act"}


def test_a_dry_run_finds_bad_beliefs_and_names_the_store(oche, folder):
    done = oche(*SEARCH, "--prior", "prior.json", "--warm-start", "known.csv", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["warm_start"] == "known.csv" and set(plan["prior"]) == {"width", "act"}
    (folder / "prior.json").write_text('{"widht": "8"}')
    done = oche(*SEARCH, "--prior", "prior.json", "--dry-run")
    assert done.returncode == 2 and "did you mean 'width'" in done.stderr and "Traceback" not in done.stderr


def test_an_export_says_what_it_needs(oche, folder):
    done = oche("runs", "export", "x.db", "--format", "csv", "--store", "runs.db")
    assert done.returncode == 2 and "'optuna', 'records'" in done.stderr
