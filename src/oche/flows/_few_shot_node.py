"""A node of the split tree, and what a child takes over from its parent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from oche.algorithms.one_shot import OneShot


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


@torch.no_grad()
def inherit(parent: OneShot, child: OneShot, allowed: Mapping[str, Sequence[str]]) -> None:
    """Let a search of fewer candidates go on where another one stands: weights, buffers, logits, momentum and steps."""
    child.net.load_state_dict(parent.net.restrict(allowed, weights="copy").state_dict())
    old, new = parent.training, child.training
    _take(old.weight_group, old.weight_optimizer, new.weight_group, new.weight_optimizer)
    if old.valid_group is not None and new.valid_group is not None:
        for name, weight in new.valid_group.tensors.items():
            source = old.valid_group.tensors[name]
            weight.copy_(source if source.shape == weight.shape else new.weight_group.tensors[name])
        _take(old.valid_group, old.valid_optimizer, new.valid_group, new.valid_optimizer)
    new.step = old.step


def _take(before: Any, source: Any, after: Any, target: Any) -> None:
    """Copy the momentum of what has kept its shape."""
    for name, weight in after.tensors.items():
        old = before.tensors.get(name)
        saved = source.state.get(old, {}) if old is not None and old.shape == weight.shape else {}
        if saved:
            target.state[weight] = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in saved.items()}
