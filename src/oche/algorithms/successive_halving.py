"""Successive halving: many points for a short time, the best 1/eta of them for eta times as long, and so on."""

from __future__ import annotations

from typing import Any

from oche.algorithms._fidelity import Brackets, fits
from oche.errors import ArgumentError
from oche.loop.contracts import Budget
from oche.loop.rungs import Rung, halving, rungs


class SuccessiveHalving(Brackets):
    """Synchronous successive halving: n points to the first rung, then floor(n / eta) to the second, floor(n / eta^2) to the third, ...

    Rungs are min, min * eta, min * eta^2, ... and max. A rung begins when all evaluations of the one before are in. With a budget the whole
    bracket is repeated until it is spent.

    Args:
        n: Points at the first rung. None: eta^k with k + 1 rungs, so that one point comes to `max`; if the budget cannot pay for that, the
            lowest rungs are left out.
        min: Step of the first rung, for example epochs.
        max: Step of the last one; None: the epochs of the task.
        eta: One in so many is taken further.
        inner: Where new points come from: `random`, or another ask-and-tell algorithm.
        rounds: How many brackets. None: one without a budget, else until the budget ends.

    Raises:
        ArgumentError: a setting is not allowed.

    Source: Jamieson and Talwalkar 2016; eta = 3 as in Li et al. 2018.

    Example:
        >>> [(r.size, r.step) for r in SuccessiveHalving(max=27).plan()[0]]
        [(27, 1), (9, 3), (3, 9), (1, 27)]
    """

    def __init__(
        self,
        n: int | None = None,
        min: float = 1,
        max: float | None = None,
        eta: int = 3,
        inner: Any = "random",
        rounds: int | None = None,
    ) -> None:
        super().__init__(min, max, eta, inner, rounds)
        if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
            raise ArgumentError(f"n: got {n!r}; allowed: a whole number from 1, or None")
        self.n = n

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        return {"n": self.n, **super().settings, "rounds": self.rounds}

    def plan(self, budget: Budget | None = None) -> tuple[tuple[Rung, ...], ...]:
        """The one bracket, for a budget."""
        steps = rungs(self.min, self.max, self.eta)
        if self.n is not None:
            return (halving(self.n, steps, self.eta),)
        brackets = [halving(self.eta ** (len(steps) - 1 - k), steps[k:], self.eta) for k in range(len(steps))]
        return (next((b for b in brackets if fits(b, budget)), brackets[-1]),)
