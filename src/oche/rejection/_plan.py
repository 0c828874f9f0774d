"""What an allocation will cost, from pass rates, before anything is drawn: raw samples, tokens and time, in expectation.

Vanilla, uniform and Prop2Diff have closed forms. Allocations whose course depends on what they see are run on simulated responses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from oche.errors import ArgumentError
from oche.loop.contracts import Budget
from oche.rejection._allocation import Allocation
from oche.rejection._estimators import expected_draws
from oche.rejection._fixed import Uniform, Vanilla
from oche.rejection._prop2diff import Prop2Diff, targets
from oche.rejection._registries import allocation as as_allocation
from oche.rejection._simulate import simulate
from oche.seeds import derive


@dataclass(frozen=True)
class Plan:
    """Expected numbers of a synthesis.

    Args:
        queries: Queries.
        samples: Raw samples.
        reached: Share of the queries whose number of correct responses is reached, in percent.
        coverage: Share of the queries with at least one correct response, in percent.
        kept: Responses in the data set, duplicates not counted on.
        tokens: Tokens generated.
        seconds: Seconds at the given speed, None without one.
        method: `closed form` or `simulated`.
    """

    queries: int
    samples: float
    reached: float
    coverage: float
    kept: float
    tokens: float
    seconds: float | None
    method: str = "closed form"

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


def plan(
    rates: Sequence[float],
    allocation: Any = "prop2diff",
    *,
    cap: int | None = None,
    budget: Budget | None = None,
    tokens: float = 300.0,
    tokens_per_second: float = 0.0,
    repeats: int = 3,
    seed: int = 0,
) -> Plan:
    """Predict the cost of an allocation.

    Args:
        rates: Pass rate of every query, in [0, 1].
        allocation: As text or object.
        cap: Most raw samples per query; overrules the allocation's own.
        budget: Limit of samples or tokens over all queries.
        tokens: Tokens of one response.
        tokens_per_second: Speed of the sampler; 0 if not known.
        repeats: Simulated runs that are averaged, where there is no closed form.
        seed: Root of what is simulated.

    Raises:
        ArgumentError: no rates or one outside [0, 1], or an allocation that would never stop.

    Example:
        >>> round(plan([0.5] * 10, "uniform?k=4", cap=8).samples, 4)
        69.0625
    """
    chosen = as_allocation(allocation)
    if not isinstance(chosen, Allocation):
        raise ArgumentError(f"plan: got allocation {type(chosen).__name__}; allowed: a name such as 'uniform?k=4', or an Allocation")
    if cap is not None and not isinstance(chosen, Vanilla):
        chosen = chosen.capped(cap)
    if len(rates) == 0 or not all(0 <= p <= 1 for p in rates):
        raise ArgumentError("plan: got no pass rates, or one outside [0, 1]; allowed: one probability per query")
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise ArgumentError(f"plan repeats: got {repeats!r}; allowed: a whole number above 0")
    closed = type(chosen) in (Vanilla, Uniform, Prop2Diff) and chosen.cap is not None and chosen.p_min is None and budget is None
    if not closed:
        courses = [simulate(chosen, rates, budget, tokens, derive(seed, "plan", i)) for i in range(repeats)]
        mean = {name: sum(getattr(c, name) for c in courses) / repeats for name in ("samples", "reached", "coverage", "kept")}
        spent = mean["samples"] * tokens
        seconds = spent / tokens_per_second if tokens_per_second > 0 else None
        return Plan(len(rates), tokens=spent, seconds=seconds, method="simulated", **mean)
    assert isinstance(chosen, (Vanilla, Uniform))
    lines = [_query(chosen, float(p)) for p in rates]
    kept = sum(line[3] for line in lines)
    if isinstance(chosen, Prop2Diff):
        # The share of a query, or what the cap lets it reach.
        share = targets([_exact(1 - float(p)) for p in rates], chosen.k, chosen.scale, chosen.cover)
        kept = sum(min(t, line[3]) for t, line in zip(share, lines, strict=True))
    samples, n = sum(line[0] for line in lines), len(lines)
    spent = samples * tokens
    seconds = spent / tokens_per_second if tokens_per_second > 0 else None
    return Plan(n, samples, 100 * sum(line[1] for line in lines) / n, 100 * sum(line[2] for line in lines) / n, kept, spent, seconds)


def _exact(value: float) -> str:
    # Rates are numbers of a table: twelve digits hide the last bits of 1 - p, which would turn 2.0 into 3.
    return f"{value:.12f}"


def _query(chosen: Allocation, p: float) -> tuple[float, float, float, float]:
    """Expected samples, probability of the target, probability of one response, expected kept."""
    assert chosen.cap is not None
    if isinstance(chosen, Vanilla):
        hit = 1 - (1 - p) ** chosen.m
        if not chosen.cover:
            return float(chosen.m), hit, hit, chosen.m * p
        found = 1 - (1 - p) ** chosen.cap
        rest = ((1 - p) ** chosen.m - (1 - p) ** chosen.cap) / p if p > 0 else float(chosen.cap - chosen.m)
        return chosen.m + rest, found, found, chosen.m * p + found - hit
    assert isinstance(chosen, Uniform)
    draws, reached = expected_draws(chosen.k, p, chosen.cap)
    covered = -math.expm1(chosen.cap * math.log1p(-p)) if p < 1 else 1.0
    # Wald: correct responses are p times the draws.
    return draws, reached, covered, p * draws
