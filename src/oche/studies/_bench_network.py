"""The network of the DARTS bench suite: normal and reduction cells in the manner of DARTS with any number of nodes, and skips beside edges.

`oche.spaces.darts` holds the published space, whose genotypes have four nodes. This one is for studies of the supernet itself: wide, deep
or a single cell, each edge alone or with a skip beside it, searched and trained at the end in one and the same size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from oche.errors import ArgumentError
from oche.networks import CELL_OPS, DARTS_OPS, FactorizedReduce, ReluConvNorm, Stem
from oche.program import manyof, oneof


class SkippedEdge(nn.Module):
    """A choice of operations with a skip connection beside it, halving the size where the operations do.

    Args:
        make: Makes the choice.
        channels: Of input and output.
        stride: 1 or 2.
        affine: Whether the norms of a halving skip have a scale and a shift.
    """

    def __init__(self, make: Callable[[], nn.Module], channels: int, stride: int, affine: bool) -> None:
        super().__init__()
        self.edge = make()
        self.skip = CELL_OPS["skip_connect"](channels=channels, stride=stride, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both."""
        return self.edge(x) + self.skip(x)


class BenchCell(nn.Module):
    """Two input states and `nodes` inner ones, each the sum of two chosen edges from earlier states; all inner ones are the output."""

    def __init__(self, plan: Mapping[str, Any], kind: str, before: int, previous: int, channels: int, reduced: bool) -> None:
        super().__init__()
        affine = plan["affine"]
        fit = partial(ReluConvNorm, kernel_size=1, affine=affine, out_channels=channels)
        self.first = FactorizedReduce(before, channels, affine) if reduced else fit(before)
        self.second = fit(previous)
        self.nodes = nn.ModuleList()
        for node in range(2, 2 + plan["nodes"]):
            edges = {f"{state}>{node}": partial(_edge, plan, kind, node, state, channels) for state in range(node)}
            self.nodes.append(manyof(2, edges, merge="sum", name=f"{kind}/node{node}"))

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        """The inner states side by side, `(batch, nodes * channels, ...)`."""
        states = [self.first(before), self.second(previous)]
        for node in self.nodes:
            states.append(node(*states))
        return torch.cat(states[2:], dim=1)


class BenchNetwork(nn.Module):
    """Stem, cells, classifier, in one size for the search and for the final training.

    Args:
        channels: Channels of a state in the first cell; doubled at each reduction cell.
        cells: Number of cells; those after one and two thirds of them reduce, hence a single cell does.
        nodes: Inner nodes of a cell.
        ops: Names of operations that every edge may take; `none` takes part in the mixture only.
        skip_beside: Whether every edge has a skip connection beside it, in the final network too.
        affine: Whether norms have a scale and a shift.
        drop_path: Largest probability of dropping an edge's output.
        in_channels: Channels of the image.
        classes: Number of classes.

    Source: the nine benchmarks of the DARTS bench suite: three supernets times three sets of operations.
    """

    def __init__(
        self,
        channels: int = 16,
        cells: int = 4,
        nodes: int = 4,
        ops: Sequence[str] = tuple(DARTS_OPS),
        skip_beside: bool = False,
        affine: bool = False,
        drop_path: float = 0.0,
        in_channels: int = 3,
        classes: int = 10,
    ) -> None:
        super().__init__()
        if min(channels, cells, nodes) < 1:
            raise ArgumentError(f"bench network: got channels={channels}, cells={cells}, nodes={nodes}; allowed: whole numbers from 1")
        plan = {"nodes": nodes, "ops": tuple(ops), "skip_beside": skip_beside, "affine": affine, "drop_path": drop_path}
        width = 3 * channels
        self.stem = Stem(in_channels, width)
        self.cells = nn.ModuleList()
        before, previous, reduced = width, width, False
        for i in range(cells):
            kind = "reduce" if i in (cells // 3, 2 * cells // 3) else "normal"
            channels *= 2 if kind == "reduce" else 1
            self.cells.append(BenchCell(plan, kind, before, previous, channels, reduced))
            before, previous, reduced = previous, nodes * channels, kind == "reduce"
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(previous, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (logits), `(batch, classes)`, of images `(batch, channels, height, width)`."""
        before = previous = self.stem(x)
        for cell in self.cells:
            before, previous = previous, cell(before, previous)
        return self.classifier(self.pool(previous))

    @staticmethod
    def arguments_for(shape: Sequence[int], classes: int) -> dict[str, Any]:
        """Arguments that fit a data set.

        Args:
            shape: Of one input, `(channels, height, width)`.
            classes: Number of classes.
        """
        return {"in_channels": shape[0], "classes": classes}

    @staticmethod
    def final_arguments() -> dict[str, Any]:
        """Arguments in which the final network differs: its norms have a scale and a shift."""
        return {"affine": True}


def _edge(plan: Mapping[str, Any], kind: str, node: int, state: int, channels: int) -> nn.Module:
    stride = 2 if kind == "reduce" and state < 2 else 1
    given = {"channels": channels, "stride": stride, "affine": plan["affine"], "normalize": not plan["affine"]}
    ops = {name: CELL_OPS[name] for name in plan["ops"]}
    never = ("none",) if "none" in ops and len(ops) > 1 else ()
    make = partial(oneof, ops, f"{kind}/op{state}>{node}", never, drop_path=plan["drop_path"], **given)
    return SkippedEdge(make, channels, stride, plan["affine"]) if plan["skip_beside"] else make()
