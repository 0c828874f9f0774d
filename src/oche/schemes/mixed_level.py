"""Mixed-level scheme: weights descend the training loss, arch both losses, at the present weights.

    w <- w - eta_w * dT(w, a)/dw
    a <- a - eta_a * [dT(w, a)/da + lam * dV(w, a)/da]

Three passes a step. Source: He et al. 2020 (MiLeNAS). Its `lam` stands at the validation loss; the one of `RARTS` stands at the
training loss, so that the two are each other's inverse.
"""

from __future__ import annotations

from typing import Any

from oche.errors import ArgumentError
from oche.schemes._slopes import Gradients, slopes, weighted
from oche.schemes.base import Scheme, SchemeState


class MixedLevel(Scheme):
    """Arch descends the sum of both losses, the weights the training loss alone.

    Args:
        lam: Weight of the validation loss in the arch step, above 0.
        order: Group that moves first, `weights` (as published) or `arch`.
    """

    arch_descends_train = True

    def __init__(self, lam: float = 1.0, order: str = "weights") -> None:
        super().__init__(order)
        if not lam > 0:
            raise ArgumentError(f"lam: got {lam!r}; allowed: a number above 0")
        self.lam = float(lam)
        self.formula = f"T(w, a) + {self.lam:g} * V(w, a) in a, T(w, a) in w"

    def arch_gradient(self, state: SchemeState, train_batch: Any = None, valid_batch: Any = None) -> tuple[Gradients, float, float]:
        """The gradient of the weighted sum for arch, the validation loss, and 2 passes."""
        train = slopes(state.train_split(train_batch), state.weight_group, state.arch_group, "arch", state.step + 1)
        valid = slopes(state.valid_split(valid_batch), state.weight_group, state.arch_group, "arch", state.step + 1)
        return weighted((1.0, train.arch), (self.lam, valid.arch)), valid.value, 2.0
