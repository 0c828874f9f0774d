"""Gradients of one loss for the groups that a scheme asks for, and sums of such gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from oche import ranks
from oche.errors import TrainingError
from oche.schemes.problem import Group, Loss

Gradients = Sequence[Tensor | None]


class Split(NamedTuple):
    """One half of the data with the loss on it: what a pass goes through."""

    loss: Loss
    batch: Any
    what: str


@dataclass(frozen=True)
class Slopes:
    """Value of a loss and its gradients; a group that was not asked for has none, a tensor that the loss does not use has None."""

    value: float
    weights: Gradients
    arch: Gradients


def slopes(split: Split, weights: Group, arch: Group, of: str, step: int) -> Slopes:
    """One pass: the loss at (weights, arch) and its gradients.

    Args:
        split: Loss and batch.
        weights: Weights at which the loss is taken.
        arch: Architecture parameters at which it is taken.
        of: `weights`, `arch` or `both`; around the other group no graph is built.
        step: Number of the step, for the message.

    Raises:
        TrainingError: the loss is not finite.
    """
    ask_weights, ask_arch = of in ("weights", "both"), of in ("arch", "both")
    loss = split.loss(weights.value if ask_weights else weights.frozen, arch.value if ask_arch else arch.frozen, split.batch)
    # A loss may be constant in all of them, for example on a path without any weight.
    mean, found = ranks.gradients(loss, [*(weights if ask_weights else ()), *(arch if ask_arch else ())])
    value = finite(mean, split.what, step)
    n = len(weights) if ask_weights else 0
    return Slopes(value, found[:n], found[n:])


def finite(loss: Tensor, what: str, step: int) -> float:
    """The value of `loss`.

    Raises:
        TrainingError: it is not finite; the message names the step.
    """
    value = float(loss.detach())
    if not math.isfinite(value):
        raise TrainingError(f"{what} at step {step}: got {value}; allowed: finite numbers; lower the learning rate or look at the data")
    return value


def weighted(*terms: tuple[float, Gradients]) -> list[Tensor | None]:
    """The sum of `factor * gradients` over the terms, tensor by tensor; None where no term has a gradient."""
    total: list[Tensor | None] = [None] * len(terms[0][1])
    for factor, gradients in terms:
        for i, gradient in enumerate(gradients):
            if gradient is not None:
                part, so_far = gradient if factor == 1 else factor * gradient, total[i]
                total[i] = part if so_far is None else so_far + part
    return total
