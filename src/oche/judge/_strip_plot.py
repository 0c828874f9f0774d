"""Every run as a dot: the plainest picture of what the means and intervals are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from oche.judge import _numbers as numbers
from oche.judge._arms import Arm
from oche.judge._grouping import Group
from oche.judge._svg import Scale, el, join, percent, tick_text

_HEIGHT = 22
# A whole population is shown by its quantiles: more dots than this hide each other.
_DOTS = 200


def strip_plot(groups: Sequence[Group], colors: dict[str, int], unit: str, places: int) -> Markup:
    """One strip per arm of one task, on a common scale; the upright line is the mean."""
    arms = [(g, g.arm()) for g in groups]
    scale = Scale.over(_domain(arms))
    rows = [_row(g, a, scale, colors, unit, places) for g, a in arms]
    return join([*rows, _axis(scale, unit)])


def _domain(arms: Sequence[tuple[Group, Arm]]) -> list[float]:
    """Values to show: all of the searches; of random members those within Tukey's outer fences, for some spaces have hopeless ones."""
    shown: list[float] = []
    for group, arm in arms:
        if group.role != "baseline":
            shown += arm.values
            continue
        low, high = np.quantile(arm.array, [0.25, 0.75])
        reach = 3.0 * (high - low)
        shown += [v for v in arm.values if low - reach <= v <= high + reach]
    return shown


def _row(group: Group, arm: Arm, scale: Scale, colors: dict[str, int], unit: str, places: int) -> Markup:
    values = arm.array if arm.n <= _DOTS else np.quantile(arm.array, (np.arange(_DOTS) + 0.5) / _DOTS)
    shown = [v for v in values if scale.low <= v <= scale.high]
    dots = [el("circle", cx=percent(scale(float(v))), cy=_HEIGHT / 2, r=4 if arm.n <= _DOTS else 2.5) for v in shown]
    x = percent(scale(arm.mean))
    if scale.low <= arm.mean <= scale.high:
        mean = el("line", x1=x, x2=x, y1=2, y2=_HEIGHT - 2, class_="mean")
    else:
        mean = el(
            "text", "◂" if arm.mean < scale.low else "▸", x=x, y=_HEIGHT / 2 + 4, text_anchor="start" if arm.mean < scale.low else "end"
        )
    parts = [*dots, mean]
    hidden = 1 - len(shown) / len(values)
    note = ""
    if hidden > 0:
        note = f", {100 * hidden:.0f} %" if arm.n > _DOTS else f", {len(values) - len(shown)}"
        note += " outside the picture"
    text = f"{numbers.mean_sd(arm.mean, arm.sd, places)} {unit}".rstrip()
    count = f"all {arm.n:,}" if arm.population else f"{arm.n} runs"
    label = f"{group.label}: {count}, mean {text}{note}"
    color = "sr" if group.role == "baseline" else f"s{colors[group.label]}"
    svg = el("svg", *parts, width="100%", height=_HEIGHT, role="img", aria_label=label, class_=f"strip {color}")
    head = el("div", el("b", group.label), el("span", f"{text} ({count}{note})", class_="values"), class_="row-head")
    return el("div", head, svg, class_="plot-row")


def _axis(scale: Scale, unit: str) -> Markup:
    ticks = scale.ticks(4)
    parts = [el("line", x1=0, x2="100%", y1=0.5, y2=0.5, class_="axis")]
    for tick in ticks:
        x = percent(scale(tick))
        anchor = "start" if scale(tick) < 0.06 else "end" if scale(tick) > 0.94 else "middle"
        parts.append(el("line", x1=x, x2=x, y1=0, y2=5, class_="axis"))
        parts.append(el("text", f"{tick_text(tick, ticks)} {unit}".rstrip(), x=x, y=17, text_anchor=anchor, class_="tick"))
    return el("svg", *parts, width="100%", height=20, aria_hidden="true", class_="axis-row")
