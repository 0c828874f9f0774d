"""The space of Once-for-All as a program: a MobileNetV3 with elastic depth, kernel sizes and expansions.

In a supernet all members share one set of weights: a shallower stage is the first blocks of the deeper one, a smaller kernel the center of
the larger one passed through a learned matrix, a narrower block the first channels of the wider one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from oche.errors import ArgumentError
from oche.networks import ConvNorm, MobileBlock, Residual, divisible, mobile_strides
from oche.program import Space, oneof, repeat
from oche.program.resolver import Decide
from oche.spaces.mobilenetv2.frame import MobileFrame
from oche.supernets import elastic_kernel

# Of the stem, the first block (which has no choice) and the stages.
_STRIDES = (2, 1, 2, 2, 2, 1, 2)
_ACTIVATIONS = ("relu", "relu", "h-swish", "h-swish", "h-swish")
_SQUEEZE = (False, True, False, True, True)


class OnceForAll(MobileFrame):
    """Stem, one fixed block, five stages of two to four blocks, last convolutions, classifier.

    Args:
        width: Multiplies all channels, rounded to eights.
        classes: Number of classes.
        in_channels: Channels of the image.
        downsampling: Factor by which the image is made smaller: 32 for ImageNet; for smaller images the first strides become 1.
        widths: Channels of the stages.
        depths: Numbers of blocks that a stage may have.
        kernel_sizes: Kernel sizes that a block may have.
        expands: Channels inside of a block, in multiples of its input's.
        dropout: Probability before the classifier.

    Source: Cai et al. 2020 (Once-for-All) and the authors' code; the strides for smaller images are ours.
    """

    def __init__(
        self,
        width: float = 1.0,
        classes: int = 1000,
        in_channels: int = 3,
        downsampling: int = 32,
        widths: Sequence[int] = (24, 40, 80, 112, 160),
        depths: Sequence[int] = (2, 3, 4),
        kernel_sizes: Sequence[int] = (3, 5, 7),
        expands: Sequence[int] = (3, 4, 6),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if len(widths) != len(_SQUEEZE):
            raise ArgumentError(f"ofa, widths: got {list(widths)}; allowed: five, one for each stage")
        first, second, *strides = mobile_strides(_STRIDES, downsampling)
        channels = divisible(int(16 * width))
        self.stem = ConvNorm(in_channels, channels, 3, first, "h-swish")
        depthwise = nn.Conv2d(channels, channels, 3, second, 1, groups=channels, bias=False)
        block = MobileBlock(channels, channels, channels, depthwise, "relu", expands=False)
        self.first = block if second == 2 else Residual(block)
        stages: list[nn.Module] = []
        for stage, (size, stride) in enumerate(zip(widths, strides, strict=True), 1):
            out = divisible(int(size * width))
            make = partial(_block, stage, channels, out, stride, tuple(kernel_sizes), tuple(expands))
            stages.append(repeat(make, list(depths), name=f"stage {stage} depth"))
            channels = out
        self.body = nn.Sequential(*stages)
        between, last = divisible(int(960 * width)), divisible(int(1280 * width))
        self.last = ConvNorm(channels, between, activation="h-swish")
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(between, last, 1, bias=False),
            nn.Hardswish(),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(last, classes),
        )

    @staticmethod
    def architecture(decisions: Mapping[str, Any]) -> str:
        """Kernel size and expansion of all blocks, such as `k3e6 k5e4 | k7e3 k3e3 k3e4 | ...`, stages separated by bars."""
        stages = []
        for stage in range(1, len(_SQUEEZE) + 1):
            blocks = range(1, 1 + int(decisions[f"stage {stage} depth"]))
            stages.append(" ".join(f"k{decisions[_key(stage, b, 'kernel')]}e{decisions[_key(stage, b, 'expand')]}" for b in blocks))
        return " | ".join(stages)


def space(**arguments: Any) -> Space:
    """The space of `OnceForAll`: 7371^5 points, about 2.2e19."""
    made = Space(OnceForAll, **arguments)
    made.name = "ofa"
    return made


def decisions(arch: str) -> dict[str, str]:
    """Decisions by key of the text that `OnceForAll.architecture` writes.

    Raises:
        ArgumentError: it is no such text; the message names the stage.
    """
    stages = [part.split() for part in arch.split("|")]
    if len(stages) != len(_SQUEEZE):
        raise ArgumentError(f"ofa: got {len(stages)} stages in {arch!r}; allowed: {len(_SQUEEZE)}, separated by '|'")
    taken: dict[str, str] = {}
    for stage, blocks in enumerate(stages, 1):
        taken[f"stage {stage} depth"] = str(len(blocks))
        for b, text in enumerate(blocks, 1):
            kernel, mark, expand = text.removeprefix("k").partition("e")
            if not text.startswith("k") or not mark or not kernel.isdecimal() or not expand.isdecimal():
                raise ArgumentError(f"ofa, stage {stage}, block {b}: got {text!r}; allowed: kernel size and expansion, such as k5e4")
            taken[_key(stage, b, "kernel")], taken[_key(stage, b, "expand")] = kernel, expand
    return taken


def network(arch: str, seed: int = 0, **arguments: Any) -> nn.Module:
    """The network of one architecture, with weights of its own.

    Args:
        arch: Text such as `k3e6 k5e4 | k7e3 k3e3 k3e4 | ...`, see `OnceForAll.architecture`.
        seed: Root of the initial weights.
        **arguments: Arguments of `OnceForAll`.

    Raises:
        ArgumentError: the text cannot be read.
        SpaceError: a size is none of those of the space.
    """
    return Decide(decisions(arch), seed).run(OnceForAll, arguments, plain=True)


def _block(
    stage: int, channels: int, out: int, stride: int, kernel_sizes: tuple[int, ...], expands: tuple[int, ...], index: int
) -> nn.Module:
    channels, stride = (channels, stride) if index == 0 else (out, 1)
    # One product, so that the width stays elastic in a supernet.
    hidden = channels * oneof(list(expands), name=_key(stage, index + 1, "expand"))
    depthwise = elastic_kernel(hidden, kernel_sizes, stride, name=_key(stage, index + 1, "kernel"))
    block = MobileBlock(channels, out, hidden, depthwise, _ACTIVATIONS[stage - 1], _SQUEEZE[stage - 1])
    # The first block of a stage never has a shortcut, so that the space does not depend on the width.
    return block if index == 0 else Residual(block)


def _key(stage: int, block: int, what: str) -> str:
    return f"stage {stage} block {block} {what}"
