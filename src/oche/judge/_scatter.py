"""Random against search: a point above the diagonal is a search that did better than what it is compared with."""

from __future__ import annotations

from markupsafe import Markup

from oche.judge import _numbers as numbers
from oche.judge._entries import Entry
from oche.judge._row import Row
from oche.judge._svg import Scale, el, tick_text

_WIDTH, _HEIGHT = 360, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 10, 10, 42


def scatter_plot(entries: tuple[Entry, ...], colors: dict[str, int], metric: str, unit: str) -> Markup:
    """Mean of the random arm (across) and of the search arm (up) of every test, with one standard deviation each way."""
    tests = [(e, r) for e in entries for r in (e.average, e.search) if r is not None]
    values = [v for _, r in tests for v in (r.mean_m - r.sd_m, r.mean_m + r.sd_m, r.mean_r)]
    scale = Scale.over(values)
    parts = [*_frame(scale, metric, unit), *(_point(e, r, scale, colors) for e, r in tests)]
    what = "; ".join(
        f"{e.algorithm} on {e.dataset} {numbers.number(r.mean_m, 2)} against {r.against} {numbers.number(r.mean_r, 2)}"
        for e, r in tests[:12]
    )
    return el(
        "svg",
        el("title", "Mean result of each search against the mean of random"),
        *parts,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=f"Scatter of search means over random means with the diagonal of equality. {what}",
        class_="figure",
    )


def _x(scale: Scale, value: float) -> float:
    return round(_LEFT + scale(value) * (_WIDTH - _LEFT - _RIGHT), 2)


def _y(scale: Scale, value: float) -> float:
    return round(_HEIGHT - _BOTTOM - scale(value) * (_HEIGHT - _TOP - _BOTTOM), 2)


def _frame(scale: Scale, metric: str, unit: str) -> list[Markup]:
    ticks = scale.ticks(5)
    parts = [el("path", d=f"M{_LEFT} {_HEIGHT - _BOTTOM}L{_WIDTH - _RIGHT} {_HEIGHT - _BOTTOM}L{_WIDTH - _RIGHT} {_TOP}Z", class_="below")]
    for tick in ticks:
        x, y, text = _x(scale, tick), _y(scale, tick), tick_text(tick, ticks)
        parts += [
            el("line", x1=x, x2=x, y1=_TOP, y2=_HEIGHT - _BOTTOM, class_="grid"),
            el("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid"),
            el("text", text, x=x, y=_HEIGHT - _BOTTOM + 15, text_anchor="middle", class_="tick"),
            el("text", text, x=_LEFT - 6, y=y + 4, text_anchor="end", class_="tick"),
        ]
    shown = f"{metric} {unit}".strip()
    parts += [
        el("line", x1=_LEFT, y1=_HEIGHT - _BOTTOM, x2=_WIDTH - _RIGHT, y2=_TOP, class_="diagonal"),
        el("text", f"random, mean {shown}", x=(_LEFT + _WIDTH) / 2, y=_HEIGHT - 8, text_anchor="middle", class_="label"),
        el(
            "text",
            f"search, mean {shown}",
            x=0,
            y=0,
            text_anchor="middle",
            class_="label",
            transform=f"translate(12 {(_HEIGHT - _BOTTOM + _TOP) / 2}) rotate(-90)",
        ),
    ]
    return parts


def _point(entry: Entry, row: Row, scale: Scale, colors: dict[str, int]) -> Markup:
    x, y = _x(scale, row.mean_r), _y(scale, row.mean_m)
    up, down = _y(scale, row.mean_m + row.sd_m), _y(scale, row.mean_m - row.sd_m)
    solid = row.against == "random search"
    mark = el("path", d=f"M{x} {y - 6}l6 6l-6 6l-6-6Z", class_="solid") if solid else el("circle", cx=x, cy=y, r=4.5, class_="hollow")
    title = f"{entry.algorithm} on {entry.dataset}: {numbers.number(row.mean_m, 2)} against {row.against} {numbers.number(row.mean_r, 2)}"
    return el("g", el("title", title), el("line", x1=x, x2=x, y1=up, y2=down, class_="whisker"), mark, class_=f"s{colors[entry.algorithm]}")
