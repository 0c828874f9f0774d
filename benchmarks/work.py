"""Counted work against measured time: how well operator calls and arithmetic predict processor seconds of a training step.

Claim: `oche.training.Work.units` predicts processor time of training steps of small and large networks up to one factor.
Prints, per network, milliseconds per step, predicted milliseconds, and the spread of the ratio over all of them.

    python benchmarks/work.py
"""

from __future__ import annotations

import statistics
import time

import torch

import oche
from oche.training import count_work

SIZES = [(4, 1), (8, 1), (16, 1), (16, 2), (32, 1)]
REPEATS = 20


def main() -> None:
    """Measure all sizes and print one table."""
    torch.set_num_threads(1)
    task = oche.tasks.classification("digits", device="cpu")
    problem = task.problem(0)
    rows = []
    for channels, cells in SIZES:
        space = oche.spaces.get("nasbench201", in_channels=1, channels=channels, cells=cells)
        for seed in range(4):
            net = space.build(space.sample(seed))
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True)
            batch = next(iter(problem.batches("train", 0, 0)))

            def step(net=net, optimizer=optimizer, batch=batch) -> None:
                optimizer.zero_grad()
                problem.loss(net, batch).backward()
                optimizer.step()

            step()
            work = count_work(step)
            start = time.process_time()
            for _ in range(REPEATS):
                step()
            rows.append((channels, cells, seed, work, (time.process_time() - start) / REPEATS))
    rate = statistics.median(work.units / seconds for *_, work, seconds in rows)
    print(f"{'channels':>8} {'cells':>5} {'seed':>4} {'calls':>6} {'MFLOP':>8} {'ms':>7} {'predicted':>9} {'ratio':>6}")
    ratios = []
    for channels, cells, seed, work, seconds in rows:
        predicted = work.units / rate
        ratios.append(seconds / predicted)
        print(
            f"{channels:>8} {cells:>5} {seed:>4} {work.calls:>6} {work.flops / 1e6:>8.1f} "
            f"{seconds * 1e3:>7.2f} {predicted * 1e3:>9.2f} {ratios[-1]:>6.2f}"
        )
    print(f"measured / predicted: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} networks")


if __name__ == "__main__":
    main()
