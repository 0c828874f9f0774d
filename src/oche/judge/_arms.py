"""One side of a comparison: the results of all its runs, checked, sorted and summarized.

Sorting makes every later number, the resampled ones included, independent of the order in which runs ended. This file checks
values only; which records form an arm is decided in `_grouping.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from oche.errors import JudgeError

#: Two means closer than this are the same mean: it keeps splits that tie but for rounding.
TIE = 1e-9

# A share (0.93) beside percents (93.1) differs by about this factor or more; honest arms of one metric do not.
_UNIT_FACTOR = 10.0
_UNIT_MARGIN = 2.0


@dataclass(frozen=True)
class Arm:
    """Results of the runs of one arm.

    Args:
        name: What the arm is called in messages.
        values: Finite results in the metric's unit, ascending, `(n,)`.
        population: Whether the arm is every member of a finite space, so that its mean has no sampling error.
    """

    name: str
    values: tuple[float, ...]
    population: bool = False

    @property
    def n(self) -> int:
        """Number of runs."""
        return len(self.values)

    @cached_property
    def array(self) -> np.ndarray:
        """The values, `(n,)` float64, ascending."""
        return np.asarray(self.values, dtype=np.float64)

    @cached_property
    def mean(self) -> float:
        """Arithmetic mean, exactly rounded."""
        return math.fsum(self.values) / self.n

    @cached_property
    def sd(self) -> float:
        """Standard deviation: of the sample (`ddof=1`), or of the whole population (`ddof=0`)."""
        if self.values[0] == self.values[-1]:
            return 0.0  # the mean of equal floats may be off by one unit in the last place
        squares = math.fsum((v - self.mean) ** 2 for v in self.values)
        return math.sqrt(squares / (self.n - (0 if self.population else 1)))

    @property
    def standard_error(self) -> float:
        """Standard error of the mean; 0 for a population."""
        return 0.0 if self.population else self.sd / math.sqrt(self.n)


def make_arm(
    name: str, values: Sequence[float], *, letter: str, unit: str, population: bool = False, ids: Sequence[str] | None = None
) -> Arm:
    """Check results and make an arm of them.

    Args:
        name: What the arm is called in messages.
        values: One result per run.
        letter: `k` for the search arm, `n` for the random arm, as in the formulas.
        unit: Unit of the values; `%` turns on the check for shares in [0, 1].
        population: Whether these are all members of a finite space.
        ids: Names of the runs for messages; numbers by default.

    Raises:
        JudgeError: fewer than 2 runs, or a result that is not a finite number.
    """
    quantity = "accuracy" if unit == "%" else "result"
    clean: list[float] = []
    for i, value in enumerate(values):
        run = ids[i] if ids is not None else f"{i} of '{name}'"
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise JudgeError(f"run {run}: {quantity} is not a number: got {value!r}; allowed: a finite number") from None
        if not math.isfinite(number):
            raise JudgeError(
                f"run {run}: {quantity} is not finite: got {number!r}; allowed: finite numbers; record the run as failed instead"
            )
        clean.append(number)
    if len(clean) < 2:
        raise JudgeError(
            f"judge: needs at least 2 runs per arm, got {letter}={len(clean)} of '{name}'; allowed: 2 or more for an interval; "
            "run with more seeds, for example --seeds 5"
        )
    return Arm(name, tuple(sorted(clean)), population)


def check_units(search: Arm, random: Arm, unit: str) -> None:
    """Refuse accuracies as shares beside accuracies in percent.

    One arm within [0, 1] beside an arm of percents is refused, and so is a single share among percents. A value such as 1.0 or
    0.8333 among percents is left alone when it is the chance level of a whole number of classes.

    Raises:
        JudgeError: units are mixed.
    """
    if unit != "%":
        return
    for one, other in ((search, random), (random, search)):
        if one.values[0] >= 0 and 0 < one.values[-1] <= 1 and other.mean > max(1.0, _UNIT_FACTOR * one.mean):
            raise JudgeError(_mixed(one.name, one.values[-1], other.name, other.values[-1]))
    pooled = np.concatenate([search.array, random.array])
    percents = pooled[pooled > 1]
    if len(percents) < 2:
        return
    low, high = percents.min() - _UNIT_MARGIN, percents.max() + _UNIT_MARGIN
    for arm in (search, random):
        for value in arm.values:
            if 0 < value <= 1 and low <= 100 * value <= high and abs(100 / value - round(100 / value)) > 0.01:
                raise JudgeError(_mixed(arm.name, value, "the others", float(percents.max())))


def _mixed(one: str, low: float, other: str, high: float) -> str:
    return (
        f"unit mismatch: got {low!r} in '{one}' and {high!r} in '{other}'; allowed: all accuracies in percent, or all in [0, 1]; "
        "multiply the shares by 100"
    )
