"""A path through a grid of states as a picture: a column for each level, a row for each state, and the way through them in color."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from oche.judge._genotype_graph import OPERATION_COLORS
from oche.judge._svg import clipped, el

_PATH = re.compile(r"Path\(states=\[(?P<states>[^\]]+)\], steps=\[(?P<steps>[^\]]+)\], levels=\[(?P<levels>[^\]]+)\]\)")
_TEXT = re.compile(r"'([^']*)'")
_COLUMN, _ROW, _LEFT, _TOP, _RADIUS = 168, 46, 64, 54, 6


@dataclass(frozen=True)
class GridPath:
    """A way through a grid.

    Args:
        states: Rows, top to bottom.
        steps: For each level: the state it starts from, the one it leads to, and how.
        levels: Names of the levels.
    """

    states: tuple[str, ...]
    steps: tuple[tuple[str, str, str], ...]
    levels: tuple[str, ...]


def parse_path(text: str) -> GridPath | None:
    """The path of a text such as `Path(states=[4, 8], steps=['4->8 pool'], levels=['stride 2'])`, or None if it has another form.

    Example:
        >>> parse_path("Path(states=[4, 8], steps=['4->8 pool'], levels=['stride 2'])").steps
        (('4', '8', 'pool'),)
    """
    found = _PATH.fullmatch(text.strip())
    if found is None:
        return None
    states = tuple(found["states"].split(", "))
    steps = []
    for step in _TEXT.findall(found["steps"]):
        start, _, rest = step.partition("->")
        end, _, way = rest.partition(" ")
        if start not in states or end not in states or not way:
            return None
        steps.append((start, end, way))
    levels = tuple(_TEXT.findall(found["levels"]))
    broken = any(a[1] != b[0] for a, b in itertools.pairwise(steps))
    return None if broken or not steps or len(steps) != len(levels) else GridPath(states, tuple(steps), levels)


def lattice_picture(path: GridPath) -> Markup:
    """The grid with the path: every state at every level, faint lines for all ways, and the chosen one."""
    parts, width, height = lattice_parts(path)
    title = "path " + " ".join(f"{a}->{b} {way}" for a, b, way in path.steps)
    return el("svg", el("title", title), *parts, viewBox=f"0 0 {width} {height}", role="img", aria_label=title, class_="cell dag lattice")


def lattice_parts(path: GridPath) -> tuple[list[Markup], int, int]:
    """The marks of a grid with a path, and their width and height."""
    n = len(path.levels)
    xs = [_LEFT + _COLUMN * column for column in range(n + 1)]
    ys = {state: _TOP + _ROW * row for row, state in enumerate(path.states)}
    width, height = xs[-1] + 40, _TOP + _ROW * (len(path.states) - 1) + 34
    parts = [el("text", state, x="14", y=f"{ys[state] + 4}", class_="op") for state in path.states]
    parts += [
        el("text", clipped(name, 24), x=f"{(xs[i] + xs[i + 1]) / 2:.0f}", y="18", text_anchor="middle")
        for i, name in enumerate(path.levels)
    ]
    faint = [(i, a, b) for i in range(n) for a in path.states for b in path.states]
    parts += [_line(xs[i], ys[a], xs[i + 1], ys[b], "edge concat") for i, a, b in faint]
    for i, (start, end, way) in enumerate(path.steps):
        color = f"s{OPERATION_COLORS.get(way, _place(path.steps, way))}"
        middle, above = (xs[i] + xs[i + 1]) / 2, (ys[start] + ys[end]) / 2 - 8
        line = _line(xs[i], ys[start], xs[i + 1], ys[end], "edge")
        label = el("text", clipped(way.replace("_", " "), 22), x=f"{middle:.0f}", y=f"{above:.0f}", text_anchor="middle", class_="op")
        parts.append(el("g", line, label, class_=color))
    chosen = [path.steps[0][0], *(end for _, end, _ in path.steps)]
    for i, x in enumerate(xs):
        for state, y in ys.items():
            radius = _RADIUS + 2 if chosen[i] == state else _RADIUS - 3
            parts.append(el("g", el("circle", cx=f"{x}", cy=f"{y}", r=f"{radius}"), class_="node"))
    return parts, width, height


def _line(x1: float, y1: float, x2: float, y2: float, name: str) -> Markup:
    return el("path", d=f"M{x1:.0f} {y1:.0f} L{x2:.0f} {y2:.0f}", class_=name)


def _place(steps: Sequence[tuple[str, str, str]], way: str) -> int:
    return sorted({name for _, _, name in steps}).index(way) % 8
