"""The split tree as small data: which nodes there are, which can be worked on now, and what follows when they are through.

It is a function of the results that are known, whatever the order in which they came, so that it is the same for any number of workers
and after any interruption. It knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oche.errors import ArgumentError
from oche.flows._few_shot import FewShot
from oche.flows._few_shot_node import SplitNode
from oche.flows._few_shot_schedule import Timetable
from oche.program import Space


class SplitTree:
    """Nodes by level, and what is known of them.

    Args:
        flow: The settings.
        space: The whole space.
        times: When nodes are split.
    """

    def __init__(self, flow: FewShot, space: Space, times: Timetable) -> None:
        self.flow, self.space, self.times = flow, space, times
        #: Nodes of each level, as far as they are known.
        self.levels = [[SplitNode("root")]]
        #: Results of the nodes that are through, by path.
        self.results: dict[str, dict[str, Any]] = {}
        self._complete = True

    @property
    def last(self) -> int:
        """Level of the last nodes."""
        return len(self.flow.splits)

    @property
    def nodes(self) -> list[tuple[int, SplitNode]]:
        """All nodes with their levels, from the root down."""
        return [(level, node) for level, nodes in enumerate(self.levels) for node in nodes]

    @property
    def leaves(self) -> list[SplitNode]:
        """The last nodes, as far as they are known."""
        return self.levels[self.last] if len(self.levels) > self.last else []

    @property
    def done(self) -> bool:
        """Whether all nodes are known and through."""
        return self._complete and len(self.levels) == self.last + 1 and not self.ready()

    def ready(self) -> list[tuple[int, SplitNode]]:
        """Nodes that can be worked on, with their levels, in the order in which a single worker takes them."""
        return [(level, node) for level, node in self.nodes if node.path not in self.results]

    def ordered(self) -> dict[str, dict[str, Any]]:
        """Results in the order of the nodes, not that in which they came."""
        return {node.path: self.results[node.path] for _, node in self.nodes if node.path in self.results}

    def tell(self, path: str, found: Mapping[str, Any]) -> None:
        """A node is through.

        Raises:
            ArgumentError: a level is over, and none of its nodes can be split.
        """
        self.results[path] = dict(found)
        self._grow()

    def knows(self, path: str) -> bool:
        """Whether there is such a node."""
        return any(node.path == path for _, node in self.nodes)

    def inherits(self, level: int) -> bool:
        """Whether nodes of a level go on with their parent's weights."""
        return level > 0 and (self.flow.restart == "none" or (self.flow.restart == "final" and level < self.last))

    def awaited(self, path: str) -> bool:
        """Whether children that go on with the weights of a node are not made yet."""
        level = next(level for level, node in self.nodes if node.path == path)
        if level == self.last or not self.inherits(level + 1):
            return False
        return path not in self.results or (not self._free and not self._through(level))

    # -- growth ---------------------------------------------------------------------------------------------------------------

    @property
    def _free(self) -> bool:
        """Whether the children of a node do not depend on the other nodes of its level."""
        return self.flow.prune is None and self.flow.max_leaves is None and self.flow.growth == "level"

    def _through(self, level: int) -> bool:
        """Whether all nodes of a level, and of those above, are through."""
        return all(node.path in self.results for nodes in self.levels[: level + 1] for node in nodes)

    def _grow(self) -> None:
        levels, self._complete = self.levels[:1], True
        for level in range(self.last):
            for node in levels[-1]:
                node.found = self.results.get(node.path, {})
            over = [node for node in levels[-1] if node.found]
            self._complete = self._complete and len(over) == len(levels[-1])
            if not over or not (self._free or self._complete):
                self._complete = False
                break
            levels.append(self._split(level, over))
        self.levels = levels

    def _split(self, level: int, nodes: list[SplitNode]) -> list[SplitNode]:
        """Nodes of the next level."""
        if self.flow.prune is not None and level:
            best = sorted(nodes, key=lambda node: -node.found["rating"])[: self.flow.prune]
            nodes = [node for node in nodes if node in best]
        count, divided = len(nodes), set()
        for node in sorted((n for n in nodes if "choice" in n.found), key=lambda n: n.found.get("cut", 0.0)):
            if divided and self.flow.growth == "best":
                break
            more = len(node.found["groups"]) - 1
            if self.flow.max_leaves is None or count + more <= self.flow.max_leaves:
                count += more
                divided.add(node.path)
        if not divided and self.flow.max_leaves is None and self._complete:
            raise ArgumentError(
                f"flow few-shot, split {level + 1}: got {self.flow.splits[level][1]} groups, and no choice that can be split; "
                "allowed: a choice with as many candidates that was not split before; use fewer groups, or resplit=true"
            )
        return [child for node in nodes for child in self._children(node, level, node.path in divided)]

    def _children(self, node: SplitNode, level: int, divided: bool) -> list[SplitNode]:
        inherits = self.inherits(level + 1)
        start, parent = (self.times.until(level), node.path) if inherits else (0, "")
        if not divided:
            return [SplitNode(f"{node.path}/whole", node.allowed, node.split, start, parent)]
        space = node.part_of(self.space)
        decided = {label for group in node.found["groups"] for label in group}
        also = [label for label in space.relaxed_labels(node.found["choice"]) if label not in decided]
        return node.children(node.found["groups"], also, start, parent)
