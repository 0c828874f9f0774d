"""Thompson sampling over queries: the next samples go where a draw from the posterior expects most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from oche.program import Space
from oche.rejection._budget_optimal import BudgetOptimal, fit_beta


class Thompson(BudgetOptimal):
    """As `BudgetOptimal`, but every choice uses pass rates drawn from their posteriors instead of their means.

    A query whose pass rate is not known well is so tried at times although its mean is low.

    Args:
        gain: `coverage` counts queries with a kept response; `log` counts log(1 + kept) of every query.
        step: Samples of one proposal; the first goes to every query as a pilot.
        cap: Most raw samples per query.

    Source: Thompson 1933, with the Beta-Bernoulli model of pass rates.
    """

    name = "thompson"

    def setup(self, space: Space, rng: np.random.Generator, budget: Any = None) -> None:
        """Start on `space`, whose points are the queries."""
        super().setup(space, rng, budget)
        self._rng = rng

    def _start(self) -> None:
        super()._start()
        self._waiting: set[int] = set()

    def next_query(self) -> int | None:
        """Every query once, then the best of one draw."""
        if self._queue:
            return self._queue.popleft()
        if not self._waiting:
            return None
        if self._prior is None:
            self._prior = fit_beta(self.correct.tolist(), self.samples.tolist())
        a, b = self._prior
        # Sorted: the order of a set is no part of a run's definition.
        at = np.array(sorted(self._waiting))
        drawn = self._rng.beta(a + self.correct[at], b + self.samples[at] - self.correct[at])
        best = int(at[int(np.argmax(drawn * self.worth(at)))])
        self._waiting.remove(best)
        return best

    def back(self, i: int) -> None:
        """Wait for the next draw."""
        self._waiting.add(i)

    def state(self) -> dict[str, Any]:
        """Counts, queue, prior and who waits."""
        return {**super().state(), "waiting": sorted(self._waiting)}

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        super().load(state)
        self._waiting = set(state["waiting"])
