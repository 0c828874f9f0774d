"""Relative improvement of one mean over another, and its interval.

The idea: work on the log of the ratio of the two means, where the standard errors of both arms simply add, and use Welch's
degrees of freedom, so that arms of unequal spread and size need no special case. When a mean is not positive a ratio says
nothing, and the same is done for the plain difference. The bootstrap is offered beside it; at 8 + 8 runs it covers less than it
promises (91.1 % for 95 %, against 95.2 % for `welch-log`, measured on 214 real accuracies).

Tests and verdicts are elsewhere (`_permutation.py`, `_verdict.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from oche.errors import JudgeError
from oche.judge._arms import Arm
from oche.seeds import generator

#: Ways to make the interval of the relative improvement.
METHODS = ("welch-log", "bootstrap", "bootstrap-bca")
RESAMPLES = 10_000


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval.

    Args:
        estimate: The value itself.
        low: Lower end.
        high: Upper end.
        nu: Welch degrees of freedom; NaN for a resampled interval or when no arm varies.
    """

    estimate: float
    low: float
    high: float
    nu: float

    def negated(self) -> Interval:
        """The interval of minus the estimate."""
        return Interval(-self.estimate, -self.high, -self.low, self.nu)


def relative_improvement(search: Arm, random: Arm) -> float:
    """`100 * (mean(search) / mean(random) - 1)`, in percent: mean first, then one ratio, since runs are not paired.

    Raises:
        JudgeError: a mean is zero or negative, so that the ratio has no meaning.
    """
    if random.mean == 0:
        raise JudgeError(
            f"relative improvement undefined: random mean is 0 in '{random.name}'; allowed: a positive mean; compare with scale='points'"
        )
    for arm in (random, search):
        if arm.mean <= 0:
            raise JudgeError(
                f"relative improvement undefined: got mean {arm.mean!r} in '{arm.name}'; allowed: positive means; "
                "compare with scale='points'"
            )
    return 100.0 * (search.mean / random.mean - 1.0)


def welch_log(search: Arm, random: Arm, alpha: float = 0.05) -> Interval:
    """Relative improvement (percent) with the Welch interval of the log ratio of means.

    `L = ln(m/r)`, `se^2 = s_m^2/(k m^2) + s_r^2/(n r^2)`, interval `100 (exp(L +- t se) - 1)`; a population has no error term.
    If no arm varies, the interval is the point.

    Raises:
        JudgeError: a mean is not positive.

    Source: ours, with Welch-Satterthwaite degrees of freedom.
    """
    ri = relative_improvement(search, random)
    terms = [((arm.standard_error / arm.mean) ** 2, arm.n - 1) for arm in (search, random) if arm.standard_error > 0]
    if not terms:
        return Interval(ri, ri, ri, math.nan)
    half, nu = _half_width(terms, alpha)
    log_ratio = math.log(search.mean / random.mean)
    return Interval(ri, 100.0 * math.expm1(log_ratio - half), 100.0 * math.expm1(log_ratio + half), nu)


def welch_difference(search: Arm, random: Arm, alpha: float = 0.05) -> Interval:
    """Difference of means in the metric's unit with the Welch t interval; the point if no arm varies."""
    difference = search.mean - random.mean
    terms = [(arm.standard_error**2, arm.n - 1) for arm in (search, random) if arm.standard_error > 0]
    if not terms:
        return Interval(difference, difference, difference, math.nan)
    half, nu = _half_width(terms, alpha)
    return Interval(difference, difference - half, difference + half, nu)


def bootstrap(search: Arm, random: Arm, alpha: float = 0.05, *, seed: int = 0, bca: bool = False) -> Interval:
    """Relative improvement (percent) with a bootstrap interval: both arms resampled, 10,000 times, from `seed`.

    A population is not resampled. If no arm varies, the interval is the point.

    Raises:
        JudgeError: a mean is not positive.
    """
    ri = relative_improvement(search, random)
    if search.standard_error == 0 and random.standard_error == 0:
        return Interval(ri, ri, ri, math.nan)
    samples = (search.array,) if random.population else (search.array, random.array)

    def statistic(m: np.ndarray, *r: np.ndarray, axis: int = -1) -> np.ndarray:
        base = r[0].mean(axis=axis) if r else random.mean
        return 100.0 * (m.mean(axis=axis) / base - 1.0)

    found = stats.bootstrap(
        samples,
        statistic,
        n_resamples=RESAMPLES,
        vectorized=True,
        confidence_level=1.0 - alpha,
        method="BCa" if bca else "percentile",
        rng=generator(seed, "judge", "bootstrap"),
    )
    return Interval(ri, float(found.confidence_interval.low), float(found.confidence_interval.high), math.nan)


def relative_interval(search: Arm, random: Arm, alpha: float, method: str, seed: int) -> Interval:
    """The interval of the relative improvement by the named method.

    Raises:
        JudgeError: unknown method, or a mean that is not positive.
    """
    if method == "welch-log":
        return welch_log(search, random, alpha)
    if method in METHODS:
        return bootstrap(search, random, alpha, seed=seed, bca=method == "bootstrap-bca")
    raise JudgeError(f"ci: got {method!r}; allowed: {', '.join(map(repr, METHODS))}; use the default 'welch-log'")


def _half_width(terms: list[tuple[float, int]], alpha: float) -> tuple[float, float]:
    """Half width and Welch-Satterthwaite degrees of freedom from (squared standard error, degrees of freedom) pairs."""
    total = math.fsum(e for e, _ in terms)
    # Shares of the total, not squares of tiny numbers: those underflow for very small spreads.
    nu = 1.0 / math.fsum((e / total) ** 2 / df for e, df in terms)
    return float(stats.t.ppf(1.0 - alpha / 2.0, nu)) * math.sqrt(total), nu
