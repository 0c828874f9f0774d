"""Value-penalty scheme: the bilevel problem by first derivatives alone.

Two copies of the weights: z descends the training loss, y the validation loss with the training loss as a penalty. The difference of their
training losses is what the inner problem's optimality is worth, and its gradient replaces the implicit term of the hypergradient:

    z <- z - eta * dT(z, a)/dz
    y <- y - eta / (lam + 1) * [dV(y, a)/dy + lam * dT(y, a)/dy]
    a <- a - eta_a * [dV(y, a)/da + lam * (dT(y, a)/da - dT(z, a)/da)]

The bias is of the order 1/lam, whatever min over w of T(w, a) is. Source: Liu et al. 2022 (BOME) and Kwon et al. 2023 (F2SA).
"""

from __future__ import annotations

from typing import Any

from oche.errors import ArgumentError
from oche.schemes._slopes import Gradients, slopes, weighted
from oche.schemes.base import Scheme, SchemeState, StepRecord, move_arch, thawed
from oche.schemes.rarts import ALPHA_GRADS
from oche.schemes.rules import set_lr, update


class ValuePenalty(Scheme):
    """Arch descends the validation loss with a penalty for weights that are not optimal for training.

    Args:
        lam: Weight of the penalty, above 0; the bias is of the order 1/lam.
        alpha_grad: `fused` takes the arch gradient from the three passes of the weight steps; `fresh` from three more, after them.
    """

    copies = 2
    arch_descends_train = True

    def __init__(self, lam: float = 10.0, alpha_grad: str = "fused") -> None:
        super().__init__("weights")
        if not lam > 0:
            raise ArgumentError(f"lam: got {lam!r}; allowed: a number above 0")
        if alpha_grad not in ALPHA_GRADS:
            raise ArgumentError(f"alpha_grad: got {alpha_grad!r}; allowed: {', '.join(repr(a) for a in ALPHA_GRADS)}")
        self.lam, self.alpha_grad = float(lam), alpha_grad
        self.joint = alpha_grad == "fused"
        self.formula = f"V(y, a) + {self.lam:g} * (T(y, a) - T(z, a)) in y and a, T(z, a) in z"

    def step(self, state: SchemeState, train_batch: Any = None, valid_batch: Any = None, update_arch: bool = True) -> StepRecord:
        """One update of z, y and arch, in this order; see `Scheme.step`."""
        y, arch, step = state.valid_group, state.arch_group, state.step + 1
        assert y is not None
        assert state.valid_optimizer is not None
        # With equal steps y would move lam + 1 times as fast as z and diverge.
        set_lr(state.valid_optimizer, state.weight_lr / (self.lam + 1))
        moves = update_arch and state.arch_optimizer is not None
        asked = "both" if moves and self.joint else "weights"
        inner = slopes(state.train_split(train_batch), state.weight_group, arch, asked, step)
        self._move_weights(state, inner.weights)
        outer = slopes(state.valid_split(valid_batch), y, arch, asked, step)
        penalty = slopes(state.train_split(train_batch, second=True), y, arch, asked, step)
        gradients = thawed(state, weighted((1.0, outer.weights), (self.lam, penalty.weights)))
        update(state.valid_optimizer, y, gradients, state.weight_clip, f"gradient of the second weights at step {step}")
        passes = 3.0
        if moves and self.joint:
            move_arch(state, weighted((1.0, outer.arch), (self.lam, penalty.arch), (-self.lam, inner.arch)))
        elif moves:
            found, _, more = self.arch_gradient(state, train_batch, valid_batch)
            move_arch(state, found)
            passes += more
        state.step += 1
        return StepRecord(state.step, inner.value, outer.value, passes)

    def arch_gradient(self, state: SchemeState, train_batch: Any = None, valid_batch: Any = None) -> tuple[Gradients, float, float]:
        """The gradient of the penalized loss for arch at the present y and z, the validation loss at y, and 3 passes."""
        assert state.valid_group is not None
        arch, step = state.arch_group, state.step + 1
        outer = slopes(state.valid_split(valid_batch), state.valid_group, arch, "arch", step)
        penalty = slopes(state.train_split(train_batch, second=True), state.valid_group, arch, "arch", step)
        inner = slopes(state.train_split(train_batch), state.weight_group, arch, "arch", step)
        return weighted((1.0, outer.arch), (self.lam, penalty.arch), (-self.lam, inner.arch)), outer.value, 3.0
