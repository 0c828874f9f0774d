"""A cuboid as a graph of named nodes: for drawings and for graph libraries; derivation needs none of it."""

from __future__ import annotations

from oche.spaces.hypercuboid._builder import HyperCuboid


def graph(cuboid: HyperCuboid) -> tuple[list[str], list[tuple[str, str]]]:
    """Nodes and edges: source, stems and their norms, candidates and states of all levels, sinks, sum, pool, classifier.

    Args:
        cuboid: The program.

    Example:
        >>> nodes, edges = graph(HyperCuboid({"width": [8, 16]}, levels=1))
        >>> len(nodes), len(edges)
        (30, 52)
    """
    states, ways, levels = list(cuboid.states), list(cuboid.ways), list(cuboid.level_strides)
    nodes, edges = ["source"], []
    for state in states:
        nodes += [f"stem {state}", f"norm {state}"]
        edges += [("source", f"stem {state}"), (f"stem {state}", f"norm {state}")]
    before = {state: f"norm {state}" for state in states}
    for level in levels:
        reached = {state: f"{level}: {state}" for state in states}
        for start in states:
            for end in states:
                made = [f"{level}: {start}->{end} {way}" for way in ways]
                nodes += made
                edges += [(before[start], name) for name in made] + [(name, reached[end]) for name in made]
        nodes += reached.values()
        before = reached
    for state in states:
        nodes.append(f"sink {state}")
        edges += [(before[state], f"sink {state}"), (f"sink {state}", "sum")]
    return [*nodes, "sum", "pool", "classifier"], [*edges, ("sum", "pool"), ("pool", "classifier")]
