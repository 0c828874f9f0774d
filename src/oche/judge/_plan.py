"""How many runs does it take? Asked before running, from a standard deviation or from runs that exist already."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scipy import stats

from oche.errors import JudgeError
from oche.judge._grouping import dataset_name, flatten_records, make_groups
from oche.judge._numbers import points_unit, quantity
from oche.judge._permutation import smallest_p
from oche.judge._power import POWER, minimum_detectable, runs_needed

_COUNTS = (3, 5, 8, 10, 15, 20, 30, 50, 100)
_CAUTION = 0.8


@dataclass(frozen=True)
class Spread:
    """Standard deviation of runs, pooled within arms.

    Args:
        task: Task that it was estimated on.
        sd: Pooled estimate.
        high: Upper limit that the truth stays under with 80 % confidence: plan with it if the estimate rests on few runs.
        runs: Runs behind it.
        arms: Arms behind it.
        unit: Its unit.
    """

    task: str
    sd: float
    high: float
    runs: int
    arms: int
    unit: str


@dataclass(frozen=True)
class Plan:
    """Runs per arm for a wanted effect.

    Args:
        effect: Difference of means that shall be seen, in the metric's unit.
        sd: Standard deviation that it rests on.
        source: Where that comes from.
        tests: Tests of the report; the level of one is `alpha / tests`, Holm's first step.
        alpha: Level of the report.
        power: Chance to see the effect.
        population: Whether the other side is a mean that is known exactly.
        runs: Runs per arm.
        runs_cautious: The same for the upper limit of an estimated sd; None if the sd was given.
        unit: Unit of effect and sd.
        table: (runs per arm, smallest effect seen, whether a verdict is possible at all).
    """

    effect: float
    sd: float
    source: str
    tests: int
    alpha: float
    power: float
    population: bool
    runs: int
    runs_cautious: int | None
    unit: str
    table: tuple[tuple[int, float, bool], ...]

    def __str__(self) -> str:
        arms = "" if self.population else " per arm"
        family = "one test" if self.tests == 1 else f"{self.tests} tests (Holm)"
        text = (
            f"{self.runs:,} runs{arms} see {quantity(self.effect, self.unit)} with {100 * self.power:g} % power "
            f"at alpha {self.alpha:g}, {family}; sd {quantity(self.sd, self.unit)} ({self.source})"
        )
        if self.runs_cautious is not None and self.runs_cautious != self.runs:
            text += f"; {self.runs_cautious:,} if the sd is at the upper end of what these runs allow"
        return text

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return {**asdict(self), "table": [{"runs": n, "effect": e, "decidable": d} for n, e, d in self.table]}


def plan(
    effect: float,
    sd: float | None = None,
    *,
    runs: Any = None,
    task: str | None = None,
    tests: int = 1,
    alpha: float = 0.05,
    power: float = POWER,
    population: bool = False,
    unit: str = "points",
) -> Plan:
    """How many runs per arm see an effect.

    Args:
        effect: Difference of means that shall be seen, in the metric's unit (accuracy points, not percent of the mean).
        sd: Standard deviation of one run; estimated from `runs` by default.
        runs: Records to estimate it from: pooled within the arms of a task, failed runs left out.
        task: Task to estimate on, where the records hold several.
        tests: Tests of the report.
        alpha: Level of the report.
        power: Chance to see the effect.
        population: Whether the random mean is known exactly, as from a whole table.
        unit: Unit of `effect` and `sd`, for the text; from the records where there are any.

    Raises:
        JudgeError: neither or both of `sd` and `runs`, a value out of range, or no arm with 2 runs.

    Example:
        >>> plan(0.2, 0.2266).runs
        22
    """
    if (sd is None) == (runs is None):
        raise JudgeError("plan: got both or neither of sd and runs; allowed: one of them; give --sd, or a store or record files")
    if not (math.isfinite(effect) and effect > 0):
        raise JudgeError(f"effect: got {effect!r}; allowed: a number above 0, in the metric's unit")
    if tests < 1 or not alpha < power < 1:
        raise JudgeError(f"tests, power: got {tests!r}, {power!r}; allowed: 1 test or more, power between alpha and 1")
    source, high = "given", None
    if sd is None:
        spread = _choose(spreads(runs), task)
        sd, high, unit = spread.sd, spread.high, points_unit(spread.unit)
        source = f"{spread.runs} runs in {spread.arms} {'arm' if spread.arms == 1 else 'arms'} on {spread.task}"
    if not (math.isfinite(sd) and sd > 0):
        raise JudgeError(f"sd: got {sd!r}; allowed: a number above 0; runs that are all equal say nothing about noise")
    level = alpha / tests
    needed = runs_needed(effect, sd, alpha=level, power=power, population=population)
    cautious = None if high is None else runs_needed(effect, high, alpha=level, power=power, population=population)
    table = tuple(
        (n, minimum_detectable(sd, n, sd, None if population else n, alpha=level, power=power), population or smallest_p(n, n) < level)
        for n in sorted({*_COUNTS, needed})
    )
    return Plan(effect, sd, source, tests, alpha, power, population, needed, cautious, unit, table)


def spreads(*runs: Any) -> tuple[Spread, ...]:
    """Spread of single runs on every task, pooled within arms of two runs or more.

    Args:
        *runs: Records, lists of them, or objects with `.records`.
    """
    records = [r for r in flatten_records(runs, "runs") if r.kind != "population"]
    sums: dict[str, tuple[float, int, int, int, str]] = {}
    roles = (("baseline", "random"), ("random_search", "random_search"), ("search", "search"))
    for role, kind in roles:
        for group in make_groups([r for r in records if r.kind == kind], role):
            if len(group.done) < 2:
                continue
            arm = group.arm()
            name = dataset_name(group.first)
            squares, freedom, count, arms, _ = sums.get(name, (0.0, 0, 0, 0, ""))
            sums[name] = (squares + (arm.n - 1) * arm.sd**2, freedom + arm.n - 1, count + arm.n, arms + 1, group.first.unit)
    found = []
    for name, (squares, freedom, count, arms, unit) in sums.items():
        limit = math.sqrt(squares / float(stats.chi2.ppf(1 - _CAUTION, freedom)))
        found.append(Spread(name, math.sqrt(squares / freedom), limit, count, arms, unit))
    return tuple(found)


def _choose(found: Sequence[Spread], task: str | None) -> Spread:
    if not found:
        raise JudgeError("plan: got no arm with 2 runs or more; allowed: runs that show a spread; give --sd")
    named = [s for s in found if task is None or s.task.lower() == task.lower()]
    if len(named) != 1:
        listed = ", ".join(f"{s.task!r} (sd {s.sd:.3g})" for s in found)
        raise JudgeError(f"task: got {task!r}; allowed: one of {listed}; the spread differs from task to task")
    return named[0]
