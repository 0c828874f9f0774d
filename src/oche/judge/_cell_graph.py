"""A found program as a picture: a NAS-Bench-201 cell or a genotype as graphs, any other program as its decisions by key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from oche.judge._genotype_graph import drawing, genotype_picture, parse_genotype, style
from oche.judge._lattice_graph import lattice_picture, parse_path
from oche.judge._svg import clipped, el, join
from oche.store.record import Record

_EDGE = re.compile(r"^(?P<op>[^~|+]+)~(?P<source>\d+)$")
_SHORT = {"nor_": "", "_connect": "", "_": " ", "avg pool": "avg pool", "conv 3x3": "conv 3×3", "conv 1x1": "conv 1×1", " 3x3": ""}
# Colors of the style sheet, so that one operation looks the same in every picture.
_COLOR = {"nor_conv_3x3": 0, "nor_conv_1x1": 1, "avg_pool_3x3": 2, "max_pool_3x3": 3, "skip_connect": 7}
_NONE = ("none", "zero", "zeroize")
_WIDTH, _MARGIN, _RADIUS = 360, 24, 13
# Of a program with very many decisions, as a policy has, only the first are listed.
_MANY, _FIRST = 48, 12


@dataclass(frozen=True)
class Edge:
    """An operation from node `source` to node `target`."""

    source: int
    target: int
    op: str


def parse_cell(text: str) -> list[Edge] | None:
    """Edges of `|op~0|+|op~0|op~1|+...`, or None if the text has another form.

    Example:
        >>> [(e.source, e.target, e.op) for e in parse_cell("|a~0|+|b~0|c~1|")]
        [(0, 1, 'a'), (0, 2, 'b'), (1, 2, 'c')]
    """
    edges = []
    for target, node in enumerate(text.strip().split("+"), start=1):
        if len(node) < 2 or node[0] != "|" or node[-1] != "|":
            return None
        for part in node[1:-1].split("|"):
            found = _EDGE.match(part)
            if found is None or int(found["source"]) >= target:
                return None
            edges.append(Edge(int(found["source"]), target, found["op"]))
    return edges


def program_picture(record: Record) -> Markup:
    """The program of a record: a graph if its text is a cell, else a list of its decisions."""
    edges = parse_cell(record.arch) if record.arch else None
    if edges:
        return cell_graph(edges, record.arch or "")
    cells = parse_genotype(record.arch) if record.arch else None
    if cells:
        return genotype_picture(cells)
    path = parse_path(record.arch) if record.arch else None
    if path:
        return lattice_picture(path)
    if record.decisions:
        return decision_list(record.decisions)
    if record.arch:
        return el("p", el("code", record.arch), class_="arch")
    if record.dna is not None:
        return el("p", "DNA ", el("code", ", ".join("-" if v is None else f"{v:g}" for v in record.dna)), class_="arch")
    return el("p", "The record does not say which program was found.", class_="muted")


def draw_program(text: str, decisions: Mapping[str, object] | None = None) -> str:
    """A drawing of a program, as the text of an SVG file.

    Args:
        text: The program in text form: a genotype, or whatever else its space writes.
        decisions: By key; what is drawn where the text is no genotype.
    """
    edges, path = parse_cell(text), parse_path(text)
    if edges or path:
        head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * _WIDTH}" '
        drawn = lattice_picture(path) if path else cell_graph(edges or [], text)
        picture = str(drawn).replace("<svg ", head, 1)
        return picture.replace("</title>", f"</title><style>{style()}</style>", 1) + "\n"
    return drawing(parse_genotype(text), decisions or {}, text)


def cell_graph(edges: list[Edge], text: str) -> Markup:
    """Nodes on a line from input to output; edges over one step are straight, longer ones bow above or below."""
    nodes = max(e.target for e in edges) + 1
    step = (_WIDTH - 2 * _MARGIN) / (nodes - 1)
    longest = max(e.target - e.source for e in edges)
    rise = 40.0
    above = rise * (longest - 1) + 18 if longest > 1 else 18
    below = rise * max((e.target - e.source - 1 for e in edges if _below(e)), default=0) + 18
    middle = above + 12
    height = middle + below + 12
    parts = [_edge(e, step, middle, rise) for e in edges]
    parts += [_node(i, nodes, step, middle) for i in range(nodes)]
    words = ", ".join(f"{e.source} to {e.target} {_shown(e.op)}" for e in edges)
    return el(
        "svg",
        el("title", text),
        *parts,
        viewBox=f"0 0 {_WIDTH} {height:.0f}",
        role="img",
        aria_label=f"Cell with {nodes} nodes; edges {words}",
        class_="figure cell",
    )


def decision_list(decisions: Mapping[str, object]) -> Markup:
    """Decisions by key, for programs that are not a cell; of very many only the first."""
    items, shown_keys = [], list(decisions)
    if len(decisions) > _MANY:
        # A file may have put g10 before g2.
        shown_keys = sorted(shown_keys, key=lambda key: [(len(part), part) for part in re.split(r"(\d+)", key)])[:_FIRST]
    for key in shown_keys:
        value = decisions[key]
        shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else f"{value:g}" if isinstance(value, float) else str(value)
        items.append(el("div", el("dt", str(key)), el("dd", shown)))
    listed = el("dl", *items, class_="decisions")
    if len(items) == len(decisions):
        return listed
    rest = f"The first {len(items)} of {len(decisions):,} decisions. All are in this page's data."
    return join([listed, el("p", rest, class_="muted")])


def _below(edge: Edge) -> bool:
    # Alternate sides by source, so that two long edges that overlap do not cross.
    return edge.target - edge.source > 1 and edge.source % 2 == 1


def _edge(edge: Edge, step: float, middle: float, rise: float) -> Markup:
    a, b = _MARGIN + edge.source * step, _MARGIN + edge.target * step
    span = edge.target - edge.source
    x = (a + b) / 2
    bow = 0.0 if span == 1 else rise * (span - 1) * (1 if _below(edge) else -1)
    # The top of a cubic with both handles at height h lies at 3/4 h.
    handle = middle + bow * 4 / 3
    if span == 1:
        path = f"M{a + _RADIUS:.1f} {middle:.1f}L{b - _RADIUS - 5:.1f} {middle:.1f}"
    else:
        side = 1 if bow > 0 else -1
        lean = 0.18 * (b - a)
        path = (
            f"M{a + 6:.1f} {middle + side * (_RADIUS - 1):.1f}C{a + lean:.1f} {handle:.1f} {b - lean:.1f} {handle:.1f} "
            f"{b - 5:.1f} {middle + side * (_RADIUS + 4):.1f}"
        )
    empty = edge.op in _NONE
    color = "none" if empty else f"s{_color(edge.op)}"
    shown = clipped(_shown(edge.op), 10 if span == 1 else 24)
    arrow = [] if empty else [_arrow(b, middle, span, bow)]
    y = middle + bow + (16 if bow > 0 else -7)
    return el(
        "g",
        el("title", f"{edge.source} → {edge.target}: {edge.op}"),
        el("path", d=path, class_="edge"),
        *arrow,
        el("text", shown, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor="middle", class_="op"),
        class_=color,
    )


def _arrow(b: float, middle: float, span: int, bow: float) -> Markup:
    if span == 1:
        tip, d = (b - _RADIUS - 1, middle), "l-7-4v8Z"
    else:
        side = 1 if bow > 0 else -1
        tip = (b - 4, middle + side * _RADIUS)
        d = f"l-5 {side * 6}l7 {side * 2}Z"
    return el("path", d=f"M{tip[0]:.1f} {tip[1]:.1f}{d}", class_="head")


def _node(index: int, nodes: int, step: float, middle: float) -> Markup:
    x = _MARGIN + index * step
    name = "in" if index == 0 else "out" if index == nodes - 1 else str(index)
    return el(
        "g",
        el("circle", cx=f"{x:.1f}", cy=f"{middle:.1f}", r=_RADIUS),
        el("text", name, x=f"{x:.1f}", y=f"{middle + 4:.1f}", text_anchor="middle"),
        class_="node",
    )


def _shown(op: str) -> str:
    for old, new in _SHORT.items():
        op = op.replace(old, new)
    return op.strip()


def _color(op: str) -> int:
    # Unknown operations get a color that depends on their name only.
    return _COLOR.get(op, 4 + sum(op.encode()) % 3)
