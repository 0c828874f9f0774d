"""Regularized (aging) evolution: mutate the best of a random few; the oldest member leaves, however good it is.

Sizes that are not given are functions of the budget, so that a small budget is not silently random search.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from oche.algorithms.evolution import Evolution
from oche.errors import ArgumentError, BudgetError
from oche.loop.contracts import Budget, Cost, Feedback, Proposal
from oche.program import DNA, Space

# `force_change` gives up after this many redraws, for example where every active decision has one candidate only.
_MAX_REDRAWS = 100
# So many tells measure what a trial costs, where the budget is not given in trials.
_PROBES = 4


class RegularizedEvolution:
    """First random points until `population` of them have a reward; then each proposal is a mutated tournament winner.

    A tournament draws `tournament` members without replacement and takes the best of them, of equal ones the first drawn. A
    mutation picks one active decision uniformly and redraws it with everything below it; the redraw may give the same value.
    Every rewarded trial enters, and the oldest leaves once there are more than `population`. Failed and skipped trials never
    enter. While tells are missing, proposals stay random.

    Args:
        population: Members. None: a quarter of the trials of the budget, at least 4 and at most 100. Where the budget has
            another unit, the number of trials is estimated from the cost of the first 4; without a budget 100.
        tournament: Members drawn. None: a fifth of the population, at least 2 and at most 10, which gives the published
            10 for populations of 50 and 100.
        force_change: Redraw until the point differs from its parent.

    Raises:
        ArgumentError: a size is not a whole number in its range.

    Source: Real et al. 2019 (Regularized evolution for image classifier architecture search); 100 and 10 are the defaults of
        PyGlove, the mutation is its `Uniform`; the functions of the budget and `force_change` are ours.
    """

    #: What was learned last stays longest.
    keeps_latest = True

    def __init__(self, population: int | None = None, tournament: int | None = None, force_change: bool = False) -> None:
        _check_size("population", population, 2)
        _check_size("tournament", tournament, 1)
        if population is not None and tournament is not None and tournament > population:
            raise ArgumentError(f"tournament: got {tournament}; allowed: 1 to the population, {population}")
        self.population = population
        self.tournament = tournament
        self.force_change = bool(force_change)

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        return {"population": self.population, "tournament": self.tournament, "force_change": self.force_change}

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`.

        Raises:
            BudgetError: the population is not smaller than the trials of the budget.
        """
        self._space = space
        self._rng = rng
        self._budget = budget
        self._asked = 0
        self._told = 0
        self._spent = Cost()
        self._pending: dict[int, DNA] = {}
        self._members: deque[tuple[DNA, float]] = deque()
        self._size = self.population
        trials = budget.trials if budget is not None else None
        if self._size is None and (trials is not None or budget is None):
            self._size = _size_for(trials)
        if trials is not None and self._size is not None and self._size >= trials:
            raise BudgetError(
                f"population: got {self._size} with a budget of {trials} trials; allowed: fewer members than trials; "
                "raise the trials, lower the population, or use 'random'"
            )

    def composed(self, population: int, tournament: int) -> Evolution:
        """The same search put together from operators; it makes the same proposals draw by draw, only slower.

        Args:
            population: Members.
            tournament: Members drawn.
        """
        from oche.algorithms.operators import Last, Mutate, Random, Top

        reproduction = Random(tournament) >> Top(1) >> Mutate(self.force_change)
        return Evolution(reproduction, Last(population), initial=population, name="regularized-evolution")

    @property
    def members(self) -> list[tuple[DNA, float]]:
        """The population, oldest first, with rewards."""
        return list(self._members)

    @property
    def size(self) -> int | None:
        """The population's size; None until it is known."""
        return self._size

    def ask(self, n: int) -> list[Proposal]:
        """`n` proposals: random ones at first, then mutated winners."""
        made = []
        for _ in range(n):
            full = self._size is not None and len(self._members) >= self._size
            dna = self._mutate(self._select()) if full else self._space.sample(self._rng)
            self._pending[self._asked] = dna
            made.append(Proposal(self._asked, dna))
            self._asked += 1
        return made

    def _select(self) -> DNA:
        count = len(self._members)
        draws = self.tournament if self.tournament is not None else min(10, max(2, count // 5))
        drawn = self._rng.choice(count, size=min(draws, count), replace=False)
        # max() keeps the first drawn of equal ones.
        return self._members[max(drawn, key=lambda i: self._members[i][1])][0]

    def _mutate(self, parent: DNA) -> DNA:
        active = [i for i, gene in enumerate(parent.flat) if gene is not None]
        flat = parent.flat
        for _ in range(_MAX_REDRAWS if self.force_change else 1):
            flat = self._space.resample(parent.flat, active[int(self._rng.integers(len(active)))], self._rng)
            if flat != parent.flat:
                break
        return DNA.trusted(tuple(flat), self._space.fingerprint)

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Let rewarded trials enter, and the oldest members leave.

        Raises:
            ArgumentError: a result for a proposal that was not asked, or with several objectives.
        """
        for number, feedback in results:
            dna = self._pending.pop(number, None)
            if dna is None:
                raise ArgumentError(f"tell: got proposal {number}; allowed: one that was asked and not told yet")
            self._told += 1
            if self._size is None:
                self._estimate_size(feedback.cost)
            self.learn(dna, feedback)

    def learn(self, dna: DNA, feedback: Feedback) -> None:
        """Let a trial enter that may not have been asked for, as the youngest member."""
        if feedback.ok:
            self._members.append((dna, feedback.scalar))
        while self._size is not None and len(self._members) > self._size:
            self._members.popleft()

    def _estimate_size(self, cost: Cost) -> None:
        assert self._budget is not None
        self._spent += replace(cost, trials=1)
        if self._told < _PROBES:
            return
        share = self._budget.share(self._spent)
        self._size = _size_for(int(self._told / share) if share > 0 else None)

    def state(self) -> dict[str, Any]:
        """Population, open proposals and counters."""
        return {
            "asked": self._asked,
            "told": self._told,
            "size": self._size,
            "spent": self._spent.to_json(),
            "pending": [[i, list(d.flat)] for i, d in self._pending.items()],
            "members": [[list(d.flat), reward] for d, reward in self._members],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        name = self._space.fingerprint
        self._asked, self._told, self._size = state["asked"], state["told"], state["size"]
        self._spent = Cost.from_json(state["spent"])
        self._pending = {int(i): DNA.trusted(tuple(flat), name) for i, flat in state["pending"]}
        self._members = deque((DNA.trusted(tuple(flat), name), reward) for flat, reward in state["members"])


def _size_for(trials: int | None) -> int:
    return 100 if trials is None else min(100, max(4, trials // 4))


def _check_size(name: str, value: int | None, lowest: int) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < lowest):
        raise ArgumentError(f"{name}: got {value!r}; allowed: a whole number, at least {lowest}, or None for a function of the budget")
