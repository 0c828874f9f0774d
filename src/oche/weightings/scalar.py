"""Scalar weighting: each candidate is multiplied by its probability. Source: Liu et al. 2019 (DARTS)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Scalar:
    """The probabilities themselves."""

    def __call__(self, probabilities: Tensor) -> Tensor:
        """Multipliers `(n,)` of probabilities `(n,)`."""
        return probabilities
