"""Cosine power annealing: a learning rate between half a cosine and exponential decay, with one knob.

    c(t) = (1 + cos(pi t / T)) / 2
    f(t) = (p^c - 1) / (p - 1)          p = 1: f = c
    lr(t) = eta_min + (lr - eta_min) f(t)

A larger p falls earlier; halfway f is 1 / (sqrt(p) + 1). An ordinary scheduler of torch: it can be chained, saved and resumed, keeps the
rates of all parameter groups apart, and needs nothing else of this library.

Source: Hundt et al. 2019 (sharpDARTS).
"""

from __future__ import annotations

import math
import operator
from itertools import accumulate
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from oche.errors import ArgumentError

#: `formula`: step 0 has the full rate. `reference`: the array of the authors' code, whose first and last entries are the two limits.
ANCHORS = ("formula", "reference")


def cosine_power(share: float, power: float = 1.0) -> float:
    """How much of the rate is left after a share of the way: 1 at 0, 0 at 1, falling in between.

    Args:
        share: In [0, 1].
        power: Above 0; 1 is half a cosine.

    Raises:
        ArgumentError: the power is not above 0.
    """
    if not 0 < power < math.inf:
        raise ArgumentError(f"power: got {power!r}; allowed: a number above 0, where 1 is half a cosine")
    left = (1 + math.cos(math.pi * share)) / 2
    grade = math.log(power)
    return left if grade == 0 else math.expm1(left * grade) / math.expm1(grade)


class CosinePowerAnnealing(LRScheduler):
    """Learning rates of an optimizer by cosine power annealing.

    Step it once an epoch with the number of epochs, or once a batch with the number of batches. After the last step the rate stays.

    Args:
        optimizer: Its parameter groups keep their own highest rates.
        epochs: Steps of the whole schedule, warm-up included.
        power: p, above 0. 1 is torch's `CosineAnnealingLR`, 2 and 10 are the published settings for CIFAR and ImageNet.
        eta_min: Lowest rate.
        warmup: Steps of linear rise before; step k of them has (k + 1) / (warmup + 1) of the rate above `eta_min`.
        cycles: How often the rate falls.
        cycle_mult: Length of a cycle relative to the one before.
        cycle_decay: Highest rate of a cycle relative to the one before.
        anchor: One of `ANCHORS`.
        include_end: Whether the last of `epochs` steps has `eta_min` itself, instead of the step after it.
        last_epoch: The last step that was done; -1 starts anew.

    Raises:
        ArgumentError: a number is out of range, or an option does not go with the anchor.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        epochs: int,
        power: float = 2.0,
        eta_min: float = 0.0,
        warmup: int = 0,
        cycles: int = 1,
        cycle_mult: float = 1.0,
        cycle_decay: float = 1.0,
        anchor: str = "formula",
        include_end: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.epochs = _whole(epochs, "epochs", 1)
        self.warmup = _whole(warmup, "warmup", 0)
        self.cycles = _whole(cycles, "cycles", 1)
        _check(self.warmup < self.epochs, "warmup", warmup, f"0 to {self.epochs - 1}, fewer steps than the {self.epochs} of the schedule")
        _check(0 < power < math.inf, "power", power, "a number above 0, where 1 is half a cosine")
        _check(0 <= eta_min < math.inf, "eta_min", eta_min, "a number from 0")
        _check(0 < cycle_mult < math.inf, "cycle_mult", cycle_mult, "a number above 0")
        _check(0 < cycle_decay < math.inf, "cycle_decay", cycle_decay, "a number above 0")
        _check(anchor in ANCHORS, "anchor", anchor, ", ".join(repr(a) for a in ANCHORS))
        _check(anchor == "formula" or self.cycles == 1, "cycles", cycles, "1 with the anchor 'reference'")
        _check(anchor == "formula" or not include_end, "include_end", include_end, "False with the anchor 'reference', which has the end")
        _check(self.cycles <= self.epochs - self.warmup, "cycles", cycles, f"at most one for each of {self.epochs - self.warmup} steps")
        for group in optimizer.param_groups:
            highest = float(group.get("initial_lr", group["lr"]))
            _check(eta_min <= highest, "eta_min", eta_min, f"at most the rate of every parameter group, here {highest:g}")
        self.power, self.eta_min = float(power), float(eta_min)
        self.cycle_decay = float(cycle_decay)
        self.anchor, self.include_end = anchor, include_end
        lengths = [float(cycle_mult) ** i for i in range(self.cycles)]
        scale = (self.epochs - self.warmup) / sum(lengths)
        self.ends = [round(scale * end) for end in accumulate(lengths)]
        starts = [0, *self.ends[:-1]]
        _check(
            all(a < b for a, b in zip(starts, self.ends, strict=True)), "cycle_mult", cycle_mult, "a number that leaves a step to a cycle"
        )
        super().__init__(optimizer, last_epoch)

    def rate(self, lr: float, step: int) -> float:
        """The learning rate of a step in closed form.

        Args:
            lr: Highest rate.
            step: From 0.
        """
        factor, decay = self._factor(step)
        return self.eta_min + (max(lr * decay, self.eta_min) - self.eta_min) * factor

    def get_lr(self) -> list[Any]:
        """Rates of the present step; called by `step`.

        A rate that another scheduler or the user has changed since is moved by the same ratio, so that schedulers can be chained. So is
        the rate of a group that was added to the optimizer later.
        """
        groups = self.optimizer.param_groups
        added = len(groups) - len(self.base_lrs)
        rates = []
        for base, group in zip([*self.base_lrs, *self.base_lrs[:1] * added], groups, strict=True):
            lr, current = float(base), float(group["lr"])
            now = self.rate(lr, self.last_epoch)
            before = self.rate(lr, self.last_epoch - 1) if self.last_epoch > 0 else lr
            resumed = getattr(self, "_is_initial", False) and self.last_epoch > 0  # the optimizer may hold the rate of either step
            if current != before and before > self.eta_min and not resumed:
                now = self.eta_min + (current - self.eta_min) * (now - self.eta_min) / (before - self.eta_min)
            rates.append(now)
        return rates

    def _get_closed_form_lr(self) -> list[Any]:
        """What torch asks for when it is told a step."""
        return [self.rate(float(base), self.last_epoch) for base in self.base_lrs]

    def _factor(self, step: int) -> tuple[float, float]:
        """The proportion of the rate above `eta_min`, and the decay of its cycle."""
        if self.anchor == "reference":
            return self._reference(min(step, self.epochs - 1) + 1), 1.0
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1), 1.0
        done = step - self.warmup
        index = next((i for i, end in enumerate(self.ends) if done < end), self.cycles - 1)
        start = self.ends[index - 1] if index else 0
        length = self.ends[index] - start - self.include_end
        share = min((done - start) / length, 1.0) if length > 0 else 0.0
        return cosine_power(share, self.power), self.cycle_decay**index

    def _reference(self, epoch: int) -> float:
        """Entry `epoch` (from 1) of the authors' array: without a warm-up it is scaled so that the first entry is 1."""
        length = self.epochs - self.warmup
        if self.warmup and epoch <= self.warmup + 1:
            return epoch / (self.warmup + 1)
        first = 1.0 if self.warmup else cosine_power(1 / length, self.power)
        return cosine_power((epoch - self.warmup) / length, self.power) / first if first else 1.0


def _whole(value: Any, what: str, least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    _check(number >= least and not isinstance(value, bool), what, value, f"a whole number from {least}")
    return number


def _check(good: bool, what: str, value: Any, allowed: str) -> None:
    if not good:
        raise ArgumentError(f"{what}: got {value!r}; allowed: {allowed}")
