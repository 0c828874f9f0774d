"""Sizes of an effect that do not depend on the metric's scale: probability of being better, and errors avoided."""

from __future__ import annotations

import numpy as np

from oche.judge._arms import Arm


def a12(search: Arm, random: Arm, direction: str = "max") -> float:
    """Probability that a search run beats a random one, ties counting half.

    Args:
        search: `k` results.
        random: `n` results, or all members of a space.
        direction: `max` if larger is better, `min` if smaller is.

    Source: Vargha & Delaney 2000; equals U / (k n) of Mann and Whitney.

    Example:
        >>> round(a12(Arm("m", (3.0, 4.0, 5.0)), Arm("r", (1.0, 2.0, 3.0))) * 9, 6)
        8.5
    """
    below = np.searchsorted(random.array, search.array, side="left")
    up_to = np.searchsorted(random.array, search.array, side="right")
    share = float((below + up_to).sum()) / (2.0 * search.n * random.n)
    return share if direction == "max" else 1.0 - share


def error_reduction(search: Arm, random: Arm, unit: str, direction: str) -> float | None:
    """Share of the random arm's errors that the search avoids, in percent; None where the metric has no errors to count.

    Near 100 % accuracy the relative improvement says little: .32 % more at 97 % is 10 % fewer errors. Never rank by it alone.
    """
    if unit != "%":
        return None
    if direction == "min":
        return 100.0 * (random.mean - search.mean) / random.mean if random.mean > 0 else None
    room = 100.0 - random.mean
    return 100.0 * (search.mean - random.mean) / room if room > 0 else None
