"""Cells of NAS-Bench-101: labeled graphs of at most seven vertices, their text form, pruning, hash and channels.

The text form is JSON, `{"matrix": [[0, 1, ...], ...], "ops": ["input", ..., "output"]}`: an upper triangular matrix of zeros and ones
(row: from, column: to) and one operation per vertex, as the release writes them. Nothing here builds a network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oche.errors import ArgumentError, SkipTrial, nearest

#: Operations of inner vertices in the published order, which the hash depends on.
OPS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")

#: Vertices of a member of the space, with input and output; a cell of the release may have fewer.
VERTICES = 7

#: A valid cell has at most so many edges once vertices that lie on no path from input to output are gone.
MOST_EDGES = 9

#: Edges as (from, to), row by row.
EDGES = tuple((source, target) for source in range(VERTICES) for target in range(source + 1, VERTICES))

#: Names of the 26 choices of the space: five operations, then 21 edges.
KEYS = (*(f"op {v}" for v in range(1, VERTICES - 1)), *(f"edge {s}->{t}" for s, t in EDGES))

_ENDS = ("input", "output")


@dataclass(frozen=True)
class Graph:
    """A cell as a graph.

    Args:
        matrix: Upper triangular, zeros and ones; row: from, column: to.
        ops: Operation of each vertex; the first is `input`, the last `output`.

    Raises:
        ArgumentError: the matrix is not square, not upper triangular, not of zeros and ones, has other than 2 to 7 rows, or an
            operation is unknown or in the wrong place.
    """

    matrix: tuple[tuple[int, ...], ...]
    ops: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.ops)
        if not 2 <= n <= VERTICES:
            raise ArgumentError(f"cell: got {n} operations; allowed: 2 to {VERTICES}, with input and output")
        if len(self.matrix) != n or any(len(row) != n for row in self.matrix):
            raise ArgumentError(
                f"cell: got a matrix with rows of {[len(row) for row in self.matrix]} for {n} operations; allowed: {n} rows of {n}"
            )
        for i, row in enumerate(self.matrix):
            for j, value in enumerate(row):
                if isinstance(value, bool) or value not in (0, 1) or (value and j <= i):
                    raise ArgumentError(f"cell, matrix[{i}][{j}]: got {value!r}; allowed: 1 only above the diagonal, else 0")
        if (self.ops[0], self.ops[-1]) != _ENDS:
            raise ArgumentError(f"cell: got {self.ops[0]!r} to {self.ops[-1]!r}; allowed: the first is 'input', the last 'output'")
        for number, op in enumerate(self.ops[1:-1], 1):
            if op not in OPS:
                close = nearest(str(op), OPS)
                advice = f"; did you mean {close!r}?" if close else ""
                raise ArgumentError(f"cell, vertex {number}: unknown operation {op!r}; allowed: {', '.join(OPS)}{advice}")

    @property
    def edges(self) -> int:
        """Number of edges."""
        return sum(map(sum, self.matrix))

    def pruned(self) -> Graph:
        """The graph of the vertices that lie on a path from input to output; what the cell computes depends on these only.

        Raises:
            SkipTrial: there is no such path, or more than 9 edges are left.

        Source: Ying et al. 2019 (NAS-Bench-101), section 2.
        """
        last = len(self.ops) - 1
        below = self._reached(0, lambda a, b: self.matrix[a][b])
        above = self._reached(last, lambda a, b: self.matrix[b][a])
        if last not in below:
            raise SkipTrial("cell: got no path from input to output; allowed: at least one")
        kept = sorted(below & above)
        made = Graph(tuple(tuple(self.matrix[i][j] for j in kept) for i in kept), tuple(self.ops[i] for i in kept))
        if made.edges > MOST_EDGES:
            raise SkipTrial(f"cell: got {made.edges} edges after pruning; allowed: at most {MOST_EDGES}")
        return made

    def _reached(self, start: int, edge: Any) -> set[int]:
        reached, todo = {start}, [start]
        while todo:
            at = todo.pop()
            new = [v for v in range(len(self.ops)) if edge(at, v) and v not in reached]
            reached.update(new)
            todo += new
        return reached


def to_cell(graph: Graph) -> str:
    """Write a cell.

    Example:
        >>> to_cell(Graph(((0, 1), (0, 0)), ("input", "output")))
        '{"matrix":[[0,1],[0,0]],"ops":["input","output"]}'
    """
    return json.dumps({"matrix": [list(row) for row in graph.matrix], "ops": list(graph.ops)}, separators=(",", ":"))


def from_cell(text: str) -> Graph:
    """Read a cell.

    Raises:
        ArgumentError: the text is not a cell; the message says which part.
    """
    advice = 'allowed: {"matrix": [[0, 1], [0, 0]], "ops": ["input", "output"]}, as JSON'
    try:
        found = json.loads(text)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"cell: got {text!r}, which is no JSON ({error}); {advice}") from error
    if not isinstance(found, dict) or set(found) != {"matrix", "ops"}:
        raise ArgumentError(f"cell: got {text!r}; {advice}")
    matrix, ops = found["matrix"], found["ops"]
    if not isinstance(matrix, list) or not isinstance(ops, list) or not all(isinstance(row, list) for row in matrix):
        raise ArgumentError(f"cell: got {text!r}; {advice}")
    return Graph(tuple(map(tuple, matrix)), tuple(ops))


def from_decisions(decisions: Mapping[str, Any]) -> Graph:
    """The graph of some decisions of the space, by the keys `KEYS`; it may be invalid, see `Graph.pruned`.

    Raises:
        ArgumentError: a key is missing or too much.
    """
    if set(decisions) != set(KEYS):
        raise ArgumentError(f"cell: got keys {sorted(decisions)}; allowed: exactly {', '.join(KEYS)}")
    matrix = [[0] * VERTICES for _ in range(VERTICES)]
    for source, target in EDGES:
        matrix[source][target] = int(decisions[f"edge {source}->{target}"])
    ops = [str(decisions[f"op {v}"]) for v in range(1, VERTICES - 1)]
    return Graph(tuple(map(tuple, matrix)), ("input", *ops, "output"))


def decisions(text: str) -> dict[str, str]:
    """A cell as label by key of the choice, as a space encodes it; a smaller cell gets vertices without edges before its output."""
    graph = from_cell(text)
    n = len(graph.ops)
    place = [*range(n - 1), VERTICES - 1]
    ops = [*graph.ops[1:-1], *[OPS[0]] * (VERTICES - n)]
    edges = {(place[i], place[j]) for i in range(n) for j in range(n) if graph.matrix[i][j]}
    return {**{f"op {v}": op for v, op in enumerate(ops, 1)}, **{f"edge {s}->{t}": str(int((s, t) in edges)) for s, t in EDGES}}


def is_valid(cell: str | Mapping[str, Any]) -> bool:
    """Whether a cell, or some decisions of the space, is a member of the benchmark: a constraint for a search with `of="decisions"`."""
    graph = from_decisions(cell) if isinstance(cell, Mapping) else from_cell(cell)
    try:
        graph.pruned()
    except SkipTrial:
        return False
    return True


def graph_hash(graph: Graph) -> str:
    """The release's name of a cell: equal for cells that are equal after pruning up to the order of their vertices.

    Args:
        graph: A cell; it is pruned first.

    Raises:
        SkipTrial: the cell is invalid.

    Source: Ying et al. 2019 (NAS-Bench-101), section 2.2; the format of the strings is that of the released program.
    """
    graph = graph.pruned()
    matrix, vertices = graph.matrix, range(len(graph.ops))
    labels = [-1, *(OPS.index(op) for op in graph.ops[1:-1]), -2]
    degrees = [(sum(matrix[v]), sum(row[v] for row in matrix)) for v in vertices]
    hashes = [_md5(str((out, into, label))) for (out, into), label in zip(degrees, labels, strict=True)]
    for _ in vertices:
        before = [sorted(hashes[w] for w in vertices if matrix[w][v]) for v in vertices]
        behind = [sorted(hashes[w] for w in vertices if matrix[v][w]) for v in vertices]
        hashes = [_md5("|".join(("".join(before[v]), "".join(behind[v]), hashes[v]))) for v in vertices]
    return _md5(str(sorted(hashes)))


def vertex_channels(graph: Graph, in_channels: int, out_channels: int) -> list[int]:
    """Channels of each vertex of a pruned cell.

    The channels of the output are split among the vertices that lead to it, the remainder one each to the first of them; any other
    vertex has the most that a vertex behind it has.

    Source: Ying et al. 2019 (NAS-Bench-101), appendix S3.
    """
    last = len(graph.ops) - 1
    channels = [0] * (last + 1)
    channels[0], channels[last] = in_channels, out_channels
    leading = [v for v in range(1, last) if graph.matrix[v][last]]
    for place, v in enumerate(leading):
        share, remainder = divmod(out_channels, len(leading))
        channels[v] = share + (place < remainder)
    for v in range(last - 1, 0, -1):
        if v not in leading:
            channels[v] = max(channels[w] for w in range(v + 1, last) if graph.matrix[v][w])
    return channels


def _md5(text: str) -> str:
    # A name, not a safeguard: the release's own names are MD5.
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
