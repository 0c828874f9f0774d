"""The space of ProxylessNAS as a program: a MobileNetV2 whose 21 blocks choose kernel size and expansion, or are left out.

The first block of a stage chooses among six operations, the others also `Zero`, which leaves the shortcut alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from oche.errors import ArgumentError, nearest
from oche.networks import ConvNorm, MobileBlock, Residual, StridedZero, divisible, mobile_strides
from oche.program import Space, oneof
from oche.program.resolver import Decide
from oche.spaces.mobilenetv2.frame import MobileFrame

# Of the normalizations. Source: the authors' code.
_EPS = 1e-3
# Of the stem, the first block (which has no choice) and the stages.
_STRIDES = (2, 1, 2, 2, 2, 1, 2, 1)


def mobile_op(kernel_size: int, expand: int, in_channels: int, out_channels: int, stride: int = 1) -> nn.Module:
    """An inverted bottleneck of MobileNetV2.

    Args:
        kernel_size: Side of the depthwise kernel.
        expand: Channels in between, in multiples of the input's.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Step of the depthwise convolution.
    """
    hidden = in_channels * expand
    depthwise = nn.Conv2d(hidden, hidden, kernel_size, stride, kernel_size // 2, groups=hidden, bias=False)
    return MobileBlock(in_channels, out_channels, hidden, depthwise, eps=_EPS, expands=expand > 1)


def zero(in_channels: int, out_channels: int, stride: int = 1) -> nn.Module:
    """Nothing."""
    return StridedZero(stride)


#: Operations of a block that may be left out, in the published order; the first block of a stage has all but the last.
OPS: Mapping[str, Callable[..., nn.Module]] = {
    **{f"{k}x{k}_MBConv{e}": partial(mobile_op, k, e) for k in (3, 5, 7) for e in (3, 6)},
    "Zero": zero,
}


class ProxylessNAS(MobileFrame):
    """Stem, one fixed block, six stages of blocks, last convolution, classifier.

    Args:
        width: Multiplies all channels, rounded to eights.
        classes: Number of classes.
        in_channels: Channels of the image.
        downsampling: Factor by which the image is made smaller: 32 for ImageNet; for smaller images the first strides become 1.
        widths: Channels of the stages.
        blocks: Blocks of the stages.
        dropout: Probability before the classifier.

    Source: Cai et al. 2019 (ProxylessNAS) and the authors' code; the strides for smaller images are ours.
    """

    def __init__(
        self,
        width: float = 1.0,
        classes: int = 1000,
        in_channels: int = 3,
        downsampling: int = 32,
        widths: Sequence[int] = (24, 40, 80, 96, 192, 320),
        blocks: Sequence[int] = (4, 4, 4, 4, 4, 1),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(widths) != 6 or len(blocks) != 6 or min(blocks) < 1:
            raise ArgumentError(f"proxylessnas: got widths {list(widths)} and blocks {list(blocks)}; allowed: six of each, blocks from 1")
        first, second, *strides = mobile_strides(_STRIDES, downsampling)
        channels = divisible(int(32 * width))
        self.stem = ConvNorm(in_channels, channels, 3, first, eps=_EPS)
        out = divisible(int(16 * width))
        self.first = mobile_op(3, 1, channels, out, second)
        body: list[nn.Module] = []
        for stage, (size, count, stride) in enumerate(zip(widths, blocks, strides, strict=True), 1):
            channels, out = out, divisible(int(size * width))
            for block in range(1, count + 1):
                body.append(_block(f"stage {stage} block {block}", channels, out, stride if block == 1 else 1, block == 1))
                channels = out
        self.body = nn.Sequential(*body)
        last = divisible(int(1280 * width)) if width > 1 else 1280
        self.last = ConvNorm(out, last, eps=_EPS)
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(last, classes))

    @staticmethod
    def architecture(decisions: Mapping[str, Any]) -> str:
        """The operations of all blocks, separated by commas, stages by bars."""
        stages: dict[str, list[str]] = {}
        for key, op in decisions.items():
            stages.setdefault(key.partition(" block ")[0], []).append(op)
        return " | ".join(", ".join(ops) for ops in stages.values())


def space(**arguments: Any) -> Space:
    """The space of `ProxylessNAS`: 6^6 * 7^15 points."""
    made = Space(ProxylessNAS, **arguments)
    made.name = "proxylessnas"
    return made


def network(ops: str | Sequence[str], seed: int = 0, **arguments: Any) -> nn.Module:
    """The network of some operations.

    Args:
        ops: One for each block: a list, or the text that `ProxylessNAS.architecture` writes.
        seed: Root of the initial weights.
        **arguments: Arguments of `ProxylessNAS`.

    Raises:
        ArgumentError: an operation is unknown, or their number is not that of the blocks.
    """
    blocks = arguments.get("blocks", (4, 4, 4, 4, 4, 1))
    names = [part.strip() for part in ops.replace("|", ",").split(",")] if isinstance(ops, str) else list(ops)
    keys = [(f"stage {stage} block {block}", block) for stage, count in enumerate(blocks, 1) for block in range(1, count + 1)]
    if len(names) != len(keys):
        raise ArgumentError(f"proxylessnas: got {len(names)} operations; allowed: {len(keys)}, one for each block")
    for name, (key, block) in zip(names, keys, strict=True):
        allowed = [op for op in OPS if block > 1 or op != "Zero"]
        if name not in allowed:
            close = nearest(name, allowed)
            advice = f"; did you mean {close!r}?" if close else ""
            raise ArgumentError(f"proxylessnas, {key}: got operation {name!r}; allowed: {', '.join(allowed)}{advice}")
    taken = {key: name for name, (key, _) in zip(names, keys, strict=True)}
    return Decide(taken, seed).run(ProxylessNAS, arguments, plain=True)


def _block(name: str, channels: int, out: int, stride: int, first: bool) -> nn.Module:
    ops = {op: make for op, make in OPS.items() if not (first and op == "Zero")}
    chosen = oneof(ops, name=name, in_channels=channels, out_channels=out, stride=stride)
    return chosen if first else Residual(chosen)
