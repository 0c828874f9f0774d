"""Who gets the next chunk of the budget: exploration or exploitation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from oche.errors import unknown

PHASES = ("explore", "exploit")


class Scheduler(Protocol):
    """Chooses phases, one after each chunk; the first phase is always exploration."""

    def next(self, last: str, spent_share: float, rng: np.random.Generator) -> str:
        """The next phase.

        Args:
            last: The phase that ended.
            spent_share: Share of the budget that is spent, in [0, 1]; 0 if there is none.
            rng: For those that draw.
        """
        ...

    def learn(self, phase: str, new_emitters: int, change: int, nothing: bool) -> None:
        """What a chunk brought.

        Args:
            phase: Its phase.
            new_emitters: Candidates that an exploration found.
            change: Change in the number of live emitters.
            nothing: Whether an exploitation had nothing to exploit.
        """

    def state(self) -> dict[str, Any]:
        """JSON values."""
        ...

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""


class Alternating:
    """One after the other."""

    def next(self, last: str, spent_share: float, rng: np.random.Generator) -> str:
        """The other one."""
        return "exploit" if last == "explore" else "explore"

    def learn(self, phase: str, new_emitters: int, change: int, nothing: bool) -> None:
        """Nothing to learn."""

    def state(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def load(self, state: Mapping[str, Any]) -> None:
        """Nothing to load."""


class FixedSampling(Alternating):
    """A fair coin."""

    def next(self, last: str, spent_share: float, rng: np.random.Generator) -> str:
        """Either."""
        return PHASES[int(rng.integers(2))]


class TimeSampling(Alternating):
    """Explores with the share of the budget that is left as its probability."""

    def next(self, last: str, spent_share: float, rng: np.random.Generator) -> str:
        """Exploration less and less."""
        return "explore" if rng.random() < 1 - spent_share else "exploit"


class Bandit:
    """UCB1 with c = 1 over both phases; values are means of what they brought.

    Exploration is paid by `-tanh(new emitters)` (what it found should now be exploited), exploitation by `tanh(change of live emitters)`,
    -1 if there was nothing to exploit.

    Source: STAX repository, scheduler `mab`.
    """

    def __init__(self) -> None:
        self.counts, self.values = [0, 0], [0.0, 0.0]

    def next(self, last: str, spent_share: float, rng: np.random.Generator) -> str:
        """The phase with the higher bound; one that was never tried first."""
        if 0 in self.counts:
            return PHASES[self.counts.index(0)]
        total = math.log(sum(self.counts))
        bounds = [value + math.sqrt(total / count) for value, count in zip(self.values, self.counts, strict=True)]
        return PHASES[int(np.argmax(bounds))]

    def learn(self, phase: str, new_emitters: int, change: int, nothing: bool) -> None:
        """Move the mean of a phase."""
        arm = PHASES.index(phase)
        paid = -math.tanh(new_emitters) if arm == 0 else -1.0 if nothing else math.tanh(change)
        self.counts[arm] += 1
        self.values[arm] += (paid - self.values[arm]) / self.counts[arm]

    def state(self) -> dict[str, Any]:
        """Counts and means."""
        return {"counts": list(self.counts), "values": list(self.values)}

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.counts, self.values = [int(c) for c in state["counts"]], [float(v) for v in state["values"]]


SCHEDULERS: dict[str, Any] = {
    "alternating": Alternating,
    "fixed-sampling": FixedSampling,
    "time-sampling": TimeSampling,
    "mab": Bandit,
}


def scheduler(name: str) -> Scheduler:
    """The scheduler of a name, without regard to `-` and `_`.

    Raises:
        UnknownNameError: another name.
    """
    key = name.replace("_", "-").lower()
    if key not in SCHEDULERS:
        raise unknown("scheduler", name, SCHEDULERS)
    return SCHEDULERS[key]()
