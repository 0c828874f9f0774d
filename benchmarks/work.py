"""Counted work against measured time: how well counts predict processor seconds of a forward and backward pass.

Claim: `oche.training.Work.units` predicts processor time of children and of supernets of several sizes up to one factor, so that it
can price random search against weight sharing. Gate: every ratio of measured to predicted time within 0.6 to 1.6 of their median.
Prints, per network, milliseconds per step, predicted milliseconds, and the spread of the ratio over all of them.

    python benchmarks/work.py
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator

import torch

import oche
from oche.training import count_work

SIZES = [(4, 1), (8, 1), (16, 1), (8, 2)]
SUPERNETS = ["pc-darts", "darts", "rsps"]
REPEATS = 10
ROUNDS = 5
LOW, HIGH = 0.6, 1.6


def networks(problem: object) -> Iterator[tuple[str, torch.nn.Module]]:
    """Children and supernets of every size."""
    for channels, cells in SIZES:
        space = oche.spaces.get("nasbench201", in_channels=1, channels=channels, cells=cells)
        for seed in range(3):
            yield f"child {seed}, {channels} channels, {cells} cells", space.build(space.sample(seed))
        for name in SUPERNETS:
            algorithm = oche.algorithms.get(name)
            algorithm.setup(space, problem, 0)
            yield f"{name}, {channels} channels, {cells} cells", algorithm.network


def main() -> int:
    """Measure all networks, print one table, and return 1 if the gate is missed."""
    torch.set_num_threads(1)
    problem = oche.tasks.classification("digits", device="cpu").problem(0)
    batch = next(iter(problem.batches("train", 0, 0)))
    steps = []
    for name, net in networks(problem):

        def step(net: torch.nn.Module = net) -> None:
            problem.loss(net, batch).backward()

        step()
        steps.append((name, step, count_work(step), []))
    # Rounds over all networks, and the fastest of each: a busy neighbor slows some rounds and not all.
    for _ in range(ROUNDS):
        for _, step, _, times in steps:
            start = time.process_time()
            for _ in range(REPEATS):
                step()
            times.append((time.process_time() - start) / REPEATS)
    rate = statistics.median(work.units / min(times) for _, _, work, times in steps)
    print(f"{'network':>34} {'calls':>6} {'numbers':>9} {'MFLOP':>7} {'ms':>7} {'predicted':>9} {'ratio':>6}")
    ratios = []
    for name, _, work, times in steps:
        predicted = work.units / rate
        ratios.append(min(times) / predicted)
        print(
            f"{name:>34} {work.calls:>6} {work.numbers:>9} {work.flops / 1e6:>7.1f} "
            f"{min(times) * 1e3:>7.2f} {predicted * 1e3:>9.2f} {ratios[-1]:>6.2f}"
        )
    low, high = min(ratios), max(ratios)
    print(f"measured / predicted: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} networks")
    if not (low >= LOW and high <= HIGH):
        print(f"gate missed: allowed {LOW} to {HIGH}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
