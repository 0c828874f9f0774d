"""The size space of NATS-Bench as a program: one cell in three stages, whose widths are chosen.

    stem (c0), cell c0 -> c0, reduction c0 -> c1, cell c1 -> c2, reduction c2 -> c3, cell c3 -> c4, classifier

The stem and the first cell share c0. A cell has four nodes: n1 = conv(n0), n2 = conv(n0) + conv(n1), n3 = skip(n0) + conv(n1) + conv(n2),
each convolution after a ReLU and before a batch normalization; the skip is nothing at all where the widths agree, otherwise a 1x1
convolution and a normalization.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from oche.errors import ArgumentError
from oche.networks import Classifier, ReluConvNorm, ResidualReduction, Stem
from oche.program import Space
from oche.program.resolver import Decide
from oche.spaces.size._counts import layers
from oche.supernets.shortcuts import WidthShortcut
from oche.supernets.width_choice import elastic_width


class SizeCell(nn.Module):
    """The cell of all members: the best one of NAS-Bench-201 on CIFAR-100.

    Args:
        in_channels: Channels of the input.
        channels: Channels of all other nodes.
        affine: Whether normalizations have a scale and a shift; convolutions have a bias if not.
        project: As in `Size`.
    """

    def __init__(self, in_channels: int, channels: int, affine: bool, project: bool) -> None:
        super().__init__()

        def conv(from_: int) -> nn.Module:
            return ReluConvNorm(from_, 3, affine, out_channels=channels)

        self.first = conv(in_channels)
        self.second = nn.ModuleList([conv(in_channels), conv(channels)])
        self.third = nn.ModuleList([conv(channels), conv(channels)])
        self.skip = WidthShortcut(in_channels, channels, affine, project)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the last node."""
        one = self.first(x)
        two = self.second[0](x) + self.second[1](one)
        return self.skip(x) + self.third[0](one) + self.third[1](two)


class Size(nn.Module):
    """Stem, `cells` cells in each of three stages with a reduction between stages, classifier.

    Args:
        classes: Number of classes.
        in_channels: Channels of the image.
        step: Widths are its multiples.
        steps: Number of widths that a layer may have: `step`, 2 * `step`, ..., `steps` * `step`.
        divide: A layer has its width divided by this number of channels; for smaller networks of the same space.
        cells: Cells of a stage.
        affine: Whether normalizations outside of reductions have a scale and a shift; False is the search of the authors, where
            convolutions have a bias instead.
        project: Whether a skip between different widths is a 1x1 convolution, as in the benchmark. The authors' supernet has none:
            False leaves out channels, or takes zeros for those that are not there.

    Source: Dong et al. 2021 (NATS-Bench), section 3.2; its network counted on stored records.
    """

    def __init__(
        self,
        classes: int = 10,
        in_channels: int = 3,
        step: int = 8,
        steps: int = 8,
        divide: int = 1,
        cells: int = 1,
        affine: bool = True,
        project: bool = True,
    ) -> None:
        super().__init__()
        given = {"classes": classes, "in_channels": in_channels, "step": step, "steps": steps, "divide": divide, "cells": cells}
        for name, value in given.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ArgumentError(f"size, {name}: got {value!r}; allowed: a whole number from 1")
        if step % divide:
            raise ArgumentError(f"size, divide: got {divide}; allowed: a divisor of the step, {step}")
        channels = {str(step * i): step * i // divide for i in range(1, steps + 1)}
        widths = [elastic_width(channels, name=f"c{layer}") for layer in range(3 * cells + 2)]
        self.stem = Stem(in_channels, widths[0], affine)
        blocks: list[nn.Module] = []
        for a, b, reduces in layers(widths):
            blocks.append(ResidualReduction(a, b) if reduces else SizeCell(a, b, affine, project))
        self.blocks = nn.Sequential(*blocks)
        self.head = Classifier(widths[-1], classes, affine)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (logits), `(batch, classes)`, of images `(batch, channels, height, width)`."""
        return self.head(self.blocks(self.stem(x)))

    @staticmethod
    def arguments_for(shape: Sequence[int], classes: int) -> dict[str, Any]:
        """Arguments that fit a data set: the published widths, or a quarter of them for images below 16 pixels.

        Args:
            shape: Of one input, `(channels, height, width)`.
            classes: Number of classes.
        """
        small = {"divide": 4} if min(shape[1:], default=0) < 16 else {}
        return {"in_channels": shape[0], "classes": classes, **small}

    @staticmethod
    def architecture(decisions: Mapping[str, Any]) -> str:
        """The widths, such as `8:16:32:48:64`."""
        return to_text([int(decisions[f"c{i}"]) for i in range(len(decisions))])


def space(**arguments: Any) -> Space:
    """The space of `Size` with the given arguments: five widths of eight values, 32,768 points."""
    made = Space(Size, **arguments)
    made.name = "size"
    return made


def network(widths: str | Sequence[int], seed: int = 0, **arguments: Any) -> nn.Module:
    """The network of some widths.

    Args:
        widths: 3 N + 2 widths: numbers, or the text that `Size.architecture` writes.
        seed: Root of the initial weights.
        **arguments: Arguments of `Size`.

    Raises:
        ArgumentError: their number is not 3 N + 2, or one is no width of the space.
    """
    found = from_text(widths) if isinstance(widths, str) else tuple(int(width) for width in widths)
    list(layers(found))
    step, steps = arguments.get("step", 8), arguments.get("steps", 8)
    for i, width in enumerate(found):
        if width % step or not step <= width <= step * steps:
            raise ArgumentError(
                f"size, width c{i}: got {width}; allowed: multiples of {step} up to {step * steps}; step= and steps= set them"
            )
    arguments = {"cells": (len(found) - 2) // 3, **arguments}
    return Decide({f"c{i}": str(width) for i, width in enumerate(found)}, seed).run(Size, arguments, plain=True)


def to_text(widths: Sequence[int]) -> str:
    """Widths as the benchmark writes them.

    Example:
        >>> to_text((8, 8, 8, 16, 32))
        '8:8:8:16:32'
    """
    return ":".join(str(width) for width in widths)


def from_text(text: str) -> tuple[int, ...]:
    """The inverse of `to_text`.

    Raises:
        ArgumentError: a part is no whole number above zero.
    """
    parts = text.strip().split(":")
    for i, part in enumerate(parts):
        if not part.isascii() or not part.isdecimal() or int(part) < 1:
            raise ArgumentError(
                f"size, width c{i}: got {part!r} in {text!r}; allowed: whole numbers with ':' between, such as 8:16:32:48:64"
            )
    return tuple(int(part) for part in parts)
