"""Policies of early stopping by name: `gates`, `asha`, `hyperband`, `median`, and those that others register.

A policy stops a trial while it runs; nothing goes on that was stopped. The algorithms of the same names (`oche.algorithms`) are the other
form: they choose how far each point is evaluated, and take good points further later.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from oche.errors import ArgumentError
from oche.loop.gates import ByRank, ByValue, Curve, Gates, Policy
from oche.loop.registry import Registry
from oche.loop.rungs import check_range, hyperband, rungs

registry = Registry("policy of early stopping", "oche.policies")
registry.register("gates", "oche.loop.stopping:gates", "below a value, or outside a rank, at given steps: 'gates?rank=3:0.5'")
registry.register("asha", "oche.loop.stopping:HalvingPolicy", "at min * eta^k stop what is not in the best 1/eta: 'asha?min=1&eta=3'")
registry.register("successive-halving", "oche.loop.stopping:HalvingPolicy", "the same as asha")
registry.register("hyperband", "oche.loop.stopping:HyperbandPolicy", "asha in several brackets, which begin at different steps")
registry.register("median", "oche.loop.stopping:MedianPolicy", "stop what is below the median of finished trials at the same step")
for _name in ("median", "percentile", "successive-halving", "hyperband", "threshold", "patient", "wilcoxon"):
    registry.register(f"optuna:{_name}", "oche.loop.optuna_pruners:OptunaPruner", f"Optuna: its pruner of that name, {_name}", pruner=_name)


def as_policy(value: Any) -> Policy | None:
    """A policy from one, from its text form, or None.

    Raises:
        UnknownNameError: no such policy or setting; the nearest one is suggested.
        ArgumentError: the value is none of these.

    Example:
        >>> as_policy("asha?min=1&eta=3")
        HalvingPolicy(min=1, eta=3, max=None)
    """
    if value is None or isinstance(value, Policy):
        return value
    made = registry.get(value) if isinstance(value, str) else value
    if not isinstance(made, Policy):
        raise ArgumentError(f"early stopping: got {value!r}; allowed: a text such as 'asha?eta=3', an oche.loop.Policy, or None")
    return made


def gates(rank: str | None = None, value: str | None = None, trigger: int = 1) -> Gates:
    """Gates from text: `rank` and `value` are lists `step:limit,step:limit`.

    Args:
        rank: Limits by rank, a share with a point (`3:0.5`) or a count (`3:2`), see `ByRank`.
        value: Limits by value (`1:20`), see `ByValue`.
        trigger: Of all gates by rank.

    Raises:
        ArgumentError: neither is given, or a part is no `step:limit`.

    Example:
        >>> gates(rank="1:0.5,3:2", trigger=4)
        Gates([ByRank(step=1.0, rank=0.5, trigger=4), ByRank(step=3.0, rank=2, trigger=4)])
    """
    found: list[ByValue | ByRank] = []
    for step, limit in _pairs("rank", rank):
        whole = limit.lstrip("+-").isdigit()
        found.append(ByRank(step, int(limit) if whole else float(limit), trigger))
    found += [ByValue(step, float(limit)) for step, limit in _pairs("value", value)]
    return Gates(found)


def _pairs(name: str, text: str | None) -> list[tuple[float, str]]:
    made = []
    for part in str(text).split(",") if text is not None else ():
        step, colon, limit = (word.strip() for word in part.partition(":"))
        try:
            if not colon:
                raise ValueError(part)
            float(limit)
            made.append((float(step), limit))
        except ValueError as error:
            raise ArgumentError(f"gates {name}: got {text!r}; allowed: step:limit,step:limit, for example 1:0.5,3:0.3") from error
    return made


@dataclass(frozen=True)
class _Best:
    """A gate that lets the best 1 / eta of all measurements in it go on, the new one included, and always the very best."""

    step: float
    eta: int

    def stops(self, value: float, known: Sequence[float]) -> bool | None:
        return sum(v > value for v in known) >= max(1, (len(known) + 1) // self.eta)


class HalvingPolicy(Gates):
    """Asynchronous successive halving that stops: at each rung a trial goes on if it is among the best 1 / eta that came there.

    A rung is judged on the first report at or after it. With fewer than eta reports in a rung, only the best so far goes on; equal values
    share their place.

    Args:
        min: Step of the first rung, for example epochs.
        eta: One in so many goes on; also the ratio from rung to rung.
        max: Steps of a whole trial; nothing is judged there. None: no end.

    Raises:
        ArgumentError: a value is not allowed.

    Source: Li et al. 2020 (ASHA), in the form that stops instead of pausing; defaults theirs (eta) and ours.
    """

    def __init__(self, min: float = 1, eta: int = 3, max: float | None = None) -> None:
        self.min, self.eta, self.max = min, eta, max
        steps = rungs(min, max, eta)
        # A range of one step has no rung below its end: nothing is ever stopped.
        super().__init__([_Best(step, eta) for step in (steps if max is None else steps[:-1] or (float("inf"),))])

    def __repr__(self) -> str:
        return f"HalvingPolicy(min={self.min!r}, eta={self.eta!r}, max={self.max!r})"

    def wants(self, step: float) -> bool:
        """Whether a whole step is the first one of a rung."""
        return any(g.step <= step < g.step + 1 for g in self.gates)


class HyperbandPolicy(Policy):
    """Several `HalvingPolicy` that begin at different steps; a trial belongs to one by its number and is compared within it only.

    Trials go to the brackets in the proportions that Hyperband has at the first rungs, in turn, the widest bracket first.

    Args:
        max: Steps of a whole trial.
        min: Step of the earliest rung.
        eta: One in so many goes on.

    Raises:
        ArgumentError: a value is not allowed.

    Source: Li et al. 2018 (Hyperband); brackets that share one stream of trials as in Falkner et al. 2018.
    """

    def __init__(self, max: float, min: float = 1, eta: int = 3) -> None:
        check_range(min, max, eta)
        self.min, self.eta, self.max = min, eta, max
        brackets = hyperband(min, max, eta)
        self._sizes = [bracket[0].size for bracket in brackets]
        self._policies = [HalvingPolicy(bracket[0].step, eta, max) for bracket in brackets]

    def __repr__(self) -> str:
        return f"HyperbandPolicy(max={self.max!r}, min={self.min!r}, eta={self.eta!r})"

    def bracket(self, number: int) -> int:
        """Bracket of a trial, 0 for the widest."""
        place = number % sum(self._sizes)
        for bracket, size in enumerate(self._sizes):
            if place < size:
                return bracket
            place -= size
        raise AssertionError("a place is below the sum of the sizes")

    def verdict(self, curve: Curve, earlier: Sequence[Curve]) -> bool | None:
        """The verdict of the trial's bracket."""
        mine = self.bracket(_number(curve, len(earlier)))
        known = [c for position, c in enumerate(earlier) if self.bracket(_number(c, position)) == mine]
        return self._policies[mine].verdict(curve, known)

    def wants(self, step: float) -> bool:
        """Whether any bracket has a rung there."""
        return any(policy.wants(step) for policy in self._policies)


class MedianPolicy(Policy):
    """Stops a trial whose best report so far is below the median of what finished trials reported at the same step.

    Args:
        trials: Finished trials that are needed before it says anything.
        warmup: Reports below this step are not judged.

    Raises:
        ArgumentError: a value is not allowed.

    Source: Golovin et al. 2017 (Vizier), median stopping, with values at the step instead of running means.
    """

    def __init__(self, trials: int = 5, warmup: float = 0) -> None:
        if isinstance(trials, bool) or not isinstance(trials, int) or trials < 1:
            raise ArgumentError(f"trials: got {trials!r}; allowed: a whole number from 1")
        if isinstance(warmup, bool) or not isinstance(warmup, (int, float)) or warmup < 0:
            raise ArgumentError(f"warmup: got {warmup!r}; allowed: a number from 0")
        self.trials = trials
        self.warmup = warmup

    def __repr__(self) -> str:
        return f"MedianPolicy(trials={self.trials!r}, warmup={self.warmup!r})"

    def verdict(self, curve: Curve, earlier: Sequence[Curve]) -> bool | None:
        """None below the warm-up, and where too few finished trials have a report at this step."""
        if not curve or curve[-1][0] < self.warmup:
            return None
        step = curve[-1][0]
        finished = [c for c in earlier if getattr(c, "status", "done") == "done"]
        known = [value for c in finished for value in [v for s, v in c if s == step][:1]]
        if len(known) < self.trials:
            return None
        return max(value for _, value in curve) < statistics.median(known)

    def wants(self, step: float) -> bool:
        """After the warm-up."""
        return step >= self.warmup


def _number(curve: Curve, otherwise: int) -> int:
    return getattr(curve, "number", otherwise)
