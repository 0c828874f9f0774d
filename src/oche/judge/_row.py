"""One test of a report: two arms, the improvement with its interval, and the verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any

from oche.judge._permutation import NullMeans
from oche.judge._power import minimum_detectable, population_effect
from oche.judge._resolution import Resolution
from oche.judge._verdict import decide


@dataclass(frozen=True)
class Row:
    """A comparison of `k` search runs with `n` random ones. Improvements are positive if the search is better.

    Args:
        dataset: Data set or task.
        algorithm: What is judged.
        against: `random`, `random average` or `random search`.
        n_m: Runs of the search, `k`.
        n_r: Runs of the random arm, `n`, or all members of the space.
        population: Whether the random arm is every member of a finite space, its mean known exactly.
        mean_m: Mean of the search arm, in `unit`.
        sd_m: Its sample standard deviation.
        mean_r: Mean of the random arm.
        sd_r: Its standard deviation.
        median_r: Median of the random arm: the mean of a space with a bad tail flatters everybody.
        unit: Unit of the metric.
        direction: `max` or `min`.
        scale: `relative`, or `points` where a mean is not positive; the interval that the verdict rests on.
        ri: Relative improvement in percent (NaN on scale `points`).
        ri_low: Lower end of its interval.
        ri_high: Upper end.
        difference: Difference of means in `unit`, positive if better.
        difference_low: Lower end of its Welch interval.
        difference_high: Upper end.
        nu: Degrees of freedom of the interval (NaN if resampled or without spread).
        ci: Method of the interval.
        alpha: Level.
        p: Two-sided permutation p of this row alone.
        p_method: Where it comes from.
        p_smallest: Smallest p that these counts can give.
        p_adj: p after Holm over the family.
        family: Number of tests in the family.
        a12: Probability that a search run beats a random one.
        error_reduction: Share of errors avoided, percent, or None.
        mde: Minimum detectable effect at 80 % power, in `mde_unit`.
        mde_unit: Unit of `mde`.
        mde_family: The same at the level of Holm's first step, `alpha / family`, which is what this report can see.
        mde_relative: The same in percent of the random mean (NaN on scale `points`).
        equivalent: Whether the whole interval lies within +-delta; None if no delta was given.
        resolution: Grain of the metric, if the number of test items is known.
        random_equivalent: Draws from the baseline's pool whose expected best reaches the mean; None if unknown or never.
        equal_cost: Whether random search spent as much; None if the row is not against random search.
        cost_ratio: Cost of random search over cost of this algorithm, None if unknown.
        cost_unit: Unit in which costs were compared.
        needed: Mean that the search arm must pass to be better than a known population at the level of the verdict, where only chance
            decides; None without a population.
        null: The means that chance alone gives against a known population; not part of the JSON.
        warnings: What the reader must know, such as "zero variance".
    """

    dataset: str
    algorithm: str
    against: str
    n_m: int
    n_r: int
    population: bool
    mean_m: float
    sd_m: float
    mean_r: float
    sd_r: float
    median_r: float
    unit: str
    direction: str
    scale: str
    ri: float
    ri_low: float
    ri_high: float
    difference: float
    difference_low: float
    difference_high: float
    nu: float
    ci: str
    alpha: float
    p: float
    p_method: str
    p_smallest: float
    p_adj: float
    family: int
    a12: float
    error_reduction: float | None
    mde: float
    mde_unit: str
    mde_family: float
    mde_relative: float
    equivalent: bool | None = None
    resolution: Resolution | None = None
    random_equivalent: int | None = None
    equal_cost: bool | None = None
    cost_ratio: float | None = None
    cost_unit: str | None = None
    needed: float | None = None
    null: NullMeans | None = field(default=None, repr=False, compare=False)
    warnings: tuple[str, ...] = field(default=())

    @property
    def low(self) -> float:
        """Lower end of the interval that the verdict rests on."""
        return self.ri_low if self.scale == "relative" else self.difference_low

    @property
    def high(self) -> float:
        """Upper end of the interval that the verdict rests on."""
        return self.ri_high if self.scale == "relative" else self.difference_high

    @property
    def estimate(self) -> float:
        """The improvement on the row's scale."""
        return self.ri if self.scale == "relative" else self.difference

    @property
    def verdict(self) -> str:
        """The verdict after Holm over the family."""
        return self._decide(self.p_adj, self.family)

    @property
    def verdict_unadjusted(self) -> str:
        """The verdict that this row alone would have had."""
        return self._decide(self.p, 1)

    @property
    def wins(self) -> bool:
        """Whether the verdict says better."""
        return self.verdict.startswith("beats")

    @property
    def loses(self) -> bool:
        """Whether the verdict says worse."""
        return self.verdict.startswith("worse")

    @property
    def interval_only(self) -> bool:
        """Whether the interval leaves 0 out but the test does not reach the level: a claim that the interval alone would have made."""
        return (self.low > 0 or self.high < 0) and self.p >= self.alpha

    def adjusted(self, p_adj: float, family: int) -> Row:
        """The same row as a member of a family of tests."""
        level = self.alpha / family
        if self.null is not None:
            effect, needed = population_effect(self.null, self.sd_m, self.n_m, level, self.direction)
            return replace(self, p_adj=p_adj, family=family, mde_family=effect, needed=needed)
        n = None if self.population else self.n_r
        mde_family = minimum_detectable(self.sd_m, self.n_m, self.sd_r, n, alpha=level)
        return replace(self, p_adj=p_adj, family=family, mde_family=mde_family)

    def to_json(self) -> dict[str, Any]:
        """All fields and both verdicts as JSON values; undefined numbers become null."""
        plain: dict[str, Any] = {f.name: _json(getattr(self, f.name)) for f in fields(self) if f.name != "null"}
        return {**plain, "verdict": self.verdict, "verdict_unadjusted": self.verdict_unadjusted}

    def __str__(self) -> str:
        from oche.judge._numbers import improvement, quantity

        text = f"{self.algorithm} vs {self.against}: {improvement(self)}, p {self.p:.4g}"
        if self.family > 1:
            text += f", Holm over {self.family} tests {self.p_adj:.4g}"
        text += f", A12 {self.a12:.3f}: {self.verdict}"
        return f"{text} (smallest effect that {self.n_m} + {self.n_r} runs can see: {quantity(self.mde, self.mde_unit)})"

    def _decide(self, p: float, family: int) -> str:
        return decide(
            self.low,
            self.high,
            p,
            alpha=self.alpha,
            smallest=self.p_smallest,
            family=family,
            against=self.against,
            equal_cost=self.equal_cost is not False,
            ratio=self.cost_ratio,
        )


def _json(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Resolution):
        return {"n_items": value.n_items, "one_item": value.one_item, "standard_error": value.standard_error}
    return list(value) if isinstance(value, tuple) else value
