"""All 64 networks of three choices on digits: does splitting the supernet rank them better than training it longer?

python experiments/few-shot/toy.py --seed 0 --out out/toy      # the truth once, then the arms of a seed; resumable
python experiments/few-shot/toy.py --report --out out/toy
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import arms as common
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from oche import flows, judge
from oche.files import write_text
from oche.flows._partition import mean_cut, partitions
from oche.program import Space, oneof
from oche.seeds import derive
from oche.training import Recipe
from oche.training import data as sets
from oche.training._batches import batches
from oche.training._problem import problem as problem_of

B = 22  # epochs of 18 batches: 396 steps
RSPS = "rsps?lr=0.1&lr_min=0&weight_decay=5e-4&n_candidates=64&n_scored=450"
ARMS = {
    "one-shot": ("joint", B),
    "one-shot, equal compute": ("joint", 4 * B),
    "few-shot, exhaustive": (f"few-shot?splits=0:all&criterion=exhaustive&final_epochs={B}", B),
    "random splits": (f"few-shot?splits=0:2,1:2&criterion=random&final_epochs={B}", B),
    "GM splits": (f"few-shot?splits=8:2,16:2&criterion=gm&final_epochs={B}&batches=20", B),
    # GM splits spend more than was planned: no seed more than this.
    "one-shot, longer than GM splits": ("joint", 140),
}
COLUMNS = {
    "epochs": (lambda r: r["epochs"], 1),
    "tau, all 64": (lambda r: r["all"], 3),
    "tau, true top 16": (lambda r: r["top"], 3),
    "regret of the pick": (lambda r: r["regret"], 3),
}


def conv(kernel: int) -> Any:
    return lambda channels: nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False), norm(channels))


def norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, track_running_stats=False)


OPS = {
    "skip": lambda channels: nn.Identity(),
    "conv1": conv(1),
    "conv3": conv(3),
    "pool": lambda channels: nn.AvgPool2d(3, 1, 1),
}


class Three(nn.Module):
    """Stem, two choices, pooling, one choice, mean, classifier."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, channels, 3, padding=1, bias=False), norm(channels))
        self.ops = nn.ModuleList([oneof(OPS, name=f"op{i}", channels=channels) for i in range(3)])
        self.head = nn.Linear(channels, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (logits), `(batch, 10)`."""
        h = self.ops[1](self.ops[0](self.stem(x)))
        return self.head(self.ops[2](functional.max_pool2d(h, 2)).mean((2, 3)))


def digits() -> Any:
    whole = sets.load("digits")
    return sets.from_arrays(whole.x, whole.y, "digits", {"train": 900, "valid": 450, "test": 447})


def alone(space: Space, index: int, seed: int) -> float:
    """Test accuracy of a network that is trained alone, 200 steps."""
    data, problem = digits(), problem_of(digits(), Recipe(batch_size=50), derive(seed, "truth"))
    net = space.build(space.at(index), seed=derive(seed, "truth", index))
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 200)
    stream = iter(())
    for step in range(200):
        epoch, position = divmod(step, problem.n_batches["train"])
        if position == 0:
            stream = iter(problem.batches("train", 0, epoch))
        optimizer.zero_grad()
        problem.loss(net, next(stream)).backward()
        optimizer.step()
        schedule.step()
    net.eval()
    x, y = next(iter(batches(data, "test", 447)))
    with torch.no_grad():
        return float((net(x).argmax(1) == y).float().mean())


def truth(out: Path) -> list[float]:
    """Mean test accuracy of every network over two trainings."""
    path = out / "truth.json"
    if not path.exists():
        space = Space(Three)
        write_text(path, json.dumps([float(np.mean([alone(space, i, seed) for seed in (0, 1)])) for i in range(64)]) + "\n")
    return json.loads(path.read_text())


def run(seed: int, arm: str, known: list[float]) -> dict[str, Any]:
    space, (flow, epochs) = Space(Three), ARMS[arm]
    search, seconds = common.searched(f"{RSPS}&epochs={epochs}", flow, space, problem_of(digits(), Recipe(batch_size=50), seed), seed)
    scores = flows.shared_scores(search, [space.at(i) for i in range(64)], 450)
    found = judge.rank_correlation(scores, known, top=(1.0, 0.25))
    pick = search.propose(1)[0]
    tree = pick.info.get("facts", {}).get("split_tree", {}).get("nodes", {})
    return {
        "epochs": search.cost.epochs,
        "cpu_seconds": seconds,
        "all": found.tau,
        "top": found.rows[1].tau,
        "regret": max(known) - known[space.index(pick.dna)],
        "splits": [split(node) for node in tree.values() if "similarity" in node],
        "scores": scores,
    }


def split(node: dict[str, Any]) -> dict[str, Any]:
    """A split, and what a random partition of the same choice would have cut."""
    every = list(partitions(range(len(node["labels"])), (2, 2)))
    cuts = [mean_cut(node["similarity"], [list(g) for g in groups]) for groups in every] if len(node["labels"]) == 4 else []
    return {k: node[k] for k in ("choice", "groups", "cut", "cuts", "batches")} | {"random_cut": float(np.mean(cuts)) if cuts else None}


def report(out: Path) -> None:
    common.tables(out, ARMS, COLUMNS, "GM splits")
    rows = [json.loads(path.read_text()) for path in sorted(out.glob("seed-*-4.json"))]
    splits = [s for row in rows for s in row["splits"]]
    whole = [s for s in splits if s["random_cut"] is not None]
    camps = sum(sorted(map(sorted, s["groups"])) == [["conv1", "conv3"], ["pool", "skip"]] for s in whole)
    gap = np.mean([s["random_cut"] - s["cut"] for s in whole])
    print(f"\nskip and pool against the convolutions in {camps} of {len(whole)} nodes; cut below that of a random partition by {gap:.3f}")
    kept = [{k: v for k, v in json.loads(p.read_text()).items() if k != "scores"} for p in sorted(out.glob("seed-*.json"))]
    write_text(Path(__file__).parent / "toy.json", json.dumps({"truth": truth(out), "rows": kept}, indent=1) + "\n")


if __name__ == "__main__":
    common.main(ARMS, truth, run, report)
