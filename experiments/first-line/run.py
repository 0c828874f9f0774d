"""Five algorithms from one line: 120 processor seconds each on real images, results read from the NAS-Bench-201 table.

Declared before anything was run: the primary metric is CIFAR-10 test accuracy after 200 epochs (mean of the benchmark's trials); the
baseline is the exact mean over all 15,625 cells; random search at equal cost is the comparison that decides. The table is read
once per run, after its search has ended.

    python experiments/first-line/run.py            # resumable: run it again after any interruption
"""

from __future__ import annotations

import argparse
from pathlib import Path

import oche

HERE = Path(__file__).parent
SEEDS = 5
SECONDS = 120
# The weight-sharing searches train on 2,500 images and choose on 2,500 others; black-box ones train each child for two epochs on the
# first and score it on the second.
DATA = "cifar10[:5000]"
CHILD_RECIPE = "cifar10-small?epochs=2"
ALGORITHMS = ["random", "regularized-evolution", "rsps", "darts", "pc-darts"]


def main() -> None:
    """Search, judge, and leave records, table and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=HERE / "out")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    space = oche.spaces.get("nasbench201", channels=4, cells=1)
    task = oche.tasks.benchmarked(
        search=oche.tasks.classification(DATA, search_recipe=CHILD_RECIPE, device="cpu"),
        report=oche.tasks.tabular("nasbench201", dataset="cifar10", search=("valid", 12), report=("test", 200)),
    )
    found = {
        algorithm: oche.search(
            space,
            algorithm,
            task,
            budget=oche.Budget(cpu_seconds=options.seconds),
            seeds=options.seeds,
            store=options.out / "runs.db",
            executor="processes",
            workers=options.workers,
            name=f"first line {algorithm}",
        )
        for algorithm in ALGORITHMS
    }
    base = oche.baseline(space, task, n="all")
    searches = [runs for algorithm, runs in found.items() if algorithm != "random"]
    report = oche.judge.report(*searches, baseline=base, random_search=found["random"], title="First line: NAS-Bench-201 on real images")
    report.save(options.out / "report.html")
    report.save(options.out / "report.json")
    text = [str(report), "", "cells found (CIFAR-10 test after 200 epochs, trials or passes spent):"]
    for algorithm, runs in found.items():
        for run, record in zip(runs, runs.records, strict=True):
            spent = record.cost["search"]
            text.append(
                f"{algorithm:22} seed {run.seed}  {record.value:6.2f}  valid {record.metrics.get('valid', float('nan')):5.1f}  "
                f"{spent.get('trials', 0):3.0f} trials {spent.get('passes', 0):7.0f} passes {spent['cpu_seconds']:6.1f} s  {record.arch}"
            )
    (options.out / "table.txt").write_text("\n".join(text) + "\n")
    print("\n".join(text))


if __name__ == "__main__":
    main()
