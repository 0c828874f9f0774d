"""NAS-Bench-201 as a program: a small image network whose cells hold six choices.

All cells take the same six decisions, since the choices go by name. The class is an ordinary one: under no resolver of this library
it cannot be built, under one it becomes a child or a supernet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from oche.errors import ArgumentError
from oche.networks import NASBENCH201_OPS, Classifier, ResidualReduction, Stem
from oche.program import Space, manyof, oneof
from oche.spaces.nasbench201.cells import EDGES, decisions, to_cell

_STAGES = 3
_NODES = 3


class Cell(nn.Module):
    """Four nodes; each node sums one operation on every earlier node; the last node is the output.

    Args:
        channels: Channels of input and output.
        affine: Whether batch normalization in the operations has a scale and a shift.
    """

    def __init__(self, channels: int, affine: bool = True) -> None:
        super().__init__()
        # All inputs of a node are taken, so the sum itself decides nothing; a mixer may still weight its inputs.
        self.nodes = nn.ModuleList(
            manyof(node, _edges(node, channels, affine), merge="sum", name=f"node {node}") for node in range(1, _NODES + 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Features of the last node, of the shape of `x`."""
        states = [x]
        for node in self.nodes:
            states.append(node(*states))
        return states[-1]


class NasBench201(nn.Module):
    """Stem, three stages of cells with a residual reduction before the second and third, classifier.

    Args:
        channels: Channels of the first stage; doubled at each reduction.
        cells: Cells of a stage.
        classes: Number of classes.
        in_channels: Channels of the image.
        affine: Whether batch normalization in cells and classifier has a scale and a shift; convolutions of a cell have a bias if not.

    Source: Dong and Yang 2020 (NAS-Bench-201); 16 channels and 5 cells are theirs.
    """

    def __init__(self, channels: int = 16, cells: int = 5, classes: int = 10, in_channels: int = 3, affine: bool = True) -> None:
        super().__init__()
        for name, value in (("channels", channels), ("cells", cells), ("classes", classes), ("in_channels", in_channels)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ArgumentError(f"nasbench201, {name}: got {value!r}; allowed: a whole number from 1")
        self.stem = Stem(in_channels, channels)
        stages = []
        for stage in range(_STAGES):
            width = channels * 2**stage
            first = [ResidualReduction(width // 2, width)] if stage else []
            stages.append(nn.Sequential(*first, *(Cell(width, affine) for _ in range(cells))))
        self.stages = nn.Sequential(*stages)
        self.head = Classifier(channels * 2 ** (_STAGES - 1), classes, affine)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (logits), `(batch, classes)`, of images `(batch, channels, height, width)`."""
        return self.head(self.stages(self.stem(x)))

    @staticmethod
    def arguments_for(shape: Sequence[int], classes: int) -> dict[str, int]:
        """Arguments that fit a data set: the published size, or one cell of 8 channels for images under 16 pixels.

        Args:
            shape: Of one input, `(channels, height, width)`.
            classes: Number of classes.
        """
        small = {"channels": 8, "cells": 1} if min(shape[1:], default=0) < 16 else {}
        return {"in_channels": shape[0], "classes": classes, **small}

    @staticmethod
    def architecture(decisions: Mapping[str, str]) -> str:
        """The cell of some decisions in text form, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`."""
        return to_cell(decisions)


def space(**arguments: Any) -> Space:
    """The space of `NasBench201` with the given arguments: six decisions, 15,625 points."""
    made = Space(NasBench201, **arguments)
    made.name = "nasbench201"
    return made


def nats_topology(**arguments: Any) -> Space:
    """The topology space of NATS-Bench: the program and the cells of NAS-Bench-201 under their later name.

    Source: Dong et al. 2021 (NATS-Bench), section 3.1.
    """
    made = space(**arguments)
    made.name = "nats-topology"
    return made


def network(cell: str, seed: int = 0, **arguments: object) -> nn.Module:
    """The network of one cell.

    Args:
        cell: Text form, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`.
        seed: Root of the initial weights.
        **arguments: Arguments of `NasBench201`.

    Raises:
        ArgumentError: the text is not a cell; the message names the edge.
    """
    chosen = decisions(cell)
    whole = space(**arguments)
    return whole.build(whole.encode_decisions(chosen), seed=seed)


def _edges(node: int, channels: int, affine: bool) -> dict[str, Callable[[], nn.Module]]:
    return {f"{node}<-{source}": partial(_edge, n, source, channels, affine) for n, source in EDGES if n == node}


def _edge(node: int, source: int, channels: int, affine: bool) -> nn.Module:
    return oneof(NASBENCH201_OPS, name=f"edge {node}<-{source}", channels=channels, affine=affine)
