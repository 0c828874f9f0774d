"""NAS-Bench-101 as a program: three stacks of cells; a cell is a graph of up to seven vertices that 26 choices describe.

The class is an ordinary one. A point whose graph is invalid builds nothing: it raises `SkipTrial`, which ends the trial as skipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor, nn

from oche.errors import ArgumentError
from oche.program import Space, oneof
from oche.spaces.nasbench101.cells import EDGES, KEYS, OPS, VERTICES, Graph, decisions, from_decisions, to_cell, vertex_channels

_EPSILON = 1e-5
# The cut of a normal distribution at two standard deviations leaves this standard deviation.
_CUT_NORMAL_SD = 0.8796256610342398


class ConvNormRelu(nn.Sequential):
    """Convolution without bias, batch normalization, ReLU; height and width stay.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the kernel, odd.
        momentum: Weight of the newest batch in the running statistics.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, momentum: float) -> None:
        conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
        sd = (in_channels * kernel_size**2) ** -0.5 / _CUT_NORMAL_SD
        nn.init.trunc_normal_(conv.weight, std=sd, a=-2 * sd, b=2 * sd)
        super().__init__(conv, nn.BatchNorm2d(out_channels, eps=_EPSILON, momentum=momentum), nn.ReLU())


class Cell(nn.Module):
    """One cell: inner vertices add their inputs and apply an operation, the output joins the channels of what leads to it.

    Edges from the cell's input are 1x1 projections; one to the output is added. Of a vertex with a channel too many, the first ones
    are taken.

    Args:
        graph: A pruned graph.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        momentum: Of the batch normalizations.
    """

    def __init__(self, graph: Graph, in_channels: int, out_channels: int, momentum: float) -> None:
        super().__init__()
        self.graph = graph
        self.channels = vertex_channels(graph, in_channels, out_channels)
        last = len(graph.ops) - 1
        project = partial(ConvNormRelu, in_channels, kernel_size=1, momentum=momentum)
        self.projections = nn.ModuleDict({str(v): project(self.channels[v]) for v in range(1, last + 1) if graph.matrix[0][v]})
        self.vertices = nn.ModuleDict({str(v): _operation(graph.ops[v], self.channels[v], momentum) for v in range(1, last)})

    def forward(self, x: Tensor) -> Tensor:
        """Features of `out_channels` channels, as high and wide as `x`."""
        matrix, last = self.graph.matrix, len(self.graph.ops) - 1
        states = [x]
        for v in range(1, last):
            inputs = [states[s][:, : self.channels[v]] for s in range(1, v) if matrix[s][v]]
            if matrix[0][v]:
                inputs.append(self.projections[str(v)](x))
            states.append(self.vertices[str(v)](reduce(torch.add, inputs)))
        leading = [states[v] for v in range(1, last) if matrix[v][last]]
        parts = [torch.cat(leading, 1)] if leading else []
        if matrix[0][last]:
            parts.append(self.projections[str(last)](x))
        return reduce(torch.add, parts)


class NasBench101(nn.Module):
    """Stem, stacks of cells with max pooling and twice the channels between stacks, global mean, linear layer.

    Args:
        channels: Channels of the stem and the first stack, at least 5, so that every vertex has one.
        stacks: Number of stacks.
        cells: Cells of a stack.
        classes: Number of classes.
        in_channels: Channels of the image.
        momentum: Weight of the newest batch in the running statistics of batch normalization. The published one wants some hundred
            steps before a network can be scored.

    Raises:
        SkipTrial: the graph that was chosen is invalid.
        ArgumentError: an argument is out of range.

    Source: Ying et al. 2019 (NAS-Bench-101); 128 channels, 3 stacks, 3 cells and momentum 0.003 are theirs, as are the initial weights.
    """

    def __init__(
        self, channels: int = 128, stacks: int = 3, cells: int = 3, classes: int = 10, in_channels: int = 3, momentum: float = 0.003
    ) -> None:
        super().__init__()
        counts = {
            "channels": (channels, 5),
            "stacks": (stacks, 1),
            "cells": (cells, 1),
            "classes": (classes, 1),
            "in_channels": (in_channels, 1),
        }
        for name, (value, least) in counts.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ArgumentError(f"nasbench101, {name}: got {value!r}; allowed: a whole number from {least}")
        if not 0 < momentum <= 1:
            raise ArgumentError(f"nasbench101, momentum: got {momentum!r}; allowed: a number above 0, at most 1")
        # All choices are met before the graph is judged, so that the space knows them whatever they are.
        graph = _chosen().pruned()
        self.stem = ConvNormRelu(in_channels, channels, 3, momentum)
        layers: list[nn.Module] = []
        width = channels
        for stack in range(stacks):
            if stack:
                layers.append(nn.MaxPool2d(2, stride=2, ceil_mode=True))
            for cell in range(cells):
                wide = channels * 2**stack
                layers.append(Cell(graph, width if cell == 0 else wide, wide, momentum))
                width = wide
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(width, classes)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (logits), `(batch, classes)`, of images `(batch, channels, height, width)`."""
        return self.head(self.layers(self.stem(x)).mean((2, 3)))

    @staticmethod
    def arguments_for(shape: Sequence[int], classes: int) -> dict[str, Any]:
        """Arguments that fit a data set: the published size, or one cell a stack of 16 channels for images under 16 pixels.

        Args:
            shape: Of one input, `(channels, height, width)`.
            classes: Number of classes.
        """
        small = {"channels": 16, "cells": 1, "momentum": 0.1} if min(shape[1:], default=0) < 16 else {}
        return {"in_channels": shape[0], "classes": classes, **small}

    @staticmethod
    def architecture(decisions: Mapping[str, Any]) -> str:
        """The cell of some decisions in text form, not pruned and not checked."""
        return to_cell(from_decisions(decisions))


def space(**arguments: Any) -> Space:
    """The space of `NasBench101` with the given arguments: 26 decisions, 509,607,936 points, of which many are invalid."""
    made = Space(NasBench101, **arguments)
    made.name = "nasbench101"
    return made


def network(cell: str, seed: int = 0, **arguments: object) -> nn.Module:
    """The network of one cell.

    Args:
        cell: Text form, JSON of `matrix` and `ops`.
        seed: Root of the initial weights.
        **arguments: Arguments of `NasBench101`.

    Raises:
        ArgumentError: the text is not a cell.
        SkipTrial: its graph is invalid.
    """
    chosen = decisions(cell)
    whole = space(**arguments)
    return whole.build(whole.encode_decisions(chosen), seed=seed)


def _chosen() -> Graph:
    made: dict[str, Any] = {f"op {v}": oneof(list(OPS), name=f"op {v}") for v in range(1, VERTICES - 1)}
    made |= {f"edge {s}->{t}": oneof([0, 1], name=f"edge {s}->{t}") for s, t in EDGES}
    return from_decisions({key: made[key] for key in KEYS})


def _operation(name: str, channels: int, momentum: float) -> nn.Module:
    if name == "maxpool3x3":
        return nn.MaxPool2d(3, stride=1, padding=1)
    return ConvNormRelu(channels, channels, 3 if name == "conv3x3-bn-relu" else 1, momentum)
