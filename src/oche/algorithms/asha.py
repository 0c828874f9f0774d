"""ASHA: successive halving without waiting. A point is taken further as soon as it is among the best 1/eta of its rung."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oche.algorithms._fidelity import MultiFidelity, Source
from oche.errors import ArgumentError
from oche.loop.contracts import Budget, Feedback, Proposal
from oche.loop.rungs import rungs
from oche.program import DNA, Space


class ASHA(MultiFidelity):
    """Asynchronous successive halving, in the form that takes points further (it stops nothing while it runs).

    Each ask looks at the rungs from the top: if one of the best floor(n / eta) of the n points there was not taken further, it is; else a
    new point begins. Workers never wait.

    Args:
        min: Step of the first rung, for example epochs.
        max: Step of the last one; None: the epochs of the task.
        eta: One in so many is taken further.
        inner: Where new points come from: `random`, or another ask-and-tell algorithm.
        n: New points in all, after which it ends by itself. None: until the budget ends.

    Raises:
        ArgumentError: a setting is not allowed.

    Source: Li et al. 2020 (A system for massively parallel hyperparameter tuning), algorithm 2.
    """

    def __init__(self, min: float = 1, max: float | None = None, eta: int = 3, inner: Any = "random", n: int | None = None) -> None:
        super().__init__(min, max, eta, inner)
        if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
            raise ArgumentError(f"n: got {n!r}; allowed: a whole number from 1, or None")
        self.n = n

    @property
    def finite(self) -> bool:
        """Whether it ends by itself."""
        return self.n is not None

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        return {**super().settings, "n": self.n}

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`.

        Raises:
            ArgumentError: `max` is not known.
        """
        self._begin(space, rng, budget)
        self._steps = rungs(self.min, self.max, self.eta)
        self._source = Source(self._make, space, rng, self.n or self._expected(budget))
        self._new = 0
        self._open: dict[int, tuple[int, DNA]] = {}
        # Per rung, best first and of equal ones the first told: minus reward, place in the tells, proposal, point. And the proposals that
        # were taken further.
        self._rungs: list[list[tuple[float, int, int, DNA]]] = [[] for _ in self._steps]
        self._promoted: list[set[int]] = [set() for _ in self._steps]

    def _expected(self, budget: Budget | None) -> int:
        """About how many new points a budget pays for, for sizes of the inner algorithm."""
        limits = budget.limits() if budget is not None else {}
        shares = [self.eta**-k for k in range(len(self._steps))]
        steps = [0.0, *self._steps]
        epochs = sum(share * (step - before) for share, before, step in zip(shares, steps, steps[1:], strict=False))
        return int(min(limits.get("trials", 100 * sum(shares)) / sum(shares), limits.get("epochs", 100 * epochs) / epochs))

    def ask(self, n: int) -> list[Proposal]:
        """At most `n` proposals."""
        made: list[Proposal] = []
        while len(made) < n:
            found = self._further() or self._begin_point()
            if found is None:
                break
            made.append(found)
        return made

    def _further(self) -> Proposal | None:
        for level in range(len(self._steps) - 2, -1, -1):
            known, promoted = self._rungs[level], self._promoted[level]
            for _, _, number, dna in known[: len(known) // self.eta]:
                if number not in promoted:
                    promoted.add(number)
                    step = self._steps[level + 1]
                    self._open[self._asked] = (level + 1, dna)
                    return self._propose(dna, level + 1, step, level + 2 < len(self._steps), (number, self._steps[level]))
        return None

    def _begin_point(self) -> Proposal | None:
        if self.n is not None and self._new >= self.n:
            return None
        dna = self._source.ask(self._asked)
        if dna is None:
            return None
        self._new += 1
        self._open[self._asked] = (0, dna)
        return self._propose(dna, 0, self._steps[0], len(self._steps) > 1, None)

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Put results into their rungs; the inner algorithm hears of those of the first rung.

        Raises:
            ArgumentError: a result for a proposal that was not asked, or with several objectives.
        """
        for number, feedback in results:
            if number not in self._open:
                raise ArgumentError(f"tell: got proposal {number}; allowed: one that was asked and not told yet")
            level, dna = self._open.pop(number)
            if feedback.ok:
                known = self._rungs[level]
                insort(known, (-feedback.scalar, len(known), number, dna))
            elif level == 0 and feedback.status == "skipped" and not feedback.cost.trials:
                self._new -= 1
            if level == 0:
                self._source.tell(number, feedback)

    def note(self) -> str:
        """How many points came to each rung, for display."""
        return "points per rung: " + ", ".join(f"{len(known)}" for known in self._rungs)

    def state(self) -> dict[str, Any]:
        """The rungs, and the inner state."""
        return {
            "asked": self._asked,
            "new": self._new,
            "open": [[number, level, list(dna.flat)] for number, (level, dna) in self._open.items()],
            "rungs": [[[cost, place, number, list(dna.flat)] for cost, place, number, dna in known] for known in self._rungs],
            "promoted": [sorted(numbers) for numbers in self._promoted],
            "source": self._source.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        name = self._space.fingerprint
        self._asked, self._new = state["asked"], state["new"]
        self._open = {int(number): (int(level), DNA.trusted(tuple(flat), name)) for number, level, flat in state["open"]}
        self._rungs = [[(cost, place, n, DNA.trusted(tuple(flat), name)) for cost, place, n, flat in known] for known in state["rungs"]]
        self._promoted = [set(numbers) for numbers in state["promoted"]]
        self._source.load(state["source"])
