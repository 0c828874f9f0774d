"""How much work a piece of code is, counted and not timed, so that equal cost means the same on every run and machine.

Three things make a step of a network slow: the operators that are called, the numbers they write, and the arithmetic inside them. All
are counted exactly; `Work.units` adds them with fixed weights. Measured seconds still go into every record: a report shows both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

# Microseconds of one thread of a 2020s server processor, fitted to children and supernets of several sizes: see benchmarks/work.py.
PER_CALL = 20.0
PER_NUMBER = 1.5e-3
PER_FLOP = 1e-5


@dataclass(frozen=True)
class Work:
    """Counted work.

    Args:
        calls: Operators called, views of the same memory left out.
        numbers: Numbers that they wrote.
        flops: Floating-point operations of convolutions and matrix products.
    """

    calls: int
    numbers: int
    flops: int

    @property
    def units(self) -> float:
        """All in one number, roughly microseconds of one thread."""
        return self.calls * PER_CALL + self.numbers * PER_NUMBER + self.flops * PER_FLOP


class _Calls(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.calls += 1
            made = result if isinstance(result, (tuple, list)) else (result,)
            self.numbers += sum(t.numel() for t in made if isinstance(t, torch.Tensor))
        return result


def count_work(step: Callable[[], Any]) -> Work:
    """Run `step` once and count what it did, backward passes included."""
    calls = _Calls()
    with torch.random.fork_rng(devices=[]), FlopCounterMode(display=False) as flops, calls:
        step()
    return Work(calls.calls, calls.numbers, int(flops.get_total_flops()))
