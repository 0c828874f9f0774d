"""A search step in the spaces of sharpDARTS against one in the DARTS space, at equal settings.

Claim of the authors: their search is faster than that of DARTS (0.8 against 1.5 GPU days for the same eight operations). A search is as
many steps as images and epochs say, so at equal settings it is the step that would have to be faster. Both sides run in one process,
interleaved; a step is one arch step and one step of the weights, first order. Prints the ratio to DARTS with its spread over rounds; there
is no gate: whatever comes out is the result.

    python benchmarks/sharp.py [rounds]
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np
import torch

import oche
from oche.training.data import from_arrays

SPACES = ("darts", "darts-ssc", "sharpdarts", "sharperdarts")
ROUNDS = 5


def prepared(name: str, task: oche.tasks.Classification) -> oche.algorithms.OneShot:
    """A search that has done its first steps."""
    algorithm = oche.algorithms.get("one-shot?epochs=50")
    space = oche.spaces.get(name, channels=8, cells=3)
    algorithm.setup(space, task.problem(0), 0)
    algorithm.advance(2)
    return algorithm


def main(rounds: int = ROUNDS) -> int:
    """Measure and print one table."""
    torch.set_num_threads(1)
    draw = np.random.Generator(np.random.PCG64(0))
    data = from_arrays(draw.integers(0, 256, (512, 3, 32, 32), dtype=np.uint8), np.arange(512) % 10)
    recipe = oche.training.Recipe(batch_size=16)
    task = oche.tasks.Classification(data, recipe, recipe, device="cpu")
    searches = {name: prepared(name, task) for name in SPACES}
    sizes = {name: sum(p.numel() for p in search.network.weights()) for name, search in searches.items()}
    seconds: dict[str, list[float]] = {name: [] for name in SPACES}
    for number in range(rounds):
        for name in SPACES if number % 2 else reversed(SPACES):
            start = time.process_time()
            searches[name].advance(2)
            seconds[name].append((time.process_time() - start) / 2)
    print(f"{'space':>14} {'weights':>9} {'ms a step':>10} {'ratio to darts':>15} {'lowest':>7} {'highest':>8}")
    for name in SPACES:
        ratios = [a / b for a, b in zip(seconds[name], seconds["darts"], strict=True)]
        middle = statistics.median(ratios)
        print(
            f"{name:>14} {sizes[name]:>9,} {1e3 * statistics.median(seconds[name]):>10.0f} {middle:>15.2f} "
            f"{min(ratios):>7.2f} {max(ratios):>8.2f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
