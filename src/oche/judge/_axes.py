"""The frame of a plot with two axes: grid, ticks and labels, in one geometry for all such plots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from oche.judge._svg import Scale, el, tick_text

WIDTH, HEIGHT = 360, 240
LEFT, RIGHT, TOP, BOTTOM = 48, 10, 10, 40
_HALF_DIGIT = 3.4  # half the width of a digit of a tick


@dataclass(frozen=True)
class Axis:
    """One direction of a plot.

    Args:
        scale: Where values lie; of their logarithms on a logarithmic axis.
        label: What they are.
        log: Whether equal distances are equal ratios.
    """

    scale: Scale
    label: str
    log: bool = False

    @classmethod
    def over(cls, values: Sequence[float], label: str, *, log: bool = False, zero: bool = False, margin: float = 0.05) -> Axis:
        """An axis that holds `values`; with `zero` it begins there."""
        if log:
            return cls(Scale.over([math.log10(v) for v in values if v > 0], margin), label, True)
        scale = Scale.over([*values, 0.0] if zero else values, margin)
        return cls(Scale(0.0, scale.high) if zero and min(values, default=0.0) >= 0 else scale, label)

    def __call__(self, value: float) -> float:
        return self.scale(math.log10(value) if self.log else value)

    def ticks(self, about: int = 4) -> list[tuple[float, str]]:
        """Values with their texts: round numbers, or 1, 2 and 5 times powers of ten."""
        if not self.log:
            found = self.scale.ticks(about)
            return [(t, tick_text(t, found)) for t in found]
        low, high = self.scale.low, self.scale.high
        powers = range(math.floor(low), math.ceil(high) + 1)
        for steps in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0)):
            inside = [s * 10.0**p for p in powers for s in steps if low <= math.log10(s * 10.0**p) <= high]
            if len(inside) >= 3:
                break
        every = max(1, math.ceil(len(inside) / (about + 2)))
        return [(v, f"{v:,.0f}" if v >= 1 else f"{v:g}") for v in inside[::every]]


def px(x: Axis | Scale, value: float) -> float:
    """Position across."""
    return round(LEFT + x(value) * (WIDTH - LEFT - RIGHT), 1)


def py(y: Axis | Scale, value: float) -> float:
    """Position downwards."""
    return round(HEIGHT - BOTTOM - y(value) * (HEIGHT - TOP - BOTTOM), 1)


def figure(title: str, parts: Sequence[Markup], label: str) -> Markup:
    """The picture, named for those who do not see it."""
    box = f"0 0 {WIDTH} {HEIGHT}"
    return el("svg", el("title", title), *parts, viewBox=box, role="img", aria_label=label, class_="figure")


def frame(x: Axis, y: Axis) -> list[Markup]:
    """Grid, ticks, axis and labels."""
    parts = []
    for tick, text in y.ticks():
        at = py(y, tick)
        parts += [
            el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{at:.1f}", y2=f"{at:.1f}", class_="grid"),
            el("text", text, x=LEFT - 6, y=f"{at + 4:.1f}", text_anchor="end", class_="tick"),
        ]
    for tick, text in x.ticks():
        # A text at the end of the axis is moved in rather than cut off.
        middle = min(px(x, tick), WIDTH - _HALF_DIGIT * len(text))
        parts.append(el("text", text, x=f"{middle:.1f}", y=HEIGHT - BOTTOM + 15, text_anchor="middle", class_="tick"))
    turned = f"translate(12 {(HEIGHT - BOTTOM) / 2}) rotate(-90)"
    parts += [
        el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM, class_="axis"),
        el("text", x.label, x=(LEFT + WIDTH) / 2, y=HEIGHT - 8, text_anchor="middle", class_="label"),
        el("text", y.label, x=0, y=0, text_anchor="middle", class_="label", transform=turned),
    ]
    return parts
