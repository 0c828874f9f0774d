"""First-order scheme: the arch gradient is taken at the present weights.

    g = d valid_loss(w, a) / da

Two passes a step. Source: Liu et al. 2019 (DARTS), first-order approximation; it is the second-order rule with a virtual step of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from oche.schemes._slopes import slopes
from oche.schemes.base import Scheme, SchemeState


class FirstOrder(Scheme):
    """Arch descends the validation loss at the present weights.

    Args:
        order: Group that moves first, `arch` (DARTS) or `weights` (the NAS-Bench-201 reference).
    """

    def arch_gradient(
        self, state: SchemeState, train_batch: Any = None, valid_batch: Any = None
    ) -> tuple[Sequence[Tensor | None], float, float]:
        """The gradient of the validation loss for arch, that loss, and 1 pass."""
        valid = slopes(state.valid_split(valid_batch), state.weight_group, state.arch_group, "arch", state.step + 1)
        return valid.arch, valid.value, 1.0
