"""Hyperband: brackets of successive halving from many points for a short time to few points for the whole time."""

from __future__ import annotations

from typing import Any

from oche.algorithms._fidelity import Brackets, fits
from oche.errors import ArgumentError
from oche.loop.contracts import Budget
from oche.loop.rungs import Rung, hyperband


class Hyperband(Brackets):
    """Successive halving with several numbers of points, since it is not known how much a short evaluation says.

    Each bracket asks a new `inner` for points; it is told what is known of other points at the bracket's first rung. With a budget all
    brackets are repeated until it is spent; brackets that the whole budget could not pay for are left out.

    Args:
        min: Smallest step of a first rung, for example epochs.
        max: Step of the last rung, R of the paper; None: the epochs of the task.
        eta: One in so many is taken further.
        inner: Where new points come from: `random`, or another ask-and-tell algorithm.
        sizes: `formula` or `table`, see `oche.loop.brackets`: the paper's formula and its printed table differ.
        rounds: How often all brackets are gone through. None: once without a budget, else until the budget ends.

    Raises:
        ArgumentError: a setting is not allowed.

    Source: Li et al. 2018, algorithm 1.

    Example:
        >>> [(b[0].size, b[0].step) for b in Hyperband(max=81).plan()]
        [(81, 1), (34, 3), (15, 9), (8, 27), (5, 81)]
    """

    def __init__(
        self,
        min: float = 1,
        max: float | None = None,
        eta: int = 3,
        inner: Any = "random",
        sizes: str = "formula",
        rounds: int | None = None,
    ) -> None:
        super().__init__(min, max, eta, inner, rounds)
        if sizes not in ("formula", "table"):
            raise ArgumentError(f"sizes: got {sizes!r}; allowed: 'formula', 'table'")
        self.sizes = sizes

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        return {**super().settings, "sizes": self.sizes, "rounds": self.rounds}

    def plan(self, budget: Budget | None = None) -> tuple[tuple[Rung, ...], ...]:
        """The brackets of one round, for a budget."""
        if self.max is None:
            raise ArgumentError("max: got None; allowed: the steps of a whole evaluation, for example max=81")
        brackets = hyperband(self.min, self.max, self.eta, self.sizes)
        return tuple(b for b in brackets if fits(b, budget)) or brackets[-1:]
