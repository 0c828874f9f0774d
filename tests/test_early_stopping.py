"""Early stopping and fidelities in searches of networks: honest records, equal for any number of workers, equal after kills."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import oche
from oche.errors import ArgumentError, OcheError, UnknownNameError
from oche.loop import HalvingPolicy
from oche.store import Store
from tests.stoppable import KINDS, search

SCRIPT = Path(__file__).parent / "stoppable.py"


def content(path: Path) -> list[Any]:
    """Everything that must not depend on kills and executors: proposals, trials with their curves and counted costs."""
    with Store(path) as store:
        saved = [store.load(row.id) for row in store.runs()]
    found: list[Any] = []
    for s in saved:
        assert s is not None
        found += [(p.id, p.dna, p.seen, p.info) for p in s.proposals]
        for t in s.trials:
            cost = {k: v for k, v in json.loads(t.cost).items() if "seconds" not in k}
            found.append((t.proposal, t.phase, t.told, t.status, t.reason, t.reward, t.metrics, t.more, cost))
    return found


def killed(path: Path, kind: str, event: str) -> None:
    """Run or resume in a process of its own until it kills itself."""
    command = [sys.executable, str(SCRIPT), str(path), kind, event]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, list[Any]]]:
    """Searches in this process that nobody stopped."""
    found = {}
    for kind in KINDS:
        path = tmp_path_factory.mktemp(kind) / "runs.db"
        runs = search(str(path), kind)
        found[kind] = (runs, content(path))
    return found


def test_a_stopped_trial_says_so_and_costs_what_it_took(unbroken: dict[str, Any]) -> None:
    runs = unbroken["policy"][0]
    trials = runs[0].trials
    stopped = [t for t in trials if t.feedback.status == "stopped"]
    assert 3 <= len(stopped) < len(trials) == 14
    for trial in trials:
        feedback = trial.feedback
        curve = feedback.curves["reward"]
        epochs = feedback.metrics["epochs"]
        assert feedback.cost.epochs == epochs
        # Batches of training (120 items in batches of 50 or the like) and a third of a pass for each batch that is scored.
        scored = len(curve) + (curve[-1][0] < epochs)
        sizes = runs.task.data.sizes
        batches, checked = -(-sizes["train"] // 50), -(-sizes["valid"] // 50)
        assert feedback.cost.passes == pytest.approx(epochs * batches + scored * checked / 3)
        if feedback.status == "stopped":
            assert epochs in (1, 2) and curve[-1] == (epochs, feedback.reward)
            assert feedback.reason == f"stopped early at step {epochs:g}"
        else:
            assert epochs == 4
    assert runs.cost.epochs == sum(t.feedback.metrics["epochs"] for t in trials) < 14 * 4


def test_verdicts_follow_from_what_was_known_at_the_ask(unbroken: dict[str, Any]) -> None:
    trials = unbroken["policy"][0][0].trials
    policy = HalvingPolicy(min=1, eta=2)
    for number, trial in enumerate(trials):
        known = [t.feedback.curves["reward"] for t in trials[: max(0, number - 1)]]
        assert trial.seen == len(known), "with two in flight, the trial before the last one is the latest that is known"
        curve = trial.feedback.curves["reward"]
        # A training that is over anyway is not stopped.
        stops = [step for i, (step, _) in enumerate(curve) if step < 4 and policy.verdict(curve[: i + 1], known)]
        assert stops == ([curve[-1][0]] if trial.feedback.status == "stopped" else [])


def test_the_pick_was_not_stopped_and_its_record_names_the_policy(unbroken: dict[str, Any]) -> None:
    runs = unbroken["policy"][0]
    record = runs.records[0]
    done = [t for t in runs[0].trials if t.feedback.status == "done"]
    assert record.metrics["valid"] == max(t.feedback.reward for t in done)
    assert record.kind == "search"
    assert record.algorithm == "regularized-evolution?population=5 with asha?min=1&eta=2"
    assert record.settings["early_stopping"] == "HalvingPolicy(min=1, eta=2, max=None)"
    assert record.settings["stopped"] == sum(t.feedback.status == "stopped" for t in runs[0].trials)
    assert record.cost["search"]["epochs"] == runs.cost.epochs
    assert record.cost["final"]["epochs"] == 4, "the final training is whole"


def test_random_with_early_stopping_is_not_plain_random_search() -> None:
    task = oche.tasks.classification("digits[:100]", recipe={"epochs": 1, "batch_size": 50})
    from tests.tinynet import TinyNet

    runs = oche.search(TinyNet, "random", task, budget=oche.Budget(trials=2), early_stopping="median", progress=False)
    assert (runs.records[0].kind, runs.records[0].algorithm) == ("search", "random with median")


@pytest.mark.parametrize("kind", ["asha", "hyperband"])
def test_a_point_that_goes_on_is_the_point_trained_in_one_piece(kind: str, unbroken: dict[str, Any]) -> None:
    runs = unbroken[kind][0]
    trials = runs[0].trials
    further = [t for t in trials if "continues" in t.proposal.info]
    assert len(further) >= 3
    for trial in further:
        info = trial.proposal.info
        before = trials[info["continues"]]
        assert trial.dna.flat == before.dna.flat and trial.seed == before.seed
        assert trial.feedback.cost.epochs == info["fidelity"] - info["previous"], "epochs that were trained before are not paid again"
        child = runs.task.child(runs.space, trial.dna, trial.seed)
        from oche.loop import Reports, Watch

        whole = runs.task.evaluate(child, trial.seed, reports=Reports(Watch(fidelity=info["fidelity"])))
        assert (whole.reward, whole.metrics) == (trial.feedback.reward, trial.feedback.metrics)
    top = max(t.proposal.info["fidelity"] for t in trials)
    best = max(t.feedback.reward for t in trials if t.proposal.info["fidelity"] == top)
    assert runs.records[0].metrics["valid"] == best, "only evaluations at the highest fidelity are compared"


def test_a_budget_of_epochs_counts_what_was_trained(unbroken: dict[str, Any]) -> None:
    runs = unbroken["hyperband"][0]
    assert 24 <= runs.cost.epochs < 24 + 2 * 4
    assert runs.equal_budget() == oche.Budget(epochs=runs.cost.epochs)
    assert unbroken["policy"][0].equal_budget() == oche.Budget(epochs=unbroken["policy"][0].cost.epochs)


def test_no_file_is_left_at_the_end(tmp_path: Path) -> None:
    search(str(tmp_path / "runs.db"), "asha")
    assert not [f for f in (tmp_path / "runs.db.files").rglob("*.pt")]


def test_without_a_store_points_go_on_as_well(unbroken: dict[str, Any]) -> None:
    runs = search(None, "asha")
    assert [t.feedback.reward for t in runs[0].trials] == [t.feedback.reward for t in unbroken["asha"][0][0].trials]
    assert runs.cost.epochs == unbroken["asha"][0].cost.epochs


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["policy", "asha"])
def test_two_workers_give_equal_records(kind: str, unbroken: dict[str, Any], tmp_path: Path) -> None:
    runs = search(str(tmp_path / "runs.db"), kind, "processes", 2)
    assert runs.records[0].content_hash() == unbroken[kind][0].records[0].content_hash()
    assert content(tmp_path / "runs.db") == unbroken[kind][1]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "kills"), [("policy", ("trained:3", "told:4")), ("asha", ("told:7", "trained:3"))])
def test_kills_change_nothing(kind: str, kills: tuple[str, ...], unbroken: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    for kill in kills:
        killed(path, kind, kill)
    runs = search(str(path), kind)
    assert runs.records[0].content_hash() == unbroken[kind][0].records[0].content_hash()
    assert content(path) == unbroken[kind][1]


def test_a_lost_file_costs_epochs_and_changes_no_reward(unbroken: dict[str, Any], tmp_path: Path, monkeypatch: Any) -> None:
    from oche.loop import Reports

    monkeypatch.setattr(Reports, "source", property(lambda self: None))
    runs = search(None, "asha", budget=oche.Budget(trials=12))
    kept = unbroken["asha"][0][0].trials[:12]
    assert [t.feedback.reward for t in runs[0].trials] == [t.feedback.reward for t in kept]
    assert runs.cost.epochs == sum(t.proposal.info["fidelity"] for t in runs[0].trials) > sum(t.feedback.cost.epochs for t in kept)


@pytest.mark.slow
def test_arrival_order_stops_trials_too() -> None:
    runs = search(None, "policy", "processes", 2, order="arrival")
    assert sorted(t.told for t in runs[0].trials) == list(range(14))
    assert any(t.feedback.status == "stopped" for t in runs[0].trials)


# Functions --------------------------------------------------------------------------------------------------------------------


def climbing(child: dict[str, int], seed: int, reports: Any) -> float:
    """Ends at the fidelity or where it is stopped; ten steps at most."""
    value = 0.0
    for step in range(int(reports.start) + 1, int(reports.fidelity or 10) + 1):
        value = child["x"] * (1 - 2.0**-step)
        reports.report(value, step)
        if reports.should_stop():
            break
    if reports.keep is not None:
        Path(reports.keep).write_text("state")
    return value


PROGRAM = {"x": oche.intv(1, 50)}


def test_a_function_that_reports_takes_every_kind_of_early_stopping() -> None:
    for text in ("asha?min=1&eta=3", "hyperband?max=10", "median?trials=3", "gates?rank=2:0.5&value=1:5"):
        runs = oche.search(PROGRAM, "random", climbing, budget=oche.Budget(trials=30), early_stopping=text, progress=False)
        trials = runs[0].trials
        assert any(t.feedback.status == "stopped" for t in trials) and any(t.feedback.status == "done" for t in trials)
        assert all(t.feedback.cost.epochs == t.feedback.curves["reward"][-1][0] for t in trials)
    policies = HalvingPolicy(1, 3) & ~HalvingPolicy(4, 3)
    assert oche.search(PROGRAM, "random", climbing, budget=oche.Budget(trials=9), early_stopping=policies, progress=False)[0].trials


def test_a_function_goes_on_from_its_own_file() -> None:
    runs = oche.search(PROGRAM, "asha?max=9&n=30", climbing, progress=False)
    for trial in runs[0].trials:
        info = trial.proposal.info
        assert trial.feedback.cost.epochs == info["fidelity"] - info.get("previous", 0)
        assert trial.feedback.status == "done"
    assert runs[0].pick.proposal.info["fidelity"] == 9


def test_a_loop_of_one_s_own_gets_fidelities() -> None:
    steps = []
    for child, feedback in oche.sample(PROGRAM, "successive-halving?max=9", n=13):
        steps.append((feedback.previous, feedback.fidelity, feedback.continues is None))
        step = feedback.previous
        while not feedback.should_stop():
            step += 1
            feedback.report(child["x"] * (1 - 2.0**-step), step)
        feedback(child["x"])
        assert feedback.feedback is not None and feedback.feedback.status == "done" and step == feedback.fidelity
    assert steps == [(0, 1, True)] * 9 + [(1, 3, False)] * 3 + [(3, 9, False)]


def test_another_policy_is_another_run(tmp_path: Path) -> None:
    path = str(tmp_path / "runs.db")
    for policy in (None, "median", "median?trials=4", "median"):
        oche.search(PROGRAM, "random", climbing, budget=oche.Budget(trials=6), early_stopping=policy, store=path, progress=False)
    with Store(path) as store:
        assert len(store.runs()) == 3


def quiet(child: dict[str, int]) -> float:
    return 1.0


@pytest.mark.parametrize(
    ("given", "fragment"),
    [
        ({"early_stopping": "median", "task": quiet}, "reports nothing before its end"),
        ({"algorithm": "asha?max=9", "task": quiet}, "reports nothing before its end"),
        ({"algorithm": "asha"}, "max: got None"),
        ({"early_stopping": "medain"}, "did you mean 'median'"),
        ({"algorithm": "asha?max=9", "flow": "separate?first=x"}, "joint"),
    ],
)
def test_what_does_not_go_together_is_told_before_anything_is_spent(given: dict[str, Any], fragment: str) -> None:
    words: dict[str, Any] = {"algorithm": "random", "task": climbing, **given}
    with pytest.raises((ArgumentError, UnknownNameError), match=fragment):
        oche.search(PROGRAM, words.pop("algorithm"), words.pop("task"), budget=oche.Budget(trials=5), progress=False, **words)


def test_more_epochs_than_the_recipe_has_are_refused() -> None:
    task = oche.tasks.classification("digits[:100]", recipe={"epochs": 4})
    from tests.tinynet import TinyNet

    with pytest.raises(OcheError, match=r"max: got 27; allowed: up to 4"):
        oche.search(TinyNet, "hyperband?max=27", task, progress=False)
    with pytest.raises(OcheError, match="supernet"):
        oche.search(TinyNet, "darts", task, early_stopping="median", progress=False)
    several = oche.tasks.objectives(task, ("valid", "max"), ("params", "min"))
    with pytest.raises(OcheError, match="reports nothing"):
        oche.search(TinyNet, "nsga2", several, budget=oche.Budget(trials=4), early_stopping="median", progress=False)
