"""Pictures of policy searches, drawn from the `behavior_` studies of a report: maps, learned spaces, shares, families, films."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from oche.judge import _numbers as numbers
from oche.judge._axes import LEFT, RIGHT, WIDTH, Axis, figure, frame, px, py
from oche.judge._line_plot import share_bar
from oche.judge._svg import Scale, clipped, el, join

_SIDE, _GAP, _HEAD = 166, 28, 20
# A cell visited this often or more is drawn in the next strength.
_STRENGTHS = ((1, 0.25), (2, 0.45), (4, 0.65), (10, 0.85), (30, 1.0))
_MEDIA = ("image/png", "image/gif")
_ROW = 20


def maps(study: Mapping[str, Any]) -> dict[str, Any]:
    """Visits of the true grid, one panel per algorithm."""
    panels = study["panels"]
    rows = (len(panels) + 1) // 2
    parts = [_map(p, (i % 2) * (_SIDE + _GAP), (i // 2) * (_SIDE + _HEAD + 8)) for i, p in enumerate(panels)]
    said = "; ".join(f"{p['name']} reached {p['coverage']:.1f} % of the cells" for p in panels)
    box = f"0 0 {2 * _SIDE + _GAP} {rows * (_SIDE + _HEAD + 8)}"
    picture = el("svg", *parts, viewBox=box, role="img", aria_label=f"Maps of visits by exploration: {said}", class_="figure heat")
    verdict = f"Seed {panels[0]['seed']}: {said}."
    caption = (
        "Every square is the true grid; the darker a cell, the more policies of the exploration ended in it. Circles are reward zones."
    )
    return {"name": "Where the policies ended", "verdict": verdict, "pictures": [picture], "caption": caption}


def _map(panel: Mapping[str, Any], x: float, y: float) -> Markup:
    low, span, cells = panel["low"], panel["high"] - panel["low"], panel["cells"]
    size = _SIDE / cells
    levels: dict[float, list[str]] = {}
    for cell, count in panel["visits"]:
        strength = max(s for least, s in _STRENGTHS if count >= least)
        across, up = divmod(int(cell), cells)
        levels.setdefault(strength, []).append(f"M{across * size:.2f} {(cells - 1 - up) * size:.2f}h{size:.2f}v{size:.2f}h-{size:.2f}z")
    marks = [el("path", d="".join(paths), fill_opacity=strength) for strength, paths in sorted(levels.items())]
    for zone in panel["zones"]:
        across, up = ((c - low) / span * _SIDE for c in zone["center"])
        ring = el("circle", el("title", zone["name"]), cx=f"{across:.1f}", cy=f"{_SIDE - up:.1f}", r=f"{zone['radius'] / span * _SIDE:.1f}")
        marks.append(ring)
    border = el("rect", x=0.5, y=0.5, width=_SIDE - 1, height=_SIDE - 1, class_="frame")
    name = el("text", clipped(panel["name"], 26), x=0, y=-6, class_="label")
    return el("g", name, border, *marks, transform=f"translate({x} {y + _HEAD})")


def shares(study: Mapping[str, Any]) -> dict[str, Any]:
    """One bar per algorithm: what its evaluations were spent on."""
    # Exploration first, wherever a file has put it.
    names = sorted(dict.fromkeys(part for bar in study["bars"] for part in bar["parts"]), key=lambda name: name != "explore")
    colors = {name: i % 8 for i, name in enumerate(names)}
    pictures: list[Markup] = []
    for bar in study["bars"]:
        percents = {name: 100 * bar["parts"][name] for name in names if name in bar["parts"]}
        label = el("div", el("b", bar["name"]), el("span", f"{percents.get('explore', 0.0):.0f} % exploration", class_="values"))
        pictures.append(
            el("div", Markup(str(label).replace("<div>", '<div class="row-head">', 1)), share_bar(bar["name"], percents, colors))
        )
    keys = [("exploration" if name == "explore" else f"emitters of {name}", f"s{color}") for name, color in colors.items()]
    return {
        "name": "What the budget was spent on",
        "verdict": "Means over the runs of each algorithm.",
        "pictures": pictures,
        "legend": keys,
    }


def space(study: Mapping[str, Any]) -> dict[str, Any]:
    """The learned space beside the true one, distances in both, and reconstructions."""
    name = f"The space that {study['name']} {'learned' if study['trained'] else 'searched, of an untrained encoder'}"
    related = study["correlation"]
    verdict = f"Seed {study['seed']}, {study['policies']:,} policies kept; "
    verdict += "distances cannot be compared" if related is None else f"true and latent distances correlate by {related:.2f}"
    dead = study["dead"]
    verdict += f"; {dead} of {study['latent']} latent numbers are the same for all frames." if dead else "; no latent number is dead."
    caption = (
        "Left, where policies ended; right, the same in the first two principal components of their descriptors "
        f"({100 * study['variance']:.0f} % of the variance), in the color of their true place; archived ones with a rim. Below, distances "
        "of random pairs, and frames with their reconstructions."
    )
    pictures = [_scatter(study), *([_distances(study)] if study["pairs"] else []), *[_image(p, "broad") for p in study["pictures"]]]
    return {"name": name, "verdict": verdict, "pictures": pictures, "caption": caption}


def _scatter(study: Mapping[str, Any]) -> Markup:
    points = study["points"]
    across, up = (Scale.over([p[i] for p in points]) for i in (2, 3))
    left, right = [], []
    for tx, ty, lx, ly, kept, rewarded in points:
        look = {"r": 3.4 if rewarded else 2.4, "fill": _color(tx, ty), "class_": "kept" if kept else None}
        left.append(el("circle", cx=f"{tx * _SIDE:.1f}", cy=f"{(1 - ty) * _SIDE:.1f}", **look))
        right.append(el("circle", cx=f"{across(lx) * _SIDE:.1f}", cy=f"{(1 - up(ly)) * _SIDE:.1f}", **look))
    parts = []
    for i, (title, marks) in enumerate((("true place", left), (_searched(study), right))):
        border = el("rect", x=0.5, y=0.5, width=_SIDE - 1, height=_SIDE - 1)
        parts.append(
            el("g", el("text", title, x=0, y=-6, class_="label"), border, *marks, transform=f"translate({i * (_SIDE + _GAP)} {_HEAD})")
        )
    said = f"{len(points)} policies by true place and in the {_searched(study)}, colored by true place"
    box = f"0 0 {2 * _SIDE + _GAP} {_SIDE + _HEAD + 4}"
    return el("svg", *parts, viewBox=box, role="img", aria_label=said, class_="figure points")


def _searched(study: Mapping[str, Any]) -> str:
    return "learned space" if study["trained"] else "untrained space"


def _color(x: float, y: float) -> str:
    """A color for a place in the unit square, readable on light and dark."""
    x, y = min(1.0, max(0.0, x)), min(1.0, max(0.0, y))
    return f"rgb({40 + 190 * x:.0f},{70 + 110 * y:.0f},{210 - 150 * x:.0f})"


def _distances(study: Mapping[str, Any]) -> Markup:
    pairs = study["pairs"]
    x = Axis.over([p[0] for p in pairs], "true distance", zero=True)
    y = Axis.over([p[1] for p in pairs], f"distance in the {_searched(study)}", zero=True)
    dots = [el("circle", cx=px(x, a), cy=py(y, b), r=2) for a, b in pairs]
    related = "" if study["correlation"] is None else f"; correlation {study['correlation']:.2f}"
    parts = [*frame(x, y), el("g", *dots, class_="pairs")]
    said = f"Distances of {len(pairs)} random pairs of policies, in the {_searched(study)} against true ones{related}"
    return figure("Distances", parts, said)


def family(study: Mapping[str, Any]) -> dict[str, Any]:
    """The lines that lead to the best rewarding policies, over the budget."""
    nodes = {n["number"]: n for n in study["nodes"]}
    children: dict[int, list[int]] = {}
    for n in study["nodes"]:
        if n["parent"] is not None:
            children.setdefault(n["parent"], []).append(n["number"])
    leaves = [n["number"] for n in study["nodes"] if n["number"] not in children]
    rows = _rows([n["number"] for n in study["nodes"] if n["parent"] is None], children)
    scale = Scale(0.0, float(max(1, study["evaluations"])))
    bottom = 14 + _ROW * len(leaves)

    def at(number: int) -> tuple[float, float]:
        return round(LEFT + scale(number) * (WIDTH - LEFT - RIGHT - 6), 1), round(12 + _ROW * rows[number], 1)

    lines, dots = [], []
    for number, n in nodes.items():
        x, y = at(number)
        color = "s1" if n["phase"] == "emitter" else "s0"
        if n["parent"] is not None:
            x0, y0 = at(n["parent"])
            note = f"{n['generations']} generation{'s' if n['generations'] != 1 else ''}"
            lines.append(el("g", el("path", el("title", note), d=f"M{x0} {y0}V{y}H{x}"), class_=color))
        said = f"policy {number}, {n['phase']}, reward {n['reward']:.3f}" + (f" in {n['zone']}" if n["zone"] else "")
        dots.append(el("g", el("circle", el("title", said), cx=x, cy=y, r=3.5, class_="leaf" if number in leaves else None), class_=color))
    ticks = [
        el(
            "text",
            numbers.number(t, 0),
            x=round(LEFT + scale(t) * (WIDTH - LEFT - RIGHT - 6), 1),
            y=bottom + 16,
            text_anchor="middle",
            class_="tick",
        )
        for t in scale.ticks(4)
    ]
    axis = el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=bottom, y2=bottom, class_="axis")
    label = el("text", "evaluations", x=(LEFT + WIDTH) / 2, y=bottom + 34, text_anchor="middle", class_="label")
    told = [nodes[i] for i in leaves]
    said = "; ".join(f"reward {n['reward']:.3f} in {n['zone'] or 'no zone'} at evaluation {n['number']}" for n in told)
    box = f"0 0 {WIDTH} {bottom + 40}"
    picture = el(
        "svg", *lines, *dots, axis, *ticks, label, viewBox=box, role="img", aria_label=f"Family tree: {said}", class_="figure family"
    )
    roots = sum(n["parent"] is None for n in study["nodes"])
    ancestors = "one random policy" if roots == 1 else f"{roots} random policies"
    return {
        "name": f"Family of the best policies of {study['name']}",
        "verdict": f"Seed {study['seed']}: {len(leaves)} lines of descent from {ancestors}.",
        "pictures": [picture],
        "caption": "Every line is one of descent; generations with a single child of interest are drawn together.",
        "legend": [("exploration", "s0"), ("emitter", "s1")],
    }


def _rows(roots: Sequence[int], children: Mapping[int, Sequence[int]]) -> dict[int, float]:
    """A row for every node: leaves one below the other, others beside the middle of their children."""
    found: dict[int, float] = {}
    used = 0
    # Children have larger numbers than parents, so that a walk without recursion in two passes will do.
    order, todo = [], list(reversed(roots))
    while todo:
        number = todo.pop()
        order.append(number)
        todo += reversed(children.get(number, ()))
    for number in order:
        if number not in children:
            found[number] = float(used)
            used += 1
    for number in reversed(order):
        if number in children:
            below = [found[c] for c in children[number]]
            found[number] = (min(below) + max(below)) / 2
    return found


def films(study: Mapping[str, Any]) -> dict[str, Any]:
    """Animated pictures; they can be closed."""
    shape = "broad" if any(p["kind"] == "episode film" for p in study["pictures"]) else "square"
    shown = [
        Markup('<details open><summary>{}</summary>{}<p class="muted">{}</p></details>').format(p["name"], _image(p, shape), p["caption"])
        for p in study["pictures"]
    ]
    key = "Blue cells were reached, gold ones with a reward; gray discs are reward zones; the white bar below is the budget spent."
    caption = key if any(p["kind"] == "archive film" for p in study["pictures"]) else ""
    pictures = [Markup('<div class="films">{}</div>').format(join(shown))]
    return {"name": study["name"], "verdict": "", "pictures": pictures, "caption": caption, "wide": True}


def _image(picture: Mapping[str, Any], shape: str) -> Markup:
    """A picture inside the page; what is no picture is left out."""
    try:
        data = base64.b64decode(picture["base64"], validate=True)
    except (binascii.Error, ValueError):
        return Markup("")
    if picture["media"] not in _MEDIA:
        return Markup("")
    source = f"data:{picture['media']};base64,{base64.b64encode(data).decode()}"
    return Markup('<img src="{}" alt="{}" class="film {}">').format(source, picture["alt"], shape)


#: Kind of a study to what draws it.
DRAWN = {
    "behavior_maps": maps,
    "behavior_shares": shares,
    "behavior_space": space,
    "behavior_family": family,
    "behavior_films": films,
}
