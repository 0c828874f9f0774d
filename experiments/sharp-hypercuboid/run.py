"""Scalar and Max-W weighting on a small HyperCuboid, against the hand-made path and random paths.

The settings below, the primary metric and what would refute the claim (README.md) were declared before the seeds were run.

    python experiments/sharp-hypercuboid/run.py                         # all that is missing in out/, then the table
    python experiments/sharp-hypercuboid/run.py --parts max-w:0 random:0-9   # some; other processes do the rest
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

import oche
from oche.files import write_text
from oche.seeds import derive
from oche.training.data import load
from oche.training.data._dataset import DataSet, fixed_splits, moments

HERE = Path(__file__).parent
OUT = Path(os.environ.get("OUT", HERE / "out"))
ARMS = {"scalar": "scalar", "max-w": "max-w", "max-w detached": "max-w?detach=true"}
SEEDS, RANDOM, TRAININGS = range(5), 20, 3
PLAN = "epochs=30&lr=0.025&lr_min=1e-4&power=2&arch_lr=0.03"
RECIPE = oche.training.Recipe(epochs=40, batch_size=64, lr=0.1, lr_min=1e-4, weight_decay=3e-4, grad_clip=5.0)


def task() -> Any:
    """500 digits to search on, 500 to judge by, 797 to test."""
    whole = load("digits")
    splits = fixed_splits(whole.y, {"train": 500, "valid": 500, "test": 797})
    mean, std = moments(whole.x, splits["train"])
    data = DataSet("digits-500", whole.x, whole.y, splits, whole.class_names, mean, std)
    return oche.tasks.classification(data, recipe=RECIPE, search_recipe=RECIPE)


def searched(arm: str, seed: int, space: Any, work: Any) -> dict[str, Any]:
    """One search: its path, and what its logits look like."""
    algorithm = oche.algorithms.get(f"one-shot?{PLAN}", weighting=ARMS[arm])
    algorithm.setup(space, work.problem(seed), derive(seed, "search"))
    while not algorithm.advance(64).done:
        pass
    (pick,) = algorithm.propose(1)
    policy = algorithm.network.policy
    p = [policy.probabilities(row.key).detach().double().numpy() for row in policy.chain]
    wide = [np.array(["sep_conv" in label for label in row.labels]) for row in policy.chain]
    return {
        "dna": list(pick.dna.flat),
        "entropy": float(np.mean([-(q * np.log(q)).sum() for q in p])),
        "top": float(np.mean([q.max() for q in p])),
        "mass": [float(q[mask].sum()) for q, mask in zip(p, wide, strict=True)],
        "supernet": pick.info["supernet_score"],
        "shared": pick.info["shared_score"],
    }


def trained(dna: Any, space: Any, work: Any) -> dict[str, Any]:
    """Test accuracy of a path after each of some trainings, and its size."""
    scores, params = [], 0
    for seed in range(TRAININGS):
        done = work.report(work.child(space, dna, derive(seed, "weights"), final=True), derive(seed, "training"))
        scores.append(done.reward)
        params = int(done.metrics["params"])
    levels = sum("sep_conv" in label for label in space.decisions(dna).values())
    return {"test": scores, "params": params, "levels": levels, "path": space.program.brief(space.decisions(dna))}


def part(name: str) -> None:
    """Do one part unless it is there: `hand-made`, `random:number`, `arm:seed`."""
    path = OUT / f"{name.replace(':', '-').replace(' ', '-')}.json"
    if path.exists():
        return
    work = task()
    space = oche.spaces.get("hypercuboid", in_channels=1, classes=10)
    kind, _, number = name.partition(":")
    found: dict[str, Any] = {"part": name}
    if kind == "hand-made":
        dna = space.encode_decisions(space.program.hand_made())
    elif kind == "random":
        dna = space.sample(derive(int(number), "random path"), measure="space")
    else:
        found |= searched(kind, int(number), space, work)
        dna = oche.DNA(tuple(found["dna"]))
    OUT.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps({**found, "dna": list(dna.flat), **trained(dna, space, work)}) + "\n")


def parts() -> list[str]:
    return ["hand-made", *(f"random:{i}" for i in range(RANDOM)), *(f"{arm}:{seed}" for seed in SEEDS for arm in ARMS)]


def interval(values: Any) -> str:
    values = np.asarray(values, dtype=float)
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():.2f} [{values.mean() - half:.2f}, {values.mean() + half:.2f}]"


def table() -> None:
    """Write results.json and print the table."""
    found = {name: json.loads((OUT / f"{name.replace(':', '-').replace(' ', '-')}.json").read_text()) for name in parts()}
    write_text(HERE / "results.json", json.dumps(list(found.values()), indent=1) + "\n")
    chance = np.array([np.mean(found[f"random:{i}"]["test"]) for i in range(RANDOM)])
    hand = np.mean(found["hand-made"]["test"])
    print(f"random paths: {interval(chance)}, sd {chance.std(ddof=1):.2f}, median {np.median(chance):.2f}, {RANDOM} paths")
    print(f"hand-made: {hand:.2f}, better than {100 * np.mean(chance < hand):.0f} % of random, {found['hand-made']['params']} weights")
    means = {}
    for arm in ARMS:
        rows = [found[f"{arm}:{seed}"] for seed in SEEDS]
        means[arm] = np.array([np.mean(row["test"]) for row in rows])
        percentile = np.mean([100 * np.mean(chance < value) for value in means[arm]])
        mean = {key: np.mean([row[key] for row in rows]) for key in ("params", "levels", "entropy", "top", "supernet", "shared")}
        print(
            f"{arm}: {interval(means[arm])}, percentile {percentile:.0f}, weights {mean['params']:.0f}, sharp levels {mean['levels']:.2f}"
        )
        print(
            f"  entropy {mean['entropy']:.3f} of {np.log(18):.3f}, top {mean['top']:.3f}, supernet {100 * mean['supernet']:.1f} %, ", end=""
        )
        print(f"path in it {100 * mean['shared']:.1f} %, mass of sharp {np.round(np.mean([r['mass'] for r in rows], 0), 2).tolist()}")
    for arm in list(ARMS)[1:]:
        print(f"{arm} minus scalar, paired: {interval(means[arm] - means['scalar'])}")
    for arm in ARMS:
        print(f"{arm} minus median of random: {interval(means[arm] - np.median(chance))}; minus hand-made: {interval(means[arm] - hand)}")


if __name__ == "__main__":
    asked = argparse.ArgumentParser()
    asked.add_argument("--parts", nargs="*", help="Some parts only, and no table.")
    chosen = asked.parse_args().parts
    for one in chosen or parts():
        first, _, last = one.rpartition(":")[2].partition("-") if one.startswith("random:") else ("", "", "")
        for name in [f"random:{i}" for i in range(int(first), int(last) + 1)] if last else [one]:
            part(name)
    if not chosen:
        table()
