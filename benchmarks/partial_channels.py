"""PC-DARTS against DARTS: processor seconds of a search step, and bytes that are kept for the backward pass.

Claim: with K = 4, at equal channels, cells and batch, a step (one update of the logits, one of the weights) takes at most half the
processor seconds and keeps at most half the bytes of first-order DARTS. Refuted above 0.8 of either.

Steps of both sides take turns in one process with one thread; of each round the ratio is taken. Bytes are those of all storages that
autograd keeps for the backward pass, weights left out, each counted once, at their highest: a number that no neighbor disturbs.

    python benchmarks/partial_channels.py                                          # 8 channels, 5 cells, batch 64
    python benchmarks/partial_channels.py --channels 16 --cells 8 --batch 16       # the setting of the published search, small batch
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from typing import Any

import torch

import oche

SHOWN, REFUTED = 0.5, 0.8


class Kept:
    """Counts the bytes of tensors that autograd keeps, at their highest.

    Args:
        weights: Tensors that are not counted.
    """

    def __init__(self, weights: Any) -> None:
        self._weights = {weight.untyped_storage().data_ptr() for weight in weights}
        self._holders: Counter[int] = Counter()
        self._now = 0
        self.peak = 0

    def pack(self, tensor: torch.Tensor) -> Any:
        """Called by autograd for each tensor that it keeps."""
        return _Holder(self, tensor)

    def hold(self, storage: torch.UntypedStorage) -> bool:
        """Count a storage if nothing else holds it; whether it counts at all."""
        place = storage.data_ptr()
        if place in self._weights:
            return False
        self._holders[place] += 1
        if self._holders[place] == 1:
            self._now += storage.nbytes()
            self.peak = max(self.peak, self._now)
        return True

    def release(self, storage: torch.UntypedStorage) -> None:
        """A tensor of this storage is not needed any more."""
        place = storage.data_ptr()
        self._holders[place] -= 1
        if not self._holders[place]:
            self._now -= storage.nbytes()


class _Holder:
    def __init__(self, kept: Kept, tensor: torch.Tensor) -> None:
        self.kept, self.tensor = kept, tensor
        self.counted = kept.hold(tensor.untyped_storage())

    def __del__(self) -> None:
        if self.counted:
            self.kept.release(self.tensor.untyped_storage())


def started(name: str, options: argparse.Namespace) -> Any:
    """A search whose logits move from the first step on."""
    space = oche.spaces.get("darts", channels=options.channels, cells=options.cells)
    task = oche.tasks.classification(options.data, recipe=f"cifar10-small?batch_size={options.batch}", device="cpu")
    search = oche.algorithms.get(name, epochs=1000, warmup=0.0)
    search.setup(space, task.problem(0), 0)
    return search


def kept_bytes(search: Any) -> int:
    """Highest number of bytes that one step keeps."""
    kept = Kept(search.net.parameters())
    with torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda holder: holder.tensor):
        search.advance(1)
    return kept.peak


def main() -> int:
    """Measure, print one table, and return 1 if the claim is refuted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--cells", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", default="cifar10[:2000]")
    parser.add_argument("--json", help="file for the numbers")
    options = parser.parse_args()
    torch.set_num_threads(1)

    searches = {name: started(name, options) for name in ("darts", "pc-darts?k=4")}
    kept = {name: kept_bytes(search) for name, search in searches.items()}  # also the step that warms up
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(options.rounds):
        for name, search in searches.items():
            start = time.process_time()
            search.advance(1)
            seconds[name].append(time.process_time() - start)

    darts, partial = searches
    ratios = [b / a for a, b in zip(seconds[darts], seconds[partial], strict=True)]
    time_ratio, byte_ratio = statistics.median(ratios), kept[partial] / kept[darts]
    print(f"{options.channels} channels, {options.cells} cells, batch {options.batch}, {options.rounds} rounds, one thread")
    print(f"{'':>14} {'kept MB':>9} {'s per step':>11} {'from':>7} {'to':>7}")
    for name in searches:
        times = seconds[name]
        print(f"{name:>14} {kept[name] / 1e6:>9.1f} {statistics.median(times):>11.2f} {min(times):>7.2f} {max(times):>7.2f}")
    print(f"{'ratio':>14} {byte_ratio:>9.3f} {time_ratio:>11.3f} {min(ratios):>7.3f} {max(ratios):>7.3f}")
    worst = max(time_ratio, byte_ratio)
    verdict = "shown" if worst <= SHOWN else "refuted" if worst > REFUTED else "neither shown nor refuted"
    print(f"claim (both at most {SHOWN}): {verdict}")
    if options.json:
        settings = {key: value for key, value in vars(options).items() if key != "json"}
        found = {"settings": settings, "kept_bytes": kept, "seconds": seconds, "byte_ratio": byte_ratio, "time_ratio": time_ratio}
        with open(options.json, "w") as file:
            json.dump({**found, "verdict": verdict, "torch": torch.__version__}, file, indent=1)
    return int(verdict == "refuted")


if __name__ == "__main__":
    sys.exit(main())
