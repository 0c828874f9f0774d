"""What a weight-sharing search runs on: batches that can be entered at any place, a meter of what was spent, outputs that are kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from oche import ranks
from oche.loop.contracts import Cost, Problem


class Heard:
    """A model whose latest output is kept, because a loss does not give it away."""

    def __init__(self, model: Callable[..., Any]) -> None:
        self.model = model
        self.output: Any = None

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """The output, which is kept."""
        output = self.model(*inputs, **named)
        # What is compared with it later is a loss: a half-precision output is widened.
        self.output = output.float() if getattr(output, "itemsize", 4) < 4 else output
        return self.output


@dataclass
class Meter:
    """What was spent: counted passes, and measured times."""

    cost: Cost = field(default_factory=Cost)

    def running(self) -> Timer:
        """Measure the time of a block."""
        return Timer(self)


class Timer:
    """Adds the time of a block to a meter."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def __enter__(self) -> None:
        self.started = time.perf_counter(), time.process_time()

    def __exit__(self, *exception: object) -> None:
        seconds, cpu_seconds = time.perf_counter() - self.started[0], time.process_time() - self.started[1]
        self.meter.cost += Cost(seconds=seconds, cpu_seconds=cpu_seconds)


class Stream:
    """An endless stream of the batches of a split, epoch after epoch, that can be entered at any place; on several ranks, of its share."""

    def __init__(self, problem: Problem, split: str, seed: int) -> None:
        self.problem, self.split, self.seed = problem, split, seed
        self.n = problem.parts[split] if split in problem.parts else problem.n_batches[split]
        self._iterator: Iterator[Any] | None = None
        self._next = -1

    def at(self, index: int) -> Any:
        """Batch number `index` of the stream."""
        epoch, position = divmod(index, self.n)
        if self._iterator is None or index != self._next or position == 0:
            share = {"part": ranks.part()} if ranks.world() > 1 else {}
            self._iterator = iter(self.problem.batches(self.split, self.seed, epoch, **share))
            for _ in range(position):
                next(self._iterator)
        self._next = index + 1
        return next(self._iterator)


def difference(after: Cost, before: Cost) -> Cost:
    """What was spent in between."""
    names = ("passes", "epochs", "seconds", "cpu_seconds")
    return Cost(**{name: getattr(after, name) - getattr(before, name) for name in names})
