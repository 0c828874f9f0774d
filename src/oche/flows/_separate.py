"""One part of the decisions first, with the others at their first candidates; then the others, with that part at its best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from oche.errors import ArgumentError, BudgetError
from oche.flows._part import split
from oche.flows._stages import Stages
from oche.loop.contracts import AskTell, Feedback
from oche.program import DNA, Space


class Separate:
    """Two searches one after the other. Cheap, and best only where the two parts do not interact.

    The second starts at the ask at which the first has no trial left, from the best that was told by then.

    Args:
        first: Regular expression: keys of the decisions that are searched first.
        share: Share of the trials that the first search gets.

    Raises:
        ArgumentError: a share outside (0, 1), or an expression that matches all decisions or none.

    Source: Peng et al. 2020 (PyGlove), the separate flow.
    """

    name = "separate"

    def __init__(self, first: str, share: float = 0.5) -> None:
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
            raise ArgumentError(f"flow separate, share: got {share!r}; allowed: a number between 0 and 1")
        self.first = first
        self.share = float(share)

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two flows of this class the same."""
        return {"first": self.first, "share": self.share}

    def search(self, make: Callable[[], AskTell]) -> AskTell:
        """An algorithm over the whole space."""
        return _Separate(self, make)


class _Separate(Stages):
    def __init__(self, flow: Separate, make: Callable[[], AskTell]) -> None:
        super().__init__(make)
        self.flow = flow

    def _begin(self) -> None:
        self._first_space = split(self._space, self.flow.first, "first")
        trials = round(self.flow.share * self._trials)
        if not 0 < trials < self._trials:
            raise BudgetError(
                f"flow separate: got {self._trials} trials with share {self.flow.share}; allowed: at least one for each search"
            )
        self._parts[0] = self._part(0, {}, trials)

    def _next(self) -> tuple[int, int, DNA] | None:
        if 1 not in self._parts:
            found = self._parts[0].ask()
            if found is not None:
                return 0, *found
            best = self._parts[0].decisions()
            taken = {k: v for k, v in best.items() if k in self._first_space.keys}
            self._parts[1] = self._part(1, taken, self._trials - self._parts[0].asked)
        found = self._parts[1].ask()
        return (1, *found) if found is not None else None

    def _restored(self, number: int, taken: Mapping[str, Any]) -> Space:
        return self._space.fix(taken) if number else self._first_space

    def learn(self, dna: DNA, feedback: Feedback) -> None:
        """A known trial tells the search that is going on."""
        self._parts[max(self._parts)].learn(dna, feedback)
