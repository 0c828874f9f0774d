"""Fronts of a method and of random search by two objectives: every run as a thin stair, what half of the runs attain as a thick one."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from oche.judge import _numbers as numbers
from oche.judge._axes import Axis, figure, frame, px, py
from oche.judge._fronts import FrontRow
from oche.judge._svg import Scale, el

Points = Sequence[Sequence[float]]


def front_plot(row: FrontRow, color: int) -> Markup | None:
    """The plot, the second objective across and the first upwards, in their own units; None unless there are two objectives."""
    if len(row.objectives) != 2:
        return None
    up, across = row.objectives
    x = Axis(Scale.over([row.reference[across], row.best[across]], 0.02), f"{across} ({_better(row, across)})")
    y = Axis(Scale.over([row.reference[up], row.best[up]], 0.02), f"{up} ({_better(row, up)})")
    parts = frame(x, y)
    arms = (("random search", row.fronts_r, "sr", "dashed thick"), (row.algorithm, row.fronts_m, f"s{color}", "thick"))
    for name, fronts, shade, thick in arms:
        thin = [el("path", d=_path(stairs(f), row, x, y), class_="thin") for f in fronts]
        median = el("path", d=_path(median_attainment(fronts), row, x, y), class_=thick)
        parts.append(el("g", el("title", f"{name}: {len(fronts)} runs"), *thin, median, class_=f"curve {shade}"))
    where = f"{up} {row.gap_at[up]:,.4g}, {across} {row.gap_at[across]:,.4g}"
    gap = el("title", f"largest gap: {100 * row.largest_gap:+.0f} % of the runs, at {where}")
    parts.append(el("circle", gap, cx=px(x, row.gap_at[across]), cy=py(y, row.gap_at[up]), r=5, class_="gap"))
    said = (
        f"Fronts of {row.algorithm} and of random search on {row.dataset}: half of the runs attain "
        f"{numbers.number(row.attained_m, 3)} against {numbers.number(row.attained_r, 3)} of the volume; {row.verdict}"
    )
    return figure(f"{up} against {across} on {row.dataset}", parts, said)


def stairs(front: Points) -> list[tuple[float, float]]:
    """Corners of the region that one front attains, from the left edge down to the lower one.

    Args:
        front: Points, both objectives maximized and scaled to [0, 1].

    Example:
        >>> stairs([(0.5, 0.8), (0.9, 0.2)])
        [(0.0, 0.9), (0.2, 0.9), (0.2, 0.5), (0.8, 0.5), (0.8, 0.0)]
    """
    return median_attainment([front])


def median_attainment(fronts: Sequence[Points]) -> list[tuple[float, float]]:
    """The same of the region that at least half of the fronts attain: (second, first) objective."""
    needed = (len(fronts) + 1) // 2
    corners: list[tuple[float, float]] = []
    left = 0.0
    # Between two values of the second objective that any front holds, the attained first objective does not change.
    for x in sorted({p[1] for f in fronts for p in f if p[1] > 0}):
        heights = sorted((max((p[0] for p in f if p[1] >= x), default=0.0) for f in fronts), reverse=True)
        height = max(0.0, heights[needed - 1])
        if corners and corners[-1][1] == height:
            corners[-1] = (x, height)
        else:
            corners += [(left, height), (x, height)]
        left = x
    return [*corners, (corners[-1][0], 0.0)] if corners and corners[-1][1] > 0 else corners


def _better(row: FrontRow, name: str) -> str:
    return "more is better" if row.objectives[name] == "max" else "less is better"


def _path(corners: Sequence[tuple[float, float]], row: FrontRow, x: Axis, y: Axis) -> str:
    up, across = row.objectives

    def raw(name: str, share: float) -> float:
        return row.reference[name] + share * (row.best[name] - row.reference[name])

    return "".join(f"{'L' if i else 'M'}{px(x, raw(across, a))} {py(y, raw(up, b))}" for i, (a, b) in enumerate(corners))
