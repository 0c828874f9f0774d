"""Tables and paired differences of the three experiments, from the records that `run.py` left; pairs that lack a seed are left out."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from run import PLANS, place
from scipy import stats

SEEDS = range(5)
#: Of each experiment: primary metric, evaluations at which it is read, and the pairs whose difference is judged.
READ = {
    "exploration": ("coverage", 20_000, [("taxons", "taxons?train=false"), ("taxons", "random"), ("novelty-search", "random")]),
    "exploitation": ("reward_mean", 30_000, [("stax", "taxons")]),
    "arm-100k": ("coverage", 100_000, [("stax?epochs=10", "stax-untrained"), ("novelty-search", "random"), ("stax?epochs=10", "random")]),
}


def records(out: Path, experiment: str) -> dict[str, dict[int, dict]]:
    """Records by algorithm and seed, as far as they are there."""
    found: dict[str, dict[int, dict]] = {}
    for algorithm, budget in PLANS[experiment]:
        found[algorithm] = {}
        for seed in SEEDS:
            path = place(out, algorithm, budget, seed) / "records.jsonl"
            if path.exists():
                found[algorithm][seed] = json.loads(path.read_text().splitlines()[0])
    return found


def read(record: dict, metric: str, at: int) -> float:
    """The metric after so many evaluations: the last point of its curve that is not later."""
    curve = record["curves"].get(metric)
    if not curve:
        return record["metrics"].get(metric, float("nan"))
    return [y for x, y in curve if x <= at][-1]


def first_above(record: dict, level: float) -> str:
    """Evaluations until each zone's largest reward is at least `level`, to the points of the curve."""
    curves = {k: v for k, v in record["curves"].items() if k.startswith("reward_area")}
    return ", ".join(next((f"{x:,.0f}" for x, y in curve if y >= level), "never") for _, curve in sorted(curves.items()))


def paired(a: list[float], b: list[float]) -> str:
    """Mean difference with its 95 % interval (Student's t), and in how many pairs it is above 0."""
    d = np.array(a) - np.array(b)
    if len(d) < 2:
        return f"{d.mean():+.3g} (one pair)" if len(d) else "no pair"
    half = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d))
    return f"{d.mean():+.3f} [{d.mean() - half:+.3f}, {d.mean() + half:+.3f}], above 0 in {(d > 0).sum()} of {len(d)} pairs"


def main() -> None:
    """Print markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", choices=PLANS)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    metric, at, pairs = READ[given.experiment]
    found = records(given.out, given.experiment)
    print(
        "| arm | seeds | coverage % | largest reward, mean of zones | by zone | until 0.9, by zone |\n| --- | --- | --- | --- | --- | --- |"
    )
    for algorithm, arm in found.items():
        for seed, record in arm.items():
            zones = ", ".join(f"{read(record, f'reward_area_{i}', at):.2f}" for i in (1, 2, 3))
            cells = [f"{read(record, name, at):.{places}f}" for name, places in (("coverage", 1), ("reward_mean", 3))]
            print(f"| {algorithm} | {seed} | {' | '.join(cells)} | {zones} | {first_above(record, 0.9)} |")
        if len(arm) > 1:
            means = [np.mean([read(r, name, at) for r in arm.values()]) for name in ("coverage", "reward_mean")]
            print(f"| **{algorithm}** | mean of {len(arm)} | {means[0]:.1f} | {means[1]:.3f} | | |")
    print(f"\nPaired differences of {metric} at {at:,} evaluations:\n")
    for first, second in pairs:
        shared = sorted(set(found[first]) & set(found[second]))
        values = [[read(found[arm][seed], metric, at) for seed in shared] for arm in (first, second)]
        print(f"- {first} minus {second}: {paired(*values)}")


if __name__ == "__main__":
    main()
