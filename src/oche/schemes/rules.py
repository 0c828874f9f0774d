"""Update rules: settings of one optimizer with its gradient clip, as plain data.

Defaults are those of the reference code of DARTS for CIFAR-10 (see each class). Learning rates that change over time are set from
outside by `set_lr`, so that a plan owns the schedule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from oche.errors import TrainingError
from oche.training import optimizers


class Rule(Protocol):
    """What a scheme needs of an update rule."""

    @property
    def clip(self) -> float | None:
        """Largest 2-norm of the whole gradient, or None."""

    def build(self, tensors: Iterable[Tensor]) -> Optimizer:
        """An optimizer of `tensors`."""
        ...


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent for the weights.

    Source of the defaults: DARTS search on CIFAR-10 (lr 0.025, momentum 0.9, weight decay 3e-4, gradient norm clipped to 5).
    """

    lr: float = 0.025
    momentum: float = 0.9
    weight_decay: float = 3e-4
    nesterov: bool = False
    clip: float | None = 5.0

    def build(self, tensors: Iterable[Tensor]) -> Optimizer:
        """An optimizer of `tensors`."""
        return optimizers.SGD(list(tensors), lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay, nesterov=self.nesterov)


@dataclass(frozen=True)
class Adam:
    """Adam with L2 decay in the gradient (not AdamW), for architecture parameters.

    Source of the defaults: DARTS search (lr 3e-4, betas 0.5 and 0.999, weight decay 1e-3, no clip).
    """

    lr: float = 3e-4
    betas: tuple[float, float] = (0.5, 0.999)
    weight_decay: float = 1e-3
    clip: float | None = None
    eps: float = 1e-8

    def build(self, tensors: Iterable[Tensor]) -> Optimizer:
        """An optimizer of `tensors`."""
        return optimizers.Adam(list(tensors), lr=self.lr, betas=self.betas, weight_decay=self.weight_decay, eps=self.eps)


def plain(lr: float) -> Sgd:
    """Plain gradient steps of size `lr`: no momentum, no decay, no clip."""
    return Sgd(lr=lr, momentum=0.0, weight_decay=0.0, clip=None)


def set_lr(optimizer: Optimizer, lr: float) -> None:
    """Give every group of `optimizer` the learning rate `lr`."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def update(
    optimizer: Optimizer,
    tensors: Iterable[Tensor],
    gradients: Sequence[Tensor | None],
    clip: float | None,
    what: str,
    pull: Sequence[Tensor | None] | None = None,
) -> None:
    """One update of `tensors` by `gradients`; a None leaves its tensor alone, momentum and decay included.

    Args:
        what: Names the step in an error, for example `arch gradient at step 7`.
        pull: Added to the gradients after the clip, so that a clip for the loss does not weaken it; with it, a tensor is left alone
            only if both are None.

    Raises:
        TrainingError: the norm of the gradient is not finite; nothing was changed.
    """
    present = [gradient for gradient in gradients if gradient is not None]
    if not present and pull is None:
        return
    norm = torch.nn.utils.get_total_norm(present)
    if not torch.isfinite(norm):
        raise TrainingError(f"{what}: got a norm of {float(norm)}; allowed: finite gradients; lower the learning rate")
    if clip is not None:
        # The same rule and constant as torch.nn.utils.clip_grad_norm_.
        gradients = scaled(gradients, torch.clamp(clip / (norm + 1e-6), max=1.0))
    if pull is not None:
        gradients = [
            extra if gradient is None else gradient if extra is None else gradient + extra
            for gradient, extra in zip(gradients, pull, strict=True)
        ]
    for tensor, gradient in zip(tensors, gradients, strict=True):
        tensor.grad = gradient
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


@torch.no_grad()
def scaled(tensors: Sequence[Tensor | None], factor: float | Tensor) -> list[Tensor | None]:
    """`factor` times each tensor, in one call for all of them; None stays None."""
    present = [tensor for tensor in tensors if tensor is not None]
    if not present:
        return list(tensors)
    products = iter(torch._foreach_mul(present, factor))  # pyright: ignore[reportPrivateImportUsage]
    return [None if tensor is None else next(products) for tensor in tensors]
