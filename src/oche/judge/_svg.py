"""Hand-made SVG and HTML: escaped elements, linear scales, readable ticks.

Drawings use classes and CSS variables instead of colors, so that they follow a light or dark page and print well. Horizontal
positions are percentages where a figure must fit any width without its text being scaled.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

#: Number of series colors in the style sheet.
COLORS = 8


def el(name: str, *children: str | Markup, **attributes: object) -> Markup:
    """An element; text and attributes are escaped.

    Args:
        name: Tag.
        *children: Text, or markup made by this function.
        **attributes: `class_` is written `class`, other `_` become `-`; None leaves an attribute out.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is not None:
            written = value if isinstance(value, str) else f"{value:g}" if isinstance(value, (int, float)) else str(value)
            parts.append(f' {_attribute(key)}="{escape(written)}"')
    inner = "".join(str(escape(c)) for c in children)
    return Markup("".join([*parts, ">", inner, f"</{name}>"]))


def join(parts: Iterable[Markup]) -> Markup:
    """Markup one after another."""
    return Markup("").join(parts)


def percent(x: float) -> str:
    """A position in [0, 1] as an SVG percentage."""
    return f"{100.0 * x:.3f}%"


@dataclass(frozen=True)
class Scale:
    """A linear map from values to [0, 1] with ticks at round numbers."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Sequence[float], margin: float = 0.05) -> Scale:
        """A scale that holds all finite values with a margin at both ends."""
        finite = [v for v in values if math.isfinite(v)]
        low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
        if low == high:
            low, high = low - 0.5, high + 0.5
        pad = margin * (high - low)
        return cls(low - pad, high + pad)

    def __call__(self, value: float) -> float:
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def ticks(self, about: int = 5) -> list[float]:
        """Round numbers inside the scale, 1, 2 or 5 times a power of ten apart."""
        step = (self.high - self.low) / max(1, about)
        power = 10.0 ** math.floor(math.log10(step))
        step = power * next(m for m in (1.0, 2.0, 5.0, 10.0) if m * power >= step * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(i * step, 12) for i in range(first, last + 1)]


def tick_text(value: float, ticks: Sequence[float]) -> str:
    """A tick's label with as many decimals as the distance between ticks needs."""
    step = min((b - a for a, b in pairwise(ticks)), default=abs(value) or 1.0)
    places = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    return f"{value + 0.0:,.{places}f}"


def clipped(text: str, length: int) -> str:
    """Text of at most `length` characters, cut with an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _attribute(key: str) -> str:
    # SVG spells these in camel case.
    if key in ("viewBox", "preserveAspectRatio", "textLength", "markerWidth"):
        return key
    return key.rstrip("_").replace("_", "-")
