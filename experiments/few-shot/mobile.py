"""A small MobileNet-like space on digits: splits under binary gates (ProxylessNAS), and under kernels that share one tensor (Once-for-All).

python experiments/few-shot/mobile.py --seed 0 --out out/mobile      # the arms of one seed; resumable
python experiments/few-shot/mobile.py --report --out out/mobile
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import arms as common
import torch
from torch import nn

from oche.files import write_text
from oche.networks import MobileBlock, Residual
from oche.program import Space, oneof
from oche.seeds import derive
from oche.supernets import elastic_kernel
from oche.training import Recipe, fit, score
from oche.training import data as sets
from oche.training._problem import problem as problem_of

B = 6
PROXYLESS, OFA = "proxylessnas?lr=0.05&lr_min=0&arch_lr=0.01", "sandwich?lr=0.05&lr_min=0&n_candidates=27&n_scored=400"
SPLIT = "splits=2:2,4:2&restart=none&batches=8"
#: Name to program, algorithm, flow and epochs of a plain search.
ARMS = {
    "paths, one supernet": ("paths", PROXYLESS, "joint", 5 * B),
    "paths, random splits": ("paths", PROXYLESS, f"few-shot?{SPLIT}&criterion=random&final_epochs={B}", B),
    "paths, GM splits": ("paths", PROXYLESS, f"few-shot?{SPLIT}&criterion=gm&final_epochs={B}", B),
    "kernels, one supernet": ("kernels", OFA, "joint", 5 * B),
    "kernels, random splits": ("kernels", OFA, f"few-shot?{SPLIT}&criterion=random&final_epochs={B}", B),
    "kernels, GM splits": ("kernels", OFA, f"few-shot?{SPLIT}&criterion=gm&final_epochs={B}", B),
    # GM splits spend more than five times B: no seed more than these.
    "paths, one supernet, longer than GM splits": ("paths", PROXYLESS, "joint", 53),
    "kernels, one supernet, longer than GM splits": ("kernels", OFA, "joint", 40),
}


def block(kernel: int, expand: int, channels: int) -> nn.Module:
    inside = channels * expand
    depthwise = nn.Conv2d(inside, inside, kernel, 1, kernel // 2, groups=inside, bias=False)
    return Residual(MobileBlock(channels, channels, inside, depthwise, "relu"))


class Mobile(nn.Module):
    """Three blocks behind a stem: kernel 3, 5, 7 and expansion 1, 2 by separate weights, or kernels that share one."""

    def __init__(self, kind: str = "paths", channels: int = 8) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
        options = {f"k{k}e{e}": (lambda k=k, e=e: block(k, e, channels)) for e in (1, 2) for k in (3, 5, 7)}
        made = []
        for i in range(3):
            if kind == "paths":
                made.append(oneof(options, name=f"block{i}"))
            else:
                kernel = elastic_kernel(2 * channels, (3, 5, 7), name=f"block{i}")
                made.append(Residual(MobileBlock(channels, channels, 2 * channels, kernel, "relu")))
        self.blocks = nn.Sequential(*made)
        self.head = nn.Linear(channels, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (logits), `(batch, 10)`."""
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


def run(seed: int, arm: str, _: None) -> dict[str, Any]:
    kind, algorithm, flow, epochs = ARMS[arm]
    data, space = sets.load("digits[:900]"), Space(Mobile, kind=kind)
    search, seconds = common.searched(f"{algorithm}&epochs={epochs}", flow, space, problem_of(data, Recipe(batch_size=50), seed), seed)
    pick = search.propose(1)[0]
    child = space.build(pick.dna, seed=derive(seed, "final"))
    fit(child, data, Recipe(epochs=6, batch_size=50, lr=0.05), seed=derive(seed, "final"), split="train+valid")
    nodes = pick.info.get("facts", {}).get("split_tree", {}).get("nodes", {})
    return {
        "epochs": search.cost.epochs,
        "cpu_seconds": seconds,
        "pick": space.decisions(pick.dna),
        "test": score(child, data, "test"),
        "splits": [{k: n[k] for k in ("choice", "groups", "cut", "batches") if k in n} for n in nodes.values() if "groups" in n],
    }


def report(out: Path) -> None:
    columns = {"epochs": (lambda r: r["epochs"], 1), "test of the pick, trained alone": (lambda r: r["test"], 2)}
    for kind in ("paths", "kernels"):
        arms = [arm for arm in ARMS if arm.startswith(kind)]
        common.tables(out, arms, columns, f"{kind}, GM splits")
        print()
    rows = [json.loads(path.read_text()) for path in sorted(out.glob("seed-*.json"))]
    for kind, label in (("paths", "a group holds one expansion only, or kernel 3 alone"), ("kernels", "7 against 3, 5")):
        groups = [s["groups"] for r in rows if r["arm"] == f"{kind}, GM splits" for s in r["splits"]]
        counted: dict[str, int] = {}
        for found in groups:
            text = " | ".join(sorted(",".join(sorted(g)) for g in found))
            counted[text] = counted.get(text, 0) + 1
        print(f"groups of {kind} ({label}): {dict(sorted(counted.items(), key=lambda item: -item[1]))}")
    write_text(Path(__file__).parent / "mobile.json", json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    common.main(ARMS, lambda out: None, run, report)
