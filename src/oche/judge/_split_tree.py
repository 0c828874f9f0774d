"""A tree of splits as pictures: the tree itself, and the similarities behind each split as a heat map.

Drawn from what a record keeps of a few-shot search: nodes by path (`root/KEY:{labels}/...`), with choice, groups, cut, similarity and cost
of those that were split, and pick, score and size of the last ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from oche.judge._svg import clipped, el

_WIDTH, _INDENT, _ROW, _TOP = 440, 20, 44, 20
_CELL, _GAP, _LABEL = 34, 5, 96
# Above this many candidates numbers no longer fit into the fields of a heat map.
_NUMBERS = 9


@dataclass
class TreeNode:
    """A node as it is drawn.

    Args:
        path: From the root.
        name: What it allows of the choice above, in short.
        found: As the record has it.
        depth: Splits above.
        children: Nodes below.
    """

    path: str
    name: str
    found: Mapping[str, Any]
    depth: int = 0
    children: list[TreeNode] = field(default_factory=list)

    @property
    def last(self) -> bool:
        """Whether it proposed."""
        return "pick" in self.found

    def walk(self) -> list[TreeNode]:
        """This node and all below, from top to bottom."""
        return [self, *(n for child in self.children for n in child.walk())]


def read_tree(nodes: Mapping[str, Mapping[str, Any]]) -> TreeNode | None:
    """The tree of a record; None if it holds none.

    Args:
        nodes: By path; a path is that of its parent, a slash, and what it allows.
    """
    made: dict[str, TreeNode] = {}
    for path in sorted(nodes, key=len):
        above = max((p for p in made if path.startswith(p + "/")), key=len, default=None)
        if above is None:
            if made:
                return None
            made[path] = TreeNode(path, "all candidates", nodes[path])
            continue
        parent = made[above]
        made[path] = TreeNode(path, _name(path[len(above) + 1 :]), nodes[path], parent.depth + 1)
        parent.children.append(made[path])
    return next(iter(made.values()), None)


def short(label: str) -> str:
    """A label in few letters.

    Example:
        >>> short("nor_conv_3x3"), short("skip_connect")
        ('conv 3×3', 'skip')
    """
    text = label.replace("nor_", "").replace("_connect", "").replace("_", " ")
    return text.replace("3x3", "3×3").replace("5x5", "5×5").replace("1x1", "1×1").replace("pool 3×3", "pool")


def tree_picture(root: TreeNode, chosen: str) -> Markup:
    """The tree, one line for each node.

    Args:
        root: From `read_tree`.
        chosen: Path of the last node whose pick was taken.
    """
    rows = root.walk()
    places = {node.path: (12.0 + _INDENT * node.depth, _TOP + _ROW * i) for i, node in enumerate(rows)}
    parts = []
    for node in rows:
        x, y = places[node.path]
        for child in node.children:
            below = places[child.path]
            parts.append(el("path", d=f"M{x:.0f} {y + 7:.0f}V{below[1]:.0f}H{below[0] - 6:.0f}", class_="branch"))
    for node in rows:
        x, y = places[node.path]
        taken = node.path == chosen
        room = int((_WIDTH - x - 16) / 6.4)
        parts.append(
            el(
                "g",
                el("title", node.path),
                el("circle", cx=f"{x:.0f}", cy=f"{y:.0f}", r=6, class_="hollow" if node.last and not taken else "solid"),
                el("text", clipped(node.name, room), x=f"{x + 14:.0f}", y=f"{y + 1:.0f}", class_="held-name"),
                el("text", clipped(_about(node, taken), room + 4), x=f"{x + 14:.0f}", y=f"{y + 16:.0f}", class_="tick"),
                class_="win" if taken else "open",
            )
        )
    height = _TOP + _ROW * (len(rows) - 1) + 26
    words = "; ".join(f"{n.name}: {_about(n, n.path == chosen)}" for n in rows)
    words = f"Tree of splits. {words}"
    return el("svg", *parts, viewBox=f"0 0 {_WIDTH} {height:.0f}", role="img", aria_label=words, class_="figure split-tree")


def heat_map(labels: Sequence[str], similarity: Sequence[Sequence[float]], groups: Sequence[Sequence[str]]) -> Markup:
    """Similarities of the candidates, in the order of their groups, which a gap divides.

    Args:
        labels: Of the rows and columns of `similarity`.
        similarity: From -1 to 1.
        groups: Of labels.
    """
    order = [label for group in groups for label in group if label in labels]
    at = {label: i for i, label in enumerate(labels)}
    places, position = {}, 0.0
    for group in groups:
        for label in group:
            places[label] = position
            position += _CELL
        position += _GAP
    size, parts = position - _GAP, []
    for row in order:
        y = places[row]
        parts.append(el("text", clipped(short(row), 14), x=_LABEL - 6, y=f"{y + _CELL / 2 + 4:.0f}", text_anchor="end", class_="tick"))
        for column in order:
            value = similarity[at[row]][at[column]]
            parts.append(
                _field(_LABEL + places[column], y, value, f"{short(row)} and {short(column)}: {value:.3f}", len(order) <= _NUMBERS)
            )
    pairs = ", ".join(f"{short(a)} and {short(b)} {similarity[at[a]][at[b]]:.2f}" for i, a in enumerate(order) for b in order[i + 1 :])
    width = _LABEL + size + 2
    return el(
        "svg",
        *parts,
        viewBox=f"0 0 {width:.0f} {size + 2:.0f}",
        role="img",
        aria_label=f"Similarities of gradients: {pairs}",
        class_="figure heat",
        style=f"max-width:{width:.0f}px",
    )


def _field(x: float, y: float, value: float, title: str, numbered: bool) -> Markup:
    strength = min(1.0, abs(value))
    side = _CELL - 2
    box = el(
        "rect",
        x=f"{x:.0f}",
        y=f"{y:.0f}",
        width=side,
        height=side,
        rx=3,
        class_="s0" if value >= 0 else "s1",
        fill_opacity=f"{strength:.2f}",
    )
    number = [el("text", f"{value:.2f}".replace("0.", ".", 1), x=f"{x + side / 2:.0f}", y=f"{y + side / 2 + 4:.0f}", text_anchor="middle")]
    return el("g", el("title", title), box, *(number if numbered else []), class_="strong" if strength > 0.55 else None)


def _name(step: str) -> str:
    key, _, labels = step.partition(":{")
    return f"{key}: {', '.join(short(label) for label in labels.rstrip('}').split(','))}" if labels else "as it was"


def _about(node: TreeNode, taken: bool) -> str:
    found = node.found
    epochs = found.get("epochs", 0)
    cost = f"{epochs:g} epoch{'' if epochs == 1 else 's'}"
    if node.last:
        points = f"{found['size']:,} points"
        return f"{'taken, ' if taken else ''}score {_score(found['score'])} · {points} · {cost}"
    if "choice" not in found:
        return f"not split · {cost}"
    probed = f" + {found['probe_passes']:,} passes of probing" if found.get("probe_passes") else ""
    cut = f", cut {found['cut']:.2f}" if "cut" in found else ""
    return f"splits {found['choice']}{cut} · {cost}{probed}"


def _score(value: float) -> str:
    return f"{value:.3f}" if abs(value) <= 1 else f"{value:.2f}"
