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
    """Records by algorithm and seed, as far as they are there; from a file that `--save` wrote, what it kept of them."""
    if out.is_file():
        kept = json.loads(out.read_text())
        return {algorithm: {int(seed): record for seed, record in arm.items()} for algorithm, arm in kept.items()}
    found: dict[str, dict[int, dict]] = {}
    for algorithm, budget in PLANS[experiment]:
        found[algorithm] = {}
        for seed in SEEDS:
            path = place(out, algorithm, budget, seed) / "records.jsonl"
            if path.exists():
                found[algorithm][seed] = json.loads(path.read_text().splitlines()[0])
    return found


def saved(found: dict[str, dict[int, dict]]) -> str:
    """What the tables need of the records, as JSON."""
    names = ("coverage", "reward_mean", "reward_area_1", "reward_area_2", "reward_area_3")

    def kept(record: dict) -> dict:
        curves = {n: record["curves"][n] for n in names if n in record["curves"]}
        return {"metrics": {n: record["metrics"][n] for n in names if n in record["metrics"]}, "curves": curves}

    return json.dumps({algorithm: {seed: kept(record) for seed, record in arm.items()} for algorithm, arm in found.items()}) + "\n"


def read(record: dict, metric: str, at: int) -> float:
    """The metric after so many evaluations: the last point of its curve that is not later."""
    curve = record["curves"].get(metric)
    if not curve:
        return record["metrics"].get(metric, float("nan"))
    return [y for x, y in curve if x <= at][-1]


def first_above(record: dict, level: float, at: int) -> str:
    """Evaluations until each zone's largest reward is at least `level`, to the points of the curve; `never` before `at`."""
    curves = {k: v for k, v in record["curves"].items() if k.startswith("reward_area")}
    return ", ".join(next((f"{x:,.0f}" for x, y in curve if y >= level and x <= at), "never") for _, curve in sorted(curves.items()))


def interval(d: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean of paired differences (Student's t); of fewer than two there is none."""
    if len(d) < 2:
        return float("nan"), float("nan")
    half = float(stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d)))
    return float(d.mean()) - half, float(d.mean()) + half


def paired(a: list[float], b: list[float]) -> str:
    """Mean difference with its interval, and in how many pairs it is above 0."""
    d = np.array(a) - np.array(b)
    if len(d) < 2:
        return f"{d.mean():+.3g} (one pair)" if len(d) else "no pair"
    low, high = interval(d)
    return f"{d.mean():+.3f} [{low:+.3f}, {high:+.3f}], above 0 in {(d > 0).sum()} of {len(d)} pairs"


def verdicts(experiment: str, found: dict[str, dict[int, dict]], at: int) -> list[str]:
    """The rules that each README declares, applied to the seeds that all arms of a rule share."""

    def values(metric: str, *arms: str) -> list[np.ndarray]:
        shared = sorted(set.intersection(*(set(found[arm]) for arm in arms)))
        return [np.array([read(found[arm][seed], metric, at) for seed in shared]) for arm in arms]

    if experiment == "exploration":
        trained, untrained, rand, given = values("coverage", "taxons", "taxons?train=false", "random", "novelty-search")
        if not len(trained):
            return ["no seed that all arms share"]
        more, share = int(((trained > untrained) & (trained > rand)).sum()), trained.mean() / given.mean()
        low = interval(trained - untrained)[0]
        return [
            f"claim: trained covers more than untrained and random in {more} of {len(trained)} seeds (4 of 5 declared), and "
            f"{100 * share:.0f} % of what novelty search covers (70 declared): {'shown' if more >= 4 and share >= 0.7 else 'not shown'}",
            f"refuted, if the interval of trained minus untrained reaches down to 0: its lower end is {low:+.2f}: {answer(low <= 0)}",
            f"sanity, novelty search above random in every seed: {answer(bool((given > rand).all()))}",
        ]
    if experiment == "exploitation":
        stax, taxons = values("reward_mean", "stax", "taxons")
        if not len(stax):
            return ["no seed that both arms share"]
        zones = [[part.mean() for part in values(f"reward_area_{i}", "stax", "taxons")] for i in (1, 2, 3)]
        larger = [a > b for a, b in zones if max(a, b) > 0]
        covered = [part.mean() for part in values("coverage", "stax", "taxons")]
        low = interval(stax - taxons)[0]
        shown = bool(larger) and all(larger) and covered[1] - covered[0] < 10
        return [
            f"claim: larger reward on average in {sum(larger)} of the {len(larger)} zones that either finds (all declared), "
            f"{covered[1] - covered[0]:.1f} points of coverage lost (fewer than 10 declared): {'shown' if shown else 'not shown'}",
            f"refuted, if the interval of the mean reward, stax minus taxons, reaches down to 0: its lower end is {low:+.3f}: "
            f"{answer(low <= 0)}",
        ]
    stax, untrained = values("coverage", "stax?epochs=10", "stax-untrained")
    if not len(stax):
        return ["no seed that both arms share"]
    more = int((stax > untrained).sum())
    return [
        f"claim: stax covers more than untrained in {more} of {len(stax)} seeds (all declared): "
        f"{'shown' if more == len(stax) else 'not shown'}",
        f"refuted, if untrained covers as much or more in at least half of the seeds: {answer(2 * more <= len(stax))}",
    ]


def answer(yes: bool) -> str:
    """Yes or no."""
    return "yes" if yes else "no"


def main() -> None:
    """Print markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", choices=PLANS)
    parser.add_argument("--out", type=Path, required=True, help="what run.py was given, or a results.json")
    parser.add_argument("--save", type=Path, help="also keep what the tables need in this file")
    given = parser.parse_args()
    metric, at, pairs = READ[given.experiment]
    found = records(given.out, given.experiment)
    if given.save is not None:
        given.save.write_text(saved(found))
    print(
        "| arm | seeds | coverage % | largest reward, mean of zones | by zone | until 0.9, by zone |\n| --- | --- | --- | --- | --- | --- |"
    )
    for algorithm, arm in found.items():
        for seed, record in arm.items():
            zones = ", ".join(f"{read(record, f'reward_area_{i}', at):.2f}" for i in (1, 2, 3))
            cells = [f"{read(record, name, at):.{places}f}" for name, places in (("coverage", 1), ("reward_mean", 3))]
            print(f"| {algorithm} | {seed} | {' | '.join(cells)} | {zones} | {first_above(record, 0.9, at)} |")
        if len(arm) > 1:
            means = [np.mean([read(r, name, at) for r in arm.values()]) for name in ("coverage", "reward_mean")]
            print(f"| **{algorithm}** | mean of {len(arm)} | {means[0]:.1f} | {means[1]:.3f} | | |")
    print(f"\nPaired differences of {metric} at {at:,} evaluations:\n")
    for first, second in pairs:
        shared = sorted(set(found[first]) & set(found[second]))
        values = [[read(found[arm][seed], metric, at) for seed in shared] for arm in (first, second)]
        print(f"- {first} minus {second}: {paired(*values)}")
    print("\nBy the declared rules:\n")
    for line in verdicts(given.experiment, found, at):
        print(f"- {line}")


if __name__ == "__main__":
    main()
