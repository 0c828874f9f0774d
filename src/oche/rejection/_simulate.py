"""An allocation's course on queries of known pass rates, without samples, grader or store: for plans of what depends on what it sees."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oche.errors import ArgumentError
from oche.loop.contracts import Budget, Cost, Feedback
from oche.program import Space, oneof
from oche.rejection._allocation import Allocation
from oche.seeds import generator

# As many proposals at a time as a synthesis has in flight by default.
_PARALLEL = 64


@dataclass(frozen=True)
class Course:
    """What a simulated run ended in: the shares in percent, the rest as numbers of responses."""

    samples: float
    reached: float
    coverage: float
    kept: float


def simulate(chosen: Allocation, rates: Sequence[float], budget: Budget | None, tokens: float, seed: int) -> Course:
    """What `chosen` ends in on queries with these pass rates."""
    m = simulated(chosen, rates, budget, tokens, seed).outcome().metrics
    return Course(m["samples"], m["reached"], m["coverage"], m["kept"])


def simulated(chosen: Allocation, rates: Sequence[float], budget: Budget | None = None, tokens: float = 1.0, seed: int = 0) -> Allocation:
    """A copy of `chosen` after its run on queries with these pass rates; a budget of samples or tokens ends it to the sample."""
    run = copy.deepcopy(chosen)
    # A plan says what will be, even that nothing will be right.
    run.pilot = 0
    space = Space(oneof([str(i) for i in range(len(rates))], name="query"))
    rng = generator(seed, "plan", "asks")
    run.setup(space, rng, budget)
    draw = generator(seed, "plan", "responses")
    left = _limit(budget, tokens)
    while left > 0 and (proposals := run.ask(_PARALLEL)):
        results = []
        for proposal in proposals:
            count, need = int(min(proposal.count, left)), proposal.info.get("need")
            if count == 0:
                break
            hits = draw.random(count) < rates[proposal.info["query"]]
            if need is not None and hits.sum() >= need:
                count = int(np.flatnonzero(hits)[need - 1]) + 1
            correct = int(hits[:count].sum())
            left -= count
            metrics = {"samples": count, "correct": correct, "kept": correct, "tokens": round(count * tokens)}
            results.append((proposal.id, Feedback(float(correct), metrics, cost=Cost())))
        run.tell(results)
    return run


def _limit(budget: Budget | None, tokens: float) -> float:
    if budget is None:
        return math.inf
    if other := sorted(set(budget.limits()) - {"samples", "tokens"}):
        raise ArgumentError(f"plan: got a budget of {', '.join(other)}; allowed: samples or tokens, which pass rates determine")
    by_tokens = math.inf if budget.tokens is None or tokens == 0 else math.ceil(budget.tokens / tokens)
    return min(math.inf if budget.samples is None else budget.samples, by_tokens)
