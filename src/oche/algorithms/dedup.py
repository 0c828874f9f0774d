"""Dedup: another algorithm without its duplicates, so that no evaluation is spent on a point that is known."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from oche.errors import ArgumentError
from oche.loop.contracts import AskTell, Budget, Feedback, Proposal
from oche.loop.learning import learn
from oche.loop.workbench import as_factory
from oche.program import DNA, Space


class Dedup:
    """Asks another algorithm again while it proposes a point for the second time.

    A duplicate never costs a trial. The inner algorithm is told that it was skipped, or with `auto_reward` what is known of the point.
    After `max_attempts` duplicates in a row the last one is proposed all the same, since the space may be exhausted.

    Args:
        inner: Settings text, or an algorithm.
        hash: Function of a DNA; points with equal results count as equal. None: the DNA itself.
        max_duplicates: Times that one point may be proposed.
        max_attempts: Duplicates in a row before one is let through.
        auto_reward: `mean`, `max` or `first` of the known rewards of a point, or a function of their list, told to the inner algorithm
            for a duplicate. None: none.

    Raises:
        ArgumentError: a setting out of its range, or an inner algorithm that shares weights.

    Source: PyGlove's `Deduping`; letting a duplicate through instead of ending is ours.
    """

    def __init__(
        self,
        inner: Any = "regularized-evolution",
        hash: Callable[[DNA], Any] | None = None,
        max_duplicates: int = 1,
        max_attempts: int = 100,
        auto_reward: str | Callable[[list[float]], float] | None = None,
    ) -> None:
        for name, value in (("max_duplicates", max_duplicates), ("max_attempts", max_attempts)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ArgumentError(f"{name}: got {value!r}; allowed: a whole number above 0")
        if isinstance(auto_reward, str) and auto_reward not in _REWARDS:
            raise ArgumentError(f"auto_reward: got {auto_reward!r}; allowed: {', '.join(_REWARDS)}, a function of known rewards, or None")
        self.inner: AskTell = as_factory(inner)()
        if not isinstance(self.inner, AskTell):
            raise ArgumentError(f"dedup inner: got {inner!r}; allowed: an algorithm with ask and tell")
        if getattr(self.inner, "multi_fidelity", False):
            raise ArgumentError(f"dedup inner: got {inner!r}, which comes back to points on purpose; allowed: dedup as its inner one")
        self.hash = hash
        self.max_duplicates = max_duplicates
        self.max_attempts = max_attempts
        self.auto_reward = auto_reward
        self._inner_text = inner if isinstance(inner, str) else f"{type(inner).__name__}({getattr(inner, 'settings', {})})"

    @property
    def finite(self) -> bool:
        """Whether the inner algorithm ends by itself."""
        return bool(getattr(self.inner, "finite", False))

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        named = {"hash": self.hash, "auto_reward": self.auto_reward}
        shown = {k: getattr(v, "__qualname__", v) for k, v in named.items() if v is not None}
        return {"inner": self._inner_text, "max_duplicates": self.max_duplicates, "max_attempts": self.max_attempts, **shown}

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`."""
        self.inner.setup(space, rng, budget)
        self._asked = 0
        self._inner_ids: dict[int, tuple[int, str]] = {}
        self._known: dict[str, list[Any]] = {}

    def _key(self, dna: DNA) -> str:
        return json.dumps(dna.flat if self.hash is None else self.hash(dna), separators=(",", ":"), default=str)

    def ask(self, n: int) -> list[Proposal]:
        """`n` proposals, fewer where the inner algorithm ends."""
        made = []
        for _ in range(n):
            got = self._new()
            if got is None:
                break
            proposal, key = got
            self._known.setdefault(key, [0, []])[0] += 1
            self._inner_ids[self._asked] = (proposal.id, key)
            made.append(Proposal(self._asked, proposal.dna, proposal.count, proposal.info))
            self._asked += 1
        return made

    def _new(self) -> tuple[Proposal, str] | None:
        for attempt in range(self.max_attempts + 1):
            got = self.inner.ask(1)
            if not got:
                return None
            key = self._key(got[0].dna)
            count, rewards = self._known.get(key, (0, []))
            if count < self.max_duplicates or attempt == self.max_attempts:
                return got[0], key
            self.inner.tell([(got[0].id, self._for_duplicate(rewards))])
        return None

    def _for_duplicate(self, rewards: list[Any]) -> Feedback:
        if self.auto_reward is None or not rewards:
            return Feedback(status="skipped", reason="duplicate")
        rule = _REWARDS[self.auto_reward] if isinstance(self.auto_reward, str) else self.auto_reward
        return Feedback(reward=float(rule(rewards)))

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Pass results on.

        Raises:
            ArgumentError: a result for a proposal that was not asked.
        """
        for number, feedback in results:
            inner, key = self._inner_ids.pop(number, (None, ""))
            if inner is None:
                raise ArgumentError(f"tell: got proposal {number}; allowed: one that was asked and not told yet")
            if feedback.ok and self.auto_reward is not None:
                self._known[key][1].append(feedback.scalar)
            self.inner.tell([(inner, feedback)])

    def learn(self, dna: DNA, feedback: Feedback) -> None:
        """Count a trial that was not asked for, and pass it on.

        Raises:
            ArgumentError: the inner algorithm cannot learn from it.
        """
        learn(self.inner, dna, feedback)
        self._known.setdefault(self._key(dna), [0, []])[0] += 1

    def state(self) -> dict[str, Any]:
        """The inner state, and what was proposed."""
        return {
            "asked": self._asked,
            "ids": [[i, inner, key] for i, (inner, key) in self._inner_ids.items()],
            "known": self._known,
            "inner": self.inner.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        self._asked = int(state["asked"])
        self._inner_ids = {int(i): (int(inner), key) for i, inner, key in state["ids"]}
        self._known = {key: [count, list(rewards)] for key, (count, rewards) in state["known"].items()}
        self.inner.load(state["inner"])


_REWARDS: dict[str, Callable[[list[float]], float]] = {"mean": lambda r: sum(r) / len(r), "max": max, "first": lambda r: r[0]}
