"""Gated early stopping as pure functions: the verdict on a trial from its measurements and those of earlier trials.

A verdict depends on its arguments only, so it may be asked in any process and again after a resume. It does not decide which trials
count as earlier, and it stops nothing: the caller does.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from oche.errors import ArgumentError

#: Measurements of one trial: (step, value), in the order of reports; values are maximized.
Curve = Sequence[tuple[float, float]]


class Policy(ABC):
    """Says whether a trial should stop; policies compose with `&`, `|` and `~`.

    One method is enough for a policy of your own, `verdict`. It must depend on its arguments only (no state, no random numbers that are
    not seeded by them), since it is asked in worker processes and again after a resume; the policy itself is sent to them by cloudpickle.
    Equal policies have equal `repr`: it is what a run remembers of its policy, and a run goes on only with the policy of its start.

    Example:
        >>> class Hopeless(Policy):
        ...     def __repr__(self):
        ...         return "Hopeless()"
        ...
        ...     def verdict(self, curve, earlier):
        ...         return curve[-1][1] < 0.2 and len(earlier) >= 3
        >>> Hopeless().verdict([(1, 0.1)], [[(1, 0.5)]] * 3)
        True
    """

    @abstractmethod
    def verdict(self, curve: Curve, earlier: Sequence[Curve]) -> bool | None:
        """Whether to stop, asked after each report.

        Args:
            curve: Reports of the trial so far, (step, value), the latest last; values are maximized.
            earlier: The same of the trials that count as earlier, in the order in which the run heard of them; some may be empty. The loop
                passes `oche.loop.TrialCurve`, which also has `number`, `status` and `reward`, here and for `curve`.

        Returns:
            True to stop, False to go on, None where the policy has nothing to say yet (compositions keep three values).
        """

    def wants(self, step: float) -> bool:
        """Whether a report at `step` can matter; a task may leave out the others. True unless overridden."""
        return True

    def __and__(self, other: Policy) -> Policy:
        return _Both(self, other)

    def __or__(self, other: Policy) -> Policy:
        # Not (neither stops): De Morgan holds for three values too.
        return ~(~self & ~other)

    def __invert__(self) -> Policy:
        return _Not(self)


@dataclass(frozen=True)
class _Both(Policy):
    a: Policy
    b: Policy

    def verdict(self, curve: Curve, earlier: Sequence[Curve]) -> bool | None:
        found = (self.a.verdict(curve, earlier), self.b.verdict(curve, earlier))
        return False if False in found else None if None in found else True

    def wants(self, step: float) -> bool:
        return self.a.wants(step) or self.b.wants(step)


@dataclass(frozen=True)
class _Not(Policy):
    a: Policy

    def verdict(self, curve: Curve, earlier: Sequence[Curve]) -> bool | None:
        found = self.a.verdict(curve, earlier)
        return None if found is None else not found

    def wants(self, step: float) -> bool:
        return self.a.wants(step)


class Gate(Protocol):
    """What a gate of `Gates` needs: a step, and a verdict on the first measurement at or after it."""

    @property
    def step(self) -> float:
        """Where the gate begins."""
        ...

    def stops(self, value: float, known: Sequence[float]) -> bool | None:
        """The verdict, given the first measurements of earlier trials in the gate."""
        ...


@dataclass(frozen=True)
class ByValue:
    """A gate that stops what is below `threshold`; an equal value goes on."""

    step: float
    threshold: float

    def stops(self, value: float, known: Sequence[float]) -> bool | None:
        """The verdict on the first measurement in the gate."""
        return value < self.threshold


@dataclass(frozen=True)
class ByRank:
    """A gate that stops a trial if at least r earlier measurements in it are strictly better.

    Args:
        step: Where the gate begins.
        rank: r, a whole number from 1; or a float in (0, 1], a share of the earlier measurements, rounded half up. A share that
            rounds to 0 stops everything, so give a trigger of at least 1 / (2 * share).
        trigger: Earlier measurements that the gate needs before it says anything.
    """

    step: float
    rank: int | float
    trigger: int = 1

    def __post_init__(self) -> None:
        share = isinstance(self.rank, float) and 0 < self.rank <= 1
        count = isinstance(self.rank, int) and not isinstance(self.rank, bool) and self.rank >= 1
        if not share and not count:
            raise ArgumentError(f"rank: got {self.rank!r}; allowed: a whole number from 1, or a float in (0, 1]")
        if isinstance(self.trigger, bool) or not isinstance(self.trigger, int) or self.trigger < 0:
            raise ArgumentError(f"trigger: got {self.trigger!r}; allowed: a whole number from 0")

    def stops(self, value: float, known: Sequence[float]) -> bool | None:
        """The verdict on the first measurement in the gate; None below the trigger."""
        if len(known) < self.trigger:
            return None
        limit = math.floor(self.rank * len(known) + 0.5) if isinstance(self.rank, float) else self.rank
        return sum(v > value for v in known) >= limit


class Gates(Policy):
    """Judges a trial once per gate, on its first measurement in the gate; a measurement belongs to the last gate at or below its step.

    Raises:
        ArgumentError: no gate, or two at one step.

    Source: gated early stopping of PyGlove (Peng et al. 2020, the library); the three values of a verdict are ours.

    Example:
        >>> Gates([ByRank(step=1, rank=1)]).verdict([(1, 0.2)], [[(1, 0.5)]])
        True
    """

    def __init__(self, gates: Sequence[Gate]) -> None:
        self.gates = tuple(sorted(gates, key=lambda g: g.step))
        if not gates or len({g.step for g in gates}) != len(gates):
            raise ArgumentError(f"gates: got steps {[g.step for g in gates]}; allowed: at least one gate, each at a step of its own")

    def __repr__(self) -> str:
        return f"Gates({list(self.gates)})"

    def verdict(self, curve: Curve, earlier: Sequence[Curve]) -> bool | None:
        """The verdict of the gate that the latest measurement lies in."""
        number = self._gate(curve[-1][0]) if curve else -1
        if number < 0:
            return None
        known = [first for c in earlier if (first := self._first(c, number)) is not None]
        value = self._first(curve, number)
        assert value is not None
        return self.gates[number].stops(value, known)

    def _gate(self, step: float) -> int:
        return sum(g.step <= step for g in self.gates) - 1

    def _first(self, curve: Curve, number: int) -> float | None:
        return next((value for step, value in curve if self._gate(step) == number), None)
