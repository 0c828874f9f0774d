"""Successive halving, Hyperband and ASHA against random search at equal epochs, on the learning curves of 64 trained networks.

Declared before anything was run: all 64 children of `program.py` are trained once on `train` of scikit-learn's digits, 9 epochs, and
scored on `valid` after 1, 3 and 9 epochs and on `test` at the end. Searches then read these curves; an epoch that a point was trained
for counts once. 100 seeds; budgets of 45 and 90 epochs (5 and 10 whole trainings); the primary metric is the regret in test
accuracy, the best of the 64 minus that of the pick; each arm is set against random search seed by seed, 95 % intervals, Holm over the arms
of a budget. The claim: successive halving, Hyperband and ASHA, each with random points, have less regret than random search at each budget.

    python experiments/halving/run.py     # trains what is missing in curves.json (a minute), then searches (a minute)
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau, t, ttest_1samp

import oche
from oche import training
from oche.files import atomic
from oche.loop import Cost, Feedback, Reports

HERE = Path(__file__).parent
SEEDS = 100
STEPS = (1, 3, 9)
BUDGETS = (45, 90)
RECIPE = {"epochs": 9, "batch_size": 64, "lr": 0.05, "grad_clip": 5.0}
# Algorithm and early stopping; the first one is what the others are set against.
ARMS: dict[str, tuple[str, str | None]] = {
    "random": ("random", None),
    "successive-halving": ("successive-halving?max=9", None),
    "hyperband": ("hyperband?max=9", None),
    "asha": ("asha?max=9", None),
    "random, stopped by asha": ("random", "asha?max=9"),
    "random, stopped by the median": ("random", "median?trials=3"),
    "evolution": ("regularized-evolution?population=5&tournament=2", None),
    "asha over evolution": ("asha?max=9&inner=regularized-evolution%3Fpopulation%3D5%26tournament%3D2", None),
}
PROGRAM = {f"op{i}": oche.oneof(list(range(4)), name=f"op{i}") for i in range(3)}


def curves(path: Path) -> dict[str, dict[str, Any]]:
    """Validation accuracy at each step and test accuracy at the end, by the decisions of a child; trains what the file lacks."""
    found: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}
    sys.path.insert(0, str(HERE))
    from program import Net

    task = oche.tasks.classification("digits", recipe=RECIPE, device="cpu")
    space = oche.Space(Net, **task.arguments(oche.Space(Net)))
    begin = time.process_time()
    for i in range(len(found), space.size):
        dna = space.at(i)
        child = space.build(dna, seed=i)
        reports = Curve()
        task.evaluate(child, seed=i, reports=reports)
        test = training.score(child, task.data, "test")
        found[",".join(map(str, dna.flat))] = {"valid": [round(v, 4) for _, v in reports.curve], "test": round(test, 4)}
        if i % 16 == 15:
            logging.info("%d of %d children, %.0f processor seconds", i + 1, space.size, time.process_time() - begin)
            with atomic(path) as temporary:
                Path(temporary).write_text("{\n" + ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in found.items()) + "\n}\n")
    return found


class Curve(Reports):
    """Wants the values at `STEPS`, and goes the whole way."""

    @property
    def active(self) -> bool:
        """Always."""
        return True

    def wants(self, step: float) -> bool:
        """Whether `step` is one of them."""
        return step in STEPS


class Lookup(oche.tasks.Function):
    """A function of the decisions of a point: nothing is built."""

    def child(self, space: oche.Space, dna: oche.DNA, seed: int, final: bool = False) -> Any:
        """The decisions as text."""
        return ",".join(map(str, dna.flat))


def task_of(known: dict[str, dict[str, Any]]) -> Lookup:
    """The curves as a task whose evaluations go on where they ended."""

    def read(child: str, reports: Reports) -> Feedback:
        value = 0.0
        for step, value in zip(STEPS, known[child]["valid"], strict=True):
            reports.report(value, step)
            if step < STEPS[-1] and reports.should_stop():
                break
        return Feedback(reward=value, cost=Cost(trials=1, epochs=reports.reached - reports.previous))

    return Lookup(read, name="curves")


def arm(name: str, budget: int, known: dict[str, dict[str, Any]], count: int) -> dict[str, np.ndarray]:
    """Regret of the pick and epochs spent, for each seed."""
    algorithm, policy = ARMS[name]
    given = {"budget": oche.Budget(epochs=budget), "seeds": count, "early_stopping": policy, "progress": False}
    runs = oche.search(PROGRAM, algorithm, task_of(known), **given)
    best = max(row["test"] for row in known.values())
    picks = [known[",".join(map(str, run.pick.dna.flat))]["test"] for run in runs]
    return {"regret": best - np.array(picks), "epochs": np.array([run.cost.epochs for run in runs])}


def shown(values: np.ndarray, sign: str = "") -> str:
    """`mean [low, high]`, a 95 % interval by Student's t."""
    mean, half = values.mean(), t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return " ".join([format(mean, f"{sign}.2f"), f"[{mean - half:{sign}.2f}, {mean + half:{sign}.2f}]"])


def rows(budget: int, arms: dict[str, dict[str, np.ndarray]]) -> list[str]:
    """One line per arm."""
    reference = arms["random"]["regret"]
    others = {name: found["regret"] - reference for name, found in arms.items() if name != "random"}
    # An arm that is random search itself (evolution before its population is full) has no spread to test.
    tested = [float(ttest_1samp(d, 0).pvalue) if d.any() else 1.0 for d in others.values()]
    adjusted = dict(zip(others, oche.judge.holm(tested), strict=True))
    lines = [f"{budget} epochs"]
    for name, found in arms.items():
        line = f"  {name:30} {shown(found['regret'])}  {found['epochs'].mean():.0f} epochs"
        if name != "random":
            verdict = "not distinguishable"
            if adjusted[name] < 0.05:
                verdict = "better" if others[name].mean() < 0 else "worse"
            line += f"  minus random {shown(others[name], '+')}  {verdict} (p {adjusted[name]:.2g})"
        lines.append(line)
    return [*lines, ""]


def table(known: dict[str, dict[str, Any]]) -> list[str]:
    """What the curves are like."""
    valid, test = np.array([row["valid"] for row in known.values()]), np.array([row["test"] for row in known.values()])
    quantiles = np.quantile(test, [0, 0.25, 0.5, 0.75, 1])
    lines = ["64 children: test accuracy, smallest, quartiles, largest: " + " ".join(f"{v:.1f}" for v in quantiles)]
    for i, step in enumerate(STEPS):
        tau = kendalltau(valid[:, i], test).statistic
        lines.append(f"  valid after {step:2} epochs: mean {valid[:, i].mean():.1f}, Kendall's tau with test {tau:.2f}")
    return [*lines, ""]


def main() -> None:
    """Train what is missing, search, write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--curves", type=Path, default=HERE / "curves.json")
    parser.add_argument("--results", type=Path, default=HERE / "results.txt")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    known = curves(options.curves)
    lines = table(known)
    begin = time.process_time()
    for budget in BUDGETS:
        lines += rows(budget, {name: arm(name, budget, known, options.seeds) for name in ARMS})
        logging.info("%d epochs: %.0f processor seconds", budget, time.process_time() - begin)
    options.results.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger("oche").setLevel(logging.WARNING)
    main()
