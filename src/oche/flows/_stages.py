"""What all flows over parts share: numbers of proposals, tells to the right part, state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from oche.errors import ArgumentError, BudgetError
from oche.flows._part import Part
from oche.loop.contracts import AskTell, Budget, Feedback, Proposal
from oche.program import DNA, Space


class Stages:
    """An ask-and-tell algorithm made of searches over parts. Everything is counted in evaluations of the whole program.

    Args:
        make: Makes the algorithm of each part.
    """

    def __init__(self, make: Callable[[], AskTell]) -> None:
        self.make = make

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`.

        Raises:
            BudgetError: the budget has no trials, which a flow divides between its parts.
        """
        trials = budget.trials if budget is not None else None
        if trials is None:
            raise BudgetError("flow: got a budget without trials; allowed: one with trials, for example oche.Budget(trials=100)")
        self._space, self._rng, self._trials = space, rng, trials
        self._asked = 0
        self._parts: dict[int, Part] = {}
        self._open: dict[int, tuple[int, int]] = {}
        self._begin()

    def _begin(self) -> None:
        """Read the settings against space and budget, and make the first part."""
        raise TypeError(f"{type(self).__name__}: override _begin")

    def _next(self) -> tuple[int, int, DNA] | None:
        """Part, number in the part, and point of the next proposal."""
        raise TypeError(f"{type(self).__name__}: override _next")

    def _ended(self, number: int, feedback: Feedback) -> None:
        """A result of part `number` came in."""

    def _restored(self, number: int, taken: Mapping[str, Any]) -> Space:
        """The partial space of part `number`."""
        raise TypeError(f"{type(self).__name__}: override _restored")

    def ask(self, n: int) -> list[Proposal]:
        """At most `n` proposals."""
        made = []
        for _ in range(n):
            found = self._next()
            if found is None:
                break
            part, inner, dna = found
            self._open[self._asked] = (part, inner)
            made.append(Proposal(self._asked, dna))
            self._asked += 1
        return made

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Pass results to the parts that asked.

        Raises:
            ArgumentError: a result for a proposal that was not asked; or with several objectives.
        """
        for number, feedback in results:
            if number not in self._open:
                raise ArgumentError(f"tell: got proposal {number}; allowed: one that was asked and not told yet")
            part, inner = self._open.pop(number)
            self._parts[part].tell(inner, feedback)
            self._ended(part, feedback)

    def state(self) -> dict[str, Any]:
        """The state of every part that is not over, and what proposals belong to."""
        return {
            "asked": self._asked,
            "open": [[i, part, inner] for i, (part, inner) in self._open.items()],
            "parts": [[number, part.state()] for number, part in self._parts.items()],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        self._asked = state["asked"]
        self._open = {int(i): (int(part), int(inner)) for i, part, inner in state["open"]}
        self._parts = {}
        for number, saved in state["parts"]:
            self._parts[number] = self._part(number, saved["taken"], saved["trials"])
            self._parts[number].load(saved)

    def _part(self, number: int, taken: Mapping[str, Any], trials: int) -> Part:
        return Part(self._space, self._restored(number, taken), taken, self.make, self._rng, trials)
