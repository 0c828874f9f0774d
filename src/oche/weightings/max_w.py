"""Max-W: the leading candidate counts fully, the others by how far they are behind.

    v_i = w_i + strength * (1 - max_j w_j)

At strength 1 the largest multiplier is exactly 1, equal probabilities give 1 for all, and a one-hot vector stays as it is. Early in a
search every candidate gets its full gradient, where plain probabilities give it 1/n of it. The price: the multipliers sum to
1 + n (1 - max w) instead of 1, so that the scale of what is mixed shrinks as the search sharpens; `normalize` divides that out.

It is an option to be tested, not an improvement: plain probabilities are the default everywhere. Source: Hundt et al. 2019 (sharpDARTS).
Their text wants no gradient through the maximum, their code lets it pass; published results are of the code.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from oche.errors import ArgumentError


@dataclass(frozen=True)
class MaxW:
    """Multipliers relative to the leader.

    Args:
        detach: Whether the maximum is a constant for gradients. False: as in the published code.
        strength: From 0, which gives plain probabilities, to 1, as published.
        normalize: Whether multipliers are divided by their sum.

    Raises:
        ArgumentError: the strength is not in [0, 1].
    """

    detach: bool = False
    strength: float = 1.0
    normalize: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ArgumentError(f"strength: got {self.strength!r}; allowed: 0 (plain probabilities) to 1 (as published)")

    def __call__(self, probabilities: Tensor) -> Tensor:
        """Multipliers of probabilities; the last axis is the group that competes.

        Args:
            probabilities: `(..., n)`.
        """
        leader = probabilities.max(dim=-1, keepdim=True).values
        multipliers = probabilities + self.strength * (1 - (leader.detach() if self.detach else leader))
        return multipliers / multipliers.sum(dim=-1, keepdim=True) if self.normalize else multipliers
