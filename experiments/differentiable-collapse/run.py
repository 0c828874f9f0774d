"""Does DARTS collapse to skips on the NAS-Bench-201 space where GDAS and PC-DARTS do not, and would guards have helped?

Declared before anything was run: the primary metrics are the skips among the six edges of the final cell, and its CIFAR-10 test accuracy
after 200 epochs from the benchmark's table. Shown if most DARTS searches end with four skips or more and their mean accuracy is below that
of random cells, and the means of GDAS and PC-DARTS are above it.

    python experiments/differentiable-collapse/run.py                                  # resumable: run it again after any interruption
    python experiments/differentiable-collapse/run.py --only darts:0,darts:1           # some runs only
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import oche
import oche.driver
from oche.spaces.nasbench201 import KEYS, OPS, to_cell

HERE = Path(__file__).parent
SEEDS = range(5)
EPOCHS = 6
DATA = "cifar10[:5000]"
# The published searches take 19,500 steps of the logits or more, these 474: ten times the published rates, for all alike.
ARMS = {
    "darts": "darts?arch_lr=0.003&guards=hessian-eigen%3Fstop=false%26iterations=5",
    "gdas": "gdas?arch_lr=0.003",
    "pc-darts": "pc-darts?k=4&arch_lr=0.006",
}
# The published window of five epochs is longer than these searches allow.
WINDOW, RATIO, LIMITS = 2, 0.75, (2, 3)


def setting() -> tuple[oche.Space, Any]:
    """The space, and a task that searches on images and reports from the table."""
    space = oche.spaces.get("nasbench201", channels=4, cells=1, affine=False)
    task = oche.tasks.benchmarked(
        search=oche.tasks.classification(DATA, search_recipe="cifar10-small", device="cpu"),
        report=oche.tasks.tabular("nasbench201", dataset="cifar10", search=("valid", 12), report=("test", 200)),
    )
    return space, task


def search(arm: str, seeds: Sequence[int], out: Path) -> oche.driver.Runs:
    """Run or resume the searches of an arm."""
    space, task = setting()
    budget = oche.Budget(epochs=EPOCHS)
    return oche.search(space, ARMS[arm], task, budget=budget, seeds=list(seeds), store=out / f"{arm}.db", name=f"collapse {arm}")


def cells(curves: dict[str, Any]) -> list[tuple[int, str]]:
    """The cell that the logits stood for after each epoch."""
    found = []
    for number, (epoch, _) in enumerate(curves["entropy by epochs"]):
        picked = {key: max(OPS, key=lambda op: curves[f"probability: {key} = {op}"][number][1]) for key in KEYS}
        found.append((int(epoch), to_cell(picked)))
    return found


def hessian_stop(values: Sequence[float]) -> int | None:
    """The epoch whose cell `hessian-eigen`, with a window of two epochs, would have returned; None if it had not ended the search."""
    for n in range(2 * WINDOW, len(values) + 1):
        before, now = (sum(part) / WINDOW for part in (values[n - 2 * WINDOW : n - WINDOW], values[n - WINDOW : n]))
        if now and before / now < RATIO:
            return n - WINDOW
    return None


def history(record: Any, table: Any) -> dict[str, Any]:
    """Skips, tabulated accuracy and what the guards would have done, from one record."""
    curves = record.curves
    steps = cells(curves)
    accuracy = [round(table.query(cell, dataset="cifar10", epochs=200, split="test"), 2) for _, cell in steps]
    skips = [int(value) for _, value in curves["skips by epochs"]]
    found: dict[str, Any] = {
        "cell": record.arch,
        "test": record.value,
        "final_skips": record.arch.count("skip_connect"),
        "skips": skips,
        "test_by_epochs": accuracy,
        "entropy": [value for _, value in curves["entropy by epochs"]],
        "valid": [value for _, value in curves["valid by epochs"]],
        "supernet": record.metrics["supernet_score"],
        "shared": record.metrics["shared_score"],
        "cpu_seconds": record.cost["search"]["cpu_seconds"],
    }
    if "eigenvalue by epochs" in curves:
        found["eigenvalue"] = [value for _, value in curves["eigenvalue by epochs"]]
        guards = {f"skip-limit {n}": next((i + 1 for i, s in enumerate(skips) if s >= n), None) for n in LIMITS}
        guards["hessian-eigen"] = hessian_stop(found["eigenvalue"])
        found["guards"] = {name: {"epoch": e, "test": accuracy[(e or len(steps)) - 1]} for name, e in guards.items()}
    return found


def main() -> None:
    """Search, then write records' histories, the table and the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=HERE / "out")
    parser.add_argument("--only", help="arm:seed, comma separated; then no report is made")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.only:
        for arm, seed in (text.split(":") for text in options.only.split(",")):
            runs = search(arm, [int(seed)], options.out)
            logging.info("%s seed %s: %.2f %s", arm, seed, runs.records[0].value, runs.records[0].arch)
        return
    found = {arm: search(arm, SEEDS, options.out) for arm in ARMS}
    space, task = setting()
    base = oche.baseline(space, task, n="all")
    report = oche.judge.report(*found.values(), baseline=base, title="Collapse on NAS-Bench-201")
    report.save(options.out / "report.html")
    table = oche.spaces.table("nasbench201")
    histories = {arm: [history(record, table) for record in runs.records] for arm, runs in found.items()}
    random_mean = base.records[0].value
    text = [str(report), "", f"mean of all 15,625 cells: {random_mean:.2f}", ""]
    for arm, runs in histories.items():
        text += [f"{arm:9} seed {seed}  {h['test']:6.2f}  skips {h['skips']}  {h['cell']}" for seed, h in enumerate(runs)]
    for arm, runs in histories.items():
        mean = math.fsum(h["test"] for h in runs) / len(runs)
        text.append(f"{arm}: mean {mean:.2f}, four skips or more in {sum(h['final_skips'] >= 4 for h in runs)} of {len(runs)}")
    for guard in histories["darts"][0]["guards"]:
        taken = [h["guards"][guard] for h in histories["darts"]]
        stops = [g["epoch"] for g in taken]
        text.append(f"darts with {guard}: mean {math.fsum(g['test'] for g in taken) / len(taken):.2f}, epochs taken {stops}")
    (HERE / "results.txt").write_text("\n".join(text) + "\n")
    (HERE / "results.json").write_text(json.dumps(histories, indent=1) + "\n")
    print("\n".join(text))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    main()
