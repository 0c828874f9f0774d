"""Lines with dots over two axes, and bars of parts of a whole: the plots of reports that are not about searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from oche.judge._axes import Axis, figure, frame, px, py
from oche.judge._svg import el, percent


@dataclass(frozen=True)
class Line:
    """One line of a plot.

    Args:
        name: Of what.
        points: (x, y), ascending in x.
        color: Number of its color.
    """

    name: str
    points: Sequence[tuple[float, float]]
    color: int


def line_plot(
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
    x_range: tuple[float, float] | None = None,
    zero_y: bool = True,
    steps: bool = False,
) -> Markup | None:
    """A dot per point, joined by straight lines or, with `steps`, by steps without dots; None without points.

    Every dot names its line and values where a pointer rests on it. With `zero_y` the upright axis begins at 0.
    """
    shown = [line for line in lines if line.points]
    if not shown:
        return None
    xs = [*(x_range or ()), *(p[0] for line in shown for p in line.points)]
    x = Axis.over(xs, x_label, log=log_x, margin=0.02)
    y = Axis.over([p[1] for line in shown for p in line.points], y_label, log=log_y, zero=zero_y and not log_y)
    parts = frame(x, y)
    for line in shown:
        inside = [(a, b) for a, b in line.points if not (log_y and b <= 0)]
        if steps:
            path = "".join(f"H{px(x, a)}V{py(y, b)}" if i else f"M{px(x, a)} {py(y, b)}" for i, (a, b) in enumerate(inside))
            parts.append(el("g", el("title", line.name), el("path", d=path, class_="thick"), class_=f"curve s{line.color}"))
            continue
        path = "".join(f"{'L' if i else 'M'}{px(x, a)} {py(y, b)}" for i, (a, b) in enumerate(inside))
        dots = [
            el("circle", el("title", f"{line.name}: {x_label} {a:,.4g}, {y_label} {b:,.4g}"), cx=px(x, a), cy=py(y, b), r=3, class_="solid")
            for a, b in inside
        ]
        parts.append(el("g", el("path", d=path, class_="thick"), *dots, class_=f"curve s{line.color}"))
    ends = "; ".join(f"{line.name} from {line.points[0][1]:,.4g} to {line.points[-1][1]:,.4g}" for line in shown)
    title = f"{y_label} against {x_label}"
    return figure(title, parts, f"{title}: {ends}")


def share_bar(name: str, parts: Mapping[str, float], colors: Mapping[str, int]) -> Markup:
    """One bar whose pieces are the parts of a whole, named for those who do not see it."""
    whole = sum(parts.values()) or 1.0
    pieces, at = [], 0.0
    for part, amount in parts.items():
        title = el("title", f"{part}: {amount:,.0f}, {100 * amount / whole:.1f} %")
        # A style sheet colors shapes by the class of their group.
        piece = el("rect", title, x=percent(at), width=percent(amount / whole), y=0, height=18, class_="solid")
        pieces.append(el("g", piece, class_=f"s{colors[part]}"))
        at += amount / whole
    said = ", ".join(f"{part} {amount:,.0f} ({100 * amount / whole:.1f} %)" for part, amount in parts.items())
    return el("svg", *pieces, width="100%", height=18, role="img", aria_label=f"{name}: {said}")
