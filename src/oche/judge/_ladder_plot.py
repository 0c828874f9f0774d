"""A ladder of training protocols: one thin line per architecture, a bar at the mean of every rung."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from oche.judge import _numbers as numbers
from oche.judge._axes import HEIGHT, LEFT, RIGHT, WIDTH, figure, py
from oche.judge._axes import Axis as PlotAxis
from oche.judge._svg import Scale, el, tick_text


def ladder_plot(study: Mapping[str, Any]) -> Markup | None:
    """The plot of a ladder's JSON, rungs by number from left to right; None where the JSON lacks the single results."""
    values, rungs = study.get("values"), study["rungs"]
    if not values:
        return None
    y = PlotAxis(Scale.over([v for row in values for v in row]), study["unit"])
    ticks = y.scale.ticks(4)
    parts: list[Markup] = []
    for tick in ticks:
        at = py(y, tick)
        parts += [
            el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_="grid"),
            el("text", tick_text(tick, ticks), x=LEFT - 6, y=at + 4, text_anchor="end", class_="tick"),
        ]
    lines = []
    for number, row in enumerate(values):
        path = "".join(f"{'L' if j else 'M'}{column_x(j, len(rungs))} {py(y, v)}" for j, v in enumerate(row))
        lines.append(el("path", el("title", f"architecture {number}"), d=path, class_="thin"))
    parts.append(el("g", *lines, class_="curve sr"))
    half = min(14.0, 0.35 * (WIDTH - LEFT - RIGHT) / len(rungs))
    for j, rung in enumerate(rungs):
        x, at = column_x(j, len(rungs)), py(y, rung["mean"])
        title = el("title", f"{rung['name']}: {numbers.mean_sd(rung['mean'], rung['sd'], 2)} {study['unit']}")
        parts += [
            el("g", el("line", title, x1=x - half, x2=x + half, y1=at, y2=at, class_="rung"), class_="s0"),
            el("text", str(j + 1), x=x, y=HEIGHT - 25, text_anchor="middle", class_="tick"),
        ]
    parts.append(el("text", "rung", x=(LEFT + WIDTH) / 2, y=HEIGHT - 8, text_anchor="middle", class_="label"))
    said = ", ".join(f"{r['name']} {numbers.number(r['mean'], 2)}" for r in rungs)
    return figure("Results of the same architectures, rung by rung", parts, f"Means of {study['n']} architectures by rung: {said}")


def column_x(j: int, count: int) -> float:
    """Middle of column `j` of `count`."""
    return round(LEFT + (j + 0.5) * (WIDTH - LEFT - RIGHT) / count, 1)
