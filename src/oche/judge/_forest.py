"""Forest plot: every improvement with its interval, one line per algorithm and task, and an upright line at zero."""

from __future__ import annotations

import math

from markupsafe import Markup

from oche.judge import _numbers as numbers
from oche.judge._entries import Entry
from oche.judge._row import Row
from oche.judge._svg import Scale, el, join, percent, tick_text

_HEIGHT = 18
_AXIS = 34


def forest_plot(entries: tuple[Entry, ...]) -> list[tuple[str, Markup]]:
    """One plot against the random average and one against random search, each on its own scale, with their headings.

    The average of a space with a bad tail has a wide interval, which would hide everything else on a common scale.
    """
    found = []
    for against, heading in (("random search", "Against random search"), ("random average", "Against the random average")):
        tests = [(e, r) for e in entries for r in (e.average, e.search) if r is not None and r.against == against and r.scale == "relative"]
        if tests:
            found.append((heading, _panel(tests)))
    return found


def _panel(tests: list[tuple[Entry, Row]]) -> Markup:
    rows = [r for _, r in tests]
    scale = Scale.over([0.0, *(v for r in rows for v in (*_clip(r, rows), r.ri))])
    parts, several = [], len({e.task for e, _ in tests}) > 1
    for task in dict.fromkeys(e.task for e, _ in tests):
        here = [(e, r) for e, r in tests if e.task == task]
        if several:
            parts.append(el("h3", here[0][0].dataset))
        parts.extend(_line(e, r, scale) for e, r in here)
    return join([*parts, _axis(scale)])


def _clip(row: Row, rows: list[Row]) -> tuple[float, float]:
    """Ends of an interval, cut where one wide interval would crush all others."""
    widths = sorted(r.ri_high - r.ri_low for r in rows)
    limit = 4.0 * widths[len(widths) // 2] + max(abs(r.ri) for r in rows)
    return max(row.ri_low, -limit), min(row.ri_high, limit)


def _line(entry: Entry, row: Row, scale: Scale) -> Markup:
    y = _HEIGHT / 2
    kind = "win" if row.wins else "lose" if row.loses else "open"
    zero = el("line", x1=percent(scale(0)), x2=percent(scale(0)), y1=0, y2=_HEIGHT, class_="zero")
    bar = el("line", x1=percent(scale(row.ri_low)), x2=percent(scale(row.ri_high)), y1=y, y2=y, class_="bar")
    if row.against == "random search":
        diamond = el("path", d="M0-6L6 0L0 6L-6 0Z", class_="solid")
        mark = el("svg", diamond, x=percent(scale(row.ri)), y=y, overflow="visible", aria_hidden="true")
    else:
        mark = el("circle", cx=percent(scale(row.ri)), cy=y, r=4.5, class_="hollow")
    text = numbers.improvement(row)
    label = f"{entry.algorithm} on {entry.dataset}: {text} against {row.against}: {row.verdict}"
    svg = el("svg", zero, bar, mark, width="100%", height=_HEIGHT, role="img", aria_label=label, class_=kind)
    return el(
        "div",
        el("div", el("b", entry.algorithm), el("span", numbers.typeset(text), class_="values"), class_="row-head"),
        svg,
        class_="plot-row",
    )


def _axis(scale: Scale) -> Markup:
    ticks = scale.ticks(4)
    parts = [el("line", x1=0, x2="100%", y1=0.5, y2=0.5, class_="axis")]
    for tick in ticks:
        x = percent(scale(tick))
        anchor = "start" if scale(tick) < 0.06 else "end" if scale(tick) > 0.94 else "middle"
        parts += [
            el("line", x1=x, x2=x, y1=0, y2=5, class_="axis"),
            el("text", ("+" if tick > 0 else "") + tick_text(tick, ticks), x=x, y=17, text_anchor=anchor, class_="tick"),
        ]
    left, right = scale(0.0), 1.0 - scale(0.0)
    if math.isfinite(left) and left > 0.25:
        parts.append(el("text", "← worse", x=percent(max(0.0, left - 0.02)), y=31, text_anchor="end", class_="tick"))
    if right > 0.25:
        parts.append(el("text", "better → (%)", x=percent(min(1.0, left + 0.02)), y=31, text_anchor="start", class_="tick"))
    return el("svg", *parts, width="100%", height=_AXIS, aria_hidden="true", class_="axis-row")
