"""Budget-optimal allocation: the next samples go where they are expected to gain most per token.

Every query has a Beta-Bernoulli posterior of its pass rate; the prior is fitted to all queries by moments after a first lot each. The
gain is a concave function of the number kept, so greedy choice by marginal gain per expected cost is optimal.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oche.errors import ArgumentError
from oche.rejection._allocation import Allocation
from oche.rejection._estimators import posterior_mean

GAINS = ("coverage", "log")


def fit_beta(correct: Sequence[int], samples: Sequence[int]) -> tuple[float, float]:
    """Beta prior of pass rates by moments; (1, 1) where the counts say nothing.

    The variance of observed rates is that of the prior plus the binomial one, which is taken off.
    """
    n = np.asarray(samples, float)
    c = np.asarray(correct, float)[n > 0]
    n = n[n > 0]
    if n.size < 2 or n.max() < 2:
        return 1.0, 1.0
    rates = c / n
    mean, m = float(rates.mean()), float(n.mean())
    spread = float(rates.var(ddof=1))
    if not 0 < mean < 1:
        return 1.0, 1.0
    inner = (spread - mean * (1 - mean) / m) / (1 - 1 / m) if m > 1 else 0.0
    top = mean * (1 - mean)
    inner = min(max(inner, 1e-3 * top), 0.999 * top)
    total = top / inner - 1
    return mean * total, (1 - mean) * total


def split_for_coverage(rates: Sequence[float], trials: int) -> tuple[list[int], float]:
    """The split of `trials` over queries of known pass rates that covers most of them in expectation, and that number.

    The gain of one more trial is p (1 - p)^n.

    Example:
        >>> split_for_coverage([0.5, 0.1], 4)
        ([3, 1], 0.975)
    """
    counts = [0] * len(rates)
    heap = [(-p, i) for i, p in enumerate(rates)]
    heapq.heapify(heap)
    for _ in range(trials):
        gain, i = heapq.heappop(heap)
        counts[i] += 1
        heapq.heappush(heap, (gain * (1 - rates[i]), i))
    return counts, sum(1 - (1 - p) ** n for p, n in zip(rates, counts, strict=True))


class BudgetOptimal(Allocation):
    """Samples by marginal gain per token under a budget of tokens, samples or money.

    Args:
        gain: `coverage` counts queries with a kept response; `log` counts log(1 + kept) of every query.
        step: Samples of one proposal; the first goes to every query as a pilot.
        cap: Most raw samples per query.

    Source: greedy allocation for concave gains (Federgruen and Groenevelt 1986), with a Beta-Bernoulli model of pass rates.
    """

    name = "budget-optimal"

    def __init__(self, gain: str = "coverage", step: int = 4, cap: int | None = None, **settings: Any) -> None:
        if gain not in GAINS:
            raise ArgumentError(f"gain: got {gain!r}; allowed: 'coverage', 'log'")
        super().__init__(cap=cap, lot=step, **settings)
        self.gain, self.step = gain, step

    @property
    def settings(self) -> dict[str, Any]:
        """`gain`, `step`, and what differs from the defaults."""
        return {"gain": self.gain, "step": self.step, **super().settings}

    def want(self, i: int) -> int | None:
        """One for coverage; any number for the logarithm."""
        return 1 if self.gain == "coverage" else None

    def keep(self) -> list[int]:
        """Everything that is correct."""
        return [max(1, int(k)) for k in self.kept]

    def size(self, i: int) -> int:
        """A step, or what the cap leaves."""
        return self.step if self.cap is None else min(self.step, self.cap - int(self.samples[i]))

    def _start(self) -> None:
        self._prior: tuple[float, float] | None = None
        self._heap: list[tuple[float, int]] = []

    def worth(self, i: Any) -> Any:
        """Gain per token of one more right response of query i, or of an array of queries."""
        gain = 1.0 if self.gain == "coverage" else np.log((self.kept[i] + 2) / (self.kept[i] + 1))
        mean = max(1.0, float(self.n_tokens)) / max(1, self.n_samples)
        return gain / ((self.tokens[i] + mean) / (self.samples[i] + 1))

    def score(self, i: int) -> float:
        """Expected gain per token of one more sample of query i."""
        return float(posterior_mean(self.correct[i], self.samples[i], *(self._prior or (1.0, 1.0))) * self.worth(i))

    def next_query(self) -> int | None:
        """Every query once, then the best score."""
        if self._queue:
            return self._queue.popleft()
        if self._prior is None:
            self._prior = fit_beta(self.correct.tolist(), self.samples.tolist())
            self._heap = sorted((-self.score(i), i) for _, i in self._heap)
        return heapq.heappop(self._heap)[1] if self._heap else None

    def back(self, i: int) -> None:
        """Back with a new score."""
        heapq.heappush(self._heap, (-self.score(i), i))

    def state(self) -> dict[str, Any]:
        """Counts, queues and the prior."""
        return {**super().state(), "prior": self._prior, "heap": [list(x) for x in self._heap]}

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        super().load(state)
        self._prior = tuple(state["prior"]) if state["prior"] is not None else None  # type: ignore[assignment]
        self._heap = [(float(s), int(i)) for s, i in state["heap"]]


class Coverage(BudgetOptimal):
    """Cover as many queries as the budget allows: the next samples go to the query that most probably gets its first kept response.

    Args:
        step: Samples of one proposal; the first goes to every query as a pilot.
        cap: Most raw samples per query.

    Source: greedy allocation for concave gains (Federgruen and Groenevelt 1986): the gain of one more trial is p (1 - p)^n.
    """

    name = "coverage"

    def __init__(self, step: int = 4, cap: int | None = None, **settings: Any) -> None:
        super().__init__(gain="coverage", step=step, cap=cap, **settings)

    @property
    def settings(self) -> dict[str, Any]:
        """`step`, and what differs from the defaults."""
        return {k: v for k, v in super().settings.items() if k != "gain"}
