"""Does splitting a supernet rank the cells of NAS-Bench-201 better than one supernet of the same compute?

python experiments/few-shot/nasbench201.py --seed 0 --out out/nb      # the five arms of one seed; resumable
python experiments/few-shot/nasbench201.py --report --out out/nb      # tables of all seeds
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import arms as common
import numpy as np

import oche
from oche import flows, judge
from oche.files import write_text
from oche.seeds import derive, generator
from oche.training import Recipe
from oche.training import data as sets
from oche.training._problem import problem as problem_of

B = 8
RATES = "lr=0.1&lr_min=0"
SPLIT = "splits=1:2,3:2&criterion={}&final_epochs={}&batches=6"
#: Name to flow and epochs of a plain search.
ARMS = {
    "one-shot": ("joint", B),
    "one-shot, equal compute": ("joint", 5 * B),
    "few-shot, exhaustive": (f"few-shot?splits=0:all&criterion=exhaustive&final_epochs={B}", B),
    "random splits": (f"few-shot?{SPLIT.format('random', B + 1)}", B),
    "GM splits": (f"few-shot?{SPLIT.format('gm', B - 1)}", B),
}
COLUMNS = {
    "epochs": (lambda r: r["epochs"], 1),
    "tau, 1,000 cells": (lambda r: r["all"]["tau"], 3),
    "tau, 200 of the top tenth": (lambda r: r["top"]["tau"], 3),
    "test of the pick": (lambda r: r["pick"], 2),
}
TRUTH: dict[str, Any] = {"dataset": "cifar10", "epochs": 200, "split": "test"}


@cache
def images() -> sets.DataSet:
    """4,000 images of CIFAR-10's training part, 8x8 by means of 4x4 pixels: 2,500 train, 1,000 valid, 500 unused."""
    whole = sets.load("cifar10[:4000]")
    chosen = np.concatenate([whole.splits["train"], whole.splits["valid"]])[:4000]
    x = whole.x[chosen].astype(np.float32).reshape(4000, 3, 8, 4, 8, 4).mean((3, 5)).round().astype(np.uint8)
    return sets.from_arrays(x, whole.y[chosen], "cifar10-8x8", {"train": 2500, "valid": 1000, "test": 500})


def space() -> oche.Space:
    """NAS-Bench-201 with one cell a stage, 8 channels."""
    return oche.Space(oche.spaces.get("nasbench201").program, channels=8, cells=1)


def cells(_: Path) -> tuple[list[oche.DNA], list[oche.DNA]]:
    """1,000 random cells, and 200 of the best tenth in truth: the same ones for all arms and seeds."""
    whole = space()
    size = int(whole.size)
    rng = generator(0, "few-shot cells")
    everywhere = rng.choice(size, 1000, replace=False)
    best = np.argsort(-np.array([truth(whole, whole.at(i)) for i in range(size)]), kind="stable")[: size // 10]
    return [whole.at(int(i)) for i in everywhere], [whole.at(int(i)) for i in rng.choice(best, 200, replace=False)]


def truth(whole: oche.Space, dna: oche.DNA) -> float:
    """Test accuracy after 200 epochs."""
    return oche.spaces.table("nasbench201").query(whole.root.program.architecture(whole.decisions(dna)), **TRUTH)


def run(seed: int, arm: str, chosen: tuple[list[oche.DNA], list[oche.DNA]]) -> dict[str, Any]:
    """Search, score the fixed cells, look up the pick."""
    flow, epochs = ARMS[arm]
    whole, (small, large) = space(), (problem_of(images(), Recipe(batch_size=n), derive(seed, "problem")) for n in (64, 512))
    search, seconds = common.searched(f"rsps?epochs={epochs}&n_candidates=50&{RATES}", flow, whole, small, seed)
    pick = search.propose(1)[0]
    found = {"epochs": search.cost.epochs, "cpu_seconds": seconds, "pick": truth(whole, pick.dna)}
    for name, part in zip(("all", "top"), chosen, strict=True):
        scores = flows.shared_scores(search, part, 512, problem=large)
        result = judge.rank_correlation(scores, [truth(whole, dna) for dna in part], top=(1.0,))
        found[name] = {"tau": result.tau, "low": result.rows[0].low, "high": result.rows[0].high, "best_scored": result.picked}
        found[name]["scores"] = [round(v, 4) for v in scores]
    return {**found, "tree": pick.info.get("facts", {}).get("split_tree")}


def report(out: Path) -> None:
    """Tables, and what the judge says of the found cells."""
    values = common.tables(out, ARMS, COLUMNS, "GM splits")
    drawn = [
        float(v) for v in generator(0, "few-shot baseline").choice(oche.spaces.table("nasbench201").values(**TRUTH), 40, replace=False)
    ]
    print(f"\nfound cells against 40 random cells of the table ({np.mean(drawn):.2f})\n")
    for arm, columns in values.items():
        row = judge.compare(columns["test of the pick"], drawn)
        print(f"- {arm}: {row.verdict}, RI {row.ri:+.2f} % [{row.ri_low:+.2f}, {row.ri_high:+.2f}], p {row.p:.3f}")
    rows = [json.loads(path.read_text()) for path in sorted(out.glob("seed-*.json"))]
    slim = [{**r, **{k: {n: v for n, v in r[k].items() if n != "scores"} for k in ("all", "top")}} for r in rows]
    write_text(Path(__file__).parent / "nasbench201.json", json.dumps(slim, indent=1) + "\n")


if __name__ == "__main__":
    common.main(ARMS, cells, run, report)
