"""Single-level scheme: one training loss moves weights and architecture parameters together.

    d train_loss(w, a) / d(w, a),   one pass a step, no validation batch

Source: Xie et al. 2019 (SNAS), which samples architectures and trains both on one loss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from oche.schemes.base import Scheme, SchemeState, StepRecord, finite, move_arch, move_weights


class SingleLevel(Scheme):
    """Both groups descend the training loss, in one backward pass.

    Args:
        order: Without meaning here, since both move at once; kept so that all schemes are made alike.
    """

    needs_valid = False

    def step(self, state: SchemeState, train_batch: Any = None, valid_batch: Any = None, update_arch: bool = True) -> StepRecord:
        """One update of both groups, or of the weights alone in warm-up."""
        if not update_arch or state.arch_optimizer is None:
            return super().step(state, train_batch, valid_batch, False)
        loss = state.problem.train_loss(state.weights, state.arch, train_batch)
        value = finite(loss, "training loss", state)
        arch, weights = list(state.arch_group), list(state.weight_group)
        gradients = torch.autograd.grad(loss, [*arch, *weights], allow_unused=True)
        move_arch(state, gradients[: len(arch)])
        move_weights(state, gradients[len(arch) :])
        if state.problem.accept is not None:
            state.problem.accept()
        state.step += 1
        return StepRecord(state.step, value, None, 1.0)

    def arch_gradient(
        self, state: SchemeState, train_batch: Any = None, valid_batch: Any = None
    ) -> tuple[Sequence[Tensor | None], float, float]:
        """The gradient of the training loss for arch, nothing in place of a validation loss, and 1 pass."""
        loss = state.problem.train_loss(state.weight_group.frozen, state.arch, train_batch)
        finite(loss, "training loss", state)
        if not loss.requires_grad:
            return [None] * len(state.arch_group), math.nan, 1.0
        return torch.autograd.grad(loss, list(state.arch_group), allow_unused=True), math.nan, 1.0
