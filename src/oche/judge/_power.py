"""What a comparison of so many runs can see, and how many runs it takes to see a given difference.

Power of the two-sided Welch t test by the noncentral t distribution, solved numerically. The level is that of one test; a report
of m tests asks for the level alpha / m, Holm's first step.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from scipy import optimize, stats

from oche.errors import JudgeError
from oche.judge._permutation import NullMeans, smallest_p

#: Chance to see the difference if it is there; the usual convention.
POWER = 0.8
_MOST_RUNS = 10_000_000


def minimum_detectable(sd_search: float, k: int, sd_random: float, n: int | None, *, alpha: float = 0.05, power: float = POWER) -> float:
    """Smallest true difference of means, in the metric's unit, that is seen with the given power.

    Args:
        sd_search: Standard deviation of the search arm.
        k: Its number of runs.
        sd_random: Standard deviation of the random arm.
        n: Its number of runs; None for a mean that is known exactly.
        alpha: Level of the test, two-sided.
        power: Chance to see the difference, in (alpha, 1).

    Example:
        >>> round(minimum_detectable(0.2266, 8, 0.2266, 8), 3)
        0.341
    """
    terms = [(sd_search**2 / k, k - 1)]
    if n is not None:
        terms.append((sd_random**2 / n, n - 1))
    total = math.fsum(e for e, _ in terms)
    if total == 0:
        return 0.0
    nu = 1.0 / math.fsum((e / total) ** 2 / df for e, df in terms)
    return math.sqrt(total) * _noncentrality(nu, alpha, power)


def population_effect(
    null: NullMeans, sd: float, k: int, alpha: float, direction: str = "max", power: float = POWER
) -> tuple[float, float]:
    """What `k` runs can see against a space that is known whole: the t test's effect, or what chance forbids to call better.

    Args:
        null: Means of `k` random members.
        sd: Standard deviation of the search arm.
        k: Its number of runs.
        alpha: Level of the test.
        direction: `max` or `min`.
        power: Chance to see the effect.

    Returns:
        The smallest effect seen with the given power, and the mean that must be passed.
    """
    needed = null.needed(alpha, direction)
    margin = sd / math.sqrt(k) * float(stats.t.ppf(power, k - 1))
    by_chance = abs(needed - null.center) + margin
    return max(minimum_detectable(sd, k, 0.0, None, alpha=alpha, power=power), by_chance), needed


def runs_needed(
    difference: float,
    sd: float,
    *,
    alpha: float = 0.05,
    power: float = POWER,
    population: bool = False,
) -> int:
    """Runs per arm needed to see `difference` with the given power.

    Args:
        difference: True difference of means, in the metric's unit.
        sd: Standard deviation of one arm, in the same unit.
        alpha: Level of one test, two-sided; for a report of m tests divide by m. The count is raised until a permutation test can
            come out under it.
        power: Chance to see the difference.
        population: Whether the other arm is a known mean, so that only the search arm needs runs.

    Raises:
        JudgeError: the difference is zero or not finite, or more than ten million runs are needed.

    Example:
        >>> [runs_needed(d, 0.2266) for d in (0.1, 0.2, 0.3, 0.5)]
        [82, 22, 11, 5]
    """
    if not math.isfinite(difference) or difference == 0:
        raise JudgeError(f"difference: got {difference!r}; allowed: a number other than 0")

    def enough(n: int) -> bool:
        if not population and smallest_p(n, n) >= alpha:
            return False
        return minimum_detectable(sd, n, sd, None if population else n, alpha=alpha, power=power) <= abs(difference)

    high = 2
    while not enough(high):
        high *= 2
        if high > _MOST_RUNS:
            raise JudgeError(f"difference: got {difference!r} with sd {sd!r}; allowed: one that ten million runs can see")
    low = max(2, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def runs_to_decide(alpha: float, family: int, n: int | None = None) -> int:
    """Runs with which a permutation test of this family can come out significant at all.

    Args:
        alpha: Level of the report.
        family: Number of tests in it.
        n: Runs of the other arm if it stays as it is; None if both arms grow together.

    Raises:
        JudgeError: no number of runs will do, since the seeded draws have a smallest p of their own.
    """
    for k in range(2, 1000):
        if family * smallest_p(k, k if n is None else n) < alpha:
            return k
    raise JudgeError(f"family: got {family} tests at alpha {alpha!r}; allowed: alpha above {family} times the smallest p of the draws")


@lru_cache(maxsize=4096)
def _noncentrality(nu: float, alpha: float, power: float) -> float:
    """The noncentrality at which the two-sided t test with `nu` degrees of freedom has the given power."""
    critical = float(stats.t.ppf(1.0 - alpha / 2.0, nu))

    def miss(shift: float) -> float:
        lower_tail = float(stats.nct.cdf(-critical, nu, shift))
        # SciPy gives NaN for this tail where it is far too small to matter.
        return float(stats.nct.sf(critical, nu, shift)) + (lower_tail if math.isfinite(lower_tail) else 0.0) - power

    # With two runs per arm critical values reach 12 and more, so the bracket grows with them.
    root: Any = optimize.brentq(miss, 0.0, 4.0 * critical + 10.0, xtol=1e-12)
    return float(root)
