"""Probes of a few-shot split: batches by need against 100 for every choice, on a DARTS cell of two nodes; whole gradients against sketches.

Both probes read the same supernet, trained for some epochs on digits. A last row compares candidates in one batched call with single
passes. Passes are counted, and processor seconds are measured on one thread, interleaved seed by seed. Run `python benchmarks/fewshot.py`
(`--quick` for two seeds, with M=30; `--rows paths --seeds 3 4` for a part); it exits with 1 if a gate is missed: at most a tenth of the
passes, the same edge and groups in 4 of 5 seeds, and equal similarities in one call.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from oche import algorithms, flows
from oche.flows._few_shot_node import SplitNode
from oche.flows._few_shot_probe import Probe
from oche.loop.threads import limited_threads
from oche.networks import DARTS_OPS
from oche.program import Space, oneof
from oche.seeds import derive
from oche.training import Recipe
from oche.training import data as sets
from oche.training._problem import problem as problem_of

#: Gates: largest share of the passes; least seeds, of five, with the same edge and groups.
_SHARE_GATE, _SAME_GATE = 0.10, 4

#: Title, algorithm and epochs of warm-up.
ROWS = {"mixture": ("mixture (darts)", "darts", 3), "paths": ("paths (rsps)", "rsps", 3)}

OPS = {name: make for name, make in DARTS_OPS.items() if name != "none"}


class TwoNodes(nn.Module):
    """A DARTS cell of two nodes, all of whose inputs are kept: five edges of seven operations."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        edges = ["2<-0", "2<-1", "3<-0", "3<-1", "3<-2"]
        self.edges = nn.ModuleList([oneof(OPS, name=edge, channels=channels, stride=1, affine=False) for edge in edges])
        self.second = nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))
        self.head = nn.Linear(2 * channels, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (logits), `(batch, 10)`."""
        s0 = self.stem(x)
        s1 = self.second(s0)
        n2 = self.edges[0](s0) + self.edges[1](s1)
        n3 = self.edges[2](s0) + self.edges[3](s1) + self.edges[4](n2)
        return self.head(torch.cat([n2, n3], 1).mean((2, 3)))


def trained(seed: int, algorithm: str, epochs: int) -> tuple[Any, Any]:
    """A search whose supernet is through its warm-up, and its problem."""
    problem = problem_of(sets.load("digits"), Recipe(batch_size=32), derive(seed, "problem"))
    search = algorithms.get(f"{algorithm}?epochs={2 * epochs}&warmup=0.9")
    search.setup(Space(TwoNodes), problem, seed)
    search.advance(epochs * problem.n_batches["train"])
    return search, problem


def probed(search: Any, problem: Any, seed: int, **settings: Any) -> tuple[dict[str, Any], int, float]:
    """What a probe says, its passes, its processor seconds."""
    flow = flows.FewShot("1:2", **settings)
    probe, passes, over = Probe(flow, SplitNode("root"), search, problem, 0, seed, flow.batches), 0, False
    start = time.process_time()
    while not over:
        more, over = probe.step()
        passes += more
    return probe.found(), passes, time.process_time() - start


def row(name: str, algorithm: str, epochs: int, seeds: Sequence[int], fixed: int) -> bool:
    """One table of seeds; whether its gates hold."""
    print(f"\n{name}, {epochs} epochs of warm-up; fixed: {fixed} batches a choice; by need: the settings of the flow", flush=True)
    same, shares, ratios, near = 0, [], [], 0
    for seed in seeds:
        search, problem = trained(seed, algorithm, epochs)
        by_need, few, few_seconds = probed(search, problem, seed)
        full, many, many_seconds = probed(search, problem, seed, batches=fixed, first=fixed)
        sketch, _, _ = probed(search, problem, seed, sketch=4096)
        same += (equal := (by_need["choice"], by_need["groups"]) == (full["choice"], full["groups"]))
        near += (sketch["choice"], sketch["groups"]) == (by_need["choice"], by_need["groups"])
        shares.append(few / many)
        ratios.append(many_seconds / max(few_seconds, 1e-9))
        groups = " | ".join(",".join(group) for group in full["groups"])
        regret = full["cuts"][by_need["choice"]][0] - full["cut"]
        print(
            f"seed {seed}: {few} of {many} passes, {'same' if equal else 'other'}: {full['choice']} {groups}; cut {full['cut']:.3f} "
            f"± {full['cuts'][full['choice']][1]:.3f}, that of the edge by need {regret:+.3f}; batches {by_need['batches']}",
            flush=True,
        )
    print(
        f"passes: {100 * statistics.mean(shares):.1f} % [{100 * min(shares):.1f}, {100 * max(shares):.1f}]; processor time "
        f"{statistics.median(ratios):.1f}x [{min(ratios):.1f}, {max(ratios):.1f}] less; same edge and groups in {same} of {len(seeds)}, "
        f"with sketches of 4,096 numbers as without in {near} of {len(seeds)}"
    )
    return max(shares) <= _SHARE_GATE and same >= _SAME_GATE * len(seeds) / 5


def batched(seeds: Sequence[int]) -> bool:
    """Candidates of a choice in one batched call against one after the other; whether they give the same similarities."""
    print("\ncandidates in one batched call, 4 batches for each of 5 edges, against single passes", flush=True)
    far = 0.0
    for name, algorithm, _ in ROWS.values():
        ratios = []
        for seed in seeds:
            search, problem = trained(seed, algorithm, 1)
            together, _, quick = probed(search, problem, seed, batches=4, first=4)
            apart, _, slow = probed(search, problem, seed, batches=4, first=4, batched=False)
            ratios.append(slow / quick)
            far = max(far, *(abs(together["cuts"][key][0] - apart["cuts"][key][0]) for key in together["cuts"]))
        print(f"{name}: {statistics.median(ratios):.2f}x [{min(ratios):.2f}, {max(ratios):.2f}] less processor time", flush=True)
    print(f"largest difference of a cut: {far:.1e}")
    return far < 1e-6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", nargs="+", choices=(*ROWS, "batched"), default=(*ROWS, "batched"))
    parser.add_argument("--seeds", nargs="+", type=int, default=range(5))
    given = parser.parse_args()
    seeds, fixed = (range(2), 30) if given.quick else (given.seeds, 100)
    with limited_threads(1):
        good = [batched(seeds) if name == "batched" else row(*ROWS[name], seeds, fixed) for name in given.rows]
    if given.quick:
        return 0
    print("gates: " + ("passed" if all(good) else "missed"))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
