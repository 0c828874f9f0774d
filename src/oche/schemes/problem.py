"""The bilevel problem: two losses over two groups of tensors.

    min over arch of valid_loss(weights*(arch), arch),   weights*(arch) = argmin over weights of train_loss(weights, arch)

Losses are functions of the tensors they are given, so that a scheme can ask for them at virtual or perturbed weights without
touching the real ones. A group is one tensor or a dict of tensors, and comes back in the form in which it was given.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from oche.errors import ArgumentError

Tensors = Tensor | Mapping[str, Tensor]
Loss = Callable[..., Tensor]


@dataclass(frozen=True)
class BilevelProblem:
    """Losses and starting points of a bilevel search.

    Args:
        train_loss: `train_loss(weights, arch)` or `train_loss(weights, arch, batch)` -> scalar tensor with a graph.
        valid_loss: The same on validation data; the arch step lowers it.
        weights: One tensor or a dict of tensors.
        arch: One tensor or a dict of tensors; an empty dict if there is nothing to choose by gradient.
        accept: Called after a weight step has used the latest `train_loss`; a supernet keeps the batch-norm statistics of that
            evaluation here, and of no other.
        settle: Called after an update of arch with the tensors before it, by name; may set the new ones right in place.

    Raises:
        ArgumentError: a tensor is not a floating-point tensor, no weight is given, or a tensor is in both groups.
    """

    train_loss: Loss
    valid_loss: Loss
    weights: Any
    arch: Any
    accept: Callable[[], None] | None = None
    settle: Callable[[dict[str, Tensor]], None] | None = None

    def __post_init__(self) -> None:
        for noun in ("weights", "arch"):
            for name, tensor in items(getattr(self, noun)):
                if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
                    shown = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
                    raise ArgumentError(f"{noun}{f' {name!r}' if name else ''}: got {shown}; allowed: floating-point tensors")
        if not list(items(self.weights)):
            raise ArgumentError("weights: got none; allowed: a tensor or a dict with at least one tensor")
        weights = {id(tensor): name for name, tensor in items(self.weights)}
        shared = [name or weights[id(tensor)] or "the tensor" for name, tensor in items(self.arch) if id(tensor) in weights]
        if shared:
            raise ArgumentError(
                f"architecture parameters: got {', '.join(shared)}, which are also weights; allowed: two groups without a common tensor"
            )
        object.__setattr__(self, "train_loss", _with_batch(self.train_loss))
        object.__setattr__(self, "valid_loss", _with_batch(self.valid_loss))


class Group:
    """Named leaf tensors that an optimizer moves in place.

    Args:
        tensors: As in `BilevelProblem`.
        copy: Whether to train copies; otherwise the tensors themselves are trained and made to require gradients.
    """

    def __init__(self, tensors: Tensors, copy: bool) -> None:
        self.single = isinstance(tensors, Tensor)
        named = dict(items(tensors))
        if copy:
            named = {name: tensor.detach().clone() for name, tensor in named.items()}
        self.tensors: dict[str, Tensor] = {name: tensor.requires_grad_(True) for name, tensor in named.items()}

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.tensors.values())

    def __len__(self) -> int:
        return len(self.tensors)

    def pack(self, tensors: Iterable[Tensor]) -> Any:
        """`tensors`, in the order of this group, in the form in which the group was given."""
        listed = list(tensors)
        return listed[0] if self.single else dict(zip(self.tensors, listed, strict=True))

    @property
    def value(self) -> Any:
        """The tensors themselves in the given form."""
        return self.pack(self)

    @property
    def frozen(self) -> Any:
        """The same values without gradients: what the other group's step differentiates around."""
        return self.pack(tensor.detach() for tensor in self)

    def state(self) -> dict[str, Tensor]:
        """Copies of the values by name, for `load`."""
        return {name: tensor.detach().clone() for name, tensor in self.tensors.items()}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Overwrite the values in place.

        Raises:
            ArgumentError: names differ.
        """
        if set(tensors) != set(self.tensors):
            raise ArgumentError(f"tensors: got {sorted(tensors)}; allowed: {sorted(self.tensors)}; load a state of the same problem")
        for name, tensor in self.tensors.items():
            tensor.copy_(tensors[name])


def items(tensors: Tensors) -> Iterable[tuple[str, Tensor]]:
    """(name, tensor) pairs; a single tensor has the empty name."""
    return tensors.items() if isinstance(tensors, Mapping) else [("", tensors)]


def _with_batch(loss: Loss) -> Loss:
    """`loss` as a function of (weights, arch, batch), whether or not it wants the batch."""
    try:
        inspect.signature(loss).bind(None, None, None)
    except TypeError:
        return lambda weights, arch, batch=None: loss(weights, arch)
    except ValueError:  # some built-in functions have no signature
        return loss
    return loss
