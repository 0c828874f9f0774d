"""HyperCuboid: builds a space of paths from axes of hyper-parameters.

*Carried* axes, such as the width, are what a module gives and the next one takes: their combinations are the states. *Free* axes, such as
the operation, multiply the ways from a state to a state. All candidates of a level are one choice, and a point is a path:

    stem -> state -> [stride 1] -> state -> [stride 2] -> state -> ... -> state -> sink -> mean over places -> classifier

Any axis will do whose values are built into modules. What changes the training instead (a learning rate, a batch size) can be searched by
an algorithm that trains each point, and by none that shares weights; it is refused here.

Source: Hundt et al. 2019 (sharpDARTS), differentiable hyper-parameter grid search, and the authors' code; free axes are ours.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from oche.errors import ArgumentError, NotRelaxable, unknown
from oche.networks import SHARP_OPS, SharpSepConv, Stem
from oche.program import Space
from oche.program.making import meet
from oche.spaces.hypercuboid._lattice import Lattice
from oche.spaces.hypercuboid._text import path_text
from oche.supernets.longest_path import PathRule

#: Widths and operations of the small cuboid for images of 8x8.
WIDTHS = (4, 8, 16)
OPS = ("sep_conv_3x3", "max_pool_3x3")

#: Axes that change how a network is trained, and not the network.
TRAINING = frozenset(
    {
        *("lr", "learning_rate", "arch_lr", "batch", "batch_size", "momentum", "weight_decay", "optimizer", "epochs", "steps"),
        *("schedule", "scheduler", "warmup", "label_smoothing", "augment", "augmentation", "seed", "grad_clip"),
    }
)


class CuboidNetwork(nn.Module):
    """A path, or all of them, and a classifier.

    Args:
        lattice: The lattice as a choice.
        features: Channels that its sinks give.
        classes: Number of classes.
    """

    def __init__(self, lattice: Lattice, features: int, classes: int) -> None:
        super().__init__()
        self.path = meet(lattice)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (logits), `(batch, classes)`, of images `(batch, channels, height, width)`."""
        return self.classifier(self.pool(self.path(x)))


class HyperCuboid:
    """A program whose choices are the levels of a grid; `oche.Space` and `oche.search` take it as it is.

    Args:
        carry: Values of the carried axes by name.
        free: Values of the free axes by name: numbers, texts, or builders by label.
        levels: How often all strides follow on each other.
        strides: Strides of the levels of a block.
        head: Channels that the sinks give.
        make: Builds a candidate: `make(start, end, stride, **free)`, where `start` and `end` are the carried values by name. By default
            `free["op"](channels=start["width"], out_channels=end["width"], stride=stride)`, with names as in `oche.networks.SHARP_OPS`.
        stem: Builds what maps images to a state: `stem(in_channels, **state)`. By default a 3x3 convolution and a norm.
        sink: Builds what maps a state to the features: `sink(head, **state)`. By default a `SharpSepConv`.
        rule: Which path stands for the scores of a supernet.

    Raises:
        NotRelaxable: an axis changes the training and not the network.
        ArgumentError: there are no values, or axes other than `width` and `op` without builders of one's own.
    """

    def __init__(
        self,
        carry: Mapping[str, Sequence[Any]] | None = None,
        free: Mapping[str, Sequence[Any] | Mapping[str, Any]] | None = None,
        levels: int = 2,
        strides: Sequence[int] = (1, 2),
        head: int = 32,
        make: Callable[..., nn.Module] | None = None,
        stem: Callable[..., nn.Module] | None = None,
        sink: Callable[..., nn.Module] | None = None,
        rule: PathRule | None = None,
    ) -> None:
        self.carry = {axis: list(values) for axis, values in (carry or {"width": WIDTHS}).items()}
        self.free = {axis: _by_label(values) for axis, values in (free or {"op": OPS}).items()}
        _check_axes(self.carry, self.free)
        for what, value in (("levels", levels), ("head", head)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ArgumentError(f"hypercuboid, {what}: got {value!r}; allowed: a whole number from 1")
        if not strides or any(isinstance(s, bool) or not isinstance(s, int) or s < 1 for s in strides):
            raise ArgumentError(f"hypercuboid, strides: got {strides!r}; allowed: whole numbers from 1, at least one")
        self.head = head
        self.strides = tuple(strides)
        self.level_strides = {_level(block, i, self.strides): s for block in range(levels) for i, s in enumerate(self.strides)}
        self.make, self.stem, self.sink = make, stem, sink
        self.rule = rule or PathRule()
        self.states = _combined(self.carry)
        self.ways = _combined({axis: list(values) for axis, values in self.free.items()})
        if make is None:
            self._check_default()

    def __call__(self, classes: int = 10, in_channels: int = 3) -> nn.Module:
        """The network; its choices are met while it is built."""
        lattice = Lattice(
            tuple(self.level_strides),
            tuple(self.states),
            tuple(self.ways),
            stem=lambda state: self._stem(in_channels, state),
            way=self._way,
            sink=self._sink,
            rule=self.rule,
        )
        return CuboidNetwork(lattice, self.head, classes)

    # -- builders -----------------------------------------------------------------------------------------------------------

    def _stem(self, in_channels: int, state: str) -> nn.Module:
        values = self.states[state]
        return self.stem(in_channels, **values) if self.stem is not None else Stem(in_channels, values["width"])

    def _way(self, level: str, start: str, end: str, way: str) -> nn.Module:
        free = {axis: self.free[axis][label] for axis, label in self.ways[way].items()}
        stride = self.level_strides[level]
        if self.make is not None:
            return self.make(self.states[start], self.states[end], stride, **free)
        return free["op"](channels=self.states[start]["width"], out_channels=self.states[end]["width"], stride=stride)

    def _sink(self, state: str) -> nn.Module:
        values = self.states[state]
        return self.sink(self.head, **values) if self.sink is not None else SharpSepConv(values["width"], self.head, 3)

    def _check_default(self) -> None:
        if set(self.carry) != {"width"} or set(self.free) != {"op"}:
            axes = [*self.carry, *self.free]
            raise ArgumentError(
                f"hypercuboid, axes: got {', '.join(axes)} without a builder; allowed: 'width' carried and 'op' free; give "
                "make=, stem= and sink= for other axes"
            )
        if any(isinstance(width, bool) or not isinstance(width, int) or width < 1 for width in self.carry["width"]):
            raise ArgumentError(f"hypercuboid, width: got {self.carry['width']}; allowed: whole numbers from 1")
        for label, value in self.free["op"].items():
            if isinstance(value, str) and value not in SHARP_OPS:
                raise unknown("operation", label, SHARP_OPS)
        self.free["op"] = {label: SHARP_OPS[value] if isinstance(value, str) else value for label, value in self.free["op"].items()}

    # -- what a search asks a program -----------------------------------------------------------------------------------------

    @staticmethod
    def arguments_for(shape: Sequence[int], classes: int) -> dict[str, Any]:
        """Arguments that fit a data set.

        Args:
            shape: Of one input, `(channels, height, width)`.
            classes: Number of classes.
        """
        return {"in_channels": shape[0], "classes": classes}

    def hand_made(self) -> dict[str, str]:
        """The path that one would write down: compute at the same state where nothing shrinks, pool to the next one where it does.

        The first way and the last one stand for computing and pooling. Source: the hand-made network of the authors.
        """
        states, ways = list(self.states), list(self.ways)
        at, found = 0, {}
        for number, (level, stride) in enumerate(self.level_strides.items()):
            start, way = states[at], ways[0]
            if stride > 1:
                at, way = min(at + 1, len(states) - 1), ways[-1]
            found[level] = f"{states[at]} {way}" if number else f"{start}->{states[at]} {way}"
        return found

    def architecture(self, decisions: Mapping[str, Any]) -> str:
        """The path of some decisions in text form, with all states of the grid, so that it can be drawn."""
        return path_text(tuple(self.states), decisions, tuple(self.level_strides))

    def brief(self, decisions: Mapping[str, Any]) -> str:
        """The path in few words."""
        return " | ".join(str(decisions[level]) for level in self.level_strides)


def space(
    channels: int = WIDTHS[0],
    steps: int = len(WIDTHS),
    layers: int = 4,
    head: int = 32,
    ops: Sequence[str] = OPS,
    way: str = "longest",
    score: str = "sum",
    cost_weight: float = 0.0,
    **arguments: Any,
) -> Space:
    """The cuboid of widths and operations; the defaults are the small one for images of 8x8, with 3,888 paths.

    Args:
        channels: Smallest width, rounded down to a power of two.
        steps: Number of widths, each twice the one before.
        layers: Levels, an even number: of stride 1 and of stride 2 in turn.
        head: Channels before the classifier. 768 in the published networks.
        ops: Operations of `oche.networks.SHARP_OPS`.
        way, score, cost_weight: Which path stands for the scores of a supernet, see `PathRule`.
        **arguments: Of the network: `classes`, `in_channels`.

    Raises:
        ArgumentError: a size is not allowed.
    """
    for what, value, low in (("channels", channels, 1), ("steps", steps, 1), ("layers", layers, 2)):
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise ArgumentError(f"hypercuboid, {what}: got {value!r}; allowed: a whole number from {low}")
    if layers % 2:
        raise ArgumentError(f"hypercuboid, layers: got {layers}; allowed: an even number, since levels of stride 1 and 2 stand in turn")
    smallest = channels.bit_length() - 1
    widths = [2**i for i in range(smallest, smallest + steps)]
    program = HyperCuboid({"width": widths}, {"op": list(ops)}, layers // 2, head=head, rule=PathRule(way, score, cost_weight))
    made = Space(program, **arguments)
    made.name = "hypercuboid"
    return made


def _level(block: int, index: int, strides: Sequence[int]) -> str:
    again = "" if strides.count(strides[index]) == 1 else f" ({index + 1})"
    return f"block {block + 1} stride {strides[index]}{again}"


def _by_label(values: Sequence[Any] | Mapping[str, Any]) -> dict[str, Any]:
    return dict(values) if isinstance(values, Mapping) else {str(getattr(v, "__name__", v)): v for v in values}


def _combined(axes: Mapping[str, Sequence[Any]]) -> dict[str, dict[str, Any]]:
    """All combinations of values by label."""
    combos = itertools.product(*axes.values())
    return {",".join(map(str, combo)): dict(zip(axes, combo, strict=True)) for combo in combos}


def _check_axes(carry: Mapping[str, Sequence[Any]], free: Mapping[str, Any]) -> None:
    for axis in (*carry, *free):
        if axis.lower() in TRAINING:
            raise NotRelaxable(
                f"hypercuboid, axis {axis!r}: got what changes the training and not the network; allowed: axes whose values are built into "
                f"modules; search it by an algorithm that trains each point, such as 'regularized-evolution' or 'optuna' over "
                f"oche.Space({{{axis!r}: oche.oneof([...]), ...}})"
            )
    both = sorted(set(carry) & set(free))
    if both:
        raise ArgumentError(f"hypercuboid, axis {both[0]!r}: got it carried and free; allowed: one of the two")
    for axis, values in (*carry.items(), *free.items()):
        labels = [str(v) for v in values]
        if not labels or len(set(labels)) < len(labels):
            raise ArgumentError(
                f"hypercuboid, axis {axis!r}: got {labels}; allowed: at least one value, and none twice; otherwise no path leads through"
            )
        if any(set(label) & set(",> ") for label in labels):
            raise ArgumentError(f"hypercuboid, axis {axis!r}: got {labels}; allowed: labels without spaces, ',' and '>'")
