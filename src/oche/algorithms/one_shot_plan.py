"""The plan of a weight-sharing search: how long, how fast, and from when on the architecture is trained.

A `Plan` is settings; a `Schedule` is a plan under a budget. Everything that changes over a search follows the share of it that is done,
so that a search under a small budget is the same search in small. Where the budget is time, the share is the time that is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from oche.errors import ArgumentError, BudgetError, unknown
from oche.loop.contracts import Budget, Cost
from oche.schemes.rules import Adam, Sgd
from oche.supernets.drawn import Moment
from oche.training import cosine_power

# Limits whose use is measured and not counted in steps.
_MEASURED = ("seconds", "cpu_seconds", "passes")


@dataclass(frozen=True)
class Plan:
    """How a supernet is trained.

    Args:
        epochs: Passes over the training split, unless the budget is shorter, or is time.
        warmup: When the architecture parameters start to move: a share of the search if below 1, else epochs.
        lr: Learning rate of the weights in the first epoch.
        lr_min: The one to which the cosine falls.
        momentum: Of the weights.
        nesterov: Whether it looks ahead.
        weight_decay: Of the weights.
        clip: Largest gradient norm of the weights, or None.
        arch_lr: Learning rate of the architecture parameters (Adam).
        arch_weight_decay: Their decay.
        arch_clip: Largest gradient norm of theirs, or None.
        arch_beta1: Decay of their first moment in Adam.
        arch_eps: What Adam adds to the root of their second moment.
        arch_every: An arch step every so many steps of the weights.
        arch_updates: So many arch steps after each epoch of the weights, and none in between. 0: in between.
        lr_rise: Share of the search in which the learning rate rises linearly from 0 to the cosine.
        power: How early the learning rate falls, see `oche.training.CosinePowerAnnealing`; 1 is half a cosine.
        lr_from, lr_to: The part of the cosine that this search runs through; for stages of a longer one.
        reserve: Share of a budget in time or passes that is kept for what follows the training.
        guards: What watches the search: names or objects of `oche.algorithms.guards`, one or a list.
        cost: A cost term of the arch objective, such as `macs?weight=0.2`, or a `CostTerm`.

    Source of the defaults: the reference code of DARTS for CIFAR-10.
    """

    epochs: int = 50
    warmup: float = 0.0
    lr: float = 0.025
    lr_min: float = 0.001
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 3e-4
    clip: float | None = 5.0
    arch_lr: float = 3e-4
    arch_weight_decay: float = 1e-3
    arch_clip: float | None = None
    arch_beta1: float = 0.5
    arch_eps: float = 1e-8
    arch_every: int = 1
    arch_updates: int = 0
    lr_rise: float = 0.0
    power: float = 1.0
    lr_from: float = 0.0
    lr_to: float = 1.0
    reserve: float = 0.02
    guards: Any = None
    cost: Any = None

    def __post_init__(self) -> None:
        if isinstance(self.epochs, bool) or not isinstance(self.epochs, int) or self.epochs < 1:
            raise ArgumentError(f"epochs: got {self.epochs!r}; allowed: a whole number from 1")
        for what in ("lr", "arch_lr"):
            if not _number(getattr(self, what)) or getattr(self, what) <= 0:
                raise ArgumentError(f"{what}: got {getattr(self, what)!r}; allowed: a number above 0")
        for what, low in (("arch_every", 1), ("arch_updates", 0)):
            value = getattr(self, what)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise ArgumentError(f"{what}: got {value!r}; allowed: a whole number from {low}")
        if not _number(self.warmup) or self.warmup < 0:
            raise ArgumentError(f"warmup: got {self.warmup!r}; allowed: a share from 0 to below 1, or a number of epochs")
        if not _number(self.power) or self.power <= 0:
            raise ArgumentError(f"power: got {self.power!r}; allowed: a number above 0, where 1 is half a cosine")
        if not _number(self.reserve) or not 0 <= self.reserve < 1:
            raise ArgumentError(f"reserve: got {self.reserve!r}; allowed: a share from 0 to below 1")

    @classmethod
    def of(cls, name: str, settings: Mapping[str, Any], **defaults: Any) -> Plan:
        """The plan of a preset with some settings replaced.

        Raises:
            UnknownNameError: no such setting.
        """
        known = [f.name for f in fields(cls)]
        for key in settings:
            if key not in known:
                raise unknown(f"setting of algorithm {name!r}", key, known)
        return cls(**{**defaults, **settings})

    @property
    def weight_rule(self) -> Sgd:
        """How weights are updated."""
        return Sgd(self.lr, self.momentum, self.weight_decay, self.nesterov, self.clip)

    @property
    def arch_rule(self) -> Adam:
        """How architecture parameters are updated."""
        return Adam(self.arch_lr, (self.arch_beta1, 0.999), self.arch_weight_decay, self.arch_clip, self.arch_eps)

    def lr_at(self, share: float) -> float:
        """The learning rate of the weights when `share` of the search is done: `min + (lr - min) * f`, f half a cosine at power 1."""
        share = min(max(share, 0.0), 1.0)
        rise = min(1.0, share / self.lr_rise) if self.lr_rise else 1.0
        along = self.lr_from + (self.lr_to - self.lr_from) * share
        return rise * (self.lr_min + (self.lr - self.lr_min) * cosine_power(along, self.power))


class Schedule:
    """A plan under a budget.

    Args:
        plan: The plan.
        budget: None for the plan's own length.
        n_train: Batches of the training split.

    Raises:
        BudgetError: the budget limits nothing that a weight-sharing search spends, or allows no step.
        ArgumentError: the warm-up is not shorter than the search.
    """

    def __init__(self, plan: Plan, budget: Budget | None, n_train: int) -> None:
        if n_train < 1:
            raise ArgumentError("train split: got no batches; allowed: at least one; use more data or smaller batches")
        limits = budget.limits() if budget is not None else {}
        usable = {unit: limit for unit, limit in limits.items() if unit in (*_MEASURED, "epochs")}
        if limits and not usable:
            shown = ", ".join(f"{unit}={limit}" for unit, limit in limits.items())
            raise BudgetError(
                f"budget of a weight-sharing search: got {shown}; allowed: epochs, passes, seconds, cpu_seconds, or None for the "
                "algorithm's own plan"
            )
        self.plan = plan
        self.n_train = n_train
        self.measured = {unit: limit for unit, limit in usable.items() if unit in _MEASURED}
        self.epochs = min(float(plan.epochs), usable.get("epochs", math.inf)) if "epochs" in usable or not self.measured else math.inf
        self.steps = math.inf if math.isinf(self.epochs) else math.floor(self.epochs * n_train + 1e-9)
        if self.steps < 1:
            raise BudgetError(f"budget: got epochs={self.epochs}; allowed: at least one step, 1/{n_train} of an epoch")
        length = plan.epochs if math.isinf(self.epochs) else self.epochs
        self.warmup = plan.warmup if plan.warmup < 1 else plan.warmup / length
        if self.warmup >= 1:
            raise ArgumentError(f"warmup: got {plan.warmup} epochs of {length:g}; allowed: fewer than the search has; give a share below 1")

    def share(self, step: int, cost: Cost) -> float:
        """How much of the training is done, in [0, 1]."""
        used = [getattr(cost, unit) / (limit * (1 - self.plan.reserve)) for unit, limit in self.measured.items()]
        return min(1.0, max([step / self.steps, *used]))

    def trained(self, step: int, cost: Cost) -> bool:
        """Whether the training is over."""
        return self.share(step, cost) >= 1.0

    def spent(self, cost: Cost) -> bool:
        """Whether nothing more may be started."""
        return any(getattr(cost, unit) >= limit for unit, limit in self.measured.items())

    def lr(self, step: int, cost: Cost) -> float:
        """The learning rate of a step: constant over an epoch where epochs are counted."""
        if self.measured:
            return self.plan.lr_at(self.share(step, cost))
        return self.plan.lr_at((step // self.n_train) / self.epochs)

    def arch_moves(self, step: int, cost: Cost) -> bool:
        """Whether the warm-up is over, and an arch step goes with this step of the weights."""
        if self.plan.arch_updates or (step + 1) % self.plan.arch_every:
            return False
        return self.share(step, cost) >= self.warmup - 1e-9

    def arch_updates(self, step: int, cost: Cost) -> int:
        """Arch steps that follow on this step of the weights, the last one of an epoch."""
        if (step + 1) % self.n_train or self.share(step, cost) < self.warmup - 1e-9:
            return 0
        return self.plan.arch_updates

    def moment(self, step: int, cost: Cost) -> Moment:
        """How far the search is at a step: by whole epochs, or by the share of the budget where it is measured or is not two epochs."""
        if self.measured or self.epochs < 2:
            share = self.share(step, cost)
            return Moment(share, share)
        epoch = step // self.n_train
        return Moment(min(1.0, epoch / self.epochs), min(1.0, epoch / (math.ceil(self.epochs) - 1)))

    def total(self, step: int, cost: Cost) -> int:
        """Steps of the training, an estimate where the budget is measured."""
        share = self.share(step, cost)
        if not self.measured:
            return int(self.steps)
        if share <= 0:
            return int(self.steps) if math.isfinite(self.steps) else max(step + 1, self.plan.epochs * self.n_train)
        return step if share >= 1 else max(step + 1, math.ceil(step / share))


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
