"""How much work a piece of code is, counted and not timed, so that equal cost means the same on every run and machine.

Two things make a step of a network slow: the number of operators that are called, and the arithmetic inside them. Both are counted
exactly; `Work.units` adds them with fixed weights. Measured seconds still go into every record: a report shows both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

# One operator call weighs as much as this many floating-point operations: what small and large steps of NAS-Bench-201 networks
# cost on one thread of a 2020s server processor, see benchmarks/work.py.
FLOPS_PER_CALL = 1_000_000


@dataclass(frozen=True)
class Work:
    """Counted work.

    Args:
        calls: Operators called.
        flops: Floating-point operations of convolutions and matrix products.
    """

    calls: int
    flops: int

    @property
    def units(self) -> float:
        """Both in one number, in floating-point operations."""
        return self.calls * FLOPS_PER_CALL + self.flops


class _Calls(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.n = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.n += 1
        return func(*args, **(kwargs or {}))


def count_work(step: Callable[[], Any]) -> Work:
    """Run `step` once and count what it did, backward passes included."""
    calls = _Calls()
    with torch.random.fork_rng(devices=[]), FlopCounterMode(display=False) as flops, calls:
        step()
    return Work(calls.n, int(flops.get_total_flops()))
