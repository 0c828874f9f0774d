"""Four flows at equal numbers of evaluations: NAS-Bench-201, and tables whose two parts interact by a stated strength.

Declared before anything was run: 200 seeds, 60 and 120 evaluations, the first three decisions or edges as part A and B as in `TABLES`;
primary metric is the regret of the pick; every arm is set against joint random search seed by seed, with 95 % intervals and Holm over
the seven comparisons of a table and a budget. The claim has two halves, each a difference of regrets under evolution: `separate` minus
`joint` is below 0 where the parts do not interact, and above 0 where everything is interaction.

    python experiments/flows-at-equal-cost/run.py     # OCHE_DATA must hold nasbench201.csv.gz; resumable: one file per arm in out/
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t, ttest_1samp

import oche
from oche import seeds
from oche.files import atomic

HERE = Path(__file__).parent
SEEDS = 200
CHUNK = 50
BUDGETS = (60, 120)
ALGORITHMS = ("random", "regularized-evolution")
# Part A is searched first, or outside. NAS-Bench-201: the edges into the last node; the others then stay at `none`, their first operation.
FLOWS = ("joint", "separate?first={A}", "factorized?outer={A}", "hybrid?outer={A}")
STRENGTHS = (0.0, 0.25, 0.5, 1.0)
TABLES = {"nasbench201": "edge 3", **{f"interaction {s}": "^a" for s in STRENGTHS}}
REFERENCE = ("random", "joint")

SIDE = 5  # candidates of a decision
PROGRAM = {f"{part}{i}": oche.oneof(list(range(SIDE)), name=f"{part}{i}") for part in "ab" for i in range(3)}


def synthetic(strength: float, seed: int) -> np.ndarray:
    """A table of six decisions a0, a1, a2, b0, b1, b2, `(5, 5, 5, 5, 5, 5)`, with mean 0 and variance 1 over all points.

    It is a sum of effects of single decisions, of pairs inside a part, and of pairs across the parts. Each kind has exactly its share of
    the variance: half of what is not `strength`, as much again, and `strength`, which so is the share of the interaction of A and B.
    """
    pairs = list(itertools.combinations(range(6), 2))
    inside = [(i, j) for i, j in pairs if (i < 3) == (j < 3)]
    across = [(i, j) for i, j in pairs if (i < 3) != (j < 3)]
    kinds = {"single": [(i,) for i in range(6)], "inside": inside, "across": across}
    shares = {"single": (1 - strength) / 2, "inside": (1 - strength) / 2, "across": strength}
    table = np.zeros((SIDE,) * 6)
    for kind, groups in kinds.items():
        # The same effects at every strength: only their shares differ.
        rng, effect = seeds.generator(seed, "table", kind), np.zeros_like(table)
        for axes in groups:
            part = rng.standard_normal((SIDE,) * len(axes))
            for axis in range(len(axes)):
                part = part - part.mean(axis=axis, keepdims=True)
            effect = effect + part.reshape([SIDE if i in axes else 1 for i in range(6)])
        table = table + np.sqrt(shares[kind]) * effect / effect.std()
    return table


def interaction(table: np.ndarray) -> float:
    """Share of the variance that no sum f(A) + g(B) explains."""
    flat = table.reshape(SIDE**3, SIDE**3)
    rest = flat - flat.mean(1, keepdims=True) - flat.mean(0, keepdims=True) + flat.mean()
    return float(rest.var() / flat.var())


class Lookup(oche.tasks.Function):
    """A function of the numbers of a point: nothing is built."""

    def child(self, space: oche.Space, dna: oche.DNA, seed: int, final: bool = False) -> Any:
        """The point itself, as a tuple."""
        return dna.flat


class Cases:
    """Space, task and best value of a table for a seed."""

    def __init__(self, name: str) -> None:
        self.name = name
        if name == "nasbench201":
            self.space = oche.spaces.get("nasbench201")
            self.known = oche.tasks.tabular("nasbench201", dataset="cifar10", search=("valid", 12), report=("test", 200))
            self.best = max(self.known.population())
        else:
            self.space = oche.Space(PROGRAM)

    def of(self, seed: int) -> tuple[Any, float]:
        """Task and its best value."""
        if self.name == "nasbench201":
            return self.known, self.best
        strength = float(self.name.split()[1])
        table = synthetic(strength, seed)
        if abs(interaction(table) - strength) > 1e-9 or abs(table.var() - 1) > 1e-9:
            raise ValueError(f"{self.name}, seed {seed}: the table has interaction {interaction(table)} and variance {table.var()}")
        return Lookup(lambda flat: float(table[flat]), name=f"{self.name}/{seed}"), float(table.max())


def regrets(cases: Cases, algorithm: str, flow: str, budget: int, out: Path, count: int) -> np.ndarray:
    """Regret of the pick for each seed; what the file holds is not run again."""
    path = out / f"{cases.name.replace(' ', '-')}_{budget}_{algorithm}_{flow.partition('?')[0]}.json"
    found: list[float] = json.loads(path.read_text()) if path.exists() else []
    while len(found) < count:
        for seed in range(len(found), min(count, len(found) + CHUNK)):
            task, best = cases.of(seed)
            text = flow.format(A=TABLES[cases.name])
            runs = oche.search(cases.space, algorithm, task, text, budget=oche.Budget(trials=budget), seeds=[seed], progress=False)
            if runs[0].cost.trials != budget:
                raise ValueError(f"{path.stem}, seed {seed}: {runs[0].cost.trials} evaluations")
            found.append(best - runs.records[0].value)
        with atomic(path) as temporary:
            Path(temporary).write_text(json.dumps(found))
    return np.array(found[:count])


def exact(cases: Cases, budget: int, count: int) -> float:
    """Expected regret of joint random search in closed form, a mean over the tables of the seeds: what its arm must agree with."""
    if cases.name == "nasbench201":
        table = oche.spaces.table("nasbench201")
        signals = [table.values(dataset="cifar10", epochs=12, split="valid")]
        results = [table.values(dataset="cifar10", epochs=200, split="test")]
    else:
        signals = results = [synthetic(float(cases.name.split()[1]), seed).ravel() for seed in range(count)]
    ranks = np.arange(len(signals[0]) + 1) / len(signals[0])
    weights = np.diff(ranks**budget)  # the best of the draws has this rank in the signal
    return float(np.mean([result.max() - weights @ result[np.argsort(signal)] for signal, result in zip(signals, results, strict=True)]))


def mean_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean and its 95 % interval by Student's t."""
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def shown(values: np.ndarray, sign: str = "") -> str:
    """`mean [low, high]`."""
    mean, low, high = (format(v, f"{sign}.3f") for v in mean_interval(values))
    return f"{mean} [{low}, {high}]"


def rows(name: str, budget: int, arms: dict[tuple[str, str], np.ndarray]) -> list[str]:
    """One line per arm, in the order of mean regrets."""
    reference = arms[REFERENCE]
    others = {arm: values - reference for arm, values in arms.items() if arm != REFERENCE}
    adjusted = dict(zip(others, oche.judge.holm([float(ttest_1samp(d, 0).pvalue) for d in others.values()]), strict=True))
    lines = [f"{name}, {budget} evaluations"]
    for arm in sorted(arms, key=lambda a: arms[a].mean()):
        line = f"  {arm[0]:22} {arm[1]:11} {shown(arms[arm])}"
        if arm != REFERENCE:
            verdict = "not distinguishable"
            if adjusted[arm] < 0.05:
                verdict = "better" if others[arm].mean() < 0 else "worse"
            line += f"  minus random {shown(others[arm], '+')}  {verdict} (p {adjusted[arm]:.2g})"
        lines.append(line)
    for algorithm in ALGORITHMS:
        for flow in ("separate", "factorized", "hybrid"):
            difference = arms[algorithm, flow] - arms[algorithm, "joint"]
            lines.append(f"  {algorithm}: {flow} minus joint {shown(difference, '+')}")
    return [*lines, ""]


def main() -> None:
    """Run what is missing, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=HERE / "out")
    parser.add_argument("--results", type=Path, default=HERE / "results.txt")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    lines = []
    for name in TABLES:
        cases = Cases(name)
        for budget in BUDGETS:
            begin, arms = time.process_time(), {}
            for algorithm, flow in itertools.product(ALGORITHMS, FLOWS):
                arms[algorithm, flow.partition("?")[0]] = regrets(cases, algorithm, flow, budget, options.out, options.seeds)
            lines += rows(name, budget, arms)
            lines[-1:] = [f"  random joint in closed form: {exact(cases, budget, options.seeds):.3f}", ""]
            logging.info("%s, %d evaluations: %.0f processor seconds", name, budget, time.process_time() - begin)
    options.results.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger("oche").setLevel(logging.WARNING)
    main()
