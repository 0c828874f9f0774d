"""The child of a choice of inputs: a module over n parallel inputs that merges the outputs of the chosen edges.

Loaded only where torch is in use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from oche.errors import ArgumentError


class Merge(nn.Module):
    """Merge the outputs of the chosen edges.

    Args:
        edges: One module per chosen input.
        active: Index of the input of each edge.
        n: Number of parallel inputs.
        merge: `sum`, `mean`, or a function of the list of outputs.
        location: Place in the program, for messages.
    """

    def __init__(self, edges: Sequence[nn.Module], active: Sequence[int], n: int, merge: str | Callable[..., Any], location: str) -> None:
        super().__init__()
        self.edges = nn.ModuleDict({str(i): edge for i, edge in zip(active, edges, strict=True)})
        self.active = tuple(active)
        self.n = n
        self.merge = merge
        self.location = location

    def forward(self, *inputs: Any) -> Any:
        """Merge `n` inputs, given one by one or as one list."""
        states = unpack(inputs, self.n, self.location)
        return combine([self.edges[str(i)](states[i]) for i in self.active], self.merge)


def unpack(inputs: tuple[Any, ...], n: int, location: str) -> Sequence[Any]:
    """The n inputs of a merging module, given one by one or as one list."""
    states = inputs[0] if len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) else inputs
    if len(states) != n:
        raise ArgumentError(f"choice {location!r}: got {len(states)} inputs; allowed: {n}, one per candidate")
    return states


def combine(outputs: list[Tensor], merge: str | Callable[..., Any]) -> Any:
    """Sum, mean, or a function of outputs of equal shape."""
    if callable(merge):
        return merge(outputs)
    total = outputs[0]
    for output in outputs[1:]:
        total = torch.add(total, output)
    return total / len(outputs) if merge == "mean" else total
