"""Critical-difference diagram: methods at their mean ranks, bars over those that Nemenyi's test does not separate.

Across, everything is a percentage of the width, so the picture fits a phone and a printed column without its text being scaled.

Source: Demsar 2006.
"""

from __future__ import annotations

from markupsafe import Markup

from oche.judge._ranking import Ranking
from oche.judge._svg import Scale, clipped, el, join, percent

_ROW, _BAR = 22, 9
_AXIS = 46
# Names of both sides share a row if they are short enough for a phone.
_SHORT, _LONGEST = 20, 40


def cd_diagram(ranking: Ranking) -> Markup:
    """The diagram: best rank left, one elbow per method, one bar per group."""
    count = len(ranking.methods)
    scale = Scale(0.75, count + 0.25)
    below = _AXIS + _BAR * len(ranking.groups) + 8
    rows, height = _rows(ranking, below)
    parts = [*_axis(scale, count), *_critical(ranking, scale)]
    parts += [_bar(group, ranking, scale, _AXIS + _BAR * (i + 0.5)) for i, group in enumerate(ranking.groups)]
    parts += [_elbow(name, rank, scale, y, left) for name, rank, y, left in rows]
    said = ", ".join(f"{m} {r:.2f}" for m, r in zip(ranking.methods, ranking.mean_ranks, strict=True))
    label = f"Critical-difference diagram of mean ranks, best first: {said}. {ranking.verdict}"
    title = el("title", "Mean ranks with the critical difference")
    return el("svg", title, el("desc", label), *parts, width="100%", height=height, role="img", aria_label=label, class_="cd")


def _rows(ranking: Ranking, below: float) -> tuple[list[tuple[str, float, float, bool]], float]:
    """Name, mean rank, height and side of every method; the outermost elbows are the highest, so that none crosses another."""
    pairs = list(zip(ranking.methods, ranking.mean_ranks, strict=True))
    half = (len(pairs) + 1) // 2
    left, right = pairs[:half], pairs[half:][::-1]
    shared = all(len(_label(m, r)) <= _SHORT for m, r in pairs)
    found = [(m, r, below + _ROW * (i + 1), True) for i, (m, r) in enumerate(left)]
    first = 0 if shared else half
    found += [(m, r, below + _ROW * (first + i + 1), False) for i, (m, r) in enumerate(right)]
    return found, max(y for *_, y, _ in found) + 8


def _label(name: str, rank: float) -> str:
    return f"{clipped(name, _LONGEST)} {rank:.2f}"


def _axis(scale: Scale, count: int) -> list[Markup]:
    y = _AXIS - 8
    parts = [el("line", x1=percent(scale(1)), x2=percent(scale(count)), y1=y, y2=y, class_="axis")]
    for rank in range(1, count + 1):
        x = percent(scale(rank))
        parts += [
            el("line", x1=x, x2=x, y1=y - 4, y2=y, class_="axis"),
            el("text", str(rank), x=x, y=y - 7, text_anchor="middle", class_="tick"),
        ]
    return parts


def _critical(ranking: Ranking, scale: Scale) -> list[Markup]:
    """The critical difference as a length, from rank 1; an arrow where it is longer than the axis."""
    width = ranking.critical_difference
    fits = 1 + width <= scale.high
    a, b = percent(scale(1)), percent(scale(1 + width))
    ends = [a, b] if fits else [a]
    text = f"CD {width:.2f}" + ("" if fits else ": longer than the axis")
    return [
        el("line", x1=a, x2=b, y1=16, y2=16, class_="measure"),
        *(el("line", x1=x, x2=x, y1=12, y2=20, class_="measure") for x in ends),
        el("text", text, x=a, y=9, class_="tick"),
    ]


def _bar(group: tuple[str, ...], ranking: Ranking, scale: Scale, y: float) -> Markup:
    ranks = dict(zip(ranking.methods, ranking.mean_ranks, strict=True))
    title = el("title", f"not separated: {', '.join(group)}")
    return el("line", title, x1=percent(scale(ranks[group[0]])), x2=percent(scale(ranks[group[-1]])), y1=y, y2=y, class_="clique")


def _elbow(name: str, rank: float, scale: Scale, y: float, left: bool) -> Markup:
    x, edge = percent(scale(rank)), "0%" if left else "100%"
    return join(
        [
            el("line", x1=x, x2=x, y1=_AXIS - 8, y2=y, class_="elbow"),
            el("line", x1=x, x2=edge, y1=y, y2=y, class_="elbow"),
            el("circle", el("title", f"{name}: mean rank {rank:.2f}"), cx=x, cy=_AXIS - 8, r=3.5, class_="dot"),
            el("text", _label(name, rank), x=edge, y=y - 5, text_anchor="start" if left else "end", class_="held"),
        ]
    )
