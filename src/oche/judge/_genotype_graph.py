"""A genotype as two pictures, its normal and its reduction cell, and any program as a drawing in a file of its own.

Every node has a row to itself, and every edge first goes to the row of its target and then straight on, so that no edge runs through a
node. The operation stands on the straight part, above the upper and below the lower of a node's two inputs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template

from markupsafe import Markup

from oche.judge._svg import COLORS, clipped, el

_GENOTYPE = re.compile(
    r"Genotype\(normal=\[(?P<normal>[^\]]*)\], normal_concat=\[(?P<normal_concat>[\d, ]*)\], "
    r"reduce=\[(?P<reduce>[^\]]*)\], reduce_concat=\[(?P<reduce_concat>[\d, ]*)\]\)"
)
_PAIR = re.compile(r"\('(?P<op>\w+)', (?P<state>\d+)\)")

# So that one operation has one color in every picture; as in the pictures of other cells.
OPERATION_COLORS = {
    "sep_conv_3x3": 0,
    "dil_conv_3x3": 4,
    "sep_conv_5x5": 1,
    "dil_conv_5x5": 6,
    "avg_pool_3x3": 2,
    "max_pool_3x3": 3,
    "skip_connect": 7,
}
_COLUMN, _ROW, _RADIUS, _LABEL, _MARGIN, _PORT = 176, 58, 13, 96, 34, 7


_RULES = """
text { font: 12px system-ui, sans-serif; fill: $ink; }
.title { font-weight: 600; }
.paper { fill: $card; }
.edge { fill: none; stroke-width: 2; }
.concat, .none .edge { stroke: $line; }
.none .head { fill: $line; }
.op { font-weight: 600; }
.none .op { fill: $muted; }
.node circle { fill: $ink; }
.node text { fill: $card; font-weight: 600; font-size: 10.5px; }
"""


@dataclass(frozen=True)
class CellText:
    """One cell of a genotype.

    Args:
        pairs: Operation and state of each edge, two for each node.
        concat: States that make up the output.
    """

    pairs: tuple[tuple[str, int], ...]
    concat: tuple[int, ...]


def parse_genotype(text: str) -> dict[str, CellText] | None:
    """The two cells of a genotype in text form, or None if the text has another form.

    Example:
        >>> text = "Genotype(normal=[('a', 0), ('b', 1)], normal_concat=[2], reduce=[('c', 1), ('d', 0)], reduce_concat=[2])"
        >>> parse_genotype(text)["reduce"]
        CellText(pairs=(('c', 1), ('d', 0)), concat=(2,))
    """
    found = _GENOTYPE.fullmatch(text.strip())
    if found is None:
        return None
    cells = {}
    for kind in ("normal", "reduce"):
        pairs = tuple((m["op"], int(m["state"])) for m in _PAIR.finditer(found[kind]))
        concat = tuple(int(state) for state in found[f"{kind}_concat"].split(","))
        if len(pairs) % 2 or any(state > 1 + i // 2 for i, (_, state) in enumerate(pairs)) or max(concat) > 1 + len(pairs) // 2:
            return None
        cells[kind] = CellText(pairs, concat)
    return cells


def genotype_picture(cells: Mapping[str, CellText]) -> Markup:
    """Both cells side by side."""
    named = {"normal": "normal cell", "reduce": "reduction cell"}
    return el(
        "div", *(el("div", el("p", named[kind], class_="muted"), dag(cell, named[kind])) for kind, cell in cells.items()), class_="genotype"
    )


def dag(cell: CellText, title: str) -> Markup:
    """One cell: inputs on the left, output on the right."""
    parts, width, height = _parts(cell)
    return el("svg", el("title", title), *parts, viewBox=f"0 0 {width:.0f} {height:.0f}", role="img", aria_label=title, class_="cell dag")


def drawing(cells: Mapping[str, CellText] | None, decisions: Mapping[str, object], text: str) -> str:
    """An SVG file of its own: the cells of a genotype one below the other; of other programs the decisions, line by line."""
    blocks, y, widest = [], 0.0, 480.0
    for kind, cell in (cells or {}).items():
        parts, width, height = _parts(cell)
        head = el("text", f"{'reduction' if kind == 'reduce' else kind} cell", x="14", y="22", class_="title")
        blocks.append(el("g", head, el("g", *parts, transform="translate(0 24)"), transform=f"translate(0 {y:.0f})", class_="cell"))
        y, widest = y + height + 36, max(widest, width)
    if cells is None:
        lines = [f"{key}: {_shown(value)}" for key, value in decisions.items()] or [text]
        blocks += [el("text", line, x="14", y=f"{24 + 18 * i}") for i, line in enumerate(lines)]
        y, widest = 24.0 + 18 * len(lines), max(widest, 28 + 7.0 * max(map(len, lines)))
    attributes = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {widest:.0f} {y:.0f}", "width": f"{widest:.0f}"}
    body = [el("title", text), el("style", Markup(style())), el("rect", width="100%", height="100%", class_="paper"), *blocks]
    return str(el("svg", *body, **attributes)) + "\n"


def _parts(cell: CellText) -> tuple[list[Markup], float, float]:
    """The marks of a cell, and their width and height."""
    n = 2 + len(cell.pairs) // 2
    columns = [0, 0]
    for node in range(2, n):
        columns.append(1 + max(columns[state] for _, state in _inputs(cell, node)))
    last = max(columns) + 1
    height = _ROW * (n - 2) + 2 * _MARGIN - 20
    middle = height / 2
    spread = min(_ROW * (n - 2) / 4, 1.2 * _ROW)
    xs = [_MARGIN + _COLUMN * column for column in columns] + [_MARGIN + _COLUMN * last]
    ys = [middle - spread, middle + spread, *(_MARGIN - 10 + _ROW * (i + 0.5) for i in range(n - 2)), middle]
    parts = [_output(xs[state], ys[state], xs[n], ys[n]) for state in cell.concat]
    for node in range(2, n):
        # The upper input of a node is the one that comes from further up.
        inputs = sorted(_inputs(cell, node), key=lambda pair: ys[pair[1]])
        for port, (op, state) in zip((-_PORT, _PORT), inputs, strict=True):
            parts.append(_edge(op, state, node, (xs[state], ys[state]), (xs[node], ys[node] + port), above=port < 0))
    names = ["k-2", "k-1", *(str(node) for node in range(2, n)), "out"]
    parts += [_node(name, x, y) for name, x, y in zip(names, xs, ys, strict=True)]
    return parts, xs[n] + _MARGIN, height


def _inputs(cell: CellText, node: int) -> Sequence[tuple[str, int]]:
    return cell.pairs[2 * (node - 2) : 2 * (node - 1)]


def _edge(op: str, source: int, target: int, a: tuple[float, float], b: tuple[float, float], above: bool) -> Markup:
    bend = a[0] + _COLUMN - _LABEL - _RADIUS - 4
    half = (a[0] + bend) / 2
    end = b[0] - _RADIUS + 1
    path = f"M{a[0]:.1f} {a[1]:.1f}C{half:.1f} {a[1]:.1f} {half:.1f} {b[1]:.1f} {bend:.1f} {b[1]:.1f}L{end - 5:.1f} {b[1]:.1f}"
    x, y = end - _LABEL / 2 - 4, b[1] + (-5 if above else 14)
    color = "none" if op in ("none", "noise") else f"s{OPERATION_COLORS.get(op, 5)}"
    return el(
        "g",
        el("title", f"{source} → {target}: {op}"),
        el("path", d=path, class_="edge"),
        el("path", d=f"M{end:.1f} {b[1]:.1f}l-7-4v8Z", class_="head"),
        el("text", clipped(_spoken(op), 15), x=f"{x:.1f}", y=f"{y:.1f}", text_anchor="middle", class_="op"),
        class_=color,
    )


def _output(x: float, y: float, end: float, middle: float) -> Markup:
    bend = end - _COLUMN * 0.55
    half = (bend + end) / 2
    path = f"M{x:.1f} {y:.1f}L{bend:.1f} {y:.1f}C{half:.1f} {y:.1f} {half:.1f} {middle:.1f} {end - _RADIUS:.1f} {middle:.1f}"
    return el("path", d=path, class_="edge concat")


def _node(name: str, x: float, y: float) -> Markup:
    circle = el("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=_RADIUS)
    return el("g", circle, el("text", name, x=f"{x:.1f}", y=f"{y + 4:.1f}", text_anchor="middle"), class_="node")


def _spoken(op: str) -> str:
    return re.sub(r"(\d)x(\d)", r"\1×\2", op.replace("_connect", "").replace("_", " "))


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


@cache
def style() -> str:
    """Rules with plain colors, those of the light page, since not every viewer of SVG files knows variables."""
    sheet = files("oche.judge").joinpath("templates/report.css").read_text(encoding="utf-8")
    color = dict(re.findall(r"--(\w+): (#\w+);", sheet.partition("}")[0]))
    series = [f".s{i} .edge {{ stroke: {color[f's{i}']}; }} .s{i} .head, .s{i} .op {{ fill: {color[f's{i}']}; }}" for i in range(COLORS)]
    return "\n".join([Template(_RULES).substitute(color), *series])
