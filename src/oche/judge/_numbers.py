"""How numbers are written, the same in the printed table, the page and the sentences."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oche.judge._row import Row

_UNIT_NAMES = {
    "cpu_seconds": "CPU-seconds",
    "seconds": "seconds",
    "epochs": "epochs",
    "passes": "passes",
    "trials": "trials",
    "samples": "samples",
    "tokens": "tokens",
    "money": "money",
}

#: Counted work, on the axis of curves alone: it means the same where members are trained and where a supernet is.
_WORK = {"work": "counted work, 1 = one evaluation of a random member"}

#: Order in which a common unit of cost is looked for.
COST_UNITS = tuple(_UNIT_NAMES)


def points_unit(unit: str) -> str:
    """Unit of a difference: two accuracies in percent differ by points."""
    return "points" if unit == "%" else unit


def unit_name(unit: str) -> str:
    """A unit of cost in words."""
    return {**_UNIT_NAMES, **_WORK}.get(unit, unit)


def decimals(spread: float) -> int:
    """Decimals that make a number with this spread readable: two digits of the spread, at most four."""
    if not math.isfinite(spread) or spread <= 0:
        return 2
    return min(4, max(1, 1 - math.floor(math.log10(spread))))


def number(value: float, places: int | None = None, *, sign: bool = False) -> str:
    """A number with a true minus sign left to the terminal's plain `-`, thousands separated."""
    if not math.isfinite(value):
        return "-"
    if places is None:
        places = decimals(abs(value) or 1.0)
    text = f"{value:{'+' if sign else ''},.{places}f}"
    # "-0.00" says less than nothing.
    return text.replace("-", "+" if sign else "", 1) if float(text.replace(",", "")) == 0 and "-" in text else text


def quantity(value: float, unit: str, places: int | None = None) -> str:
    """A number with its unit."""
    return f"{number(value, places)} {unit}".rstrip()


def mean_sd(mean: float, sd: float, places: int) -> str:
    """`93.10 ± 0.20`, or the mean alone where a single run has no spread."""
    if math.isnan(sd):
        return number(mean, places)
    return f"{number(mean, places)} ± {number(sd, places)}"


def improvement(row: Row, places: int | None = None) -> str:
    """`+0.32 % [+0.11, +0.53]`, or points where a ratio has no meaning."""
    unit = "%" if row.scale == "relative" else points_unit(row.unit)
    if places is None:
        places = decimals((row.high - row.low) / 2)
    middle = f"{number(row.estimate, places, sign=True)} {unit}".rstrip()
    return f"{middle} [{number(row.low, places, sign=True)}, {number(row.high, places, sign=True)}]"


def duration(seconds: float) -> str:
    """`9 s`, `12 min`, `3.4 h`: three digits are enough for a cost."""
    if seconds < 0.01:
        return "0 s" if seconds == 0 else "under 0.01 s"
    if seconds < 0.95:
        return f"{seconds:.2g} s"
    if seconds < 600:
        return f"{seconds:,.0f} s"
    if seconds < 6 * 3600:
        return f"{seconds / 60:,.0f} min"
    return f"{seconds / 3600:,.1f} h"


def amount(value: float, unit: str) -> str:
    """A cost with its unit, times as durations."""
    if unit in ("seconds", "cpu_seconds"):
        return f"{duration(value)}{' of processor' if unit == 'cpu_seconds' else ''}"
    return f"{value:,.0f} {unit_name(unit)}" if value >= 100 or value == int(value) else f"{value:,.2g} {unit_name(unit)}"


def setting(value: object) -> str:
    """A setting as text: lists joined, nothing as a dash."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "–"
    return "–" if value is None or value == {} else f"{value:g}" if isinstance(value, float) else str(value)


def typeset(text: str) -> str:
    """For the page: true minus signs, and numbers that stay on one line with their unit and interval."""
    text = re.sub(r"(?<![\w.)])-(?=\d)", "\u2212", text)
    return re.sub(r"(?<=\d) (?=%|points|runs)|(?<=\d,) (?=[-+\u2212]\d)|(?<=%) (?=\[)", "\u00a0", text)
