"""Cells of NAS-Bench-201 in text form: six operations, one per edge, read and written.

`|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`: one group per node 1, 2, 3; in a group one part per input, `~j` being the node it comes
from. Edges are counted 1 to 6 in this order. Nothing here builds a network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from oche.errors import ArgumentError, nearest

#: Operations in the published order.
OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

#: Edges as (node, input), in the order of the text form.
EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))

#: Names of the six choices of the space, in the same order.
KEYS = tuple(f"edge {node}<-{source}" for node, source in EDGES)

_NODES = 3


def to_cell(labels: Iterable[str] | Mapping[str, str]) -> str:
    """Write a cell.

    Args:
        labels: Six operations in the order of `EDGES`, or a mapping with the keys `KEYS` (the decisions of a DNA).

    Raises:
        ArgumentError: an operation is unknown, or their number is not six.

    Example:
        >>> to_cell(["skip_connect"] * 6)
        '|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|'
    """
    ops = _from_mapping(labels) if isinstance(labels, Mapping) else tuple(labels)
    if len(ops) != len(EDGES):
        raise ArgumentError(f"cell: got {len(ops)} operations; allowed: {len(EDGES)}, one per edge {', '.join(KEYS)}")
    for number, op in enumerate(ops, 1):
        _check_op(number, op)
    groups = [[f"{op}~{source}" for op, (n, source) in zip(ops, EDGES, strict=True) if n == node] for node in range(1, _NODES + 1)]
    return "+".join("|" + "|".join(group) + "|" for group in groups)


def from_cell(text: str) -> tuple[str, ...]:
    """Read a cell: its six operations in the order of `EDGES`.

    Raises:
        ArgumentError: an operation is unknown, an edge is missing, too much or out of order; the message names the edge.
    """
    groups = text.strip().split("+")
    if len(groups) != _NODES:
        raise ArgumentError(f"cell: got {len(groups)} groups in {text!r}; allowed: {_NODES} joined by '+', one per node 1, 2, 3")
    ops: list[str] = []
    for node, group in enumerate(groups, 1):
        ops += _read_group(node, group.strip(), first=len(ops) + 1)
    return tuple(ops)


def decisions(text: str) -> dict[str, str]:
    """The cell as operation by key of the choice, as a space encodes it."""
    return dict(zip(KEYS, from_cell(text), strict=True))


def canonical(text: str) -> str:
    """A text that is equal for cells that surely compute the same function; 6,466 differ among the 15,625 cells.

    A node is the sorted sum of its inputs; a skip passes its input on, `none` (also after any operation) is `#`.

    Source: Dong and Yang 2020 (NAS-Bench-201), unique topologies. Sums of nothing are not simplified further there, nor here.
    """
    nodes = ["0"]
    ops = iter(from_cell(text))
    for node in range(1, _NODES + 1):
        nodes.append("+".join(sorted(_through(next(ops), nodes[source]) for source in range(node))))
    return nodes[-1]


def is_connected(text: str) -> bool:
    """Whether the output of the cell depends on its input: node 3 is reached from node 0 without `none`."""
    reached = {0}
    for op, (node, source) in zip(from_cell(text), EDGES, strict=True):
        if op != "none" and source in reached:
            reached.add(node)
    return _NODES in reached


def _through(op: str, source: str) -> str:
    if op == "none" or source == "#":
        return "#"
    return source if op == "skip_connect" else f"({source})@{op}"


def _from_mapping(labels: Mapping[str, str]) -> tuple[str, ...]:
    missing = [key for key in KEYS if key not in labels]
    surplus = [key for key in labels if key not in KEYS]
    if missing or surplus:
        raise ArgumentError(f"cell: got keys {list(labels)}; allowed: exactly {', '.join(KEYS)}")
    return tuple(labels[key] for key in KEYS)


def _read_group(node: int, group: str, first: int) -> list[str]:
    if len(group) < 2 or not (group.startswith("|") and group.endswith("|")):
        raise ArgumentError(f"cell: got {group!r} for node {node}; allowed: '|op~0|...|' with a bar at both ends")
    parts = group[1:-1].split("|")
    ops = []
    for source in range(max(node, len(parts))):
        number = first + source
        if source >= len(parts):
            raise ArgumentError(
                f"edge {number}: missing (node {node} from node {source}) in {group!r}; allowed: {node} parts for node {node}"
            )
        if source >= node:
            raise ArgumentError(f"cell: got {len(parts)} parts for node {node} in {group!r}; allowed: {node}, one per earlier node")
        op, mark, origin = parts[source].partition("~")
        _check_op(number, op)
        if not mark or origin != str(source):
            raise ArgumentError(
                f"edge {number}: wrong order, got {parts[source]!r} for node {node}; allowed: '{op}~{source}', inputs in rising order"
            )
        ops.append(op)
    return ops


def _check_op(number: int, op: str) -> None:
    if op in OPS:
        return
    node, source = EDGES[number - 1]
    close = nearest(str(op), OPS)
    advice = f"; did you mean {close!r}?" if close else ""
    raise ArgumentError(f"edge {number}: unknown operation {op!r} (node {node} from node {source}); allowed: {', '.join(OPS)}{advice}")
