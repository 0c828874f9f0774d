"""Single-level scheme: both groups descend one loss over both halves of the data.

    g = d [T(w, a) + lam * V(w, a)]       for w and for a

Not a bilevel method; it is the baseline that shows what the two levels are for.
"""

from __future__ import annotations

from typing import Any

from oche.errors import ArgumentError
from oche.schemes._slopes import Gradients, slopes, weighted
from oche.schemes.base import ORDERS, Scheme, SchemeState, StepRecord

#: Both groups at once, or one after the other.
SINGLE_ORDERS = ("joint", *ORDERS)


class SingleLevel(Scheme):
    """Weights and arch descend the sum of both losses.

    A joint step is one pass over the two batches together: it is counted as one pass over two batches.

    Args:
        lam: Weight of the validation loss, above 0.
        order: `joint`, or the group that moves first; a step then takes the second gradient after the first move.
    """

    def __init__(self, lam: float = 1.0, order: str = "joint") -> None:
        if order not in SINGLE_ORDERS:
            raise ArgumentError(f"order: got {order!r}; allowed: {', '.join(repr(o) for o in SINGLE_ORDERS)}")
        if not lam > 0:
            raise ArgumentError(f"lam: got {lam!r}; allowed: a number above 0")
        super().__init__("arch" if order == "arch" else "weights")
        self.joint = order == "joint"
        self.lam = float(lam)
        self.formula = f"T(w, a) + {self.lam:g} * V(w, a) in w and a"

    def step(self, state: SchemeState, train_batch: Any = None, valid_batch: Any = None, update_arch: bool = True) -> StepRecord:
        """One update of both groups; with `update_arch=False` the weights alone move, on the training loss."""
        moves = update_arch and state.arch_optimizer is not None
        if not moves:
            return super().step(state, train_batch, valid_batch, update_arch=False)
        if self.joint:
            weights, arch, train, valid = self._slopes(state, train_batch, valid_batch, "both")
            self._move_weights(state, weights)
            self._move_arch(state, arch)
            passes = 1.0
        else:
            train = valid = 0.0
            for i, group in enumerate((self.order, *(o for o in ORDERS if o != self.order))):
                weights, arch, t, v = self._slopes(state, train_batch, valid_batch, group)
                if i == 0:
                    train, valid = t, v
                if group == "weights":
                    self._move_weights(state, weights)
                else:
                    self._move_arch(state, arch)
            passes = 2.0
        state.step += 1
        return StepRecord(state.step, train, valid, passes, batches=2 * passes, objective=train + self.lam * valid)

    def arch_gradient(self, state: SchemeState, train_batch: Any = None, valid_batch: Any = None) -> tuple[Gradients, float, float]:
        """The gradient of the sum for arch, the validation loss, and 1 pass over both batches."""
        _, arch, _, valid = self._slopes(state, train_batch, valid_batch, "arch")
        return arch, valid, 1.0

    def _slopes(self, state: SchemeState, train_batch: Any, valid_batch: Any, of: str) -> tuple[Gradients, Gradients, float, float]:
        # The training loss comes last: the statistics of its evaluation are the ones that a weight step keeps.
        valid = slopes(state.valid_split(valid_batch), state.weight_group, state.arch_group, of, state.step + 1)
        train = slopes(state.train_split(train_batch), state.weight_group, state.arch_group, of, state.step + 1)
        weights = weighted((1.0, train.weights), (self.lam, valid.weights))
        return weights, weighted((1.0, train.arch), (self.lam, valid.arch)), train.value, valid.value
