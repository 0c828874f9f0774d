"""Networks whose widths are chosen: PreResNet, ResNet-18, MobileNetV2, VGG-16; each is built at its largest and finds its tied axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from oche.errors import ArgumentError
from oche.networks import ConvNorm, MobileBlock, Residual, divisible, mobile_strides
from oche.networks._channel_select import ChannelSelect
from oche.program import Space
from oche.spaces.prunable._axes import Axes
from oche.spaces.prunable._resize import offer_widths


class WidthNetwork(nn.Module):
    """Base of networks whose widths are chosen."""

    axes: Axes
    #: Arguments for images below 16 pixels, beside those that fit any images.
    small: ClassVar[Mapping[str, Any]] = {}

    def offer(self, in_channels: int, side: int, steps: int | None, min_channels: int, streams: bool) -> None:
        """Let the widths be chosen; the last thing that a network does when it is built."""
        self.axes = offer_widths(self, (in_channels, side, side), steps, min_channels, streams)

    @classmethod
    def arguments_for(cls, shape: Sequence[int], classes: int) -> dict[str, Any]:
        """Arguments that fit a data set."""
        return {"in_channels": shape[0], "classes": classes, "side": shape[-1], **(cls.small if shape[-1] < 16 else {})}

    @staticmethod
    def architecture(decisions: Mapping[str, Any]) -> str:
        """All widths in the order of the network."""
        return ":".join(str(width) for width in decisions.values())


class PreActBottleneck(nn.Module):
    """Norm, ReLU, convolution, three times, and the input added; the first norm reads some channels of the stream.

    Args:
        in_channels: Channels of the stream before the block.
        planes: Channels inside.
        stride: Of the 3x3 convolution.
    """

    def __init__(self, in_channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            ChannelSelect(in_channels),
            nn.BatchNorm2d(in_channels),
            nn.ReLU(),
            nn.Conv2d(in_channels, planes, 1, bias=False),
            nn.BatchNorm2d(planes),
            nn.ReLU(),
            nn.Conv2d(planes, planes, 3, stride, 1, bias=False),
            nn.BatchNorm2d(planes),
            nn.ReLU(),
            nn.Conv2d(planes, 4 * planes, 1, bias=False),
        )
        changes = stride != 1 or in_channels != 4 * planes
        self.shortcut = nn.Conv2d(in_channels, 4 * planes, 1, stride, bias=False) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Features of 4 * `planes` channels."""
        return self.inner(x) + self.shortcut(x)


class PreResNet(WidthNetwork):
    """Residual network of bottlenecks whose norms come first, for small images.

    Args:
        depth: 9 n + 2: 164, 29, 20, ...
        classes: Number of classes.
        in_channels: Channels of the image.
        planes: Channels of the stem, and inside of the blocks of the first stage; the other stages have twice and four times as many.
        side: Height and width of the image.
        steps, min_channels, streams: As in `offer_widths`.

    Source: He et al. 2016 (identity mappings), in the form of Liu et al. 2017 (network slimming).
    """

    def __init__(
        self,
        depth: int = 164,
        classes: int = 10,
        in_channels: int = 3,
        planes: int = 16,
        side: int = 32,
        steps: int | None = 8,
        min_channels: int = 1,
        streams: bool = False,
    ) -> None:
        super().__init__()
        n, rest = divmod(depth - 2, 9)
        if n < 1 or rest:
            raise ArgumentError(f"preresnet, depth: got {depth}; allowed: 9 n + 2, such as 11, 20, 29, 164")
        channels = planes
        self.stem = nn.Conv2d(in_channels, channels, 3, 1, 1, bias=False)
        blocks = []
        for stage in range(3):
            for i in range(n):
                blocks.append(PreActBottleneck(channels, planes * 2**stage, 2 if stage and i == 0 else 1))
                channels = 4 * planes * 2**stage
        self.blocks = nn.Sequential(*blocks)
        self.select, self.norm = ChannelSelect(channels), nn.BatchNorm2d(channels)
        self.head = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
        self.offer(in_channels, side, steps, min_channels, streams)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (logits), `(batch, classes)`, of images `(batch, channels, height, width)`."""
        return self.head(self.norm(self.select(self.blocks(self.stem(x)))))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with norms, and the input added.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the output.
        stride: Of the first convolution.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(ConvNorm(in_channels, channels, 3, stride, "relu"), ConvNorm(channels, channels, 3, activation=None))
        changes = stride != 1 or in_channels != channels
        self.shortcut = ConvNorm(in_channels, channels, 1, stride, activation=None) if changes else nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Features of `channels` channels."""
        return self.relu(self.inner(x) + self.shortcut(x))


class ResNet18(WidthNetwork):
    """Residual network of eight blocks.

    Args:
        classes: Number of classes.
        in_channels: Channels of the image.
        planes: Channels of the stem; later stages have twice, four times and eight times as many.
        side: Height and width of the image; below 64 the stem is one 3x3 convolution, otherwise a 7x7 of stride 2 and a pool.
        steps, min_channels, streams: As in `offer_widths`.

    Source: He et al. 2016.
    """

    def __init__(
        self,
        classes: int = 10,
        in_channels: int = 3,
        planes: int = 64,
        side: int = 32,
        steps: int | None = 8,
        min_channels: int = 1,
        streams: bool = False,
    ) -> None:
        super().__init__()
        small = side < 64
        self.stem = nn.Sequential(
            ConvNorm(in_channels, planes, 3 if small else 7, 1 if small else 2, "relu"),
            *([] if small else [nn.MaxPool2d(3, 2, 1)]),
        )
        blocks, channels = [], planes
        for stage in range(4):
            for i in range(2):
                blocks.append(BasicBlock(channels, planes * 2**stage, 2 if stage and i == 0 else 1))
                channels = planes * 2**stage
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
        self.offer(in_channels, side, steps, min_channels, streams)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (logits), `(batch, classes)`, of images `(batch, channels, height, width)`."""
        return self.head(self.blocks(self.stem(x)))


# Expansion, channels, blocks and stride of the stages. Source: Sandler et al. 2018, table 2.
_MOBILE = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class MobileNetV2(WidthNetwork):
    """Inverted bottlenecks with depthwise convolutions.

    Args:
        classes: Number of classes.
        in_channels: Channels of the image.
        width: Multiplies all channels, rounded to eights.
        side: Height and width of the image.
        downsampling: Factor by which the image is made smaller: 32 for ImageNet; None: what leaves at least 4 places a side.
        steps, min_channels, streams: As in `offer_widths`.

    Source: Sandler et al. 2018 (MobileNetV2); a quarter of the channels for images below 16 pixels (ours).
    """

    small: ClassVar[Mapping[str, Any]] = {"width": 0.25}

    def __init__(
        self,
        classes: int = 10,
        in_channels: int = 3,
        width: float = 1.0,
        side: int = 32,
        downsampling: int | None = None,
        steps: int | None = 8,
        min_channels: int = 1,
        streams: bool = False,
    ) -> None:
        super().__init__()
        factor = min(32, 2 ** max(0, (side // 4).bit_length() - 1)) if downsampling is None else downsampling
        first, *strides = mobile_strides((2, *(stride for *_, stride in _MOBILE)), factor)
        channels = divisible(int(32 * width))
        self.stem = ConvNorm(in_channels, channels, 3, first)
        blocks: list[nn.Module] = []
        for (expand, size, count, _), stride in zip(_MOBILE, strides, strict=True):
            out = divisible(int(size * width))
            for i in range(count):
                step = stride if i == 0 else 1
                hidden = channels * expand
                depthwise = nn.Conv2d(hidden, hidden, 3, step, 1, groups=hidden, bias=False)
                block = MobileBlock(channels, out, hidden, depthwise, expands=expand > 1)
                blocks.append(Residual(block) if i else block)
                channels = out
        self.blocks = nn.Sequential(*blocks)
        last = divisible(int(1280 * max(1.0, width)))
        self.last = ConvNorm(channels, last)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, classes))
        self.offer(in_channels, side, steps, min_channels, streams)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (logits), `(batch, classes)`, of images `(batch, channels, height, width)`."""
        return self.head(self.last(self.blocks(self.stem(x))))


# Channels of the convolutions; 0 is a pool. Source: Simonyan and Zisserman 2015, configuration D.
_VGG = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)


class VGG16(WidthNetwork):
    """Thirteen 3x3 convolutions with norms, pools between them, one linear layer.

    Args:
        classes: Number of classes.
        in_channels: Channels of the image.
        width: Multiplies all channels.
        side: Height and width of the image; pools that would leave less than one place do nothing.
        steps, min_channels, streams: As in `offer_widths`.

    Source: Simonyan and Zisserman 2015, with norms and one linear layer as in Liu et al. 2017; an eighth of the channels for images below
    16 pixels (ours).
    """

    small: ClassVar[Mapping[str, Any]] = {"width": 0.125}

    def __init__(
        self,
        classes: int = 10,
        in_channels: int = 3,
        width: float = 1.0,
        side: int = 32,
        steps: int | None = 8,
        min_channels: int = 1,
        streams: bool = False,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, left = in_channels, side
        for size in _VGG:
            if size:
                out = max(1, int(size * width))
                layers.append(ConvNorm(channels, out, 3, activation="relu"))
                channels = out
            else:
                layers.append(nn.MaxPool2d(2) if left >= 2 else nn.Identity())
                left //= 2
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
        self.offer(in_channels, side, steps, min_channels, streams)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (logits), `(batch, classes)`, of images `(batch, channels, height, width)`."""
        return self.head(self.features(x))


def preresnet(**arguments: Any) -> Space:
    """The space of `PreResNet`: a width for each norm, inside of blocks and where they read the stream."""
    return _space("preresnet", PreResNet, arguments)


def resnet18(**arguments: Any) -> Space:
    """The space of `ResNet18`: a width inside of each block."""
    return _space("resnet18", ResNet18, arguments)


def mobilenetv2(**arguments: Any) -> Space:
    """The space of `MobileNetV2`: a width for each depthwise convolution and what stands around it, and of layers outside of streams."""
    return _space("mobilenetv2", MobileNetV2, arguments)


def vgg16(**arguments: Any) -> Space:
    """The space of `VGG16`: a width for each convolution."""
    return _space("vgg16", VGG16, arguments)


def _space(name: str, program: type[WidthNetwork], arguments: Mapping[str, Any]) -> Space:
    made = Space(program, **arguments)
    made.name = name
    return made
