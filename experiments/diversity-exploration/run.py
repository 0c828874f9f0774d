"""Runs of the experiments on the arm, each a command `oche diversity` with a directory of its own; finished ones are skipped."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

#: Experiment to (algorithm, evaluations), for each seed in this order.
PLANS = {
    "exploration": [("random", 20_000), ("novelty-search", 20_000), ("taxons?train=false", 20_000), ("taxons", 30_000)],
    "exploitation": [("taxons", 30_000), ("stax", 30_000)],
    "arm-100k": [("random", 100_000), ("novelty-search", 100_000), ("stax?epochs=10", 100_000), ("stax-untrained", 100_000)],
}


def place(out: Path, algorithm: str, budget: int, seed: int) -> Path:
    """Directory of one run."""
    return out / f"{algorithm.translate(str.maketrans('?=&', '___'))}-{budget}-{seed}"


def main() -> int:
    """Run what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", choices=PLANS)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", default="0,1,2,3,4")
    given = parser.parse_args()
    for seed in map(int, given.seeds.split(",")):
        for algorithm, budget in PLANS[given.experiment]:
            where = place(given.out, algorithm, budget, seed)
            if (where / "records.jsonl").exists():
                continue
            words = ["diversity", algorithm, "--env", "redundant-arm", "--budget", str(budget), "--seeds", f"{seed},", "--against", ""]
            done = subprocess.run([sys.executable, "-m", "oche", *words, "--out", str(where), "--quiet"])
            if done.returncode:
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
