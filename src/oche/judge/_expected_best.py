"""What random search gives on a finite pool, without simulating it, and how many draws a method is worth.

`E[max_n]` is a sum over the sorted pool: member i is the best of n distinct draws with probability C(i-1, n-1) / C(N, n). If the
pick is made by another signal (validation, few epochs), the pool is sorted by the signal and the reported metric is read in the
same places.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.special import gammaln

from oche.errors import JudgeError
from oche.judge._arms import TIE


def expected_best(
    values: Sequence[float],
    n: int,
    *,
    signal: Sequence[float] | None = None,
    replacement: bool = False,
    direction: str = "max",
) -> float:
    """Expected result of the best of `n` random members of a pool, exact.

    Args:
        values: The reported metric of every member, `(N,)`.
        n: Number of draws, 1 to N without replacement.
        signal: What the pick is made by, `(N,)`; the values themselves by default. Of equal signals the later member wins.
        replacement: Whether a member may be drawn again.
        direction: `max` or `min`, for values and signal alike.

    Raises:
        JudgeError: an empty pool, unequal lengths, a value that is not finite, or `n` out of range.

    Example:
        >>> round(expected_best([1, 2, 3, 4], 2), 6), expected_best([1, 2, 3, 4], 2, replacement=True)
        (3.333333, 3.125)
    """
    ordered = _ordered(values, signal, direction)
    _check_draws(n, len(ordered), replacement)
    return _expectation(ordered, n, replacement)


def random_equivalent(
    target: float,
    values: Sequence[float],
    *,
    signal: Sequence[float] | None = None,
    direction: str = "max",
) -> int | None:
    """Smallest number of random members whose expected best reaches `target`; None if the whole pool does not.

    It turns "97.24 %" into "as good as picking the best of 4 random architectures".

    Args:
        target: Mean of the method, in the metric of `values`.
        values: The reported metric of every member, `(N,)`.
        signal: What random search picks by; the values themselves by default.
        direction: `max` or `min`.
    """
    ordered = _ordered(values, signal, direction)
    sign = 1.0 if direction == "max" else -1.0

    def reaches(n: int) -> bool:
        return sign * _expectation(ordered, n, False) >= sign * target - TIE  # the sum of weights rounds

    total = len(ordered)
    if signal is not None:  # picking by another signal need not improve with every draw
        return next((n for n in range(1, total + 1) if reaches(n)), None)
    if not reaches(total):
        return None
    low, high = 1, total
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle + 1, high)
    return low


def _ordered(values: Sequence[float], signal: Sequence[float] | None, direction: str) -> np.ndarray:
    """The reported metric, worst signal first."""
    if direction not in ("max", "min"):
        raise JudgeError(f"direction: got {direction!r}; allowed: 'max', 'min'")
    reported = np.asarray(values, dtype=np.float64)
    by = reported if signal is None else np.asarray(signal, dtype=np.float64)
    if reported.ndim != 1 or not len(reported) or by.shape != reported.shape:
        raise JudgeError(
            f"pool: got values of shape {reported.shape} and signals of shape {by.shape}; allowed: two lists of equal length, not empty"
        )
    if not (np.isfinite(reported).all() and np.isfinite(by).all()):
        raise JudgeError("pool: got a value that is not finite; allowed: finite numbers; leave failed members out")
    return reported[np.argsort(by if direction == "max" else -by, kind="stable")]


def _check_draws(n: int, total: int, replacement: bool) -> None:
    if n < 1 or (n > total and not replacement):
        raise JudgeError(f"n: got {n!r} draws; allowed: 1 to {total} (the pool) without replacement")


def _expectation(ordered: np.ndarray, n: int, replacement: bool) -> float:
    total = len(ordered)
    if replacement:
        edges = np.linspace(0.0, 1.0, total + 1) ** n
        return float(ordered @ np.diff(edges))
    tail = np.arange(n, total + 1)
    table = _log_factorials(total)
    # log of C(i-1, n-1) / C(N, n) for i = n..N
    log_weights = table[tail - 1] - table[n - 1] - table[tail - n] - (table[total] - table[n] - table[total - n])
    return float(ordered[n - 1 :] @ np.exp(log_weights))


@lru_cache(maxsize=4)
def _log_factorials(total: int) -> np.ndarray:
    return gammaln(np.arange(total + 1) + 1.0)
