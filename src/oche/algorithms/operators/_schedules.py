"""Numbers that change with the step, the number of points proposed so far. Any numeric argument of an operator may be one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oche.algorithms.operators._base import Context


@dataclass(frozen=True)
class Constant:
    """Always the same.

    Example:
        >>> Constant(0.5)(Context.of({}, step=7))
        0.5
    """

    value: float

    def __call__(self, context: Context) -> float:
        return self.value


@dataclass(frozen=True)
class Linear:
    """From `start` to `end` in a straight line over `steps`, then `end`.

    Example:
        >>> Linear(1.0, 0.0, steps=10)(Context.of({}, step=5))
        0.5
    """

    start: float
    end: float
    steps: int

    def __call__(self, context: Context) -> float:
        return self.start + (self.end - self.start) * min(1.0, context.step / self.steps)


@dataclass(frozen=True)
class Cosine:
    """From `start` to `end` along half a cosine over `steps`, then `end`.

    Example:
        >>> round(Cosine(1.0, 0.0, steps=10)(Context.of({}, step=5)), 12)
        0.5
    """

    start: float
    end: float
    steps: int

    def __call__(self, context: Context) -> float:
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * min(1.0, context.step / self.steps))) / 2


@dataclass(frozen=True)
class Exponential:
    """`start` times `rate` to the power of step / `every`, never below `least`.

    Example:
        >>> Exponential(8.0, rate=0.5, every=10)(Context.of({}, step=20))
        2.0
    """

    start: float
    rate: float
    every: int = 1
    least: float = 0.0

    def __call__(self, context: Context) -> float:
        return max(self.least, self.start * self.rate ** (context.step / self.every))


@dataclass(frozen=True)
class Cyclic:
    """Up and down between `low` and `high` in straight lines, one period in `period` steps.

    Example:
        >>> [Cyclic(0.0, 1.0, period=4)(Context.of({}, step=s)) for s in range(5)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    low: float
    high: float
    period: int

    def __call__(self, context: Context) -> float:
        place = 2 * (context.step % self.period) / self.period
        return self.low + (self.high - self.low) * (place if place <= 1 else 2 - place)


@dataclass(frozen=True)
class Stepwise:
    """A value from each step on: `((0, 10), (100, 2))` is 10 up to step 99, then 2. Values may be schedules.

    Example:
        >>> Stepwise(((0, 10), (100, 2)))(Context.of({}, step=100))
        2
    """

    values: Sequence[tuple[int, float | Callable[[Context], float]]]

    def __call__(self, context: Context) -> float:
        found = self.values[0][1]
        for first, value in self.values:
            if context.step >= first:
                found = value
        return found(context) if callable(found) else found


@dataclass(frozen=True)
class RandomBetween:
    """Drawn anew at each use, uniformly from `low` to `high`.

    Example:
        >>> 1.0 <= RandomBetween(1.0, 2.0)(Context.of({})) <= 2.0
        True
    """

    low: float
    high: float

    def __call__(self, context: Context) -> float:
        return self.low + (self.high - self.low) * float(context.rng.random())
