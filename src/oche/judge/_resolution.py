"""How finely a metric can measure at all: the worth of one test item, and the error of counting a finite test set."""

from __future__ import annotations

import math
from dataclasses import dataclass

from oche.errors import JudgeError


@dataclass(frozen=True)
class Resolution:
    """Grain of an accuracy.

    Args:
        n_items: Number of test items.
        one_item: What one item is worth, in points.
        standard_error: Binomial standard error of one accuracy, in points.
    """

    n_items: int
    one_item: float
    standard_error: float


def resolution(mean: float, n_items: int) -> Resolution:
    """Grain of an accuracy of `mean` percent over `n_items` test items.

    Raises:
        JudgeError: no item, or an accuracy outside 0 to 100 %.

    Example:
        >>> r = resolution(94.0, 318)
        >>> round(r.one_item, 3), round(r.standard_error, 2)
        (0.314, 1.33)
    """
    if n_items < 1:
        raise JudgeError(f"n_report: got {n_items!r}; allowed: 1 or more test items")
    share = mean / 100.0
    if not 0.0 <= share <= 1.0:
        raise JudgeError(f"accuracy: got {mean!r}; allowed: 0 to 100 %")
    return Resolution(n_items, 100.0 / n_items, 100.0 * math.sqrt(share * (1.0 - share) / n_items))
