"""Numbers as shares of their range, on their own scale: for algorithms, operators and beliefs that compute with them."""

from __future__ import annotations

import math

from oche.program.layout import Point, from_unit


def to_unit(p: Point, value: float) -> float:
    """A number as a share of its range, in [0, 1], on its scale; the inverse of `gene_at`. Of a whole number the middle of its part."""
    if p.kind == "int" and p.scale != "log":
        return ((value - p.lo) / p.step + 0.5) / p.n
    if p.scale == "log":
        low, high = _log_range(p)
        return (math.log(value) - low) / (high - low) if high > low else 0.5
    if p.scale == "rlog":
        low, high = math.log(p.lo), math.log(p.hi)
        return 1 - (math.log(p.lo + p.hi - value) - low) / (high - low) if high > low else 0.5
    return (value - p.lo) / (p.hi - p.lo) if p.hi > p.lo else 0.5


def gene_at(p: Point, u: float) -> float | int:
    """The number at share u of its range, on its scale; whole numbers rounded to their steps.

    Args:
        p: A point of kind `float` or `int`.
        u: Any number; below 0 and above 1 are the ends.
    """
    u = min(max(u, 0.0), 1.0)
    if p.kind == "float":
        return from_unit(p, u)
    if p.scale == "log":
        low, high = _log_range(p)
        step = round((min(max(math.exp(low + u * (high - low)), p.lo), p.hi) - p.lo) / p.step)
    else:
        step = int(u * p.n)
    return int(p.lo) + min(step, p.n - 1) * p.step


def _log_range(p: Point) -> tuple[float, float]:
    half = 0.5 if p.kind == "int" else 0.0  # each whole number gets the part of the axis that rounds to it
    return math.log(p.lo - half), math.log(p.hi + half)
