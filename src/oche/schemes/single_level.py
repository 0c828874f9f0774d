"""Single-level scheme: both groups descend one loss.

    g = d [T(w, a) + lam * V(w, a)]       for w and for a

With `lam=0` it is the training loss alone, in one pass without a validation batch, as in SNAS; with `lam > 0` it is the baseline that shows
what the two levels of the others are for.

Source: Xie et al. 2019 (SNAS) for `lam=0`.
"""

from __future__ import annotations

import math
from typing import Any

from oche.errors import ArgumentError
from oche.schemes._slopes import Gradients, slopes, weighted
from oche.schemes.base import ORDERS, Scheme, SchemeState, StepRecord, move_arch

#: Both groups at once, or one after the other.
SINGLE_ORDERS = ("joint", *ORDERS)


class SingleLevel(Scheme):
    """Weights and arch descend the same loss.

    A joint step with `lam > 0` is one pass over the two batches together: it is counted as one pass over two batches.

    Args:
        lam: Weight of the validation loss, from 0; with 0 no validation batch is read.
        order: `joint`, or the group that moves first; a step then takes the second gradient after the first move.
    """

    arch_descends_train = True

    def __init__(self, lam: float = 1.0, order: str = "joint") -> None:
        if order not in SINGLE_ORDERS:
            raise ArgumentError(f"order: got {order!r}; allowed: {', '.join(repr(o) for o in SINGLE_ORDERS)}")
        if not 0 <= lam < math.inf:
            raise ArgumentError(f"lam: got {lam!r}; allowed: a number from 0")
        super().__init__("arch" if order == "arch" else "weights")
        self.joint = order == "joint"
        self.lam = float(lam)
        self.needs_valid = self.lam > 0
        self.formula = f"T(w, a) + {self.lam:g} * V(w, a) in w and a" if self.needs_valid else "T(w, a) in w and a"

    def step(self, state: SchemeState, train_batch: Any = None, valid_batch: Any = None, update_arch: bool = True) -> StepRecord:
        """One update of both groups; with `update_arch=False` the weights alone move, on the training loss."""
        if not update_arch or state.arch_optimizer is None:
            return super().step(state, train_batch, valid_batch, update_arch=False)
        groups = ("both",) if self.joint else (self.order, *(o for o in ORDERS if o != self.order))
        first = None
        for group in groups:
            weights, arch, *values = self._slopes(state, train_batch, valid_batch, group)
            first = first or values
            if group != "weights":
                move_arch(state, arch)
            if group != "arch":
                self._move_weights(state, weights)
        assert first is not None
        train, valid = first
        state.step += 1
        passes = float(len(groups))
        return StepRecord(
            state.step,
            train,
            valid if self.needs_valid else None,
            passes,
            batches=2 * passes if self.needs_valid else None,
            objective=train + self.lam * valid if self.needs_valid else train,
        )

    def arch_gradient(self, state: SchemeState, train_batch: Any = None, valid_batch: Any = None) -> tuple[Gradients, float, float]:
        """The gradient of the loss for arch, the validation loss (nothing if none is read), and 1 pass."""
        _, arch, _, valid = self._slopes(state, train_batch, valid_batch, "arch")
        return arch, valid, 1.0

    def _slopes(self, state: SchemeState, train_batch: Any, valid_batch: Any, of: str) -> tuple[Gradients, Gradients, float, float]:
        # The training loss comes last: the statistics of its evaluation are the ones that a weight step keeps.
        given = (state.weight_group, state.arch_group, of, state.step + 1)
        valid = slopes(state.valid_split(valid_batch), *given) if self.needs_valid else None
        train = slopes(state.train_split(train_batch), *given)
        if valid is None:
            return train.weights, train.arch, train.value, math.nan
        weights = weighted((1.0, train.weights), (self.lam, valid.weights))
        return weights, weighted((1.0, train.arch), (self.lam, valid.arch)), train.value, valid.value
