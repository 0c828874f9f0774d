"""Which channel axes of a network must agree, found by tracing it: what may be pruned, together with what, and what it costs.

    a convolution or a linear layer    writes an axis of its own and reads another one
    a depthwise convolution            writes the axis that it reads
    norms, activations, pools          pass an axis on
    additions and products             tie the axes of what they join
    a `ChannelSelect`                  writes an axis of its own: what is read of a stream, whose width stays
    anything else                      its axes stay as they are

Axes that additions tie are the streams of a residual network. They stay as they are unless asked for, since a layer that writes one cannot
be pruned alone.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from oche.errors import ArgumentError, SpaceError
from oche.networks._channel_select import ChannelSelect

_PASSING = (
    nn.ReLU, nn.ReLU6, nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid, nn.SiLU, nn.GELU, nn.LeakyReLU, nn.Identity, nn.Dropout, nn.MaxPool2d,
    nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Flatten,
)  # fmt: skip
_PASSING_FUNCTIONS = {torch.relu, torch.flatten, functional.relu, functional.relu6, functional.avg_pool2d, functional.adaptive_avg_pool2d}
_PASSING_METHODS = {"relu", "flatten", "contiguous"}
_TYING = {operator.add, operator.iadd, torch.add, operator.mul, torch.mul}


@dataclass
class Group:
    """Axes that have one width.

    Args:
        name: Path of the first layer that writes it.
        size: Channels.
        writers: Paths of the layers that write it, depthwise convolutions included.
        readers: Paths of the layers that read it.
        norms: Paths of the normalizations on it.
        additions: What ties several layers in it, as messages name it.
        fixed: Why it cannot be pruned; empty if it can.
    """

    name: str
    size: int
    writers: list[str] = field(default_factory=list)
    readers: list[str] = field(default_factory=list)
    norms: list[str] = field(default_factory=list)
    additions: list[str] = field(default_factory=list)
    fixed: str = ""


@dataclass(frozen=True)
class Layer:
    """What a layer with weights needs of its axes.

    Args:
        path: In the network.
        kind: `conv`, `depthwise`, `linear`, `norm` or `select`.
        reads: Group that it reads, by index; for a norm and a depthwise convolution the one that it writes, too.
        writes: Group that it writes.
        kernel: Weights for each pair of channels; for a linear layer, inputs for each channel that it reads.
        bias: Whether there is one for each channel that it writes; for a norm, whether it has a scale and a shift.
        places: Places of the output, height times width.
    """

    path: str
    kind: str
    reads: int
    writes: int
    kernel: int = 1
    bias: bool = False
    places: int = 1


class Axes:
    """The groups of a network.

    Args:
        groups: All of them.
        layers: All layers with weights.
    """

    def __init__(self, groups: Sequence[Group], layers: Sequence[Layer]) -> None:
        self.groups = tuple(groups)
        self.layers = tuple(layers)
        self._by_layer = {path: g for g in self.groups for path in g.writers}

    def free(self, streams: bool = False, layers: Iterable[str] | None = None) -> list[Group]:
        """Groups that may be pruned, in the order of the network.

        Args:
            streams: Whether streams of residual networks are pruned too, each as a whole.
            layers: Only the groups that these layers write, by path.

        Raises:
            SpaceError: a layer does not exist, or cannot be pruned alone; the message names the addition, and what it ties.
        """
        found = [g for g in self.groups if not g.fixed and (streams or not g.additions)]
        if layers is None:
            return found
        return [g for g in found if g in [self._asked(path, streams) for path in layers]]

    def _asked(self, path: str, streams: bool) -> Group:
        group = self._by_layer.get(path)
        if group is None:
            raise SpaceError(
                f"prunable layer: got {path!r}; allowed: layers that write channels, such as {', '.join([*self._by_layer][:4])}"
            )
        if group.fixed:
            raise SpaceError(f"prunable layer: got {path!r}; allowed: others, since its channels are {group.fixed}")
        if group.additions and not streams:
            tied = ", ".join(w for w in group.writers if w != path)
            raise SpaceError(
                f"prunable layer: got {path!r}, whose output meets that of {tied} in {group.additions[0]}; allowed: layers inside of "
                "blocks; streams=True prunes all that an addition ties together"
            )
        return group

    def sizes(self, widths: Mapping[str, int]) -> list[int]:
        """Width of every group where some are given by name.

        Raises:
            ArgumentError: no such group, or a width is not from 1 to its channels.
        """
        names = {g.name: g for g in self.groups}
        for name, width in widths.items():
            if name not in names:
                raise ArgumentError(f"width: got {name!r}; allowed: {', '.join(names)}")
            if not 1 <= width <= names[name].size:
                raise ArgumentError(f"width {name!r}: got {width}; allowed: 1 to {names[name].size}")
        return [int(widths.get(g.name, g.size)) for g in self.groups]

    def params(self, widths: Mapping[str, int] | None = None) -> int:
        """Number of weights at some widths, in closed form; of the whole network by default."""
        sizes, total = self.sizes(widths or {}), 0
        for layer in self.layers:
            a, b = sizes[layer.reads], sizes[layer.writes]
            if layer.kind == "norm":
                total += 2 * b * layer.bias
            elif layer.kind == "depthwise":
                total += layer.kernel * b + b * layer.bias
            elif layer.kind != "select":
                total += layer.kernel * a * b + b * layer.bias
        return total

    def macs(self, widths: Mapping[str, int] | None = None) -> int:
        """Multiply-adds for one input at some widths, in closed form."""
        sizes, total = self.sizes(widths or {}), 0
        for layer in self.layers:
            a, b = sizes[layer.reads], sizes[layer.writes]
            if layer.kind in ("conv", "linear", "depthwise"):
                total += layer.kernel * layer.places * (1 if layer.kind == "depthwise" else a) * b
        return total


def trace(network: nn.Module, input_size: Sequence[int]) -> Axes:
    """Find the groups of a network.

    Args:
        network: A network of one input; it is not changed.
        input_size: Shape of one input, `(channels, height, width)`.

    Raises:
        SpaceError: torch cannot trace it, for example because of control flow on tensors.
    """
    try:
        graph = _Tracer().trace(network)
    except Exception as error:  # torch raises whatever the program raises under its stand-in for tensors
        raise SpaceError(
            f"network {type(network).__name__}: got a program that cannot be traced ({error}); allowed: no control flow"
        ) from error
    return _Finder(network, graph, input_size).find()


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, ChannelSelect) or (type(m).__module__.startswith("torch.nn") and not isinstance(m, nn.Sequential))


class _Finder:
    def __init__(self, network: nn.Module, graph: fx.Graph, input_size: Sequence[int]) -> None:
        self.network, self.graph = network, graph
        self.modules = dict(network.named_modules())
        self.parent: list[int] = []
        self.groups: list[Group] = []
        self.axis: dict[fx.Node, int] = {}
        self.layers: list[Layer] = []
        self.shapes = _shapes(network, graph, input_size)

    def find(self) -> Axes:
        for node in self.graph.nodes:
            inputs = [n for n in node.all_input_nodes if n in self.axis]
            if node.op == "placeholder":
                self.axis[node] = self._new("input", self.shapes[node][1], fixed="those of the input")
            elif node.op == "output":
                for n in inputs:
                    self._fix(n, "those of the output")
            elif node.op == "call_module":
                self._module(node, inputs)
            elif self._passes(node):
                self.axis[node] = self.axis[inputs[0]]
            elif node.op == "call_function" and node.target in _TYING and len(inputs) == 2:
                self.axis[node] = self._tie(node, inputs)
            elif inputs and node in self.shapes:
                for n in inputs:
                    self._fix(n, f"read by {node.name}, of which nothing is known")
                shape = self.shapes[node]
                self.axis[node] = self._new(node.name, shape[1] if len(shape) > 1 else 1, fixed=f"those of {node.name}")
        return self._closed()

    def _passes(self, node: fx.Node) -> bool:
        if node.op == "call_function":
            return node.target in _PASSING_FUNCTIONS
        return node.op == "call_method" and node.target in _PASSING_METHODS

    def _module(self, node: fx.Node, inputs: list[fx.Node]) -> None:
        path, module = str(node.target), self.modules[str(node.target)]
        before = self.axis[inputs[0]]
        places = 1
        for side in self.shapes[node][2:]:
            places *= side
        if isinstance(module, nn.Conv2d) and module.groups == 1:
            kernel, bias = module.kernel_size[0] * module.kernel_size[1], module.bias is not None
            self._writes(node, path, "conv", before, module.out_channels, kernel, bias, places)
        elif isinstance(module, nn.Conv2d) and module.groups == module.in_channels == module.out_channels:
            kernel = module.kernel_size[0] * module.kernel_size[1]
            self.groups[self._root(before)].writers.append(path)
            self.axis[node] = before
            self.layers.append(Layer(path, "depthwise", before, before, kernel, module.bias is not None, places))
        elif isinstance(module, nn.Linear):
            inner = module.in_features // self.groups[self._root(before)].size
            self._writes(node, path, "linear", before, module.out_features, inner, module.bias is not None, 1)
        elif isinstance(module, ChannelSelect):
            self._fix(inputs[0], "a stream that blocks read in part")
            self._writes(node, path, "select", before, int(module.channels), 0, False, places)
        elif isinstance(module, _BatchNorm):
            self.groups[self._root(before)].norms.append(path)
            self.axis[node] = before
            self.layers.append(Layer(path, "norm", before, before, 0, bool(module.affine), places))
        elif isinstance(module, _PASSING):
            self.axis[node] = before
        else:
            for n in inputs:
                self._fix(n, f"read by {path!r}, a {type(module).__name__}")
            self.axis[node] = self._new(path, self.shapes[node][1], fixed=f"written by a {type(module).__name__}")
            if any(True for _ in module.parameters()):
                raise SpaceError(
                    f"network: got layer {path!r}, a {type(module).__name__}; allowed: convolutions, linear layers, batch norms"
                )

    def _writes(self, node: fx.Node, path: str, kind: str, before: int, size: int, kernel: int, bias: bool, places: int) -> None:
        self.groups[self._root(before)].readers.append(path)
        after = self._new(path, size)
        self.groups[after].writers.append(path)
        self.axis[node] = after
        self.layers.append(Layer(path, kind, before, after, kernel, bias, places))

    def _tie(self, node: fx.Node, inputs: list[fx.Node]) -> int:
        first, second = (self._root(self.axis[n]) for n in inputs)
        if self.groups[first].size != self.groups[second].size:
            for n in inputs:
                self._fix(n, f"joined in {node.name} with another number of channels")
            return first
        if first != second:
            kept, gone = self.groups[min(first, second)], self.groups[max(first, second)]
            for what in ("writers", "readers", "norms", "additions"):
                getattr(kept, what).extend(getattr(gone, what))
            kept.fixed = kept.fixed or gone.fixed
            self.parent[max(first, second)] = min(first, second)
        root = self._root(first)
        self.groups[root].additions.append(f"{node.name} ({', '.join(n.name for n in inputs)})")
        return root

    def _new(self, name: str, size: int, fixed: str = "") -> int:
        self.parent.append(len(self.parent))
        self.groups.append(Group(name, size, fixed=fixed))
        return len(self.groups) - 1

    def _fix(self, node: fx.Node, why: str) -> None:
        group = self.groups[self._root(self.axis[node])]
        group.fixed = group.fixed or why

    def _root(self, axis: int) -> int:
        while self.parent[axis] != axis:
            axis = self.parent[axis]
        return axis

    def _closed(self) -> Axes:
        roots = [i for i in range(len(self.groups)) if self._root(i) == i]
        place = {root: i for i, root in enumerate(roots)}
        layers = [
            Layer(x.path, x.kind, place[self._root(x.reads)], place[self._root(x.writes)], x.kernel, x.bias, x.places) for x in self.layers
        ]
        return Axes([self.groups[root] for root in roots], layers)


class _Shapes(fx.Interpreter):
    """Runs a graph and keeps the shapes of its tensors."""

    def __init__(self, network: nn.Module, graph: fx.Graph) -> None:
        super().__init__(fx.GraphModule(network, graph))
        self.found: dict[str, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor):
            self.found[n.name] = tuple(result.shape)
        return result


def _shapes(network: nn.Module, graph: fx.Graph, input_size: Sequence[int]) -> dict[fx.Node, tuple[int, ...]]:
    from oche.networks._count import _meta_copy

    copy = _meta_copy(network).eval()
    interpreter = _Shapes(copy, graph)
    with torch.no_grad():
        interpreter.run(torch.empty(1, *input_size, device="meta"))
    return {node: interpreter.found[node.name] for node in graph.nodes if node.name in interpreter.found}
