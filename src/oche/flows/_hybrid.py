"""One flow for a share of the budget, then another that knows the trials of the first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from oche.errors import ArgumentError, BudgetError
from oche.loop.contracts import AskTell, Budget, Feedback, Proposal
from oche.loop.learning import check_learns, learn
from oche.program import DNA, Space


class Hybrid:
    """A share of the trials in one flow, the rest in another that starts with what the first has found.

    Args:
        share: Share of the trials of the first flow.
        first: Name of the first flow.
        then: Name of the second.
        **settings: Settings of the flow that is not `joint`; with two such flows give them as text, `factorized?outer=^op`.

    Raises:
        ArgumentError: a share outside (0, 1); settings that no flow takes; an algorithm that cannot learn from trials that it did not
            ask for.

    Source: Peng et al. 2020 (PyGlove), the hybrid flow.
    """

    name = "hybrid"

    def __init__(self, share: float = 0.5, first: str = "factorized", then: str = "joint", **settings: Any) -> None:
        from oche.flows._registry import registry
        from oche.loop.registry import canonical, parse

        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
            raise ArgumentError(f"flow hybrid, share: got {share!r}; allowed: a number between 0 and 1")
        self.share = float(share)
        for text in (first, then):
            if canonical(parse(text)[0]) == self.name:
                raise ArgumentError(f"flow hybrid: got {text!r} inside; allowed: joint, separate, factorized")
        self._texts = {"first": first, "then": then, **settings}
        given = {text: settings for text in (first, then) if "?" not in text and canonical(text) != "joint"}
        if settings and len(given) != 1:
            raise ArgumentError(
                f"flow hybrid: got {', '.join(settings)} with first {first!r} and then {then!r}; allowed: settings of the one flow that is "
                "not joint; write two flows as text with settings"
            )
        self.first, self.then = (registry.get(text, **given.get(text, {})) for text in (first, then))

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two flows of this class the same."""
        return {"share": self.share, **self._texts}

    def search(self, make: Callable[[], AskTell]) -> AskTell:
        """An algorithm over the whole space."""
        return _Hybrid(self, make)


class _Hybrid:
    def __init__(self, flow: Hybrid, make: Callable[[], AskTell]) -> None:
        self.flow = flow
        self.make = make

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        trials = budget.trials if budget is not None else None
        if trials is None:
            raise BudgetError("flow: got a budget without trials; allowed: one with trials, for example oche.Budget(trials=100)")
        self._switch = round(self.flow.share * trials)
        if not 0 < self._switch < trials:
            raise BudgetError(f"flow hybrid: got {trials} trials with share {self.flow.share}; allowed: at least one for each flow")
        self._searches = [self.flow.first.search(self.make), self.flow.then.search(self.make)]
        check_learns(self._searches[1])
        self._searches[0].setup(space, rng, Budget(trials=self._switch))
        self._searches[1].setup(space, rng, Budget(trials=trials - self._switch))
        self._space = space
        self._asked = 0
        self._counted = 0
        self._over = False
        self._open: dict[int, tuple[int, int, DNA]] = {}

    def ask(self, n: int) -> list[Proposal]:
        made = []
        for _ in range(n):
            which = int(self._over or self._counted >= self._switch)
            found = self._searches[which].ask(1)
            if not found and not which:
                self._over, which = True, 1
                found = self._searches[1].ask(1)
            if not found:
                break
            self._open[self._asked] = (which, found[0].id, found[0].dna)
            made.append(Proposal(self._asked, found[0].dna, found[0].count, found[0].info))
            self._asked += 1
            self._counted += 1
        return made

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        for number, feedback in results:
            if number not in self._open:
                raise ArgumentError(f"tell: got proposal {number}; allowed: one that was asked and not told yet")
            which, inner, dna = self._open.pop(number)
            self._searches[which].tell([(inner, feedback)])
            if feedback.status == "skipped" and not feedback.cost.trials:
                self._counted -= 1
            elif not which:
                learn(self._searches[1], dna, feedback)

    def state(self) -> dict[str, Any]:
        return {
            "asked": self._asked,
            "counted": self._counted,
            "over": self._over,
            "open": [[i, which, inner, list(dna.flat)] for i, (which, inner, dna) in self._open.items()],
            "searches": [s.state() for s in self._searches],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        name = self._space.fingerprint
        self._asked, self._counted, self._over = state["asked"], state["counted"], state["over"]
        self._open = {int(i): (which, inner, DNA.trusted(tuple(flat), name)) for i, which, inner, flat in state["open"]}
        for search, saved in zip(self._searches, state["searches"], strict=True):
            search.load(saved)
