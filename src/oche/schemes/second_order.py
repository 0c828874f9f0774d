"""Second-order scheme: the arch gradient looks one weight step ahead.

    w'  = w - xi * (mu * m + dT(w, a)/dw + wd * w)           m: momentum buffer, mu: momentum, wd: weight decay
    va  = dV(w', a)/da,   vw = dV(w', a)/dw'
    eps = 0.01 / ||vw||                                      norm over all weights as one vector
    g   = va - xi * [dT(w + eps * vw, a)/da - dT(w - eps * vw, a)/da] / (2 * eps)

Four passes for arch instead of one. The losses are functions, so w itself is never touched and no second module is needed.
Source: Liu et al. 2019 (DARTS), section 2.3 and the authors' unrolled step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from oche import ranks
from oche.errors import ArgumentError
from oche.schemes._slopes import finite
from oche.schemes.base import Scheme, SchemeState


class SecondOrder(Scheme):
    """Arch descends the validation loss after one virtual weight step.

    Args:
        order: Group that moves first, `arch` (DARTS) or `weights`.
        xi: Size of the virtual step; None takes the present learning rate of the weights.
        epsilon: Size of the finite difference, divided by the norm of the weight gradient. Default: DARTS.
    """

    looks_ahead = True

    def __init__(self, order: str = "arch", xi: float | None = None, epsilon: float = 0.01) -> None:
        super().__init__(order)
        if epsilon <= 0:
            raise ArgumentError(f"epsilon: got {epsilon!r}; allowed: a number above 0")
        self.xi = xi
        self.epsilon = epsilon

    def virtual_weights(self, state: SchemeState, train_batch: Any = None) -> list[Tensor]:
        """W' in the order of the weight group, detached. A weight that the loss does not use stays as it is."""
        loss = state.problem.train_loss(state.weights, state.arch_group.frozen, train_batch)
        weights = list(state.weight_group)
        mean, gradients = ranks.gradients(loss, weights)
        finite(mean, "training loss", state.step + 1)
        settings = state.weight_optimizer.param_groups[0]
        momentum, decay, xi = settings.get("momentum", 0.0), settings.get("weight_decay", 0.0), self._xi(state)
        ahead = []
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                if gradient is None:
                    ahead.append(weight.detach())
                    continue
                buffer = state.weight_optimizer.state.get(weight, {}).get("momentum_buffer")
                move = gradient + decay * weight
                if buffer is not None:
                    move = move + momentum * buffer
                ahead.append(weight - xi * move)
        return ahead

    def arch_gradient(
        self, state: SchemeState, train_batch: Any = None, valid_batch: Any = None
    ) -> tuple[Sequence[Tensor | None], float, float]:
        """The unrolled gradient for arch, the validation loss at w', and 4 passes (2 if that loss does not depend on the weights)."""
        arch, group = list(state.arch_group), state.weight_group
        ahead = [tensor.clone().requires_grad_(True) for tensor in self.virtual_weights(state, train_batch)]
        loss = state.problem.valid_loss(group.pack(ahead), state.arch, valid_batch)
        mean, gradients = ranks.gradients(loss, [*arch, *ahead])
        value = finite(mean, "validation loss", state.step + 1)
        direct, direction = gradients[: len(arch)], gradients[len(arch) :]
        present = [d for d in direction if d is not None]
        norm = torch.nn.utils.get_total_norm(present) if present else torch.zeros(())
        if not float(norm) > 0:
            return direct, value, 2.0
        eps, xi = self.epsilon / norm, self._xi(state)
        plus = self._train_gradient(state, direction, eps, train_batch)
        minus = self._train_gradient(state, direction, -eps, train_batch)
        return [_combine(d, p, m, xi, eps) for d, p, m in zip(direct, plus, minus, strict=True)], value, 4.0

    def _train_gradient(self, state: SchemeState, direction: Sequence[Tensor | None], scale: Tensor, batch: Any) -> Sequence[Tensor | None]:
        """The gradient for arch of the training loss at weights moved by `scale * direction`."""
        group = state.weight_group
        with torch.no_grad():
            moved = [w.detach() if d is None else w + scale * d for w, d in zip(group, direction, strict=True)]
        loss = state.problem.train_loss(group.pack(moved), state.arch, batch)
        return ranks.gradients(loss, list(state.arch_group))[1]

    def _xi(self, state: SchemeState) -> float:
        return state.weight_lr if self.xi is None else self.xi


def _combine(direct: Tensor | None, plus: Tensor | None, minus: Tensor | None, xi: float, eps: Tensor) -> Tensor | None:
    if plus is None or minus is None:
        return direct
    implicit = -xi * (plus - minus) / (2 * eps)
    return implicit if direct is None else direct + implicit
