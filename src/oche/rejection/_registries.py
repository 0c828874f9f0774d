"""Names of allocations and samplers, with the one grammar of settings: `prop2diff?k=32`, `bernoulli?beta=0.6,0.6`."""

from __future__ import annotations

from typing import Any

from oche.loop.registry import Registry

allocations = Registry("allocation", "oche.allocations")
samplers = Registry("sampler", "oche.samplers")

allocations.register("vanilla", "oche.rejection._fixed:Vanilla", "the same number of raw samples for every query")
allocations.register("uniform", "oche.rejection._fixed:Uniform", "the same number of correct responses for every query")
allocations.register("prop2diff", "oche.rejection._prop2diff:Prop2Diff", "correct responses in proportion to the fail rate")
allocations.register("budget-optimal", "oche.rejection._budget_optimal:BudgetOptimal", "largest expected gain per token, Beta-Bernoulli")
allocations.register("coverage", "oche.rejection._budget_optimal:Coverage", "as many queries with a response as the budget allows")
allocations.register("banded", "oche.rejection._banded:Banded", "only queries whose pass rate lies in a band")
allocations.register("thompson", "oche.rejection._thompson:Thompson", "largest gain per token under pass rates drawn from posteriors")

samplers.register("bernoulli", "oche.rejection._bernoulli:Bernoulli", "right with a known probability per query; no model")
samplers.register("tiny", "oche.rejection._tiny:Tiny", "a small transformer that adds numbers; pass rates known exactly")
samplers.register("replay", "oche.rejection._replay:Replay", "responses that were stored before")


def allocation(value: Any) -> Any:
    """The allocation of a text form, or `value` itself."""
    return allocations.get(value) if isinstance(value, str) else value


def sampler(value: Any) -> Any:
    """The sampler of a text form, or `value` itself."""
    return samplers.get(value) if isinstance(value, str) else value
