"""Curves over cost as step functions: what a run had in hand after so much work, mean over the runs of each arm.

Right-continuous and never interpolated; before its first value a curve is missing, not zero; after its last it stays.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from markupsafe import Markup

from oche.judge._axes import RIGHT, WIDTH, Axis, figure, frame, px, py
from oche.judge._grouping import Group
from oche.judge._history_plot import is_history
from oche.judge._numbers import COST_UNITS, unit_name
from oche.judge._population import MEMBERS
from oche.judge._svg import Scale, el
from oche.store.record import Record

_TICKS = 200
_SKIPPED = 0.05


def curve_names(groups: Sequence[Group]) -> list[str]:
    """Names of curves that at least one arm has for two runs or more, most common first."""
    counts: dict[str, int] = {}
    for group in groups:
        for record in group.done:
            for name, points in record.curves.items():
                if name != MEMBERS and not is_history(name) and len(points) > 1:
                    counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda n: (-counts[n], n))


def mean_curve(curves: Sequence[Sequence[Sequence[float]]], at: Sequence[float]) -> list[tuple[float, float]]:
    """Mean of step functions at common costs, from where all of them have begun.

    Args:
        curves: One list of (cost, value) per run, costs ascending.
        at: Costs to read at, ascending.

    Example:
        >>> mean_curve([[(1, 10.0), (3, 20.0)], [(2, 30.0)]], [1, 2, 3, 4])
        [(2, 20.0), (3, 25.0), (4, 25.0)]
    """
    costs = [[p[0] for p in c] for c in curves]
    found = []
    for x in at:
        places = [bisect_right(c, x) for c in costs]
        if all(places):
            found.append((x, math.fsum(c[i - 1][1] for c, i in zip(curves, places, strict=True)) / len(curves)))
    return found


def curve_plot(groups: Sequence[Group], name: str, colors: dict[str, int]) -> Markup:
    """Thin lines are runs, thick lines are means."""
    arms = [
        (g, [sorted(([float(a), float(b)] for a, b in r.curves[name]), key=lambda p: p[0]) for r in g.done if r.curves.get(name)])
        for g in groups
    ]
    arms = [(g, cs) for g, cs in arms if cs]
    x = Scale(0.0, max(p[0] for _, cs in arms for c in cs for p in c) or 1.0)
    # The first few values of a search are often so poor that they would flatten all that follows.
    y = Scale.over([p[1] for _, cs in arms for c in cs for p in c if p[0] >= _SKIPPED * x.high or p is c[-1]])
    unit = _cost_unit([r for g, _ in arms for r in g.done if r.curves.get(name)], name)
    shown = name.replace("_", " ")
    parts = frame(Axis(x, unit), Axis(y, shown))
    for group, curves in arms:
        color = f"s{colors.get(group.label, 0)}" if group.role != "baseline" else "sr"
        ticks = sorted({p[0] for c in curves for p in c})
        ticks = ticks if len(ticks) <= _TICKS else [ticks[i * (len(ticks) - 1) // (_TICKS - 1)] for i in range(_TICKS)]
        thin = [el("path", d=_steps(c, x, y), class_="thin") for c in curves]
        mean = mean_curve(curves, ticks)
        thick = [el("path", d=_steps(mean, x, y), class_="thick")] if mean else []
        parts.append(el("g", el("title", f"{group.label}: {len(curves)} runs"), *thin, *thick, class_=f"curve {color}"))
    names = ", ".join(g.label for g, _ in arms)
    label = f"{shown} over cost as step curves, one thin line per run and one thick line per mean: {names}"
    return figure(f"{shown} over cost", parts, label)


def _steps(points: Sequence[Sequence[float]], x: Scale, y: Scale) -> str:
    path = ""
    for cost, value in points:
        across, down = px(x, cost), py(y, value)
        path += f"H{across:.1f}V{down:.1f}" if path else f"M{across:.1f} {down:.1f}"
    return path + f"H{WIDTH - RIGHT}"


def _cost_unit(records: Sequence[Record], name: str) -> str:
    """Unit of the costs, if their ends agree with one of the recorded costs of the search or of the final training."""
    for phase in ("search", "final"):
        for unit in COST_UNITS:
            if all(math.isclose(r.curves[name][-1][0], r.cost.get(phase, {}).get(unit, math.nan), rel_tol=0.02) for r in records):
                return unit_name(unit)
    return "cost"
