"""RARTS: two copies of the weights, one for each half of the data, tied by a spring; one function, descended block by block.

    L(y, w, a) = V(y, a) + lam * T(w, a) + beta / 2 * ||y - w||^2

    w+ = w - eta_w * [lam * dT(w, a)/dw + beta * (w - y)]
    y+ = y - eta_y * [dV(y, a)/dy + beta * (y - w+)]
    a+ = a - eta_a * [lam * dT(w+, a)/da + dV(y+, a)/da]

Only first derivatives occur and no term differentiates through an update. For steps that are small enough L never rises, and limits are
stationary points of L. They are solutions of the bilevel problem only if min over w of T(w, a) is the same for all a: otherwise the term
with `lam` pulls arch to where the *training* loss is low, the more so the larger `lam` is (`ValuePenalty` has no such bias).

Source: Xue et al. 2022 (RARTS), from its description in words; the place of `lam` is the one for which the published example is stable.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from oche.errors import ArgumentError
from oche.schemes._slopes import Gradients, slopes, weighted
from oche.schemes.base import Scheme, SchemeState, StepRecord, move_arch, thawed
from oche.schemes.problem import BilevelProblem, Group
from oche.schemes.rules import Rule, scaled, set_lr, update

#: Where the arch gradient is taken: after both weight updates, or from the very passes that gave the weight gradients.
ALPHA_GRADS = ("fused", "fresh")
#: Whether a block sees the newest values of the others, or those before the step.
UPDATES = ("gauss-seidel", "jacobi")


class RARTS(Scheme):
    """Both halves of the data drive arch, through two coupled copies of the weights.

    Since the second copy is trained on the validation half, its validation score is a training score: select on data that neither copy
    has seen.

    Args:
        lam: Weight of the training loss, above 0.
        beta: Strength of the coupling, at least 0.
        alpha_grad: `fused` takes the arch gradient from the two passes of the weight steps; `fresh` from two more, after them.
        update: `gauss-seidel`, or `jacobi`: all blocks see the values before the step (then `alpha_grad` makes no difference).
    """

    copies = 2
    arch_descends_train = True

    def __init__(self, lam: float = 1.0, beta: float = 1.0, alpha_grad: str = "fused", update: str = "gauss-seidel") -> None:
        super().__init__("weights")
        if not (lam > 0 and beta >= 0):
            raise ArgumentError(
                f"lam, beta: got {lam!r}, {beta!r}; allowed: RARTS needs lam > 0 (training weight) and beta >= 0 (coupling)"
            )
        for what, given, allowed in (("alpha_grad", alpha_grad, ALPHA_GRADS), ("update", update, UPDATES)):
            if given not in allowed:
                raise ArgumentError(f"{what}: got {given!r}; allowed: {', '.join(repr(a) for a in allowed)}")
        self.lam, self.beta = float(lam), float(beta)
        self.alpha_grad, self.update = alpha_grad, update
        self.joint = alpha_grad == "fused" or update == "jacobi"
        self.formula = f"V(y, a) + {self.lam:g} * T(w, a) + {self.beta / 2:g} * ||y - w||^2 in y, w and a"

    def init(
        self,
        problem: BilevelProblem,
        weight_rule: Rule | None = None,
        arch_rule: Rule | None = None,
        copy: bool = False,
        valid_weights: Any = None,
    ) -> SchemeState:
        """Start on `problem`; see `Scheme.init`. Warns if the coupling alone makes the weight step unstable."""
        state = super().init(problem, weight_rule, arch_rule, copy, valid_weights)
        if state.weight_lr * self.beta >= 2:
            warnings.warn(
                f"RARTS: a weight step of {state.weight_lr:g} with a coupling of {self.beta:g} diverges (their product must stay below 2); "
                "lower the learning rate or beta",
                stacklevel=2,
            )
        return state

    def step(self, state: SchemeState, train_batch: Any = None, valid_batch: Any = None, update_arch: bool = True) -> StepRecord:
        """One update of w, y and arch, in this order; see `Scheme.step`."""
        w, y, arch = state.weight_group, state.valid_group, state.arch_group
        assert y is not None
        assert state.valid_optimizer is not None
        set_lr(state.valid_optimizer, state.weight_lr)
        moves = update_arch and state.arch_optimizer is not None
        asked, step = "both" if moves and self.joint else "weights", state.step + 1
        apart = _difference(w, y)
        train = slopes(state.train_split(train_batch), w, arch, asked, step)
        self._move_weights(state, weighted((self.lam, train.weights)), scaled(apart, self.beta))
        valid = slopes(state.valid_split(valid_batch), y, arch, asked, step)
        seen = apart if self.update == "jacobi" else _difference(w, y)
        pull = thawed(state, scaled(seen, -self.beta))
        what = f"gradient of the second weights at step {step}"
        update(state.valid_optimizer, y, thawed(state, valid.weights), state.weight_clip, what, pull)
        passes = 2.0
        if moves and self.joint:
            move_arch(state, weighted((self.lam, train.arch), (1.0, valid.arch)))
        elif moves:
            gradients, _, more = self.arch_gradient(state, train_batch, valid_batch)
            move_arch(state, gradients)
            passes += more
        distance, norm = _squared(apart), _squared(w)
        state.step += 1
        return StepRecord(
            state.step,
            train.value,
            valid.value,
            passes,
            objective=valid.value + self.lam * train.value + self.beta / 2 * distance,
            gap=(distance / norm) ** 0.5 if norm > 0 else None,
        )

    def arch_gradient(self, state: SchemeState, train_batch: Any = None, valid_batch: Any = None) -> tuple[Gradients, float, float]:
        """The gradient of L for arch at the present w and y, the validation loss at y, and 2 passes."""
        assert state.valid_group is not None
        train = slopes(state.train_split(train_batch), state.weight_group, state.arch_group, "arch", state.step + 1)
        valid = slopes(state.valid_split(valid_batch), state.valid_group, state.arch_group, "arch", state.step + 1)
        return weighted((self.lam, train.arch), (1.0, valid.arch)), valid.value, 2.0

    def function(self, state: SchemeState, train_batch: Any = None, valid_batch: Any = None) -> float:
        """L at the present values; without batches, the very function that the steps descend."""
        assert state.valid_group is not None
        with torch.no_grad():
            valid = state.problem.valid_loss(state.valid_group.frozen, state.arch_group.frozen, valid_batch)
            train = state.problem.train_loss(state.weight_group.frozen, state.arch_group.frozen, train_batch)
            distance = _squared(_difference(state.weight_group, state.valid_group))
        return float(valid) + self.lam * float(train) + self.beta / 2 * distance


@torch.no_grad()
def _difference(first: Group, second: Group) -> list[Tensor]:
    return list(torch._foreach_sub(list(first), list(second)))  # pyright: ignore[reportPrivateImportUsage]


@torch.no_grad()
def _squared(tensors: Iterable[Tensor]) -> float:
    """Squared 2-norm of all of them as one vector."""
    norms = torch._foreach_norm(list(tensors))  # pyright: ignore[reportPrivateImportUsage]
    return float(torch.stack(norms).pow(2).sum())
