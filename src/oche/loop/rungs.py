"""Rungs and brackets of successive halving as plain arithmetic: which steps, and how many points at each."""

from __future__ import annotations

from dataclasses import dataclass

from oche.errors import ArgumentError


@dataclass(frozen=True)
class Rung:
    """One rung of a bracket: so many points, each evaluated up to this step."""

    size: int
    step: float


def rungs(min: float, max: float | None, eta: int = 3, most: int = 40) -> tuple[float, ...]:
    """Steps min * eta^k below `max`, and `max` itself.

    Args:
        min: The first step.
        max: The last step, None for no end (then `most` of them).
        eta: Ratio of one to the next; the last one may be nearer.
        most: Largest number of steps.

    Raises:
        ArgumentError: a value is not allowed.

    Example:
        >>> rungs(1, 81, 3), rungs(1, 12, 3)
        ((1, 3, 9, 27, 81), (1, 3, 9, 12))
    """
    check_range(min, max, eta)
    found = []
    step = min
    while len(found) < most and (max is None or step < max):
        found.append(step)
        step *= eta
    return (*found, max) if max is not None else tuple(found)


def halving(n: int, steps: tuple[float, ...], eta: int = 3) -> tuple[Rung, ...]:
    """The rungs of one bracket of synchronous successive halving: floor(n / eta^i) points at step i; rungs without points fall away.

    Source: Jamieson and Talwalkar 2016; sizes as in Li et al. 2018, algorithm 1, line 6.

    Example:
        >>> [rung.size for rung in halving(34, (3, 9, 27, 81))]
        [34, 11, 3, 1]
    """
    return tuple(Rung(n // eta**i, step) for i, step in enumerate(steps) if n // eta**i)


def hyperband(min: float, max: float, eta: int = 3, sizes: str = "formula") -> tuple[tuple[Rung, ...], ...]:
    """The brackets of Hyperband, the widest first.

    Bracket s (from s_max = floor(log_eta(max / min)) down to 0) has the steps max / eta^s, ..., max, rounded to whole steps where `min` and
    `max` are whole, and never below `min`.

    Args:
        min: The smallest step.
        max: The largest step, R of the paper.
        eta: Each rung keeps 1 / eta of its points.
        sizes: `formula`: n = ceil((s_max + 1) * eta^s / (s + 1)), as algorithm 1 has it; `table`: n = floor((s_max + 1) / (s + 1)) * eta^s,
            as the authors' first code and printed table have it. They differ: with R = 81 and eta = 3 the brackets begin with 81, 34, 15, 8
            and 5 points, or with 81, 27, 9, 6 and 5.

    Raises:
        ArgumentError: a value is not allowed.

    Source: Li et al. 2018 (Hyperband), algorithm 1 and table 1.
    """
    check_range(min, max, eta)
    if sizes not in ("formula", "table"):
        raise ArgumentError(f"sizes: got {sizes!r}; allowed: 'formula', 'table'")
    widest = 0
    # In whole numbers where they are whole, so that 243 = 3^5 is no question of rounding.
    while min * eta ** (widest + 1) <= max * (1 if isinstance(min, int) and isinstance(max, int) else 1 + 1e-9):
        widest += 1
    brackets = []
    for s in range(widest, -1, -1):
        n = -(-(widest + 1) * eta**s // (s + 1)) if sizes == "formula" else (widest + 1) // (s + 1) * eta**s
        brackets.append(halving(n, tuple(_step(min, max, eta, s - i) for i in range(s + 1)), eta))
    return tuple(brackets)


def _step(low: float, high: float, eta: int, down: int) -> float:
    if isinstance(low, int) and isinstance(high, int):
        whole = (2 * high + eta**down) // (2 * eta**down)
        return whole if whole > low else low
    return max(low, high / eta**down)


def check_range(min: float, max: float | None, eta: int) -> None:
    """Refuse what makes no rungs.

    Raises:
        ArgumentError: `min` is not above 0, `max` is below it, or `eta` is no whole number from 2.
    """
    if isinstance(min, bool) or not isinstance(min, (int, float)) or not min > 0:
        raise ArgumentError(f"min: got {min!r}; allowed: a number above 0, the steps of the first rung")
    if max is not None and (isinstance(max, bool) or not isinstance(max, (int, float)) or max < min):
        raise ArgumentError(f"max: got {max!r}; allowed: a number from min, which is {min:g}")
    if isinstance(eta, bool) or not isinstance(eta, int) or eta < 2:
        raise ArgumentError(f"eta: got {eta!r}; allowed: a whole number from 2")
