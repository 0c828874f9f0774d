"""Five algorithms from one line: 120 processor seconds each on real images, results read from the NAS-Bench-201 table.

Declared before anything was run: the primary metric is CIFAR-10 test accuracy after 200 epochs (mean of the benchmark's trials); the
baseline is the exact mean over all 15,625 cells; random search at equal cost is the comparison that decides. The table is read
once per run, after its search has ended. Random search has ten seeds, so that five runs of the others can be told from it.

    python experiments/first-line/run.py                  # resumable: run it again after any interruption
    python experiments/first-line/run.py --only 0,2,4     # some seeds only; several such processes may share the store
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import oche
import oche.driver

HERE = Path(__file__).parent
SEEDS = {"random": 10, "regularized-evolution": 5, "rsps": 5, "darts": 5, "pc-darts": 5}
SECONDS = 120
# The weight-sharing searches train on 2,500 images and choose on 2,500 others; black-box ones train each child for two epochs on the
# first and score it on the second.
DATA = "cifar10[:5000]"
CHILD_RECIPE = "cifar10-small?epochs=2"


def main() -> None:
    """Search, judge, and leave records, table and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=HERE / "out")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--only", help="seeds to run, for example 0,2,4; then no report is made")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    only = [int(s) for s in options.only.split(",")] if options.only else None

    space = oche.spaces.get("nasbench201", channels=4, cells=1, affine=False)
    task = oche.tasks.benchmarked(
        search=oche.tasks.classification(DATA, search_recipe=CHILD_RECIPE, device="cpu"),
        report=oche.tasks.tabular("nasbench201", dataset="cifar10", search=("valid", 12), report=("test", 200)),
    )

    def search(algorithm: str, seeds: list[int]) -> oche.driver.Runs:
        budget, store = oche.Budget(cpu_seconds=options.seconds), options.out / "runs.db"
        return oche.search(space, algorithm, task, budget=budget, seeds=seeds, store=store, name=f"first line {algorithm}")

    # Algorithms take turns within a seed, so that a busy hour of the machine falls on all of them.
    for seed in only if only is not None else range(max(SEEDS.values())):
        for algorithm, count in SEEDS.items():
            if seed < count:
                runs = search(algorithm, [seed])
                logging.info("seed %d %s: %.2f in %.0f s", seed, algorithm, runs.records[0].value, runs.cost.cpu_seconds)
    if only is None:
        judge({algorithm: search(algorithm, list(range(count))) for algorithm, count in SEEDS.items()}, space, task, options.out)


def judge(found: dict[str, oche.driver.Runs], space: oche.Space, task: object, out: Path) -> None:
    """Report, table, and the records without weights or data."""
    base = oche.baseline(space, task, n="all")
    searches = [runs for algorithm, runs in found.items() if algorithm != "random"]
    report = oche.judge.report(*searches, baseline=base, random_search=found["random"], title="First line: NAS-Bench-201 on real images")
    report.save(out / "report.html")
    report.save(out / "report.json")
    text = [str(report), "", "cells found (CIFAR-10 test after 200 epochs; trials, passes and processor seconds of the search):"]
    for algorithm, runs in found.items():
        for run, record in zip(runs, runs.records, strict=True):
            spent = record.cost["search"]
            text.append(
                f"{algorithm:22} seed {run.seed}  {record.value:6.2f}  {spent.get('trials', 0):3.0f} trials "
                f"{spent.get('passes', 0):6.0f} passes {spent['cpu_seconds']:6.1f} s  {record.arch}"
            )
    (HERE / "results.txt").write_text("\n".join(text) + "\n")
    print("\n".join(text))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    main()
