"""What successive halving, Hyperband and ASHA share: points from another algorithm, evaluated to rungs, the good ones further.

A point is a proposal at its first rung, and a new proposal at each rung that it is taken to; `fidelity` in its info says how far the
evaluation goes, `previous` and `continues` what it goes on from. The seed of an evaluation depends on the point only, so the longer
evaluation of a point is the shorter one, continued.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oche.algorithms.random import Random
from oche.errors import ArgumentError
from oche.loop.contracts import AskTell, Budget, Feedback, Proposal
from oche.loop.rungs import Rung, check_range
from oche.loop.workbench import as_factory
from oche.program import DNA, Space


class Source:
    """New points from another algorithm, which hears of each once: of its evaluation at the first rung, so that what it hears compares.

    Args:
        make: Makes the algorithm.
        space: The space.
        rng: Set anew before each ask by the loop.
        points: How many it will be asked for, about.
    """

    def __init__(self, make: Any, space: Space, rng: np.random.Generator, points: int) -> None:
        self.algorithm: AskTell = make()
        self.algorithm.setup(space, rng, Budget(trials=max(1, points)))
        self._open: dict[int, int] = {}

    def ask(self, number: int) -> DNA | None:
        """A new point, to be told of under `number`; None at the end of the other algorithm, or while it waits for tells."""
        got = self.algorithm.ask(1)
        if not got:
            return None
        self._open[number] = got[0].id
        return got[0].dna

    def tell(self, number: int, feedback: Feedback) -> None:
        """Pass on the result of a point's first evaluation."""
        self.algorithm.tell([(self._open.pop(number), feedback)])

    @property
    def waits(self) -> bool:
        """Whether results are out that may open the way for more points."""
        return bool(self._open)

    def learn(self, dna: DNA, reward: float) -> None:
        """A result at the same fidelity that was not asked for."""
        if hasattr(self.algorithm, "learn"):
            self.algorithm.learn(dna, Feedback(reward=reward))  # type: ignore[attr-defined] - optional, see loop/learning.py

    def state(self) -> dict[str, Any]:
        """JSON values."""
        return {"open": [list(pair) for pair in self._open.items()], "algorithm": self.algorithm.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        self._open = {int(number): int(inner) for number, inner in state["open"]}
        self.algorithm.load(state["algorithm"])


class MultiFidelity:
    """Base of the algorithms: settings, the inner algorithm, numbers of proposals.

    Args:
        min: Step of the first rung, for example epochs.
        max: Step of the last one; None: the whole way of the task, which `oche.search` knows.
        eta: One in so many is taken further; also the ratio of rungs.
        inner: Where new points come from: settings text, or an algorithm.

    Raises:
        ArgumentError: a setting is not allowed.
    """

    #: Proposals say how far their evaluation goes.
    multi_fidelity = True

    def __init__(self, min: float, max: float | None, eta: int, inner: Any) -> None:
        check_range(min, max, eta)
        self.min, self.max, self.eta, self.inner = min, max, eta, inner
        self._make = as_factory(inner)
        made = self._make()
        if not isinstance(made, AskTell) or getattr(made, "multi_fidelity", False):
            raise ArgumentError(f"inner: got {inner!r}; allowed: an algorithm with ask and tell that does not choose fidelities itself")
        # Random search learns nothing, so that nothing needs to be remembered for it.
        self._remembers = not isinstance(made, Random) and hasattr(made, "learn")

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        text = self.inner if isinstance(self.inner, str) else f"{type(self.inner).__name__}({getattr(self.inner, 'settings', {})})"
        return {"min": self.min, "max": self.max, "eta": self.eta, "inner": text}

    def limit_fidelity(self, most: float | None) -> None:
        """Let it know the whole way of the task, before `setup`.

        Raises:
            ArgumentError: `max` or `min` is beyond it.
        """
        if most is None:
            return
        for name in ("max", "min"):
            value = getattr(self, name)
            if value is not None and value > most:
                raise ArgumentError(f"{name}: got {value:g}; allowed: up to {most:g}, the epochs of the task; give its recipe more epochs")
        if self.max is None:
            self.max = most

    def _begin(self, space: Space, rng: np.random.Generator, budget: Budget | None) -> None:
        if self.max is None:
            raise ArgumentError(
                "max: got None; allowed: the steps of a whole evaluation, for example max=27 epochs; a task with a recipe says it itself"
            )
        self._space, self._rng, self._budget = space, rng, budget
        self._asked = 0

    def _propose(self, dna: DNA, rung: int, step: float, more: bool, before: tuple[int, float] | None, **info: Any) -> Proposal:
        told: dict[str, Any] = {"fidelity": step, "rung": rung, **info}
        if more:
            told["grows"] = True
        if before is not None:
            told["continues"], told["previous"] = before
        self._asked += 1
        return Proposal(self._asked - 1, dna, info=told)


class Bracket:
    """One bracket of synchronous successive halving: a rung begins when all of the one before are told.

    Args:
        rungs: Sizes and steps.
        source: Where points come from.
        space: The space.
    """

    def __init__(self, rungs: Sequence[Rung], source: Source, space: Space) -> None:
        self.rungs = tuple(rungs)
        self.source = source
        self.level = 0
        self.over = False
        self._space = space
        self._drained = False
        #: Points of this rung that are not asked for yet: DNA and the proposal that they continue.
        self._ready: list[tuple[DNA, int | None]] = []
        self._open: dict[int, DNA] = {}
        self._results: list[tuple[int, DNA, float | None]] = []

    @property
    def size(self) -> int:
        """Number of points of the rung."""
        return self.rungs[self.level].size

    @property
    def done(self) -> bool:
        """Whether there is nothing left to ask or to hear."""
        return self.over and not self._open

    def next(self, number: int) -> tuple[DNA, int | None] | None:
        """A point to be evaluated under `number`, and the proposal that it continues; None: wait, or over."""
        if self.over:
            return None
        if self.level == 0:
            started = len(self._open) + len(self._results)
            dna = self.source.ask(number) if started < self.size and not self._drained else None
            if dna is None:
                # The other algorithm has no more points: the rung is as large as it is.
                self._drained = self._drained or (started < self.size and not self.source.waits)
                self._advance()
                return None if self.level == 0 or self.over else self.next(number)
            self._open[number] = dna
            return dna, None
        if not self._ready:
            return None
        dna, before = self._ready.pop(0)
        self._open[number] = dna
        return dna, before

    def tell(self, number: int, feedback: Feedback) -> tuple[float, DNA] | None:
        """Take a result; the step and point that it belongs to, if it has a reward."""
        dna = self._open.pop(number)
        if self.level == 0:
            self.source.tell(number, feedback)
        if feedback.status == "skipped" and not feedback.cost.trials:
            # Never evaluated: another point takes its place.
            return None
        reward = feedback.scalar if feedback.ok else None
        self._results.append((number, dna, reward))
        step = self.rungs[self.level].step
        self._advance()
        return (step, dna) if reward is not None else None

    def _advance(self) -> None:
        """Go to the next rung if all of this one are told."""
        whole = len(self._results) >= self.size or (self.level == 0 and self._drained) or self.level > 0
        if self._open or self._ready or not whole or self.over:
            return
        good = [(number, dna, reward) for number, dna, reward in self._results if reward is not None]
        # Of equal ones the first asked: sorted() is stable.
        good = sorted(sorted(good, key=lambda r: r[0]), key=lambda r: -r[2])
        self._results = []
        if self.level + 1 == len(self.rungs) or not good:
            self.over = True
            return
        self.level += 1
        self._ready = [(dna, number) for number, dna, _ in good[: self.size]]

    def state(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "rungs": [[r.size, r.step] for r in self.rungs],
            "level": self.level,
            "over": self.over,
            "drained": self._drained,
            "ready": [[list(dna.flat), before] for dna, before in self._ready],
            "open": [[number, list(dna.flat)] for number, dna in self._open.items()],
            "results": [[number, list(dna.flat), reward] for number, dna, reward in self._results],
            "source": self.source.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`; the rungs are given at the start."""
        name = self._space.fingerprint
        self.level, self.over, self._drained = state["level"], state["over"], state["drained"]
        self._ready = [(DNA.trusted(tuple(flat), name), before) for flat, before in state["ready"]]
        self._open = {int(number): DNA.trusted(tuple(flat), name) for number, flat in state["open"]}
        self._results = [(number, DNA.trusted(tuple(flat), name), reward) for number, flat, reward in state["results"]]
        self.source.load(state["source"])


class Brackets(MultiFidelity):
    """Brackets one after the other; while one waits for its last results, the next one begins.

    Args:
        min, max, eta, inner: See `MultiFidelity`.
        rounds: How often all brackets are gone through. None: once without a budget, else until the budget ends.
    """

    #: It has a plan of its own.
    finite = True

    def __init__(self, min: float, max: float | None, eta: int, inner: Any, rounds: int | None) -> None:
        super().__init__(min, max, eta, inner)
        if rounds is not None and (isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 1):
            raise ArgumentError(f"rounds: got {rounds!r}; allowed: a whole number from 1, or None")
        self.rounds = rounds

    def plan(self, budget: Budget | None = None) -> tuple[tuple[Rung, ...], ...]:
        """The brackets of one round, in their order."""
        raise TypeError(f"{type(self).__name__}: override plan")

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`.

        Raises:
            ArgumentError: `max` is not known.
        """
        self._begin(space, rng, budget)
        self._plan = self.plan(budget)
        self._total = len(self._plan) * (self.rounds or 1) if self.rounds is not None or budget is None else None
        self._opened = 0
        self._told = 0
        self._active: dict[int, Bracket] = {}
        self._where: dict[int, int] = {}
        self._known: dict[str, list[list[Any]]] = {}

    def ask(self, n: int) -> list[Proposal]:
        """At most `n` proposals; none while all brackets wait for results and no other may begin."""
        made: list[Proposal] = []
        while len(made) < n:
            found = self._next()
            if found is None:
                break
            made.append(found)
        return made

    def _next(self) -> Proposal | None:
        idle = 0
        while True:
            for number, bracket in list(self._active.items()):
                got = bracket.next(self._asked)
                if got is not None:
                    dna, before = got
                    return self._numbered(number, bracket, dna, before)
                if bracket.done:
                    del self._active[number]
            if (self._total is not None and self._opened >= self._total) or idle:
                return None
            # A bracket that gives nothing at its beginning (its source has ended) is not followed by another one.
            idle += 1
            self._open_bracket()

    def _numbered(self, number: int, bracket: Bracket, dna: DNA, before: int | None) -> Proposal:
        level = bracket.level
        step = bracket.rungs[level].step
        previous = (before, bracket.rungs[level - 1].step) if before is not None else None
        self._where[self._asked] = number
        return self._propose(dna, level, step, level + 1 < len(bracket.rungs), previous, bracket=number)

    def _open_bracket(self) -> None:
        rungs = self._plan[self._opened % len(self._plan)]
        self._active[self._opened] = self._bracket(rungs)
        for flat, reward in self._known.get(str(rungs[0].step), ()):
            self._active[self._opened].source.learn(DNA.trusted(tuple(flat), self._space.fingerprint), reward)
        self._opened += 1

    def _bracket(self, rungs: Sequence[Rung]) -> Bracket:
        return Bracket(rungs, Source(self._make, self._space, self._rng, self._points()), self._space)

    def _points(self) -> int:
        """About how many points the whole run begins, for sizes of the inner algorithm, which hears of earlier brackets."""
        limits = self._budget.limits() if self._budget is not None else {}
        trials, epochs = (sum(parts) for parts in zip(*(price(rungs) for rungs in self._plan), strict=True))
        paid = [limits[unit] / each for unit, each in (("trials", trials), ("epochs", epochs)) if unit in limits]
        return int(sum(rungs[0].size for rungs in self._plan) * max(1.0, min(paid, default=self.rounds or 1)))

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Pass results to their brackets.

        Raises:
            ArgumentError: a result for a proposal that was not asked, or with several objectives.
        """
        for number, feedback in results:
            if number not in self._where:
                raise ArgumentError(f"tell: got proposal {number}; allowed: one that was asked and not told yet")
            bracket = self._where.pop(number)
            found = self._active[bracket].tell(number, feedback)
            self._told += 1
            if found is not None and self._remembers:
                step, dna = found
                self._known.setdefault(str(step), []).append([list(dna.flat), feedback.scalar])

    def share(self) -> float:
        """Told evaluations among those of its plan, for display."""
        total = sum(r.size for rungs in self._plan for r in rungs) * (self.rounds or 1)
        return min(1.0, self._told / total)

    def note(self) -> str:
        """Where it stands, for display."""
        rows = [f"bracket {n + 1}: rung {b.level + 1} of {len(b.rungs)}" for n, b in self._active.items() if not b.done]
        return ", ".join(rows[:2])

    def state(self) -> dict[str, Any]:
        """The brackets that are not over, and what proposals belong to."""
        return {
            "asked": self._asked,
            "opened": self._opened,
            "told": self._told,
            "where": [list(pair) for pair in self._where.items()],
            "active": [[number, bracket.state()] for number, bracket in self._active.items()],
            "known": self._known,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        self._asked, self._opened, self._told = state["asked"], state["opened"], state["told"]
        self._where = {int(number): int(bracket) for number, bracket in state["where"]}
        self._known = {step: [list(row) for row in rows] for step, rows in state["known"].items()}
        self._active = {}
        for number, saved in state["active"]:
            self._active[number] = self._bracket([Rung(size, step) for size, step in saved["rungs"]])
            self._active[number].load(saved)


def fits(rungs: Sequence[Rung], budget: Budget | None) -> bool:
    """Whether a whole bracket can be paid for."""
    limits = budget.limits() if budget is not None else {}
    trials, epochs = price(rungs)
    return trials <= limits.get("trials", trials) and epochs <= limits.get("epochs", epochs)


def price(rungs: Sequence[Rung]) -> tuple[int, float]:
    """What a bracket takes, in trials and in epochs (points go on, so each epoch of a point counts once)."""
    steps = [0.0, *(rung.step for rung in rungs)]
    epochs = sum(rung.size * (step - before) for rung, before, step in zip(rungs, steps, steps[1:], strict=False))
    return sum(rung.size for rung in rungs), epochs
