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

from torch import Tensor
from torch.optim import Optimizer

from oche.errors import ArgumentError
from oche.schemes._slopes import Gradients, Split, slopes
from oche.schemes.problem import BilevelProblem, Group, items
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
        batches: Batches that went through these passes; None means one each. Only a pass over both batches at once has more.
        objective: Value of the one function that the scheme descends, before the step; None if it descends no function.
        gap: Distance of the two copies of the weights, relative to the norm of the first; None with one copy.
    """

    step: int
    train_loss: float
    valid_loss: float | None
    passes: float
    batches: float | None = None
    objective: float | None = None
    gap: float | None = None

    @property
    def work(self) -> float:
        """Passes in units of one batch: what schemes are compared by at equal cost."""
        return self.passes if self.batches is None else self.batches


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
        valid_group: The second copy of the weights, of schemes that train one on the validation data.
        valid_optimizer: Optimizer of that copy.
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
    valid_group: Group | None = None
    valid_optimizer: Optimizer | None = None
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
    def valid_weights(self) -> Any:
        """The second copy of the weights, in the form of the problem; None if the scheme has one copy."""
        return None if self.valid_group is None else self.valid_group.value

    @property
    def weight_lr(self) -> float:
        """The present learning rate of the weights."""
        return self.weight_optimizer.param_groups[0]["lr"]

    def train_split(self, batch: Any = None, second: bool = False) -> Split:
        """The training loss on `batch`; where there are two copies of the weights, its name in an error says which one it is taken at.

        Args:
            batch: Given to the loss.
            second: Whether it is taken at the second copy.
        """
        return Split(self.problem.train_loss, batch, f"training loss{self._at(second)}")

    def valid_split(self, batch: Any = None) -> Split:
        """The validation loss on `batch`, taken at the second copy of the weights if there is one."""
        return Split(self.problem.valid_loss, batch, f"validation loss{self._at(second=True)}")

    def _at(self, second: bool) -> str:
        if self.valid_group is None:
            return ""
        return " of the second weights" if second else " of the first weights"

    def state_dict(self) -> dict[str, Any]:
        """Tensors, optimizer states and the step count; loadable with `weights_only`."""
        state = {
            "step": self.step,
            "frozen": sorted(self.frozen),
            "weights": self.weight_group.state(),
            "arch": self.arch_group.state(),
            "weight_optimizer": _copied(self.weight_optimizer.state_dict()),
            "arch_optimizer": _copied(self.arch_optimizer.state_dict()) if self.arch_optimizer else None,
        }
        if self.valid_group is not None and self.valid_optimizer is not None:
            state |= {"valid_weights": self.valid_group.state(), "valid_optimizer": _copied(self.valid_optimizer.state_dict())}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, which must belong to the same problem and rules."""
        self.weight_group.load(state["weights"])
        self.arch_group.load(state["arch"])
        self.weight_optimizer.load_state_dict(state["weight_optimizer"])
        if self.arch_optimizer is not None:
            self.arch_optimizer.load_state_dict(state["arch_optimizer"])
        if self.valid_group is not None and self.valid_optimizer is not None:
            self.valid_group.load(state["valid_weights"])
            self.valid_optimizer.load_state_dict(state["valid_optimizer"])
        self.step = int(state["step"])
        self.frozen = set(state.get("frozen", ()))


class Scheme(ABC):
    """One way to take a step of both groups.

    Args:
        order: Group that moves first, one of `ORDERS`.
    """

    #: What arch descends, as a formula; T and V are the training and validation loss, w the weights, a the architecture parameters.
    formula = "V(w, a) in a, T(w, a) in w"
    #: Whether an arch step reads a validation batch.
    needs_valid = True
    #: Whether an arch step looks at weights that are moved.
    looks_ahead = False
    #: Whether one pass gives the gradients of both groups.
    joint = False
    #: Whether arch descends the training loss, alone or beside the validation loss.
    arch_descends_train = False

    def __init__(self, order: str = "arch") -> None:
        if order not in ORDERS:
            raise ArgumentError(f"order: got {order!r}; allowed: {', '.join(repr(o) for o in ORDERS)}")
        self.order = order

    #: Copies of the weights that are trained: 2 adds one for the validation data.
    copies = 1

    def init(
        self,
        problem: BilevelProblem,
        weight_rule: Rule | None = None,
        arch_rule: Rule | None = None,
        copy: bool = False,
        valid_weights: Any = None,
    ) -> SchemeState:
        """Start on `problem`.

        Args:
            problem: Losses and starting points.
            weight_rule: Default `Sgd()`.
            arch_rule: Default `Adam()`.
            copy: Whether to leave the problem's own tensors as they are; by default they are trained in place.
            valid_weights: Where the second copy starts, in the form of the problem's weights; default: where the first one does.
                It is copied.

        Raises:
            ArgumentError: `valid_weights` for a scheme with one copy, or of another form than the weights.
        """
        weight_rule = Sgd() if weight_rule is None else weight_rule
        arch_rule = Adam() if arch_rule is None else arch_rule
        weights, arch = Group(problem.weights, copy), Group(problem.arch, copy)
        second = self._second(problem, valid_weights)
        return SchemeState(
            problem=problem,
            weight_group=weights,
            arch_group=arch,
            weight_optimizer=weight_rule.build(weights),
            arch_optimizer=arch_rule.build(arch) if len(arch) else None,
            weight_clip=weight_rule.clip,
            arch_clip=arch_rule.clip,
            valid_group=second,
            valid_optimizer=None if second is None else weight_rule.build(second),
        )

    def _second(self, problem: BilevelProblem, valid_weights: Any) -> Group | None:
        if self.copies == 1:
            if valid_weights is not None:
                raise ArgumentError(f"valid_weights: got some; allowed: None, since {type(self).__name__} trains one copy of the weights")
            return None
        second = Group(problem.weights if valid_weights is None else valid_weights, copy=True)
        shapes = [(name, tuple(tensor.shape)) for name, tensor in second.tensors.items()]
        wanted = [(name, tuple(tensor.shape)) for name, tensor in items(problem.weights)]
        if shapes != wanted:
            raise ArgumentError(f"valid_weights: got {shapes}; allowed: the names and shapes of the weights, {wanted}")
        return second

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

    def solve(self, problem: BilevelProblem, steps: int, lr: float, arch_lr: float | None = None, valid_weights: Any = None) -> SchemeState:
        """Take `steps` plain gradient steps on a problem without batches, exactly; the problem's tensors stay as they are.

        Args:
            problem: Losses and starting points.
            steps: Updates of each group.
            lr: Step size of the weights.
            arch_lr: Step size of arch; default `lr`.
            valid_weights: As in `init`.
        """
        state = self.init(problem, plain(lr), plain(lr if arch_lr is None else arch_lr), copy=True, valid_weights=valid_weights)
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
        train = slopes(state.train_split(batch), state.weight_group, state.arch_group, "weights", state.step + 1)
        self._move_weights(state, train.weights)
        return train.value, 1.0

    def _move_weights(self, state: SchemeState, gradients: Gradients, pull: Gradients | None = None) -> None:
        """One update of the weights by the gradients of the latest training loss, which is accepted."""
        move_weights(state, gradients, pull)
        if state.problem.accept is not None:
            state.problem.accept()


def move_arch(state: SchemeState, gradients: Sequence[Tensor | None]) -> None:
    """Update arch by gradients, and let the problem set right what must stay as it was."""
    if state.arch_optimizer is None:
        return
    settle = state.problem.settle
    before = {name: tensor.detach().clone() for name, tensor in state.arch_group.tensors.items()} if settle else {}
    update(state.arch_optimizer, state.arch_group, gradients, state.arch_clip, f"arch gradient at step {state.step + 1}")
    if settle is not None:
        settle(before)


def move_weights(state: SchemeState, gradients: Gradients, pull: Gradients | None = None) -> None:
    """Update the weights by gradients, and by a pull that no clip weakens; those that are frozen are left alone."""
    if state.keep_gradients:
        names = state.weight_group.tensors
        state.weight_gradients = {name: g for name, g in zip(names, gradients, strict=False) if g is not None}
    what = f"weight gradient at step {state.step + 1}"
    update(state.weight_optimizer, state.weight_group, thawed(state, gradients), state.weight_clip, what, thawed(state, pull))


def thawed(state: SchemeState, gradients: Gradients | None) -> Any:
    """`gradients` without those of frozen weights."""
    if gradients is None or not state.frozen:
        return gradients
    return [None if name in state.frozen else g for name, g in zip(state.weight_group.tensors, gradients, strict=False)]


def _copied(value: Any) -> Any:
    """`value` with its tensors cloned: an optimizer's own state dict shares memory with the optimizer."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(item) for item in value)
    return value
