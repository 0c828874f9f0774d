"""One line of the report: an algorithm on a task, its test against the random average and its test against random search."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from oche.errors import JudgeError
from oche.judge import _numbers as numbers
from oche.judge._arms import Arm
from oche.judge._cost import CostCheck, check_cost, mean_cost
from oche.judge._expected_best import random_equivalent
from oche.judge._grouping import Group, dataset_name
from oche.judge._power import runs_needed, runs_to_decide
from oche.judge._row import Row
from oche.judge._verdict import NOT_DISTINGUISHABLE, UNDECIDABLE, times, unequal_search

NOT_RUN = "not run"
SINGLE = "one run: described, not judged"

# Nobody runs a search more often than this; the smallest visible effect says more.
_TOO_MANY = 999


@dataclass(frozen=True)
class Entry:
    """An algorithm on a task.

    Args:
        dataset: Short name of the data.
        task: Full name of the task.
        space: Name of the space.
        algorithm: As shown.
        role: `search` or `random_search`.
        n: Runs with a result.
        n_failed: Runs that failed; never part of a number.
        mean: Mean result.
        sd: Sample standard deviation; NaN for a single run.
        unit: Unit of the metric.
        metric: Name of the metric.
        average: Test against the random average, None if it was not run.
        search: Test against random search, None if it was not run or this is random search.
        search_cost: Mean search cost per run by unit.
        final_cost: Mean cost of the final training per run by unit.
        cost_note: How the costs of this algorithm and random search compare, in words.
        see: Difference that the reader cares about, in the unit of a difference.
    """

    dataset: str
    task: str
    space: str
    algorithm: str
    role: str
    n: int
    n_failed: int
    mean: float
    sd: float
    unit: str
    metric: str
    average: Row | None
    search: Row | None
    search_cost: dict[str, float]
    final_cost: dict[str, float]
    cost_note: str
    see: float

    @property
    def decisive(self) -> Row | None:
        """The test that the verdict rests on: against random search if there is one."""
        return self.search or self.average

    @property
    def verdict(self) -> str:
        """The verdict in a few words, with what it would take if there is none."""
        row = self.decisive
        if row is None:
            return SINGLE if self.n == 1 else NOT_RUN
        if row.verdict == UNDECIDABLE:
            return f"{UNDECIDABLE} ({self.needed_to_decide(row)})"
        if row.verdict == NOT_DISTINGUISHABLE:
            return f"{NOT_DISTINGUISHABLE} from {self.opponent(row)} ({self.needed_to_see(row)})"
        if row.against == "random average":
            return ("beats" if row.wins else "worse than") + " the average"
        return row.verdict

    @property
    def cost_to_identify(self) -> dict[str, float]:
        """What all searches together spent to find the architecture, by unit: one of them is picked, all were paid for."""
        return {unit: self.n * value for unit, value in self.search_cost.items()}

    @property
    def cost_end_to_end(self) -> dict[str, float]:
        """The same with one final training, by unit."""
        units = [u for u in self.search_cost if u in self.final_cost]
        return {unit: self.n * self.search_cost[unit] + self.final_cost[unit] for unit in units}

    def opponent(self, row: Row) -> str:
        """What the row is judged against, as the end of a phrase."""
        if row.against == "random average":
            return "the average"
        return "random search" if row.equal_cost else unequal_search(row.cost_ratio)

    def needed_to_see(self, row: Row) -> str:
        """What these runs can see, or how many would see the difference that the reader cares about."""
        unit = row.mde_unit
        if row.mde_family <= self.see:
            return f"{self._counts(row)} can see {numbers.quantity(row.mde_family, unit)}"
        needed = self.needed(row)
        if needed is None or needed > _TOO_MANY:
            return f"{self._counts(row)} can only see {numbers.quantity(row.mde_family, unit)}"
        return f"would need {needed:,} runs to see {numbers.quantity(self.see, unit, numbers.decimals(self.see) if self.see < 0.1 else 1)}"

    def needed(self, row: Row) -> int | None:
        """Runs per arm that would see the difference that the reader cares about; None if no sensible number does."""
        sd = row.sd_m if row.population else math.sqrt((row.sd_m**2 + row.sd_r**2) / 2.0)
        try:
            runs = runs_needed(self.see, sd, alpha=row.alpha / row.family, population=row.population)
            if row.population:
                # Chance must be told apart too: the mean of so many random members has to lie within the difference.
                runs = max(runs, runs_needed(self.see, row.sd_r, alpha=row.alpha / row.family, power=0.5, population=True))
            return runs
        except JudgeError:
            return None

    def needed_to_decide(self, row: Row) -> str:
        """Fewest runs with which a verdict is possible."""
        # The random members are drawn once and stay; random search grows with the seeds.
        fixed = row.n_r if row.against == "random average" else None
        try:
            k = runs_to_decide(row.alpha, row.family, fixed)
        except JudgeError:
            return f"alpha {row.alpha:g} is too small for {row.family} tests"
        return f"needs {k} + {k if fixed is None else fixed} runs or more"

    def _counts(self, row: Row) -> str:
        return f"{row.n_m} runs" if row.population else f"{row.n_m} + {row.n_r} runs"

    def to_json(self) -> dict[str, Any]:
        """All but the rows themselves, which the report lists once."""
        return {
            "dataset": self.dataset,
            "task": self.task,
            "space": self.space,
            "algorithm": self.algorithm,
            "role": self.role,
            "n": self.n,
            "n_failed": self.n_failed,
            "metric": self.metric,
            "mean": self.mean,
            "sd": self.sd if math.isfinite(self.sd) else None,
            "unit": self.unit,
            "search_cost": self.search_cost,
            "final_cost": self.final_cost,
            "cost_to_identify": self.cost_to_identify,
            "cost_end_to_end": self.cost_end_to_end,
            "cost_note": self.cost_note,
            "verdict": self.verdict,
        }


def choose_random_search(method: Group, candidates: list[Group], unit: str | None) -> tuple[Group, CostCheck] | None:
    """The random search whose cost is nearest to the method's, with the comparison of costs."""
    found = [(g, check_cost(method.done, g.done, unit)) for g in candidates if g.done]
    if not found:
        return None

    def distance(pair: tuple[Group, CostCheck]) -> tuple[bool, bool, float]:
        ratio = pair[1].ratio
        return (not pair[1].declared, not pair[1].equal, abs(math.log(ratio)) if ratio else math.inf)

    return min(found, key=distance)


def make_entry(group: Group, arm: Arm, average: Row | None, search: Row | None, cost: CostCheck | None, see: float) -> Entry:
    """Put an algorithm's tests and costs together."""
    first = group.first
    if search is not None and cost is not None:
        search = replace(search, equal_cost=cost.equal, cost_ratio=cost.ratio, cost_unit=cost.unit)
    return Entry(
        dataset=dataset_name(first),
        task=first.task,
        space=first.space,
        algorithm=group.label,
        role=group.role,
        n=arm.n,
        n_failed=len(group.failed),
        mean=arm.mean,
        sd=arm.sd if arm.n > 1 else math.nan,
        unit=first.unit,
        metric=first.metric,
        average=average,
        search=search,
        search_cost=mean_cost(group.done, "search"),
        final_cost=mean_cost(group.done, "final"),
        cost_note=_cost_note(cost),
        see=see,
    )


def single_entry(group: Group) -> Entry:
    """An algorithm with one run: a number without a spread is no evidence, so there is nothing to test."""
    return make_entry(group, Arm(group.label, (group.done[0].value,)), None, None, None, 1.0)


def with_equivalent(row: Row, pool: Arm) -> Row:
    """Add the number of random draws that would do as well, from the pool of random members."""
    return replace(row, random_equivalent=random_equivalent(row.mean_m, pool.values, direction=row.direction))


def _cost_note(cost: CostCheck | None) -> str:
    if cost is None:
        return ""
    measured = "" if cost.ratio is None else f"random search spent {times(cost.ratio)} the cost"
    if cost.equal and cost.unit is None:
        return cost.reason
    if cost.equal:
        return f"{cost.reason}; {measured} in {numbers.unit_name(cost.unit or '')}"
    if cost.ratio is None:
        return f"cost of random search unknown: {cost.reason}"
    noted = f"; {cost.reason}" if cost.known else ""
    return f"{measured} in {numbers.unit_name(cost.unit or '')}{noted}"
