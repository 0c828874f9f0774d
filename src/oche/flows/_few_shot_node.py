"""A node of the split tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from oche.program import Space


@dataclass
class SplitNode:
    """A node of the tree.

    Args:
        path: From the root, `root/KEY:{labels}/...`.
        allowed: Labels that stay, by key; other choices are whole.
        split: Choices that were split above.
        start: Steps that its weights had when they were inherited.
        parent: Path of the node from which it inherits; empty if it starts anew.
        found: What the probe said: choice, groups of labels, cut, its error, batches of each choice; of a last node its pick.
    """

    path: str
    allowed: dict[str, list[str]] = field(default_factory=dict)
    split: list[str] = field(default_factory=list)
    start: int = 0
    parent: str = ""
    found: dict[str, Any] = field(default_factory=dict)

    def part_of(self, space: Space) -> Space:
        """The part of the whole space that the node holds."""
        return space.restrict(self.allowed) if self.allowed else space

    def children(self, groups: Sequence[Sequence[str]], also: Sequence[str], start: int, parent: str) -> list[SplitNode]:
        """A node for each group of the choice that was found.

        Args:
            groups: Labels.
            also: Candidates that are never a decision; they stay in every group.
            start: As above.
            parent: As above.
        """
        key = self.found["choice"]
        return [
            SplitNode(f"{self.path}/{key}:{{{','.join(g)}}}", {**self.allowed, key: [*g, *also]}, [*self.split, key], start, parent)
            for g in groups
        ]
