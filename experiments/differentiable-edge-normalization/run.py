"""Do edge weights make the inputs that PC-DARTS keeps more alike from seed to seed?

The space is S3 of RobustDARTS: the edges of DARTS, each with nothing, a skip or a separable convolution.

Declared before anything was run: the primary metric is the mean Hamming distance between the kept edges (28 of them, 14 in each kind of
cell) of two searches, over all pairs of seeds of an arm. Shown if it is smaller with edge weights, and the bootstrap interval (over seeds,
95 %) of the difference leaves out zero.

    python experiments/differentiable-edge-normalization/run.py                        # resumable: run it again after any interruption
    python experiments/differentiable-edge-normalization/run.py --only with:0,without:0
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import oche
import oche.driver
import oche.training
from oche.spaces.darts import EDGES

HERE = Path(__file__).parent
SEEDS = range(5)
EPOCHS = 3
SIZES = {"train": 500, "valid": 500, "test": 500}
# The published search takes 6,860 steps of the logits, this one 33: ten times the published rate, with and without edge weights alike.
ARMS = {"with": "pc-darts?k=4&arch_lr=0.006", "without": "pc-darts?k=4&arch_lr=0.006&edges=false"}
DRAWS = 10_000


def search(arm: str, seeds: Sequence[int], out: Path) -> oche.driver.Runs:
    """Run or resume the searches of an arm; what they find is trained for one epoch only, since it is not compared."""
    space = oche.spaces.get("darts", channels=8, cells=3, ops="s3")
    data = oche.training.data.load("cifar10").split(**SIZES)
    task = oche.tasks.classification(data, recipe="cifar10-small?epochs=1", device="cpu")
    budget = oche.Budget(epochs=EPOCHS)
    return oche.search(space, ARMS[arm], task, budget=budget, seeds=list(seeds), store=out / f"{arm}.db", name=f"edges {arm}")


def kept(decisions: dict[str, Any]) -> list[int]:
    """1 for every edge of both kinds of cell that is kept, in the order of the field's tables."""
    bits = []
    for kind in ("normal", "reduce"):
        for node, state in EDGES:
            taken = decisions.get(f"{kind} node {node}")  # node 2 takes both of its inputs
            bits.append(int(taken is None or f"{node}<-{state}" in taken))
    return bits


def pairwise(rows: np.ndarray, drawn: Sequence[int]) -> float:
    """Mean distance over pairs of drawn seeds; a seed that was drawn twice makes no pair with itself."""
    pairs = [(a, b) for a, b in itertools.combinations(drawn, 2) if a != b]
    return float(np.mean([np.sum(rows[a] != rows[b]) for a, b in pairs])) if pairs else 0.0


def compare(with_edges: np.ndarray, without: np.ndarray) -> dict[str, Any]:
    """Difference of the means, its bootstrap interval, and the exact test that exchanges the arms of each seed."""
    n, rng = len(with_edges), np.random.default_rng(0)
    found = pairwise(with_edges, range(n)) - pairwise(without, range(n))
    draws = []
    while len(draws) < DRAWS:
        a, b = rng.integers(0, n, n), rng.integers(0, n, n)
        if len(set(a)) > 1 and len(set(b)) > 1:
            draws.append(pairwise(with_edges, a) - pairwise(without, b))
    exchanged = []
    for swap in itertools.product((False, True), repeat=n):
        mask = np.array(swap)[:, None]
        exchanged.append(pairwise(np.where(mask, without, with_edges), range(n)) - pairwise(np.where(mask, with_edges, without), range(n)))
    low, high = np.quantile(draws, [0.025, 0.975])
    p = float(np.mean([abs(d) >= abs(found) - 1e-12 for d in exchanged]))
    return {"difference": found, "low": float(low), "high": float(high), "p": p}


def main() -> None:
    """Search, compare, and leave the kept edges of every run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=HERE / "out")
    parser.add_argument("--only", help="arm:seed, comma separated; then nothing is compared")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.only:
        for arm, seed in (text.split(":") for text in options.only.split(",")):
            runs = search(arm, [int(seed)], options.out)
            logging.info("%s seed %s: %s", arm, seed, runs.records[0].arch)
        return
    records = {arm: search(arm, SEEDS, options.out).records for arm in ARMS}
    rows = {arm: np.array([kept(dict(record.decisions)) for record in found]) for arm, found in records.items()}
    edges = compare(rows["with"], rows["without"])
    normal = compare(rows["with"][:, :14], rows["without"][:, :14])
    text = [
        f"{arm:8} mean pairwise distance {pairwise(found, range(len(found))):.2f} of 28 edges "
        f"(normal {pairwise(found[:, :14], range(len(found))):.2f}, reduce {pairwise(found[:, 14:], range(len(found))):.2f})"
        for arm, found in rows.items()
    ]
    for name, d in (("all edges", edges), ("normal cell", normal)):
        text.append(
            f"with - without, {name}: {d['difference']:+.2f} [{d['low']:+.2f}, {d['high']:+.2f}], exchange of arms p = {d['p']:.3f}"
        )
    for arm, found in records.items():
        for seed, record in enumerate(found):
            seconds = record.cost["search"]["cpu_seconds"]
            text.append(f"{arm:8} seed {seed} {''.join(map(str, rows[arm][seed]))} {seconds:6.0f} s  {record.arch}")
    (HERE / "results.txt").write_text("\n".join(text) + "\n")
    kept_edges = {arm: found.tolist() for arm, found in rows.items()}
    (HERE / "results.json").write_text(json.dumps({"edges": EDGES, "kept": kept_edges, "all": edges, "normal": normal}) + "\n")
    print("\n".join(text))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    main()
