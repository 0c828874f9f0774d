"""What all schemes share: the state of a search, the weight step, and the record of a step.

A scheme is settings only; everything that changes lives in a `SchemeState`. A weight step differentiates the weights and an arch step
the architecture parameters, each around detached values of the other group: no gradient is computed to be thrown away, and the
other group holds no `.grad` afterwards.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from oche.errors import ArgumentError, TrainingError
from oche.schemes.problem import BilevelProblem, Group
from oche.schemes.rules import Adam, Rule, Sgd, plain, update

#: Which group moves first in a step: DARTS moves `arch` first, the NAS-Bench-201 reference `weights`.
ORDERS = ("arch", "weights")


@dataclass(frozen=True)
class StepRecord:
    """What one step did.

    Args:
        step: Number of the step, from 1.
        train_loss: Training loss before the weight update.
        valid_loss: Validation loss that the arch update differentiated, None if arch was left alone.
        passes: Forward-and-backward passes that were made; a forward pass alone counts one third.
    """

    step: int
    train_loss: float
    valid_loss: float | None
    passes: float


@dataclass
class SchemeState:
    """Everything that a search by gradient changes.

    Args:
        problem: The problem.
        weight_group: The weights that are trained.
        arch_group: The architecture parameters that are trained.
        weight_optimizer: Optimizer of the weights.
        arch_optimizer: Optimizer of arch; None if there is no architecture parameter.
        weight_clip: Largest gradient norm of the weights, or None.
        arch_clip: Largest gradient norm of arch, or None.
        step: Steps done.
        frozen: Names of weights that no longer move.
        keep_gradients: Whether `weight_gradients` is filled.
        weight_gradients: Gradients of the latest weight step, by name; not part of the state.
    """

    problem: BilevelProblem
    weight_group: Group
    arch_group: Group
    weight_optimizer: Optimizer
    arch_optimizer: Optimizer | None
    weight_clip: float | None = None
    arch_clip: float | None = None
    step: int = 0
    frozen: set[str] = field(default_factory=set)
    keep_gradients: bool = False
    weight_gradients: dict[str, Tensor] = field(default_factory=dict)

    @property
    def weights(self) -> Any:
        """The weights, in the form of the problem."""
        return self.weight_group.value

    @property
    def arch(self) -> Any:
        """The architecture parameters, in the form of the problem."""
        return self.arch_group.value

    @property
    def weight_lr(self) -> float:
        """The present learning rate of the weights."""
        return self.weight_optimizer.param_groups[0]["lr"]

    def state_dict(self) -> dict[str, Any]:
        """Tensors, optimizer states and the step count; loadable with `weights_only`."""
        return {
            "step": self.step,
            "frozen": sorted(self.frozen),
            "weights": {name: tensor.detach().clone() for name, tensor in self.weight_group.tensors.items()},
            "arch": {name: tensor.detach().clone() for name, tensor in self.arch_group.tensors.items()},
            "weight_optimizer": _copied(self.weight_optimizer.state_dict()),
            "arch_optimizer": _copied(self.arch_optimizer.state_dict()) if self.arch_optimizer else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, which must belong to the same problem and rules."""
        self.weight_group.load(state["weights"])
        self.arch_group.load(state["arch"])
        self.weight_optimizer.load_state_dict(state["weight_optimizer"])
        if self.arch_optimizer is not None:
            self.arch_optimizer.load_state_dict(state["arch_optimizer"])
        self.step = int(state["step"])
        self.frozen = set(state.get("frozen", ()))


class Scheme(ABC):
    """One way to take a step of both groups.

    Args:
        order: Group that moves first, one of `ORDERS`.
    """

    #: Whether an arch step reads a validation batch.
    needs_valid = True
    #: Whether an arch step looks at weights that are moved.
    looks_ahead = False

    def __init__(self, order: str = "arch") -> None:
        if order not in ORDERS:
            raise ArgumentError(f"order: got {order!r}; allowed: {', '.join(repr(o) for o in ORDERS)}")
        self.order = order

    def init(
        self, problem: BilevelProblem, weight_rule: Rule | None = None, arch_rule: Rule | None = None, copy: bool = False
    ) -> SchemeState:
        """Start on `problem`.

        Args:
            problem: Losses and starting points.
            weight_rule: Default `Sgd()`.
            arch_rule: Default `Adam()`.
            copy: Whether to leave the problem's own tensors as they are; by default they are trained in place.
        """
        weight_rule = Sgd() if weight_rule is None else weight_rule
        arch_rule = Adam() if arch_rule is None else arch_rule
        weights, arch = Group(problem.weights, copy), Group(problem.arch, copy)
        return SchemeState(
            problem=problem,
            weight_group=weights,
            arch_group=arch,
            weight_optimizer=weight_rule.build(weights),
            arch_optimizer=arch_rule.build(arch) if len(arch) else None,
            weight_clip=weight_rule.clip,
            arch_clip=arch_rule.clip,
        )

    def step(self, state: SchemeState, train_batch: Any = None, valid_batch: Any = None, update_arch: bool = True) -> StepRecord:
        """One update of both groups, in the order of this scheme.

        Args:
            state: Changed in place.
            train_batch: Given to the training loss.
            valid_batch: Given to the validation loss.
            update_arch: False in warm-up: only the weights move.

        Raises:
            TrainingError: a loss or a gradient is not finite; that group was not changed.
        """
        valid_loss, train_loss, passes = None, math.nan, 0.0
        for part in (self.order, *(o for o in ORDERS if o != self.order)):
            if part == "weights":
                train_loss, cost = self._weight_step(state, train_batch)
            elif update_arch and state.arch_optimizer is not None:
                valid_loss, cost = self.arch_step(state, train_batch, valid_batch)
            else:
                cost = 0.0
            passes += cost
        state.step += 1
        return StepRecord(state.step, train_loss, valid_loss, passes)

    def solve(self, problem: BilevelProblem, steps: int, lr: float, arch_lr: float | None = None) -> SchemeState:
        """Take `steps` plain gradient steps on a problem without batches, exactly; the problem's tensors stay as they are.

        Args:
            problem: Losses and starting points.
            steps: Updates of each group.
            lr: Step size of the weights.
            arch_lr: Step size of arch; default `lr`.
        """
        state = self.init(problem, plain(lr), plain(lr if arch_lr is None else arch_lr), copy=True)
        for _ in range(steps):
            self.step(state)
        return state

    @abstractmethod
    def arch_gradient(
        self, state: SchemeState, train_batch: Any = None, valid_batch: Any = None
    ) -> tuple[Sequence[Tensor | None], float, float]:
        """The gradient for arch (in the order of its group), the validation loss, and the passes that it took."""

    def arch_step(self, state: SchemeState, train_batch: Any = None, valid_batch: Any = None) -> tuple[float, float]:
        """One update of arch alone: the validation loss, and the passes that it took."""
        gradients, loss, passes = self.arch_gradient(state, train_batch, valid_batch)
        move_arch(state, gradients)
        return loss, passes

    def _weight_step(self, state: SchemeState, batch: Any) -> tuple[float, float]:
        loss = state.problem.train_loss(state.weights, state.arch_group.frozen, batch)
        value = finite(loss, "training loss", state)
        # A loss may be constant in all weights, for example on a path without any.
        gradients = torch.autograd.grad(loss, list(state.weight_group), allow_unused=True) if loss.requires_grad else []
        move_weights(state, gradients)
        if state.problem.accept is not None:
            state.problem.accept()
        return value, 1.0


def move_arch(state: SchemeState, gradients: Sequence[Tensor | None]) -> None:
    """Update arch by gradients, and let the problem set right what must stay as it was."""
    if state.arch_optimizer is None:
        return
    settle = state.problem.settle
    before = {name: tensor.detach().clone() for name, tensor in state.arch_group.tensors.items()} if settle else {}
    update(state.arch_optimizer, state.arch_group, gradients, state.arch_clip, f"arch gradient at step {state.step + 1}")
    if settle is not None:
        settle(before)


def move_weights(state: SchemeState, gradients: Sequence[Tensor | None]) -> None:
    """Update the weights by gradients, those that are frozen left alone."""
    names = list(state.weight_group.tensors)
    if state.keep_gradients:
        state.weight_gradients = {name: g for name, g in zip(names, gradients, strict=False) if g is not None}
    if state.frozen:
        gradients = [None if name in state.frozen else g for name, g in zip(names, gradients, strict=False)]
    update(state.weight_optimizer, state.weight_group, gradients, state.weight_clip, f"weight gradient at step {state.step + 1}")


def finite(loss: Tensor, what: str, state: SchemeState) -> float:
    """The value of `loss`.

    Raises:
        TrainingError: it is not finite; the message names the step.
    """
    value = float(loss.detach())
    if not math.isfinite(value):
        raise TrainingError(
            f"{what} at step {state.step + 1}: got {value}; allowed: finite numbers; lower the learning rate or look at the data"
        )
    return value


def _copied(value: Any) -> Any:
    """`value` with its tensors cloned: an optimizer's own state dict shares memory with the optimizer."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(item) for item in value)
    return value
