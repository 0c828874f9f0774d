"""Emitters: small local searches around a rewarding policy, and the rules by which they end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from oche.errors import unknown
from oche.loop.cma import CMA

#: `elitist` keeps the best of parents and mutants by reward, `novelty` by novelty, `cma-es` follows the reward by a normal distribution.
EMITTERS = ("elitist", "novelty", "cma-es")
STAGNATIONS = ("custom", "original", "never")

_EDGE = 20  # entries at either end of the window
_SHARE = 0.3  # of the window, in the original rule


@dataclass
class Emitter:
    """One emitter. Members are ids of the table of policies.

    Args:
        number: Its own number.
        ancestor: The rewarding policy that it starts from.
        zone: Zone of the ancestor.
        sigma: Step of its mutations.
        members: Its population.
        history: Rewards of the surviving members after each step, the first population first.
        base: Entries of `history` that improvement is measured from.
        improvement: How much it improved.
        most_novel: The most novel member so far.
        pending: Members that were more novel than the most novel before them; some go to the archive in the end.
        archived: Largest reward that it put into the rewarding archive, None before the first.
        steps: Steps so far.
        distribution: With `cma-es`, its normal distribution.
    """

    number: int
    ancestor: int
    zone: str | None
    sigma: float
    members: list[int] = field(default_factory=list)
    history: list[list[float]] = field(default_factory=list)
    base: list[list[float]] = field(default_factory=list)
    improvement: float = 0.0
    most_novel: int = -1
    pending: list[int] = field(default_factory=list)
    archived: float | None = None
    steps: int = 0
    distribution: CMA | None = None

    @property
    def info(self) -> dict[str, Any]:
        """What its proposals are recorded with."""
        return {"emitter": self.number, **({"zone": self.zone} if self.zone is not None else {})}

    def ids(self) -> list[int]:
        """All policies that it points to."""
        return [self.ancestor, *self.members, *self.pending, *([self.most_novel] if self.most_novel >= 0 else [])]

    def remember(self, rewards: Sequence[float]) -> None:
        """Add the rewards of a generation."""
        self.history.append([float(r) for r in rewards])
        if len(self.base) < 3 and len(self.history) <= 3:
            self.base = list(self.history)

    def measure(self, local: bool = False) -> None:
        """Bring `improvement` up to date; with `local`, the next one is measured from here."""
        self.improvement = improvement(self.base, self.history[-3:])
        if local:
            self.base = self.history[-3:]

    def state(self) -> dict[str, Any]:
        """JSON values."""
        found = {k: getattr(self, k) for k in self.__dataclass_fields__ if k != "distribution"}
        found = {k: [list(v) if isinstance(v, list) else v for v in x] if isinstance(x, list) else x for k, x in found.items()}
        return {**found, "distribution": self.distribution.state() if self.distribution is not None else None}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Emitter:
        """The inverse of `state`."""
        made = cls(**{k: v for k, v in state.items() if k != "distribution"})
        if state["distribution"] is not None:
            made.distribution = CMA.from_state(state["distribution"])
        return made


def improvement(first: Sequence[Sequence[float]], last: Sequence[Sequence[float]]) -> float:
    """How much the mean of all rewards rose from some generations to others, never below 0.

    Example:
        >>> improvement([[0], [0], [0]], [[1], [1], [1]])
        1.0
    """
    start, end = ([r for generation in part for r in generation] for part in (first, last))
    if not start or not end:
        return 0.0
    return max(0.0, float(np.mean(end)) - float(np.mean(start)))


def stagnation_window(genes: int, population: int, rule: str = "custom", steps: int = 0) -> int:
    """How many of the last steps decide whether an emitter stagnates.

    Args:
        genes: Length of a genome.
        population: Members of the emitter.
        rule: `custom` or `original`.
        steps: Steps so far; the original rule's window grows with them.

    Example:
        >>> [stagnation_window(n, 6) for n in (94, 63, 228, 574)]
        [433, 330, 880, 2033]
    """
    if rule == "custom":
        return int(20 * genes / population + 120)
    return max(int(30 * genes / population + 120), int(0.2 * steps))


def stagnates(history: Sequence[Sequence[float]], genes: int, population: int, rule: str = "custom") -> bool:
    """Whether an emitter has come to a stand.

    `custom`: over the window, the median or the largest of its last 20 generations is not above that of its first 20. `original`: over
    the last and the first 30 % of the window, neither the median of the generations' largest rewards nor that of their medians rose.

    Args:
        history: Rewards by generation.
        genes: See `stagnation_window`.
        population: See `stagnation_window`.
        rule: `custom`, `original` or `never`.

    Source: STAX repository; the original rule is Hansen 2016's.
    """
    if rule == "never":
        return False
    window = stagnation_window(genes, population, rule, len(history))
    if len(history) <= window:
        return False
    last = history[-window:]
    if rule == "custom":
        start, end = ([r for g in part for r in g] for part in (last[:_EDGE], last[-_EDGE:]))
        return float(np.median(start)) >= float(np.median(end)) or max(start) >= max(end)
    length = int(_SHARE * window)
    largest, middle = [max(g) for g in last], [float(np.median(g)) for g in last]
    return all(np.median(v[-length:]) <= np.median(v[:length]) for v in (largest, middle))


def check_kinds(emitter: str, stagnation: str) -> tuple[str, str]:
    """Names of an emitter and a rule, in their own spelling.

    Raises:
        UnknownNameError: there is no such name.
    """
    kind, rule = emitter.replace("_", "-").lower(), stagnation.lower()
    if kind not in EMITTERS:
        raise unknown("emitter", emitter, EMITTERS)
    if rule not in STAGNATIONS:
        raise unknown("stagnation rule", stagnation, STAGNATIONS)
    return kind, rule
