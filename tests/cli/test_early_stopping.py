"""Early stopping and fidelities by text, as a user types them."""

from __future__ import annotations

import json

from tests.cli.conftest import refused, run_oche

TABLE = ("--task", "tabular?table=nasbench201&dataset=cifar10&search=test,200&report=test,200")
ALONE = ("--no-baseline", "--no-random-search", "--json")


def test_asha_as_an_algorithm_and_as_a_policy_on_a_table(tmp_path, oche_data):
    words = ("search", "nasbench201", *TABLE, "--seeds", "0,", *ALONE)
    chosen = run_oche(*words, "-a", "asha?min=12&eta=17&n=34&inner=regularized-evolution", cwd=tmp_path)
    assert chosen.returncode == 0, chosen.stderr
    best = json.loads(chosen.stdout)["best"]
    assert best["cost"]["search"] | {"seconds": 0, "cpu_seconds": 0} == {
        "trials": 36,
        "epochs": 34 * 12 + 2 * 200,
        "seconds": 0,
        "cpu_seconds": 0,
    }
    assert best["metrics"]["fidelity"] == 200
    stopped = run_oche(*words, "-a", "random", "--budget", "trials=20", "--early-stopping", "asha?min=12&eta=17", cwd=tmp_path)
    assert stopped.returncode == 0, stopped.stderr
    best = json.loads(stopped.stdout)["best"]
    assert best["algorithm"] == "random with asha?min=12&eta=17"
    assert best["cost"]["search"]["epochs"] == 20 * 12 + (20 - best["settings"]["stopped"]) * 200
    assert 0 < best["settings"]["stopped"] < 20


def test_the_plan_and_mistakes_are_told_before_any_work(tmp_path, oche_data):
    plan = run_oche("search", "nasbench201", *TABLE, "--early-stopping", "median?trials=3", "--dry-run", "--json", cwd=tmp_path)
    assert json.loads(plan.stdout)["early_stopping"] == "median?trials=3"
    done = refused("search", "nasbench201", *TABLE, "--early-stopping", "medain", cwd=tmp_path)
    assert done.returncode == 2 and "did you mean 'median'" in done.stderr and "Traceback" not in done.stderr
    wrong = refused("search", "nasbench201", *TABLE, "-a", "asha?max=400", cwd=tmp_path)
    assert wrong.returncode == 2 and "max: got 400; allowed: up to 200" in wrong.stderr


def test_the_help_shows_both_forms(tmp_path):
    text = " ".join(run_oche("search", "--help", cwd=tmp_path).stdout.split())
    assert "--early-stopping" in text and "asha?min=1&inner=regularized-evolution" in text
