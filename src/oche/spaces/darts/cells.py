"""The choices of the DARTS space by key, and genotypes as decisions and back.

Each of the inner nodes 3 to 5 takes two earlier states (`normal node 3`), and each edge an operation (`normal edge 3<-1`); the same for
the reduction cell. Node 2 has two earlier states and takes both. A DNA says which two inputs, not which one came first: a genotype
that is written from it names them in rising order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oche.errors import ArgumentError
from oche.spaces.darts.genotypes import Genotype, Pair, genotype

KINDS = ("normal", "reduce")
NODES = (2, 3, 4, 5)

#: Edges as (node, input), in the order of the field's tables of 14 rows.
EDGES = tuple((node, state) for node in NODES for state in range(node))


def node_key(kind: str, node: int) -> str:
    """Key of the choice of a node's two inputs."""
    return f"{kind} node {node}"


def edge_key(kind: str, node: int, state: int) -> str:
    """Key of the choice of an edge's operation."""
    return f"{kind} edge {node}<-{state}"


def edge_label(node: int, state: int) -> str:
    """Label of an input among those of a node."""
    return f"{node}<-{state}"


def decisions(given: str | Genotype) -> dict[str, Any]:
    """A genotype as decisions by key, as a space encodes them.

    Args:
        given: A published name, the text form, or a `Genotype`.

    Raises:
        ArgumentError: it is no cell of this space: another number of nodes, one input twice, or other states in the output.
    """
    found = genotype(given)
    taken: dict[str, Any] = {}
    for kind in KINDS:
        nodes, concat = found.nodes(kind), found.cell(kind)[1]
        if len(nodes) != len(NODES) or concat != NODES:
            raise ArgumentError(
                f"genotype, {kind}: got {len(nodes)} nodes and output states {list(concat)}; allowed in the DARTS space: {len(NODES)} "
                f"nodes and {list(NODES)}; its network can be built all the same, by oche.spaces.network"
            )
        for node, pairs in zip(NODES, nodes, strict=True):
            states = sorted(state for _, state in pairs)
            if states[0] == states[1]:
                raise ArgumentError(
                    f"genotype, {kind}, node {node}: got input {states[0]} twice; allowed in the DARTS space: two different inputs"
                )
            if node > 2:
                taken[node_key(kind, node)] = tuple(edge_label(node, state) for state in states)
            taken.update({edge_key(kind, node, state): op for op, state in pairs})
    return taken


def from_decisions(taken: Mapping[str, Any]) -> Genotype:
    """The genotype of decisions by key (the decisions of a DNA); the inverse of `decisions` up to the order within a node.

    Raises:
        ArgumentError: a decision is missing.
    """
    return Genotype(_pairs("normal", taken), NODES, _pairs("reduce", taken), NODES)


def is_member(given: Genotype) -> bool:
    """Whether a genotype has the form of this space's cells, whatever its operations."""
    try:
        decisions(given)
    except ArgumentError:
        return False
    return True


def _pairs(kind: str, taken: Mapping[str, Any]) -> list[Pair]:
    pairs: list[Pair] = []
    for node in NODES:
        inputs: Sequence[str] = _of(taken, node_key(kind, node)) if node > 2 else ()
        states = [int(label.partition("<-")[2]) for label in inputs] or [0, 1]
        pairs += [(_of(taken, edge_key(kind, node, state)), state) for state in states]
    return pairs


def _of(taken: Mapping[str, Any], key: str) -> Any:
    if key not in taken:
        raise ArgumentError(f"genotype: got no decision for {key!r}; allowed: one for each node and each chosen edge of both cells")
    return taken[key]
