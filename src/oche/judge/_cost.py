"""Whether random search spent as much as the method it is compared with.

A declared budget that both share settles it. Otherwise mean search costs are compared in one unit, and "at equal cost" is said
only within 10 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from oche.judge._numbers import COST_UNITS, unit_name
from oche.store.record import Record

#: Relative difference of mean costs up to which they count as equal.
TOLERANCE = 0.10


@dataclass(frozen=True)
class CostCheck:
    """How the cost of random search relates to that of a method.

    Args:
        equal: Whether "at equal cost" may be said.
        ratio: Mean cost of random search over mean cost of the method, None if unknown.
        unit: Unit of the ratio, None if unknown.
        reason: Why, in words.
        declared: Whether both declared the same budget.
        known: Trials that the method knew at its start, and did not pay for.
    """

    equal: bool
    ratio: float | None
    unit: str | None
    reason: str
    declared: bool = False
    known: int = 0


def mean_cost(records: Sequence[Record], part: str) -> dict[str, float]:
    """Mean cost per run of one part (`search` or `final`), in every unit that all records count."""
    units = [u for u in COST_UNITS if records and all(r.cost.get(part, {}).get(u) for r in records)]
    return {u: math.fsum(r.cost[part][u] for r in records) / len(records) for u in units}


def check_cost(method: Sequence[Record], random_search: Sequence[Record], unit: str | None = None) -> CostCheck:
    """Compare search costs.

    Args:
        method: Records of one algorithm, all with the same declared budget.
        random_search: Records of random search.
        unit: Unit to compare in; by default the first of CPU-seconds, seconds, epochs, ... that both sides count.

    Costs are never called equal where the method was started with trials that it did not pay for.
    """
    check = _check_cost(method, random_search, unit)
    known = known_trials_of(method)
    if not known:
        return check
    # What was spent on these trials is in no record of this search.
    return replace(check, equal=False, declared=False, known=known, reason=f"{known} known trials that it started with are not counted")


def known_trials_of(records: Sequence[Record]) -> int:
    """Trials that searches knew at their start, 0 for most; of several records the largest number."""
    return max((int(r.settings.get("warm_start", {}).get("trials", 0)) for r in records), default=0)


def _check_cost(method: Sequence[Record], random_search: Sequence[Record], unit: str | None) -> CostCheck:
    mine, theirs = mean_cost(method, "search"), mean_cost(random_search, "search")
    common = [u for u in COST_UNITS if u in mine and u in theirs]
    chosen = unit if unit is not None else (common[0] if common else None)
    ratio = theirs[chosen] / mine[chosen] if chosen is not None and chosen in mine and chosen in theirs else None
    declared, other = dict(method[0].budget), dict(random_search[0].budget)
    if declared and declared == other:
        limits = ", ".join(f"{value:g} {unit_name(name)}" for name, value in sorted(declared.items()))
        return CostCheck(True, ratio, chosen if ratio is not None else None, f"same declared budget: {limits}", declared=True)
    if ratio is None:
        return CostCheck(
            False, None, None, "costs were not recorded in a common unit" if unit is None else f"cost was not recorded in {unit_name(unit)}"
        )
    equal = abs(ratio - 1.0) <= TOLERANCE + 1e-12
    return CostCheck(equal, ratio, chosen, f"mean search cost in {unit_name(chosen or '')}")
