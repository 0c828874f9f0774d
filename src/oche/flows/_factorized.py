"""A search inside a search: for each outer point, a new inner search over what is left."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from oche.errors import ArgumentError, BudgetError
from oche.flows._part import Part, split
from oche.flows._stages import Stages
from oche.loop.contracts import AskTell, Cost, Feedback
from oche.program import DNA, Space

_OUTER = 0


class Factorized:
    """Nested loops: the outer search draws one part of the decisions, and the reward of its point is the best of a fresh inner search.

    All evaluations count: `outer_trials` inner searches share the trials of the budget, the first ones getting one more where they
    do not divide. An outer point whose inner trials all failed counts as failed.

    Args:
        outer: Regular expression: keys of the decisions of the outer search.
        outer_trials: Outer points. None: the square root of the trials, rounded.
        inner: Settings text of the inner algorithm; None: the one that was given to the search.

    Raises:
        ArgumentError: `outer_trials` is not a whole number above 0, or an expression that matches all decisions or none.
        BudgetError: fewer trials than outer points.

    Source: Peng et al. 2020 (PyGlove), the factorized flow; counting evaluations is ours.
    """

    name = "factorized"

    def __init__(self, outer: str, outer_trials: int | None = None, inner: str | None = None) -> None:
        if outer_trials is not None and (isinstance(outer_trials, bool) or not isinstance(outer_trials, int) or outer_trials < 1):
            raise ArgumentError(f"flow factorized, outer_trials: got {outer_trials!r}; allowed: a whole number above 0, or None")
        self.outer = outer
        self.outer_trials = outer_trials
        self.inner = inner

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two flows of this class the same."""
        return {"outer": self.outer, "outer_trials": self.outer_trials, "inner": self.inner}

    def search(self, make: Callable[[], AskTell]) -> AskTell:
        """An algorithm over the whole space."""
        return _Factorized(self, make)


class _Factorized(Stages):
    def __init__(self, flow: Factorized, make: Callable[[], AskTell]) -> None:
        super().__init__(make)
        self.flow = flow
        self.make_inner = make
        if flow.inner is not None:
            from oche.loop.workbench import as_factory

            self.make_inner = as_factory(flow.inner)

    def _begin(self) -> None:
        self._outer_space = split(self._space, self.flow.outer, "outer")
        self._outer_trials = self.flow.outer_trials or max(1, round(math.sqrt(self._trials)))
        if self._outer_trials > self._trials:
            raise BudgetError(
                f"flow factorized: got {self._outer_trials} outer points with {self._trials} trials; allowed: at most as many"
            )
        self._parts[_OUTER] = self._part(_OUTER, {}, self._outer_trials)
        # Outer number of each inner part.
        self._outer_of: dict[int, int] = {}
        self._current = _OUTER

    def _part(self, number: int, taken: Mapping[str, Any], trials: int) -> Part:
        make = self.make if number == _OUTER else self.make_inner
        return Part(self._space, self._restored(number, taken), taken, make, self._rng, trials)

    def _restored(self, number: int, taken: Mapping[str, Any]) -> Space:
        return self._space.fix(taken) if number != _OUTER else self._outer_space

    def _next(self) -> tuple[int, int, DNA] | None:
        while True:
            if self._current != _OUTER:
                found = self._parts[self._current].ask()
                if found is not None:
                    return self._current, *found
                self._close(self._current)
                self._current = _OUTER
            opened = self._parts[_OUTER].ask()
            if opened is None:
                return None
            outer, dna = opened
            number = self._parts[_OUTER].asked
            known = self._space.decisions(dna)
            taken = {k: v for k, v in known.items() if k in self._outer_space.keys}
            share, more = divmod(self._trials, self._outer_trials)
            self._parts[number] = self._part(number, taken, share + (number <= more))
            self._outer_of[number] = outer
            self._current = number

    def _ended(self, number: int, feedback: Feedback) -> None:
        self._close(number)

    def _close(self, number: int) -> None:
        """Tell the outer search once an inner one has all its results."""
        part = self._parts[number]
        if not part.done:
            return
        del self._parts[number]
        if number == self._current:
            self._current = _OUTER
        # The evaluations were counted by the inner search.
        spent = Cost(trials=1)
        found = Feedback(status="failed", reason="no inner trial ended well", cost=spent)
        if part.best is not None:
            found = Feedback(part.best[0], cost=spent)
        self._parts[_OUTER].tell(self._outer_of.pop(number), found)

    def state(self) -> dict[str, Any]:
        """Outer and open inner searches."""
        return {**super().state(), "current": self._current, "outer_of": [[k, v] for k, v in self._outer_of.items()]}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        super().load(state)
        self._current = state["current"]
        self._outer_of = {int(k): int(v) for k, v in state["outer_of"]}

    def learn(self, dna: DNA, feedback: Feedback) -> None:
        """A known trial tells the outer search what its part of the point is worth at least."""
        self._parts[_OUTER].learn(dna, feedback)
