"""The program of this experiment: a network of three small cells in the manner of DARTS, 3 nodes, 5 operations, two kept inputs a node.

Every cell takes the same decisions. Two of each three cells halve the image, as in the networks of DARTS.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

import oche
from oche.networks import CELL_OPS, FactorizedReduce, ReluConvNorm

OPS = {name: CELL_OPS[name] for name in ("max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3")}
NODES = (2, 3, 4)


class Cell(nn.Module):
    """Two input states, three nodes that add up two chosen edges each, all three side by side as output."""

    def __init__(self, before: int, previous: int, channels: int, reduced: bool, stride: int, drop_path: float) -> None:
        super().__init__()
        fit = partial(ReluConvNorm, kernel_size=1, affine=True, out_channels=channels)
        self.first = FactorizedReduce(before, channels, True) if reduced else fit(before)
        self.second = fit(previous)
        self.nodes = nn.ModuleList(
            oche.manyof(
                2,
                {f"{state}>{node}": self._edge(node, state, channels, stride, drop_path) for state in range(node)},
                merge="sum",
                name=f"node{node}",
            )
            for node in NODES
        )

    @staticmethod
    def _edge(node: int, state: int, channels: int, stride: int, drop_path: float):
        given = {"channels": channels, "stride": stride if state < 2 else 1, "affine": True, "drop_path": drop_path}
        return lambda: oche.oneof(OPS, name=f"op{state}>{node}", **given)

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        """The states of the nodes, `(batch, 3 * channels, ...)`."""
        states = [self.first(before), self.second(previous)]
        for node in self.nodes:
            states.append(node(*states))
        return torch.cat(states[2:], dim=1)


class Tiny(nn.Module):
    """Stem, cells, classifier; 3 cells of 6 channels unless other sizes are given."""

    def __init__(self, channels: int = 6, cells: int = 3, in_channels: int = 1, classes: int = 10, drop_path: float = 0.0) -> None:
        super().__init__()
        width = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(in_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.cells = nn.ModuleList()
        before, previous, reduced = width, width, False
        for i in range(cells):
            reduces = i in (cells // 3, 2 * cells // 3)
            channels *= 2 if reduces else 1
            self.cells.append(Cell(before, previous, channels, reduced, 2 if reduces else 1, drop_path))
            before, previous, reduced = previous, len(NODES) * channels, reduces
        self.classifier = nn.Linear(previous, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images `(batch, in_channels, height, width)`."""
        before = previous = self.stem(x)
        for cell in self.cells:
            before, previous = previous, cell(before, previous)
        return self.classifier(previous.mean((2, 3)))
