"""Evolution from operators: what makes children of the population, what the population keeps, and where it starts.

    reproduction        members -> children, for example `Random(10) >> Top(1) >> Mutate()`
    population_update   old members, then those that came in since, oldest first -> members, for example `Last(100)`

Both run when an algorithm is asked, the update just before the reproduction. Children that are not proposed yet wait in line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from oche.algorithms.operators._base import Context, Member, Operator, as_operator
from oche.errors import ArgumentError
from oche.loop.contracts import Budget, Feedback, Proposal
from oche.program import DNA, Space


def default_reproduction() -> Operator:
    """A tournament of ten, and a mutation of its winner."""
    from oche.algorithms.operators import Mutate, Random, Top

    return Random(10) >> Top(1) >> Mutate()


def default_update() -> Operator:
    """The youngest hundred."""
    from oche.algorithms.operators import Last

    return Last(100)


class Evolution:
    """Any evolution that operators can say.

    First random points, until `initial` of them have a reward. Then, whenever no child waits, `population_update` runs and then
    `reproduction`. Where that gives no child, because tells are missing or the population is empty, proposals stay random. Failed and
    skipped trials never enter; rewards that are not finite cannot, since feedback refuses them.

    Args:
        reproduction: An operator, or a function of (members, context). None: `Random(10) >> Top(1) >> Mutate()`.
        population_update: The same; None: `Last(100)`.
        initial: Rewarded random points before the first reproduction.
        sampler: What draws a random point from (space, generator); None: uniform at each decision.
        objectives: Whether rewards may have several objectives.
        name: How the algorithm is called in records.

    Raises:
        ArgumentError: `initial` is not a whole number above 0, or an operator is none.

    Source: PyGlove's `Evolution` (operators over lists of DNA, 50 initial points); running both at the ask, so that one stream of
        random numbers decides everything, is ours.

    Example:
        >>> import oche
        >>> from oche.algorithms.operators import Last, Mutate, Random, Top
        >>> search = Evolution(Random(5) >> Top(1) >> Mutate(), Last(20), initial=20)
        >>> runs = oche.search({"x": oche.oneof(list(range(100)))}, search, lambda child: child["x"], budget=oche.Budget(trials=60))
        >>> runs.best.record.value > 80
        True
    """

    #: What was learned last stays longest, by the default update of the population.
    keeps_latest = True

    def __init__(
        self,
        reproduction: Operator | Callable[..., Any] | None = None,
        population_update: Operator | Callable[..., Any] | None = None,
        initial: int = 50,
        sampler: Callable[[Space, np.random.Generator], DNA] | None = None,
        objectives: bool = False,
        name: str = "evolution",
    ) -> None:
        if isinstance(initial, bool) or not isinstance(initial, int) or initial < 1:
            raise ArgumentError(f"initial: got {initial!r}; allowed: a whole number above 0")
        self.reproduction = as_operator(reproduction if reproduction is not None else default_reproduction())
        self.population_update = as_operator(population_update if population_update is not None else default_update())
        self.initial = initial
        self.sampler = sampler
        self.objectives = bool(objectives)
        self.name = name

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        own = {} if self.sampler is None else {"sampler": getattr(self.sampler, "__qualname__", type(self.sampler).__name__)}
        return {"reproduction": repr(self.reproduction), "population_update": repr(self.population_update), "initial": self.initial, **own}

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`."""
        self._space = space
        self._context = Context(space, rng)
        self._asked = 0
        self._rewarded = 0
        self._pending: dict[int, DNA] = {}
        self._waiting: deque[DNA] = deque()
        self._members: list[Member] = []
        self._arrived: list[Member] = []

    @property
    def members(self) -> list[Member]:
        """The population, and behind it those that came in since its last update."""
        return [*self._members, *self._arrived]

    def ask(self, n: int) -> list[Proposal]:
        """`n` proposals: random ones at first, then children."""
        return [self._propose() for _ in range(n)]

    def _propose(self) -> Proposal:
        self._context.step = self._asked
        if not self._waiting and self._rewarded >= self.initial:
            self._reproduce()
        dna = self._waiting.popleft() if self._waiting else self._random()
        self._pending[self._asked] = dna
        self._asked += 1
        return Proposal(self._asked - 1, dna)

    def _random(self) -> DNA:
        if self.sampler is None:
            return self._space.sample(self._context.rng)
        return self.sampler(self._space, self._context.rng)

    def _reproduce(self) -> None:
        if self._arrived:
            self._members = self.population_update(self._members + self._arrived, self._context)
            self._arrived = []
        if self._members:
            self._waiting.extend(child.dna for child in self.reproduction(self._members, self._context))

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Let rewarded trials enter.

        Raises:
            ArgumentError: a result for a proposal that was not asked; or with several objectives, if these are not meant.
        """
        for number, feedback in results:
            dna = self._pending.pop(number, None)
            if dna is None:
                raise ArgumentError(f"tell: got proposal {number}; allowed: one that was asked and not told yet")
            self._enter(dna, feedback, number)

    def learn(self, dna: DNA, feedback: Feedback) -> None:
        """Let a trial enter that was not asked for."""
        self._enter(dna, feedback, -1)

    def _enter(self, dna: DNA, feedback: Feedback, number: int) -> None:
        if feedback.ok:
            self._arrived.append(Member(dna, feedback.reward if self.objectives else feedback.scalar, number))
            self._rewarded += 1

    def state(self) -> dict[str, Any]:
        """Population, children that wait, open proposals, memory and counters."""
        return {
            "asked": self._asked,
            "rewarded": self._rewarded,
            "pending": [[i, list(d.flat)] for i, d in self._pending.items()],
            "waiting": [list(d.flat) for d in self._waiting],
            "members": [m.to_json() for m in self._members],
            "arrived": [m.to_json() for m in self._arrived],
            "memory": {key: _kept(value) for key, value in self._context.memory.items()},
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        name = self._space.fingerprint
        self._asked, self._rewarded = state["asked"], state["rewarded"]
        self._pending = {int(i): DNA.trusted(tuple(flat), name) for i, flat in state["pending"]}
        self._waiting = deque(DNA.trusted(tuple(flat), name) for flat in state["waiting"])
        self._members = [Member.from_json(m, name) for m in state["members"]]
        self._arrived = [Member.from_json(m, name) for m in state["arrived"]]
        memory = state["memory"].items()
        self._context.memory = {k: [Member.from_json(m, name) for m in v["members"]] if isinstance(v, dict) else v for k, v in memory}


def _kept(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(m, Member) for m in value):
        return {"members": [m.to_json() for m in value]}
    if isinstance(value, (int, float, str, bool, type(None))):
        return value
    raise ArgumentError(f"memory: got {value!r}; allowed: a number, a text, or a list of members, so that a search can be resumed")


def hill_climbing(batch: int = 1, force_change: bool = True, initial: int = 1) -> Evolution:
    """Hill climbing: `batch` mutations of the best point so far; a later point takes over if it is better.

    Args:
        batch: Mutations of one point before the best is looked for again.
        force_change: A mutation always gives another point, where there is one.
        initial: Rewarded random points, of which the best is the start.
    """
    from oche.algorithms.operators import Mutate, Top

    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise ArgumentError(f"batch: got {batch!r}; allowed: a whole number above 0")
    return Evolution((Top(1) >> Mutate(force_change)) * batch, Top(1), initial, name="hill-climbing")
