"""How good a search is at any time: the incumbent over cost, as step functions that are never interpolated.

The incumbent is the trial with the best search signal so far; what is drawn is its *reported* metric, which may fall. A curve is missing
before its first trial, keeps its last value, and is read at common costs. One number sums it up: the area between the random average
(0) and the best known result (1).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from oche.errors import JudgeError
from oche.judge._grouping import Group, dataset_name
from oche.judge._numbers import COST_UNITS

#: Start of the name of such a curve in a record: `incumbent`, `incumbent test`, `incumbent test by seconds`.
INCUMBENT = "incumbent"
DEFAULT_AXIS = "trials"
_MOST_TICKS = 400
# An area over less than this share of the costs says no more than the ends of the curves.
_SHORT = 0.1


@dataclass(frozen=True)
class AnytimeCurve:
    """One arm over cost, read at common ticks where all its runs have begun.

    Args:
        algorithm: As shown.
        role: `search` or `random_search`.
        n: Runs.
        ticks: Costs, ascending.
        mean: Mean over runs at each tick.
        low: Lower end of the t interval of the mean.
        high: Upper end.
        median: Median over runs.
        lower_quartile: 25 % of the runs are below.
        upper_quartile: 75 % of the runs are below.
        area: Mean normalized area over the common range of costs; None if it is not defined.
        area_low: Lower end of its t interval.
        area_high: Upper end.
    """

    algorithm: str
    role: str
    n: int
    ticks: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    median: tuple[float, ...]
    lower_quartile: tuple[float, ...]
    upper_quartile: tuple[float, ...]
    area: float | None
    area_low: float | None
    area_high: float | None


@dataclass(frozen=True)
class Anytime:
    """All arms of one task over one kind of cost.

    Args:
        dataset: Short name of the data.
        task: Full name of the task.
        axis: Kind of cost.
        metric: What is drawn.
        unit: Its unit.
        direction: `max` or `min`.
        random_average: Mean of random members, None if not run.
        best_known: Best member of a space that is known whole, else the best result of any run.
        best_is_exact: Whether that is the best member of the whole space.
        start: Cost from which areas are taken: all runs of all arms have begun.
        end: Cost to which areas are taken: the shortest arm's longest run.
        curves: One per arm, random search first.
    """

    dataset: str
    task: str
    axis: str
    metric: str
    unit: str
    direction: str
    random_average: float | None
    best_known: float
    best_is_exact: bool
    start: float
    end: float
    curves: tuple[AnytimeCurve, ...]

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


def incumbent(
    signal: Sequence[float], report: Sequence[float], cost: Sequence[float] | None = None, *, direction: str = "max"
) -> list[list[float]]:
    """The curve of one search: (cost, reported metric of the best signal so far), one point per change.

    Args:
        signal: Search signal of every trial, in the order in which they ended, `(n,)`; NaN for failed trials.
        report: Reported metric of the same trials, `(n,)`.
        cost: Cost spent when each ended, not falling, `(n,)`; the number of the trial by default.
        direction: `max` or `min`, for the signal. Of equal signals the first stays.

    Example:
        >>> incumbent([1, 3, 2, 4], [10.0, 12.0, 99.0, 11.0])
        [[1.0, 10.0], [2.0, 12.0], [4.0, 11.0]]
    """
    costs = range(1, len(signal) + 1) if cost is None else cost
    if not len(signal) == len(report) == len(costs):
        raise JudgeError(f"incumbent: got {len(signal)} signals, {len(report)} reports, {len(costs)} costs; allowed: equally many")
    sign = 1.0 if direction == "max" else -1.0
    best, last, points = -math.inf, -math.inf, []
    for s, value, at in zip(signal, report, costs, strict=True):
        if at < last:
            raise JudgeError(f"incumbent: got cost {at!r} after {last!r}; allowed: costs that do not fall")
        last = at
        if sign * s > best:  # false for NaN
            best = sign * s
            points.append([float(at), float(value)])
    return points


def step_values(curve: Sequence[Sequence[float]], at: Sequence[float]) -> np.ndarray:
    """A right-continuous step function at some costs; NaN before its first point."""
    costs, values = [p[0] for p in curve], [p[1] for p in curve]
    places = [bisect_right(costs, x) for x in at]
    return np.array([values[i - 1] if i else math.nan for i in places])


def anytime_of(groups: Sequence[Group]) -> tuple[Anytime, ...]:
    """Every task and kind of cost for which two runs of an arm, or more, have a curve of incumbents."""
    found = []
    for place in dict.fromkeys(g.place for g in groups if g.role != "baseline"):
        here = [g for g in groups if g.place == place]
        names = dict.fromkeys(n for g in here if g.role != "baseline" for r in g.done for n in r.curves if is_incumbent(n))
        for name in names:
            arms = [(g, _curves(g, name)) for g in here if g.role != "baseline"]
            arms = [(g, c) for g, c in arms if len(c) >= 2]
            if arms:
                found.append(_anytime(here, arms, name))
    return tuple(found)


def main_axes(found: Sequence[Anytime]) -> list[Anytime]:
    """Of every metric of a task the kind of cost that says most: that of the most arms, then counted work, then trials."""
    order = {unit: i for i, unit in enumerate(("work", DEFAULT_AXIS, *COST_UNITS))}
    best: dict[tuple[str, str], Anytime] = {}
    for one in found:
        held = best.get((one.task, one.metric))
        if held is None or _rank(one, order) > _rank(held, order):
            best[one.task, one.metric] = one
    return list(best.values())


def _rank(one: Anytime, order: Mapping[str, int]) -> tuple[int, int]:
    return len(one.curves), -order.get(one.axis, len(order))


def is_incumbent(name: str) -> bool:
    """Whether a record's curve is one of incumbents."""
    return name == INCUMBENT or name.startswith(f"{INCUMBENT} ")


def is_main(name: str) -> bool:
    """Whether a curve of incumbents is over a kind of cost that is drawn even for single runs."""
    return _axis(name) in ("work", DEFAULT_AXIS)


def _axis(name: str) -> str:
    _, by, unit = name.rpartition(" by ")
    return unit if by else DEFAULT_AXIS


def _metric(name: str, fallback: str) -> str:
    return name.partition(" by ")[0].removeprefix(INCUMBENT).strip() or fallback


def _curves(group: Group, name: str) -> list[list[list[float]]]:
    return [sorted(([float(a), float(b)] for a, b in r.curves[name]), key=lambda p: p[0]) for r in group.done if r.curves.get(name)]


def _anytime(here: Sequence[Group], arms: Sequence[tuple[Group, list[list[list[float]]]]], name: str) -> Anytime:
    first = arms[0][0].first
    base = next((g for g in here if g.role == "baseline" and g.done), None)
    # Random members are measured by the primary metric: another one, such as the search signal, has another scale.
    same = _metric(name, first.metric) == first.metric
    arm = base.arm() if same and base is not None and (base.population or len(base.done) > 1) else None
    best_of = max if first.direction == "max" else min
    seen = [p[1] for _, curves in arms for c in curves for p in c]
    exact = arm is not None and arm.population
    best = best_of([*seen, *(arm.values if arm is not None else ())])
    start = max(c[0][0] for _, curves in arms for c in curves)
    end = min(max(_horizon(g, c, _axis(name)) for c in curves) for g, curves in arms)
    random_average = arm.mean if arm is not None else None
    ticks = _ticks(arms, _axis(name))
    return Anytime(
        dataset=dataset_name(first),
        task=first.task,
        axis=_axis(name),
        metric=_metric(name, first.metric),
        unit=first.unit,
        direction=first.direction,
        random_average=random_average,
        best_known=best,
        best_is_exact=exact,
        start=start,
        end=end,
        curves=tuple(_curve(g, curves, ticks, (start, end), random_average, best) for g, curves in arms),
    )


def _horizon(group: Group, curve: Sequence[Sequence[float]], axis: str) -> float:
    """Where a run ended: its declared budget or its cost if known, since the incumbent may have stopped changing before."""
    spent = [r.budget.get(axis) or r.cost.get("search", {}).get(axis) for r in group.done]
    known = [float(s) for s in spent if s]
    return max([curve[-1][0], *known]) if axis in COST_UNITS else curve[-1][0]


def _ticks(arms: Sequence[tuple[Group, list[list[list[float]]]]], axis: str) -> list[float]:
    """All costs at which any run changes, and the ends; thinned where there are very many."""
    costs = sorted({p[0] for _, curves in arms for c in curves for p in c} | {_horizon(g, c, axis) for g, curves in arms for c in curves})
    if len(costs) <= _MOST_TICKS:
        return costs
    return [costs[round(i * (len(costs) - 1) / (_MOST_TICKS - 1))] for i in range(_MOST_TICKS)]


def _curve(
    group: Group,
    curves: Sequence[Sequence[Sequence[float]]],
    ticks: Sequence[float],
    span: tuple[float, float],
    random_average: float | None,
    best: float,
) -> AnytimeCurve:
    begun = max(c[0][0] for c in curves)
    at = [t for t in ticks if t >= begun]
    values = np.array([step_values(c, at) for c in curves])
    n = len(values)
    half = stats.t.ppf(0.975, n - 1) * values.std(axis=0, ddof=1) / math.sqrt(n)
    mean = values.mean(axis=0)
    areas = _areas(curves, span, random_average, best)
    area, error = None, None
    if areas is not None:
        area = float(areas.mean())
        error = float(stats.t.ppf(0.975, n - 1) * areas.std(ddof=1) / math.sqrt(n))
    quartiles = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    return AnytimeCurve(
        algorithm=group.label,
        role=group.role,
        n=n,
        ticks=tuple(at),
        mean=_tuple(mean),
        low=_tuple(mean - half),
        high=_tuple(mean + half),
        median=_tuple(quartiles[1]),
        lower_quartile=_tuple(quartiles[0]),
        upper_quartile=_tuple(quartiles[2]),
        area=area,
        area_low=None if area is None or error is None else area - error,
        area_high=None if area is None or error is None else area + error,
    )


def _areas(
    curves: Sequence[Sequence[Sequence[float]]], span: tuple[float, float], random_average: float | None, best: float
) -> np.ndarray | None:
    """Normalized area of each run; exact, since the curves are steps."""
    start, end = span
    if random_average is None or best == random_average or not end - start >= _SHORT * end > 0:
        return None
    found = []
    for curve in curves:
        edges = [start, *(p[0] for p in curve if start < p[0] < end), end]
        values = step_values(curve, edges[:-1])
        found.append(float((values * np.diff(edges)).sum()) / (end - start))
    return (np.array(found) - random_average) / (best - random_average)


def _tuple(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(v) for v in values)
