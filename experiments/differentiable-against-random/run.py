"""Do DARTS and PC-DARTS find better cells of the DARTS space S3 than random search of the same cost, and than random cells?

Declared before anything was run: the primary metric is test accuracy of the found cell after a fresh training by the recipe that random
members are trained by. The total of an arm is its search and this training, the same for all. The comparison that decides is random search
at equal cost; a relative gap whose 95 % interval holds zero is "not shown".

    python experiments/differentiable-against-random/run.py                            # resumable: run it again after any interruption
    python experiments/differentiable-against-random/run.py --only darts:0,base        # some runs only
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import oche
import oche.driver
import oche.training

HERE = Path(__file__).parent
SEEDS = range(5)
MEMBERS = 8
SECONDS = 30
SIZES = {"train": 500, "valid": 500, "test": 2000}
RECIPE = "cifar10-small?epochs=4"
# Black-box trials train a cell for two epochs on the first half of the images and score it on the second.
CHILD_RECIPE = "cifar10-small?epochs=2"
# The searches take some tens of steps of the logits: ten times the published rates.
ARMS = {"random": "random", "darts": "darts?arch_lr=0.003", "pc-darts": "pc-darts?k=4&arch_lr=0.006"}


def setting() -> tuple[oche.Space, Any]:
    """The space and the task."""
    space = oche.spaces.get("darts", channels=4, cells=3, ops="s3")
    data = oche.training.data.load("cifar10").split(**SIZES)
    return space, oche.tasks.classification(data, recipe=RECIPE, search_recipe=CHILD_RECIPE, device="cpu")


def search(arm: str, seeds: Sequence[int], out: Path) -> oche.driver.Runs:
    """Run or resume the searches of an arm."""
    space, task = setting()
    budget = oche.Budget(cpu_seconds=SECONDS)
    return oche.search(space, ARMS[arm], task, budget=budget, seeds=list(seeds), store=out / f"{arm}.db", name=f"against random {arm}")


def baseline(out: Path) -> oche.driver.Runs:
    """Random members, each trained like a result."""
    return oche.baseline(*setting(), n=MEMBERS, store=out / "base.db", name="against random members")


def main() -> None:
    """Search, judge, and leave the report and every cell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=HERE / "out")
    parser.add_argument("--only", help="arm:seed or base, comma separated; then no report is made")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.only:
        for text in options.only.split(","):
            arm, _, seed = text.partition(":")
            runs = baseline(options.out) if arm == "base" else search(arm, [int(seed)], options.out)
            logging.info("%s: %s", text, [round(record.value, 2) for record in runs.records])
        return
    found = {arm: search(arm, SEEDS, options.out) for arm in ARMS}
    base = baseline(options.out)
    searches = [runs for arm, runs in found.items() if arm != "random"]
    report = oche.judge.report(*searches, baseline=base, random_search=found["random"], title="DARTS space S3: search against random")
    report.save(options.out / "report.html")
    lines = [str(report), "", "cells (test; trials, passes and processor seconds of the search; seconds of the final training):"]
    for arm, runs in (*found.items(), ("member", base)):
        for number, record in enumerate(runs.records):
            spent = record.cost.get("search", {})
            lines.append(
                f"{arm:9} {number}  {record.value:6.2f}  {spent.get('trials', 0):3.0f} trials {spent.get('passes', 0):5.0f} passes "
                f"{spent.get('cpu_seconds', 0):5.0f} s + {record.cost['final'].get('cpu_seconds', 0):4.0f} s  {record.arch}"
            )
    (HERE / "results.txt").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    main()
