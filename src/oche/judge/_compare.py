"""Two lists of results in, one judged row out.

This is the whole of the statistics for one pair of arms; `_report.py` applies it to every pair and corrects for their number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from oche.errors import JudgeError
from oche.judge._arms import Arm, check_units, make_arm
from oche.judge._effect import a12, error_reduction
from oche.judge._interval import METHODS, Interval, relative_interval, welch_difference
from oche.judge._numbers import number, points_unit
from oche.judge._pairing import pair_up, paired_row
from oche.judge._permutation import null_means, permutation_p
from oche.judge._power import minimum_detectable, population_effect
from oche.judge._resolution import resolution
from oche.judge._row import Row


@dataclass(frozen=True)
class Settings:
    """How arms are compared.

    Args:
        alpha: Level of the intervals and the tests, in (0, 1).
        ci: Method of the interval: `welch-log`, `bootstrap` or `bootstrap-bca`.
        direction: `max` or `min`.
        delta: Half width of the zone of equivalence, in percent of relative improvement, or in the metric's unit on scale `points`.
        seed: Root of everything that is resampled.
        unit: Unit of the metric.
        scale: `relative` or `points`.
        n_report: Number of test items behind every result.
    """

    alpha: float = 0.05
    ci: str = "welch-log"
    direction: str = "max"
    delta: float | None = None
    seed: int = 0
    unit: str = "%"
    scale: str = "relative"
    n_report: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 1.0:
            raise JudgeError(f"alpha: got {self.alpha!r}; allowed: a number between 0 and 1; 0.05 is usual")
        if self.ci not in METHODS:
            raise JudgeError(f"ci: got {self.ci!r}; allowed: {', '.join(map(repr, METHODS))}; use the default 'welch-log'")
        if self.direction not in ("max", "min"):
            raise JudgeError(f"direction: got {self.direction!r}; allowed: 'max' (larger is better), 'min' (smaller is better)")
        if self.scale not in ("relative", "points"):
            raise JudgeError(f"scale: got {self.scale!r}; allowed: 'relative' (percent of the random mean), 'points' (difference)")
        if self.delta is not None and not self.delta > 0:
            raise JudgeError(f"delta: got {self.delta!r}; allowed: a number above 0, the largest improvement that would not matter")


def compare(
    search: Sequence[float],
    random: Sequence[float],
    *,
    alpha: float = 0.05,
    ci: str = "welch-log",
    direction: str = "max",
    delta: float | None = None,
    seed: int = 0,
    unit: str = "%",
    scale: str = "relative",
    population: bool = False,
    n_report: int | None = None,
    paired: tuple[Sequence[Any], Sequence[Any]] | bool = False,
) -> Row:
    """Judge the results of searches against random ones from the same space, trained alike. Runs are not paired unless asked for.

    Args:
        search: Results of `k` independent searches, `(k,)`, `k >= 2`.
        random: Results of `n` random members, `(n,)`, `n >= 2`.
        alpha: Level of the interval and the test.
        ci: `welch-log`, `bootstrap` (percentile) or `bootstrap-bca`.
        direction: `max` if larger is better, `min` if smaller is; flips the sign of the improvement, never the data.
        delta: If given, the row says whether the whole interval lies within +-delta (percent of improvement).
        seed: Root of the resampling, where there is any.
        unit: Unit of the results; `%` also checks that shares and percents are not mixed.
        scale: `relative`, or `points` for metrics whose mean may be zero or negative.
        population: Whether `random` holds every member of a finite space: its mean is then known exactly.
        n_report: Number of test items behind each result, for its resolution.
        paired: Only where both arms were measured on the same units, such as folds, splits or training seeds that both runs of a pair
            share: the units of the two arms, or True where run i of one goes with run i of the other. The row's interval, test and
            smallest effect are those of the pairs then, and A12 is the share of pairs in which the search is better.

    Returns:
        A frozen row with `.ri`, `.ri_low`, `.ri_high`, `.p`, `.a12`, `.mde` (in `.mde_unit`), `.verdict` and more.

    Raises:
        JudgeError: fewer than 2 runs in an arm, results that are not finite, mixed units, or a random mean that is not positive.

    Source: Yang et al. 2020 (relative improvement); interval, test and verdict are ours.

    Example:
        >>> row = compare(search=[91, 92, 93, 94], random=[87, 88, 89, 90])
        >>> row.verdict, round(row.p, 4), row.a12
        ('beats random', 0.0286, 1.0)
    """
    settings = Settings(alpha, ci, direction, delta, seed, unit, scale, n_report)
    m = make_arm("search", search, letter="k", unit=unit)
    r = make_arm("random", random, letter="n", unit=unit, population=population)
    if paired is False:
        return compare_arms(m, r, settings)
    if population or ci != "welch-log":
        raise JudgeError(f"paired: got population={population}, ci={ci!r}; allowed: two samples with the default interval")
    one, other = pair_up(list(map(float, search)), list(map(float, random)), paired)
    row = paired_row(compare_arms(m, r, settings), one, other, seed)
    return row if delta is None else replace(row, equivalent=-delta <= row.low and row.high <= delta)


def compare_arms(
    search: Arm, random: Arm, settings: Settings, *, dataset: str = "", algorithm: str = "search", against: str = "random"
) -> Row:
    """`compare` for arms that are made already."""
    check_units(search, random, settings.unit)
    difference = welch_difference(search, random, settings.alpha)
    undefined = Interval(float("nan"), float("nan"), float("nan"), difference.nu)
    relative = relative_interval(search, random, settings.alpha, settings.ci, settings.seed) if settings.scale == "relative" else undefined
    nu = relative.nu if settings.scale == "relative" else difference.nu
    if settings.direction == "min":
        difference, relative = difference.negated(), relative.negated()
    significance = permutation_p(search, random, settings.seed)
    null, needed = null_means(random, search.n, settings.seed) if random.population else None, None
    if null is not None:
        mde, needed = population_effect(null, search.sd, search.n, settings.alpha, settings.direction)
    else:
        mde = minimum_detectable(search.sd, search.n, random.sd, random.n, alpha=settings.alpha)
    row = Row(
        dataset=dataset,
        algorithm=algorithm,
        against=against,
        n_m=search.n,
        n_r=random.n,
        population=random.population,
        mean_m=search.mean,
        sd_m=search.sd,
        mean_r=random.mean,
        sd_r=random.sd,
        median_r=float(np.median(random.array)),
        unit=settings.unit,
        direction=settings.direction,
        scale=settings.scale,
        ri=relative.estimate + 0.0,  # no negative zero
        ri_low=relative.low + 0.0,
        ri_high=relative.high + 0.0,
        difference=difference.estimate + 0.0,
        difference_low=difference.low + 0.0,
        difference_high=difference.high + 0.0,
        nu=nu,
        ci=settings.ci if settings.scale == "relative" else "welch",
        alpha=settings.alpha,
        p=significance.p,
        p_method=significance.method,
        p_smallest=significance.smallest,
        p_adj=significance.p,
        family=1,
        a12=a12(search, random, settings.direction),
        error_reduction=error_reduction(search, random, settings.unit, settings.direction),
        mde=mde,
        mde_unit=points_unit(settings.unit),
        mde_family=mde,
        mde_relative=100.0 * mde / random.mean if settings.scale == "relative" else float("nan"),
        resolution=resolution(search.mean, settings.n_report) if settings.n_report and settings.unit == "%" else None,
        needed=needed,
        null=null,
        warnings=_warnings(search, random),
    )
    if row.population and row.interval_only:
        row = replace(row, warnings=(*row.warnings, _by_chance(row)))
    return row if settings.delta is None else replace(row, equivalent=-settings.delta <= row.low and row.high <= settings.delta)


def _by_chance(row: Row) -> str:
    """Why an interval without 0 is no verdict: the interval knows the spread of the search arm only."""
    return (
        f"the interval leaves 0 out, but {100 * row.p / 2:.2g} % of groups of {row.n_m} random members are as far off: "
        f"the space is skewed; {row.n_m} runs are better than chance from {number(row.needed or math.nan, 2)} {row.unit}".rstrip()
    )


def _warnings(search: Arm, random: Arm) -> tuple[str, ...]:
    flat = [arm.name for arm in (search, random) if arm.sd == 0]
    if len(flat) == 2:
        return ("zero variance: all values of both arms are equal, so the interval is a point",)
    if flat:
        return (f"zero variance in '{flat[0]}': all its values are equal, so its spread is not in the interval",)
    return ()
