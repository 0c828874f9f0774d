"""NSGA-II: several objectives at once, by fronts and crowding, put together from operators."""

from __future__ import annotations

from oche._pareto import Crowding
from oche.algorithms.evolution import Evolution
from oche.algorithms.operators import KPoint, Mutate, Nondominated, Uniform
from oche.algorithms.operators._base import Context, Member, Operator
from oche.errors import ArgumentError


class _Parents(Operator):
    """Binary tournaments; the input stands best first, so the smaller place wins."""

    def __init__(self, n: int) -> None:
        self.n = n

    def apply(self, members: list[Member], context: Context) -> list[Member]:
        """Draw pairs with replacement, keep the better of each."""
        return [members[i] for i in context.rng.integers(len(members), size=(self.n, 2)).min(1)] if members else []


def nsga2(
    population: int = 20,
    crossover: str = "uniform",
    p_crossover: float = 0.9,
    crowding: str | Crowding = "distance",
    initial: int | None = None,
) -> Evolution:
    """NSGA-II: elitist evolution for several objectives.

    A generation is `population` children: parents by binary tournaments (front first, then crowding), crossover, one mutation that changes
    something. Of old members and children the best `population` stay, front by front, of the last one the least crowded. With several
    proposals in flight a generation starts with what has been told.

    Args:
        population: Members, and children per generation.
        crossover: `uniform`, or `two-point`.
        p_crossover: Share of children with two parents.
        crowding: `distance` (Deb et al.), `nearest`, or a function of the rewards `(n, m)` of a front.
        initial: Rewarded random points at first; None: twice the population.

    Raises:
        ArgumentError: a setting out of its range.

    Source: Deb et al. 2002, sorting, crowding, binary tournaments and 0.9; the mutation is the one of regularized evolution.
    """
    if isinstance(population, bool) or not isinstance(population, int) or population < 2:
        raise ArgumentError(f"population: got {population!r}; allowed: a whole number from 2")
    kinds = {"uniform": Uniform(), "two-point": KPoint(2)[:1]}
    if crossover not in kinds:
        raise ArgumentError(f"crossover: got {crossover!r}; allowed: {', '.join(kinds)}")
    if not 0 <= p_crossover <= 1:
        raise ArgumentError(f"p_crossover: got {p_crossover!r}; allowed: a number in [0, 1]")
    child = _Parents(2) >> kinds[crossover].with_prob(p_crossover)[:1] >> Mutate(force_change=True)
    best = Nondominated(population, crowding)
    return Evolution(child * population, best, initial if initial is not None else 2 * population, objectives=True, name="nsga2")
