"""Does splitting a supernet rank the cells of NAS-Bench-201 better than one supernet of the same compute?

python experiments/few-shot-nasbench201/run.py --seed 0 --out out      # the five arms of one seed; run again after an interruption
python experiments/few-shot-nasbench201/run.py --report --out out      # tables of all seeds
"""

from __future__ import annotations

import argparse
import json
import time
from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy import stats

import oche
from oche import flows, judge
from oche.files import write_text
from oche.loop.workbench import as_factory
from oche.seeds import derive, generator
from oche.training import Recipe
from oche.training import data as sets
from oche.training._problem import problem as problem_of

SEEDS = range(5)
B = 15
SPLIT = "criterion={}&final_epochs={}&batches=8"
#: Name to flow and epochs of a plain search.
ARMS = {
    "one-shot": ("joint", B),
    "one-shot, equal compute": ("joint", 5 * B),
    "few-shot, exhaustive": (f"few-shot?splits=0:all&criterion=exhaustive&final_epochs={B}", B),
    "random splits": (f"few-shot?splits=2:2,4:2&{SPLIT.format('random', B + 2)}", B),
    "GM splits": (f"few-shot?splits=2:2,4:2&{SPLIT.format('gm', B)}", B),
}
TRUTH = {"dataset": "cifar10", "epochs": 200, "split": "test"}


@cache
def images() -> sets.DataSet:
    """4,000 images of CIFAR-10's training part, 8x8 by means of 4x4 pixels: 2,500 train, 1,000 valid, 500 unused."""
    whole = sets.load("cifar10[:4000]")
    chosen = np.concatenate([whole.splits["train"], whole.splits["valid"]])[:4000]
    x = whole.x[chosen].astype(np.float32).reshape(4000, 3, 8, 4, 8, 4).mean((3, 5)).round().astype(np.uint8)
    return sets.from_arrays(x, whole.y[chosen], "cifar10-8x8", {"train": 2500, "valid": 1000, "test": 500})


def cells(space: oche.Space) -> tuple[list[oche.DNA], list[oche.DNA]]:
    """1,000 random cells, and 200 of the best tenth in truth: the same ones for all arms and seeds."""
    table, size = oche.spaces.table("nasbench201"), int(space.size)
    rng = generator(0, "few-shot cells")
    everywhere = rng.choice(size, 1000, replace=False)
    best = np.argsort(-np.array([truth(space, space.at(i), table) for i in range(size)]), kind="stable")[: size // 10]
    return [space.at(int(i)) for i in everywhere], [space.at(int(i)) for i in rng.choice(best, 200, replace=False)]


def truth(space: oche.Space, dna: oche.DNA, table: object) -> float:
    """Test accuracy after 200 epochs."""
    return table.query(space.root.program.architecture(space.decisions(dna)), **TRUTH)


def run(seed: int, arm: str, space: oche.Space, chosen: tuple[list[oche.DNA], list[oche.DNA]]) -> dict:
    """Search, score the fixed cells, look up the pick."""
    text, epochs = ARMS[arm]
    small, large = (problem_of(images(), Recipe(batch_size=n), derive(seed, "problem")) for n in (64, 512))
    make, flow = as_factory(f"rsps?epochs={epochs}&n_candidates=50"), flows.get(text)
    search = make() if text == "joint" else flow.search(make)
    search.setup(space, small, seed)
    started = time.process_time()
    while not search.advance(200).done:
        pass
    trained = time.process_time() - started
    pick = search.propose(1)[0]
    scores = [flows.shared_scores(search, part, 512, problem=large) for part in chosen]
    table = oche.spaces.table("nasbench201")
    found = {
        "seed": seed,
        "arm": arm,
        "epochs": search.cost.epochs,
        "cpu_seconds": [trained, time.process_time() - started],
        "pick": truth(space, pick.dna, table),
        "tree": pick.info.get("facts", {}).get("split_tree"),
    }
    for name, part, values in zip(("all", "top"), chosen, scores, strict=True):
        result = judge.rank_correlation(values, [truth(space, dna, table) for dna in part], top=(1.0,))
        found[name] = {"tau": result.tau, "low": result.rows[0].low, "high": result.rows[0].high, "best_scored": result.picked}
        found[name]["scores"] = [round(v, 4) for v in values]
    return found


def report(out: Path) -> None:
    """Means, paired differences, and the verdicts of the judge on the found cells."""
    rows = [json.loads(path.read_text()) for path in sorted(out.glob("seed-*.json"))]
    by_arm = {arm: [r for r in rows if r["arm"] == arm] for arm in ARMS}
    seeds = sorted(set.intersection(*({r["seed"] for r in found} for found in by_arm.values())))
    print(f"seeds {seeds}\n\n| arm | epochs | tau, 1,000 cells | tau, 200 of the top tenth | test of the pick |")
    print("| --- | --- | --- | --- | --- |")
    table: dict[str, dict[str, list[float]]] = {}
    for arm, found in by_arm.items():
        kept = [next(r for r in found if r["seed"] == seed) for seed in seeds]
        columns = {"epochs": [r["epochs"] for r in kept], "all": [r["all"]["tau"] for r in kept]}
        table[arm] = columns | {"top": [r["top"]["tau"] for r in kept], "pick": [r["pick"] for r in kept]}
        shown = [f"{np.mean(v):.{n}f} ± {np.std(v, ddof=1):.{n}f}" for v, n in zip(table[arm].values(), (1, 3, 3, 2), strict=True)]
        print(f"| {arm} | {' | '.join(shown)} |")
    print("\npaired differences over seeds, 95 % intervals\n\n| pair | tau, 1,000 cells | tau, top tenth |\n| --- | --- | --- |")
    for other in [arm for arm in ARMS if arm != "GM splits"]:
        shown = [interval(np.subtract(table["GM splits"][k], table[other][k])) for k in ("all", "top")]
        print(f"| GM splits - {other} | {' | '.join(shown)} |")
    base = oche.spaces.table("nasbench201").values(**TRUTH)
    drawn = [float(v) for v in generator(0, "few-shot baseline").choice(base, 40, replace=False)]
    print("\nfound cells against 40 random cells of the table")
    for arm, columns in table.items():
        print(f"{arm}: {judge.compare(columns['pick'], drawn).verdict}")
    slim = [{**r, **{k: {n: v for n, v in r[k].items() if n != "scores"} for k in ("all", "top")}} for r in rows]
    write_text(Path(__file__).parent / "results.json", json.dumps(slim, indent=1) + "\n")


def interval(gaps: np.ndarray) -> str:
    """Mean with a 95 % interval by Student's t."""
    half = stats.t.ppf(0.975, len(gaps) - 1) * np.std(gaps, ddof=1) / len(gaps) ** 0.5
    return f"{np.mean(gaps):+.3f} [{np.mean(gaps) - half:+.3f}, {np.mean(gaps) + half:+.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--report", action="store_true")
    given = parser.parse_args()
    if given.report:
        report(given.out)
        return
    torch.set_num_threads(1)
    space = oche.Space(oche.spaces.get("nasbench201").program, channels=8, cells=1)
    chosen = cells(space)
    for arm in ARMS:
        path = given.out / f"seed-{given.seed}-{list(ARMS).index(arm)}.json"
        if not path.exists():
            found = run(given.seed, arm, space, chosen)
            given.out.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps(found) + "\n")
            print(arm, found["epochs"], found["all"]["tau"], found["top"]["tau"], found["pick"], found["cpu_seconds"], flush=True)


if __name__ == "__main__":
    main()
