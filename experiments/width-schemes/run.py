"""Schemes at equal passes over operations and widths (digits), and over the widths of the size space (CIFAR-10, 2,000 images).

Declared before anything was run. Arms: the six schemes, RARTS with fused gradients (lam = beta = 1); each search may spend the passes
below, then its pick is trained from scratch on train and valid by the recipe of the random members. 5 seeds, 8 random members. The
primary metric is test accuracy of the pick; RARTS is set against each other scheme seed by seed, and every arm against the random
members. "RARTS is better" needs a paired 95 % interval above 0; it is refuted by one below 0; anything else is no evidence.

    python experiments/width-schemes/run.py digits --store digits.db --out out     # resumable; then: --table out
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t

import oche
from oche.files import write_text

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

SCHEMES = ("first-order", "second-order", "mixed-level", "single-level", "value-penalty", "rarts")
SEEDS = 5
MEMBERS = 8
# Data, passes of a search, recipe, and arguments of the program.
PARTS: dict[str, dict[str, Any]] = {
    "digits": {"data": "digits", "passes": 600, "recipe": {"epochs": 6, "batch_size": 64, "lr": 0.2, "grad_clip": 5.0}},
    "size": {
        "data": "cifar10[:2000]",
        "passes": 200,
        "recipe": {"epochs": 5, "batch_size": 32, "lr": 0.1, "weight_decay": 5e-4, "augment": "flip", "grad_clip": 5.0},
        "arguments": {"divide": 8},
    },
}


def space_of(part: str) -> Any:
    """The space of a part."""
    if part == "size":
        return oche.spaces.get("size", **PARTS[part]["arguments"])
    from program import Net

    return oche.Space(Net)


def run(part: str, store: Path, out: Path, only: str | None) -> None:
    """All arms of a part, each to a file of its own; what the store holds is not run again."""
    settings = PARTS[part]
    space = space_of(part)
    task = oche.tasks.classification(settings["data"], recipe=settings["recipe"], device="cpu")
    common = {"store": str(store), "progress": False}
    for name in (only,) if only else ("random members", *SCHEMES):
        if name == "random members":
            runs = oche.baseline(space, task, n=MEMBERS, name=f"{part} members", **common)
        else:
            algorithm = f"one-shot?scheme={name}&arch_lr=0.01&lr=0.1"
            budget = oche.Budget(passes=settings["passes"])
            runs = oche.search(space, algorithm, task, budget=budget, seeds=SEEDS, name=f"{part} {name}", **common)
        rows = []
        for record in runs.records:
            cost = record.cost.get("search", {})
            rows.append(
                {
                    "seed": record.search_seed, "arch": record.arch, "status": record.status, "passes": cost.get("passes"),
                    "cpu_seconds": cost.get("cpu_seconds"), "params": record.params, **{k: round(v, 4) for k, v in record.metrics.items()},
                }
            )  # fmt: skip
        write_text(out / f"{part}-{name.replace(' ', '-')}.json", json.dumps(rows, indent=1) + "\n")


def interval(values: Any) -> str:
    """`mean [low, high]`, 95 % by Student's t."""
    array = np.array(values, dtype=float)
    half = t.ppf(0.975, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array))
    return f"{array.mean():+.2f} [{array.mean() - half:+.2f}, {array.mean() + half:+.2f}]"


def table(out: Path) -> None:
    """Print what was found."""
    for part in PARTS:
        files = {name: out / f"{part}-{name.replace(' ', '-')}.json" for name in ("random members", *SCHEMES)}
        found = {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}
        if not found:
            continue
        print(part)
        tests = {name: [row["test"] for row in rows] for name, rows in found.items()}
        for name, rows in found.items():
            mean, sd = np.mean(tests[name]), np.std(tests[name], ddof=1)
            line = f"  {name:16} test {mean:5.2f} sd {sd:4.2f}  params {np.mean([row['params'] for row in rows]):7.0f}"
            if name != "random members":
                spent = np.mean([row["passes"] for row in rows])
                line += f"  passes {spent:4.0f}  cpu s {np.mean([row['cpu_seconds'] for row in rows]):5.1f}"
                if name != "rarts" and "rarts" in tests:
                    line += f"  rarts minus it {interval(np.subtract(tests['rarts'], tests[name]))}"
            print(line)
        members = tests.get("random members")
        for name in SCHEMES if members else ():
            if name in tests:
                row = oche.judge.compare(search=tests[name], random=members)
                print(f"  {name:16} vs members {row.ri:+.2f} % [{row.ri_low:+.2f}, {row.ri_high:+.2f}] p {row.p:.3f} {row.verdict}")


def main() -> None:
    """Run a part, or print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("part", nargs="?", choices=tuple(PARTS))
    options.add_argument("--store", type=Path)
    options.add_argument("--out", type=Path, default=HERE / "results")
    options.add_argument("--arm", default=None, help="one scheme, or 'random members'")
    options.add_argument("--table", action="store_true")
    given = options.parse_args()
    torch.set_num_threads(1)
    if given.table:
        table(given.out)
    else:
        given.out.mkdir(parents=True, exist_ok=True)
        run(given.part, given.store or given.out / f"{given.part}.db", given.out, given.arm)


if __name__ == "__main__":
    main()
