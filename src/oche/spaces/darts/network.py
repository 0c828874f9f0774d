"""The DARTS space as a program: an image network of normal and reduction cells that hold 28 edges and 8 nodes with choices.

One class is the network that is searched (8 cells of 16 channels, norms without scale and shift, pools normalized) and the one that is
trained at the end (20 cells of 36, or 14 of 48 on ImageNet), with other arguments. All normal cells take the same decisions, and all
reduction cells, since the choices go by name. Given a genotype it holds no choices: so cells of larger spaces, such as those of NASNet
and AmoebaNet, are built by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from oche.errors import ArgumentError
from oche.networks import AuxiliaryHead, AuxiliaryOutput, FactorizedReduce, ImageNetStem, ReluConvNorm, Stem
from oche.networks._sharp_ops import CHOKE
from oche.program import Space, manyof, oneof
from oche.program.resolver import Decide
from oche.seeds import building, derive
from oche.spaces.darts.cells import NODES, decisions, edge_key, edge_label, from_decisions, is_member, node_key
from oche.spaces.darts.genotypes import Genotype, Pair, genotype, short
from oche.spaces.darts.op_tables import Ops, dictionary, is_sharp, op_table

STEMS = ("cifar", "imagenet")

# From here on images are taken for photographs that three strides may shrink.
_LARGE = 128


class GivenNode(nn.Module):
    """Sum of two given operations, each on an earlier state; one state may be read twice.

    Args:
        pairs: Operations and the states that they read.
        make: Makes an operation from its name and the state that it reads.
    """

    def __init__(self, pairs: Sequence[Pair], make: Callable[[str, int], nn.Module]) -> None:
        super().__init__()
        self.states = tuple(state for _, state in pairs)
        self.edges = nn.ModuleList(make(op, state) for op, state in pairs)

    def forward(self, *states: Tensor) -> Tensor:
        """The sum."""
        first, second = (edge(states[state]) for edge, state in zip(self.edges, self.states, strict=True))
        return first + second


@dataclass(frozen=True)
class CellPlan:
    """What the cells of a network share.

    Args:
        ops: Operations by (kind, node, input).
        named: What operations of given cells stand for.
        given: Cells that are given, or None.
        affine: Whether norms have a scale and a shift.
        drop_path: Largest probability of dropping an edge.
    """

    ops: Mapping[tuple[str, int, int], Ops]
    named: Ops
    given: Genotype | None
    affine: bool
    drop_path: float

    def arguments(self, channels: int, stride: int) -> dict[str, Any]:
        """Arguments of an operation."""
        return {
            "channels": channels,
            "stride": stride,
            "affine": self.affine,
            "normalize": not self.affine,
            "drop_path": self.drop_path,
        }


class Cell(nn.Module):
    """Two input states, inner nodes that sum two edges each, and the concatenation of some states as output.

    Args:
        plan: What all cells share.
        kind: `normal` or `reduce`.
        before: Channels of the output of the cell before the previous one.
        previous: Channels of the output of the previous cell.
        channels: Channels of every state inside.
        reduced: Whether the previous cell halved the size.
    """

    def __init__(self, plan: CellPlan, kind: str, before: int, previous: int, channels: int, reduced: bool) -> None:
        super().__init__()
        fit = partial(ReluConvNorm, kernel_size=1, affine=plan.affine, out_channels=channels, bias=False)
        self.first = FactorizedReduce(before, channels, plan.affine) if reduced else fit(before)
        self.second = fit(previous)
        if plan.given is None:
            self.nodes = nn.ModuleList(_chosen_node(plan, kind, node, channels) for node in NODES)
            self.concat = NODES
        else:
            self.nodes = nn.ModuleList(_given_node(plan, kind, pairs, channels) for pairs in plan.given.nodes(kind))
            self.concat = plan.given.cell(kind)[1]

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        """The chosen states side by side, `(batch, len(concat) * channels, ...)`."""
        states = [self.first(before), self.second(previous)]
        for node in self.nodes:
            states.append(node(*states))
        return torch.cat([states[i] for i in self.concat], dim=1)


class Darts(nn.Module):
    """Stem, cells, classifier.

    Args:
        channels: Channels of a state in the first cell; doubled at each of the two reduction cells, which stand after one and two
            thirds of the cells.
        cells: Number of cells, at least 3.
        classes: Number of classes.
        in_channels: Channels of the image.
        stem: `cifar` keeps the size, `imagenet` divides it by eight.
        affine: Whether norms inside of cells have a scale and a shift, as in a network that is trained at the end. In one that is searched
            they have none, and pools are normalized, so that candidates are compared at equal scale.
        auxiliary: Whether a second classifier stands after the second reduction; in training the output is an `AuxiliaryOutput` then.
        auxiliary_weight: How much its loss counts.
        drop_path: Largest probability of dropping the output of an edge; it rises to that by `oche.networks.set_progress`.
        stem_channels: Channels of the stem's output. None: three times `channels`, or `channels` in an affine ImageNet network.
        ops: Which operations edges may take, see `op_table`. With given cells: where the names of their operations are from.
        genotype: Given cells instead of choices: a name, the text form, or a `Genotype`.
        mid: Middle width of choke convolutions.

    Source: Liu et al. 2019 (DARTS) and the authors' code; sizes of the search are theirs. Weight 0.4 of the auxiliary loss as well.
    """

    def __init__(
        self,
        channels: int = 16,
        cells: int = 8,
        classes: int = 10,
        in_channels: int = 3,
        stem: str = "cifar",
        affine: bool = False,
        auxiliary: bool = False,
        auxiliary_weight: float = 0.4,
        drop_path: float = 0.0,
        stem_channels: int | None = None,
        ops: str | Sequence[str] | Ops = "darts",
        genotype: str | Genotype | None = None,
        mid: int = CHOKE,
    ) -> None:
        super().__init__()
        _check(stem, channels=channels, cells=cells, classes=classes, in_channels=in_channels)
        named = dictionary(ops, mid)
        given = _given(genotype, named) if genotype is not None else None
        plan = CellPlan(op_table(ops, mid) if given is None else {}, named, given, affine, drop_path)
        large = stem == "imagenet"
        width = stem_channels or (channels if large and affine else 3 * channels)
        self.stem = ImageNetStem(in_channels, width) if large else Stem(in_channels, width)
        self.cells = nn.ModuleList()
        self.auxiliary_weight = auxiliary_weight
        self._auxiliary_after = 2 * cells // 3 if auxiliary else None
        before, previous, reduced = width, width, large
        for i in range(cells):
            kind = "reduce" if i in (cells // 3, 2 * cells // 3) else "normal"
            channels *= 2 if kind == "reduce" else 1
            cell = Cell(plan, kind, before, previous, channels, reduced)
            self.cells.append(cell)
            before, previous, reduced = previous, len(cell.concat) * channels, kind == "reduce"
            if i == self._auxiliary_after:
                self.auxiliary = AuxiliaryHead(previous, classes, 2 if large else 3, last_norm=is_sharp(ops) or not large)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(previous, classes)

    def forward(self, x: Tensor) -> Tensor | AuxiliaryOutput:
        """Scores (logits), `(batch, classes)`, of images `(batch, channels, height, width)`."""
        found = self.stem(x)
        before, previous = found if isinstance(found, tuple) else (found, found)
        middle = None
        for i, cell in enumerate(self.cells):
            before, previous = previous, cell(before, previous)
            middle = previous if i == self._auxiliary_after else middle
        logits = self.classifier(self.pool(previous))
        if middle is None or not self.training:
            return logits
        if min(middle.shape[2:]) < 5:
            raise ArgumentError(
                f"auxiliary head: got features of {tuple(middle.shape[2:])}; allowed: 5x5 and larger; use auxiliary=False, or larger images"
            )
        return AuxiliaryOutput(logits, self.auxiliary(middle), self.auxiliary_weight)

    @staticmethod
    def arguments_for(shape: Sequence[int], classes: int) -> dict[str, Any]:
        """Arguments that fit a data set: the published search, a small one for images under 16 pixels, the ImageNet stem from 128 on.

        Args:
            shape: Of one input, `(channels, height, width)`.
            classes: Number of classes.
        """
        side = min(shape[1:], default=0)
        size: dict[str, Any] = {"channels": 8, "cells": 3} if side < 16 else {"stem": "imagenet"} if side >= _LARGE else {}
        return {"in_channels": shape[0], "classes": classes, **size}

    @staticmethod
    def final_arguments() -> dict[str, Any]:
        """Arguments in which a network that is trained at the end differs from the one that was searched, whatever its size."""
        return {"affine": True}

    @staticmethod
    def brief(decisions: Mapping[str, Any]) -> str:
        """The normal and the reduction cell of some decisions in short, such as `s3 0 s3 1 | sk 0 d3 1 | ... ; mp 0 mp 1 | ...`."""
        return short(from_decisions(decisions))

    @staticmethod
    def architecture(decisions: Mapping[str, Any]) -> str:
        """The genotype of some decisions in text form."""
        return str(from_decisions(decisions))


def space(ops: str | Sequence[str] | Ops = "darts", **arguments: Any) -> Space:
    """The space of `Darts`: 1,037,664,180 cells of each kind, with `none` in the mixture only.

    Args:
        ops: Which operations edges may take, see `op_table`.
        **arguments: Other arguments of `Darts`.
    """
    made = Space(Darts, ops=ops, **arguments)
    made.name = ops if isinstance(ops, str) else "darts-own"
    return made


def s1(**arguments: Any) -> Space:
    """The space S1 of RobustDARTS: two operations for each edge."""
    return space("s1", **arguments)


def s2(**arguments: Any) -> Space:
    """The space S2 of RobustDARTS: skip and separable convolution."""
    return space("s2", **arguments)


def s3(**arguments: Any) -> Space:
    """The space S3 of RobustDARTS: that of S2, and `none` in the mixture."""
    return space("s3", **arguments)


def s4(**arguments: Any) -> Space:
    """The space S4 of RobustDARTS: noise and separable convolution."""
    return space("s4", **arguments)


def s5(**arguments: Any) -> Space:
    """The DARTS space with no `none` in the mixture."""
    return space("s5", **arguments)


def darts_ssc(**arguments: Any) -> Space:
    """The DARTS space of sharp separable convolutions."""
    return space("darts-ssc", **arguments)


def sharpdarts(**arguments: Any) -> Space:
    """The space of sharpDARTS: nine operations."""
    return space("sharpdarts", **arguments)


def sharperdarts(**arguments: Any) -> Space:
    """The larger space of sharpDARTS: twelve operations."""
    return space("sharperdarts", **arguments)


def network(
    genotype: str | Genotype,
    channels: int = 36,
    cells: int = 20,
    classes: int = 10,
    seed: int = 0,
    affine: bool = True,
    ops: str = "darts",
    mid: int = CHOKE,
    **arguments: Any,
) -> nn.Module:
    """The network of a genotype as it is trained at the end; the defaults are the published CIFAR-10 network.

    Args:
        genotype: A published name, the text form, or a `Genotype`; cells of larger spaces too.
        channels: As in `Darts`.
        cells: As in `Darts`.
        classes: As in `Darts`.
        seed: Root of the initial weights.
        affine: As in `Darts`.
        ops: Table from which the names of operations are: `dil_conv_3x3` has one layer in `darts` and two in `sharpdarts`.
        mid: As in `Darts`.
        **arguments: Other arguments of `Darts`, such as `stem="imagenet"`, `auxiliary=True`, `drop_path=0.2`.

    Raises:
        UnknownNameError: no genotype of this name.
        ArgumentError: the text is no genotype; the message says where.
    """
    named = dictionary(ops, mid)
    given = _given(genotype, named)
    arguments = {"channels": channels, "cells": cells, "classes": classes, "affine": affine, **arguments}
    if is_member(given):
        # As a search would build it: equal names in the state dict, equal initial weights.
        return Decide(decisions(given), seed).run(Darts, {"ops": named, **arguments}, plain=True)
    with building(derive(seed, "program")):
        return Darts(genotype=given, ops=ops, mid=mid, **arguments)


def imagenet_network(genotype: str | Genotype, channels: int = 48, cells: int = 14, classes: int = 1000, **arguments: Any) -> nn.Module:
    """As `network`, with the published size for ImageNet."""
    return network(genotype, channels, cells, classes, **{"stem": "imagenet", **arguments})


def sharp_network(genotype: str | Genotype, channels: int = 36, cells: int = 20, classes: int = 10, **arguments: Any) -> nn.Module:
    """As `network`, with sharp separable convolutions."""
    return network(genotype, channels, cells, classes, **{"ops": "sharpdarts", **arguments})


def sharp_imagenet_network(
    genotype: str | Genotype, channels: int = 48, cells: int = 14, classes: int = 1000, **arguments: Any
) -> nn.Module:
    """As `sharp_network`, with the published size for ImageNet; with `mid=96` for the wider one."""
    return sharp_network(genotype, channels, cells, classes, **{"stem": "imagenet", **arguments})


def _given(text: str | Genotype, named: Ops) -> Genotype:
    found = genotype(text)
    found.check_ops(named)
    return found


def _chosen_node(plan: CellPlan, kind: str, node: int, channels: int) -> nn.Module:
    edges = {edge_label(node, state): partial(_edge, plan, kind, node, state, channels) for state in range(node)}
    return manyof(2, edges, merge="sum", name=node_key(kind, node))


def _edge(plan: CellPlan, kind: str, node: int, state: int, channels: int) -> nn.Module:
    ops = plan.ops[kind, node, state]
    # A cell holds no `none`: it only takes its share of the mixture.
    never = ("none",) if "none" in ops and len(ops) > 1 else ()
    return oneof(ops, edge_key(kind, node, state), never, **plan.arguments(channels, _stride(kind, state)))


def _given_node(plan: CellPlan, kind: str, pairs: Sequence[Pair], channels: int) -> nn.Module:
    return GivenNode(pairs, lambda op, state: plan.named[op](**plan.arguments(channels, _stride(kind, state))))


def _stride(kind: str, state: int) -> int:
    return 2 if kind == "reduce" and state < 2 else 1


def _check(stem: str, **sizes: Any) -> None:
    for name, value in sizes.items():
        least = 3 if name == "cells" else 1
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            reason = ": the reduction cells stand at one and two thirds" if name == "cells" else ""
            raise ArgumentError(f"darts, {name}: got {value!r}; allowed: a whole number from {least}{reason}")
    if stem not in STEMS:
        raise ArgumentError(f"darts, stem: got {stem!r}; allowed: {', '.join(repr(s) for s in STEMS)}")
