"""Supervised tuning of a model that predicts the next symbol: so many steps of AdamW on batches of sequences, with a mask of what counts.

`oche.training.fit` trains classifiers over epochs of a data set; here one item is a whole sequence, its loss is taken at some positions,
and a training is a number of steps whatever the size of the set, so that sets of different sizes are compared at equal cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oche.errors import ArgumentError, TrainingError
from oche.seeds import torch_generator
from oche.training import cosine, optimizers

#: What a loss does not count, as in transformers.
IGNORED = -100
SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True)
class Tuning:
    """How to tune.

    Args:
        steps: Optimizer steps.
        batch_size: Sequences of a step.
        lr: Highest learning rate.
        schedule: `constant` or `cosine` (to 0), after the warm-up.
        warmup_steps: Steps of linear rise.
        weight_decay: Of AdamW.
        grad_clip: Largest norm of the gradient, None for no limit.
    """

    steps: int = 150
    batch_size: int = 128
    lr: float = 1e-3
    schedule: str = "cosine"
    warmup_steps: int = 5
    weight_decay: float = 0.0
    grad_clip: float | None = 1.0

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ArgumentError(f"schedule: got {self.schedule!r}; allowed: 'constant', 'cosine'")
        for name, least in (("steps", 1), ("batch_size", 1), ("warmup_steps", 0)):
            if getattr(self, name) < least:
                raise ArgumentError(f"{name}: got {getattr(self, name)!r}; allowed: a whole number from {least}")
        if not self.lr > 0 or self.warmup_steps >= self.steps:
            raise ArgumentError(
                f"tuning: got lr={self.lr!r}, warmup_steps={self.warmup_steps} of {self.steps} steps; "
                "allowed: a rate above 0 and fewer warm-up steps than steps"
            )

    def rate(self, step: int) -> float:
        """Learning rate of a step, from 0."""
        if self.schedule == "constant" and step >= self.warmup_steps:
            return self.lr
        return cosine(step, self.steps, self.lr, 0.0, self.warmup_steps)

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


def next_symbol_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of `logits`, `(batch, length, symbols)`, over the `targets`, `(batch, length)`, that are not `IGNORED`."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


def steps(
    model: nn.Module, batches: Iterator[tuple[Tensor, Tensor]], plan: Tuning, stop: Callable[[int], bool] | None = None
) -> Iterator[tuple[int, float]]:
    """Train `model` in place; gives the number of steps made and the loss of each.

    Args:
        model: Maps sequences, `(batch, length)`, to logits, `(batch, length, symbols)`.
        batches: Pairs of sequences and of their targets, one step each.
        plan: How to tune.
        stop: Called with the steps made, after each; a true answer ends the training.

    Raises:
        TrainingError: the loss is not finite.
    """
    model.train()
    optimizer = optimizers.AdamW(model.parameters(), lr=plan.lr, weight_decay=plan.weight_decay)
    for step, (sequences, targets) in zip(range(plan.steps), batches, strict=False):
        for group in optimizer.param_groups:
            group["lr"] = plan.rate(step)
        loss = next_symbol_loss(model(sequences), targets)
        value = loss.item()
        if not torch.isfinite(loss):
            raise TrainingError(f"loss: got {value} at step {step} (lr {plan.rate(step):.4g}); allowed: finite; lower lr or set grad_clip")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if plan.grad_clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), plan.grad_clip)
        optimizer.step()
        yield step + 1, value
        if stop is not None and stop(step + 1):
            return


def shuffled(sequences: Tensor, targets: Tensor, batch_size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of equal size without end: pass after pass over the set, each in an order of its own."""
    size = len(sequences)
    epoch, order = 0, torch.empty(0, dtype=torch.int64)
    while True:
        while len(order) < batch_size:
            order = torch.cat([order, torch.randperm(size, generator=torch_generator(seed, "order", epoch))])
            epoch += 1
        chosen, order = order[:batch_size], order[batch_size:]
        yield sequences[chosen], targets[chosen]
