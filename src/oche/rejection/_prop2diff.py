"""Prop2Diff: correct responses in proportion to difficulty.

Pilot and harvest are one run: every query is sampled until `k` responses are correct or the cap is reached, which gives its fail rate
and at once more than its share; the share is then taken, and nothing is sampled twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import Any

from oche.errors import ArgumentError
from oche.rejection._fixed import Uniform

SCALES = ("max", "absolute")


def targets(difficulties: Sequence[Any], k: int, scale: str = "max", cover: bool = True) -> list[int]:
    """Responses to keep per query: ceil(k d), or ceil(k d / max d), in exact fractions.

    Args:
        difficulties: Fail rates in [0, 1]: fractions, whole numbers, or decimals, which are read as they are written.
        k: What the hardest query gets.
        scale: `max` divides by the largest difficulty, `absolute` does not.
        cover: At least one each.

    Raises:
        ArgumentError: k below 1, an unknown scale, or a difficulty outside [0, 1].

    Source: Tong et al. 2024 (DART-Math), DARS-Prop2Diff.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ArgumentError(f"k: got {k!r}; allowed: a whole number above 0")
    if scale not in SCALES:
        raise ArgumentError(f"scale: got {scale!r}; allowed: 'max', 'absolute'")
    exact = [d if isinstance(d, Fraction) else Fraction(str(d)) for d in difficulties]
    if any(not 0 <= d <= 1 for d in exact):
        raise ArgumentError("difficulty: got a number outside [0, 1]; allowed: fail rates")
    top = max(exact, default=Fraction(0)) if scale == "max" else Fraction(1)
    return [max(int(cover), ceil(k * d / top) if top else 0) for d in exact]


class Prop2Diff(Uniform):
    """Keep `k` correct responses of the hardest query and of the others in proportion to their fail rates.

    Args:
        k: What the hardest query gets. Default: the paper's.
        scale: See `targets`.
        cover: Every query keeps one response if one is found.
        cap: Most raw samples per query.

    Source: Tong et al. 2024 (DART-Math), DARS-Prop2Diff.
    """

    name = "prop2diff"

    def __init__(self, k: int = 192, scale: str = "max", cover: bool = True, cap: int | None = 2048, **settings: Any) -> None:
        super().__init__(k=k, cap=cap, **settings)
        if scale not in SCALES:
            raise ArgumentError(f"scale: got {scale!r}; allowed: 'max', 'absolute'")
        self.scale, self.cover = scale, cover

    @property
    def settings(self) -> dict[str, Any]:
        """`k`, and what differs from the defaults."""
        more = {} if self.scale == "max" else {"scale": self.scale}
        return {**super().settings, **more, **({} if self.cover else {"cover": False})}

    def keep(self) -> list[int]:
        """Targets from the fail rates that were found."""
        return targets([1 - r for r in self.rates_cached()], self.k, self.scale, self.cover)
