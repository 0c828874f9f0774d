"""Pass rates without bias, intervals, and what an allocation will cost."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from oche.errors import ArgumentError


def pass_rate(correct: int, samples: int, reason: str = "cap") -> Fraction | None:
    """Unbiased estimate of a pass rate, exact; None without samples.

    Sampling that stops at the k-th success on trial n over-estimates by k/n: (k - 1)/(n - 1) is unbiased for k of 2 and more (there is
    no unbiased estimate for k = 1 with bounded variance; k/n is given). Stopped for any other reason: c/n.

    Args:
        correct: Right responses.
        samples: Raw samples.
        reason: Stop reason, `target` where the last sample was the last success wanted.

    Source: Haldane 1945 (inverse binomial sampling).
    """
    if samples == 0:
        return None
    if reason == "target" and correct >= 2:
        return Fraction(correct - 1, samples - 1)
    return Fraction(correct, samples)


def wilson(correct: int, samples: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's interval of a pass rate; (0, 1) without samples."""
    if samples == 0:
        return 0.0, 1.0
    p, n = correct / samples, samples
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def posterior_mean(correct: Any, samples: Any, a: float = 1.0, b: float = 1.0) -> Any:
    """Mean of a pass rate under a Beta(a, b) prior: (a + correct)/(a + b + samples); also for arrays.

    Example:
        >>> posterior_mean(3, 16) == 4 / 18
        True
    """
    return (a + correct) / (a + b + samples)


def expected_draws(k: int, p: float, cap: int) -> tuple[float, float]:
    """Raw samples until the k-th success or the cap, in expectation, and the probability that the k-th success comes.

    E[n] = sum over t < cap of P(Bin(t, p) < k).
    """
    import numpy as np
    from scipy.stats import binom

    if k < 1:
        return 0.0, 1.0
    draws = float(binom.cdf(k - 1, np.arange(cap), p).sum())
    return draws, float(binom.sf(k - 1, cap, p))


def give_up_count(p_min: float, delta: float) -> int:
    """Failures in a row after which, with a Beta(1, 1) prior, P(p >= p_min) < delta."""
    _check_give_up(p_min, delta)
    return max(1, math.ceil(math.log(delta) / math.log1p(-p_min)) - 1)


def hopeless(correct: int, samples: int, p_min: float, delta: float, a: float = 1.0, b: float = 1.0) -> bool:
    """Whether P(p < p_min | data) > 1 - delta under a Beta(a, b) prior."""
    from scipy.special import betainc

    return bool(betainc(a + correct, b + samples - correct, p_min) >= 1 - delta)


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased probability that one of k samples is right, from c right ones of n: 1 - C(n - c, k)/C(n, k).

    Raises:
        ArgumentError: not 0 <= c <= n and 1 <= k <= n.

    Source: Chen et al. 2021 (Codex).
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ArgumentError(f"pass@k: got n={n}, c={c}, k={k}; allowed: 0 <= c <= n and 1 <= k <= n")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def _check_give_up(p_min: float, delta: float) -> None:
    if not (0 < p_min < 1 and 0 < delta < 1):
        raise ArgumentError(f"give up: got p_min={p_min!r}, delta={delta!r}; allowed: both between 0 and 1")
