"""Do ranks hold? A line per architecture from its rank under one condition to its rank under the next, and tau beside its ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup
from scipy import stats

from oche.judge import _numbers as numbers
from oche.judge._axes import HEIGHT, LEFT, TOP, figure
from oche.judge._ladder_plot import column_x
from oche.judge._svg import Scale, clipped, el, join, percent, tick_text

# Lines of the best quarter under the first condition are drawn strong.
_TOP = 0.25
_BOTTOM = HEIGHT - 26


def slope_chart(study: Mapping[str, Any]) -> Markup | None:
    """Ranks of a rank study's JSON, 1 on top, ties sharing theirs; None where the JSON lacks the single results."""
    values = study.get("values")
    if not values:
        return None
    table = np.array(values, dtype=np.float64)
    ranks = np.stack([stats.rankdata(-column) for column in table.T], axis=1)
    count, columns = ranks.shape
    best = ranks[:, 0] <= max(1.0, _TOP * count)
    groups = []
    for chosen, shade, kind in ((~best, "sr", "thin"), (best, "s0", "slope")):
        lines = []
        for i in np.flatnonzero(chosen):
            path = "".join(f"{'L' if j else 'M'}{column_x(j, columns)} {rank_y(ranks[i, j], count)}" for j in range(columns))
            title = f"architecture {i}: rank " + ", ".join(f"{r:g}" for r in ranks[i])
            lines.append(el("path", el("title", title), d=path, class_=kind))
        groups.append(el("g", *lines, class_=f"curve {shade}"))
    parts = list(groups)
    for rank in (1, count):
        parts.append(el("text", str(rank), x=LEFT - 6, y=rank_y(rank, count) + 4, text_anchor="end", class_="tick"))
    for j, name in enumerate(study["conditions"]):
        text = clipped(str(name), max(3, 44 // columns))
        parts.append(el("text", text, x=column_x(j, columns), y=HEIGHT - 8, text_anchor="middle", class_="tick"))
    parts.append(
        el("text", "rank", x=0, y=0, text_anchor="middle", class_="label", transform=f"translate(12 {(TOP + _BOTTOM) / 2}) rotate(-90)")
    )
    label = f"Ranks of {count} architectures under {columns} values of {study['vary']}; tau {_text(study['tau'])}"
    return figure(f"Ranks under {study['vary']}", parts, label)


def rank_y(rank: float, count: int) -> float:
    """Height of a rank in the chart, the best on top."""
    return round(TOP + 6 + (rank - 1) / max(1, count - 1) * (_BOTTOM - TOP - 12), 1)


def tau_strip(study: Mapping[str, Any]) -> Markup:
    """Tau of every pair with its interval, beside the noise ceiling and the range that unrelated ranks would give."""
    scale, rows = Scale(-1.0, 1.05), []
    chance = [percent(scale(s * 2 * study["null_sd"])) for s in (-1, 1)]
    width = percent(scale(2 * study["null_sd"]) - scale(-2 * study["null_sd"]))
    for pair in study["pairs"]:
        name = f"{pair['one']} and {pair['other']}"
        defined = isinstance(pair["tau"], float)
        said = _text(pair["tau"]) + (f" [{_text(pair['tau_low'])}, {_text(pair['tau_high'])}]" if defined else "")
        parts = [
            el("rect", el("title", "two standard deviations of unrelated ranks"), x=chance[0], width=width, y=0, height=16, class_="below")
        ]
        if has_ceiling(study):
            x = percent(scale(study["ceiling"]))
            title = el("title", f"noise ceiling {study['ceiling']:.2f}")
            parts.append(el("line", title, x1=x, x2=x, y1=0, y2=16, class_="zero ceiling"))
        if defined:
            parts += [
                el("line", x1=percent(scale(pair["tau_low"])), x2=percent(scale(pair["tau_high"])), y1=8, y2=8, class_="bar"),
                el("circle", cx=percent(scale(pair["tau"])), cy=8, r=4.5, class_="solid"),
            ]
        label = f"tau of {name}: {said}" + (f"; noise ceiling {_text(study['ceiling'])}" if has_ceiling(study) else "")
        svg = el("svg", *parts, width="100%", height=16, role="img", aria_label=label, class_="s0")
        head = el("div", el("b", name), el("span", numbers.typeset(f"tau {said}"), class_="values"), class_="row-head")
        rows.append(el("div", head, svg, class_="plot-row"))
    ticks = [-1.0, -0.5, 0.0, 0.5, 1.0]
    axis = [el("line", x1=0, x2="100%", y1=0.5, y2=0.5, class_="axis")]
    for t in ticks:
        anchor = "start" if t == -1 else "middle" if t < 1 else "end"
        axis.append(el("text", tick_text(t, ticks), x=percent(scale(t)), y=15, text_anchor=anchor, class_="tick"))
    return join([*rows, el("svg", *axis, width="100%", height=18, aria_hidden="true", class_="axis-row")])


def has_ceiling(study: Mapping[str, Any]) -> bool:
    """Whether the ceiling means noise: under anything but seeds the means differ too, and it would count that as noise."""
    return "seed" in study["vary"] and isinstance(study["ceiling"], float)


def _text(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
