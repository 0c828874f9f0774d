"""Incumbents over cost as steps: mean with its interval, or median with quartiles, beside the random average and the best known.

Steps are never interpolated; a curve is missing before its first trial, and its last value stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from oche.judge import _numbers as numbers
from oche.judge._anytime import Anytime, AnytimeCurve
from oche.judge._axes import HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, figure, frame, px, py
from oche.judge._svg import Scale, el

# The first few values of a search are often so poor that they would flatten all that follows.
_SKIPPED = 0.05
_Drawn = tuple[AnytimeCurve, Sequence[float], Sequence[float], Sequence[float]]
# A reference line farther away than this many times the range of the curves is named at the edge instead.
_FAR = 2.0


def anytime_plot(found: Anytime, colors: Mapping[str, int], *, median: bool = False) -> Markup:
    """One task over one kind of cost.

    Args:
        found: The curves.
        colors: Color number by algorithm.
        median: Median and quartiles instead of the mean and its interval.
    """
    drawn = [(c, *_series(c, median)) for c in found.curves if c.ticks]
    x = Scale(0.0, max([c.ticks[-1] for c, *_ in drawn], default=1.0) or 1.0)
    y = Scale.over(_domain(found, drawn, x.high), 0.12)
    parts = frame(Axis(x, numbers.unit_name(found.axis).partition(",")[0]), Axis(y, f"{found.metric} {found.unit}".strip()))
    for curve, middle, low, high in drawn:
        color = f"s{colors[curve.algorithm]}" if curve.algorithm in colors else "sr"
        kind = "random search" if curve.role == "random_search" else "search"
        title = f"{curve.algorithm} ({kind}, {curve.n} runs): {numbers.number(middle[-1], 2)} at {curve.ticks[-1]:,.4g}"
        band = el("path", d=_band(curve.ticks, low, high, x, y), class_="band")
        line = el("path", d=_steps(curve.ticks, middle, x, y), class_="dashed thick" if curve.role == "random_search" else "thick")
        parts.append(el("g", el("title", title), band, line, class_=f"curve {color}"))
    parts += _reference(found.best_known, f"best known {numbers.number(found.best_known, 2)}", y, "best")
    if found.random_average is not None:
        parts += _reference(found.random_average, f"random average {numbers.number(found.random_average, 2)}", y, "average")
    return figure(f"{found.metric} over {found.axis} on {found.dataset}", parts, _said(found, drawn, median))


def _series(curve: AnytimeCurve, median: bool) -> tuple[Sequence[float], Sequence[float], Sequence[float]]:
    return (curve.median, curve.lower_quartile, curve.upper_quartile) if median else (curve.mean, curve.low, curve.high)


def _domain(found: Anytime, drawn: Sequence[_Drawn], end: float) -> list[float]:
    values = [v for c, *series in drawn for s in series for t, v in zip(c.ticks, s, strict=True) if t >= _SKIPPED * end or t == c.ticks[-1]]
    if not values:
        return [found.best_known]
    reach = _FAR * (max(values) - min(values))
    for line in (found.best_known, found.random_average):
        if line is not None and min(values) - reach <= line <= max(values) + reach:
            values.append(line)
    return values


def _steps(ticks: Sequence[float], values: Sequence[float], x: Scale, y: Scale) -> str:
    path = f"M{px(x, ticks[0])} {py(y, values[0])}"
    return path + "".join(f"H{px(x, t)}V{py(y, v)}" for t, v in zip(ticks[1:], values[1:], strict=True))


def _band(ticks: Sequence[float], low: Sequence[float], high: Sequence[float], x: Scale, y: Scale) -> str:
    """Forth along the upper steps and back along the lower ones."""
    path = _steps(ticks, high, x, y) + f"V{py(y, low[-1])}"
    for i in range(len(ticks) - 1, 0, -1):
        path += f"H{px(x, ticks[i])}V{py(y, low[i - 1])}"
    return path + f"H{px(x, ticks[0])}Z"


def _reference(value: float, text: str, y: Scale, kind: str) -> list[Markup]:
    """A level line with its name, or the name alone at the edge where the line would be outside."""
    right, inside = WIDTH - RIGHT, y.low <= value <= y.high
    if not inside:
        above = value > y.high
        at = TOP + 12 if above else HEIGHT - 46
        return [el("text", f"{'▴' if above else '▾'} {text}", x=right - 2, y=at, text_anchor="end", class_="held tick")]
    at = py(y, value)
    under = at < TOP + 16
    return [
        el("line", el("title", text), x1=LEFT, x2=right, y1=at, y2=at, class_=f"level {kind}"),
        el("text", text, x=right - 2, y=round(at + (13 if under else -4), 1), text_anchor="end", class_="held tick"),
    ]


def _said(found: Anytime, drawn: Sequence[_Drawn], median: bool) -> str:
    what = "Median with quartiles" if median else "Mean with its 95 % interval"
    ends = "; ".join(f"{c.algorithm} ends at {numbers.number(m[-1], 2)}" for c, m, *_ in drawn)
    average = "" if found.random_average is None else f"; random average {numbers.number(found.random_average, 2)}"
    return (
        f"{what} of the incumbent's {found.metric} over {numbers.unit_name(found.axis)} on {found.dataset}: {ends}{average}; "
        f"best known {numbers.number(found.best_known, 2)}"
    )
