"""Modules that stand in a supernet where the program has a choice.

    Mixed      one of several candidates     -> the mixer's sum of candidates
    Merged     chosen inputs                 -> the (weighted) merge of all inputs
    Stacked    a chosen number of layers     -> the (weighted) sum of the outputs after each allowed number of layers

A copy of a network made while decisions are set (`extracting`) holds the chosen candidate in place of each of them; that is how a
child inherits weights, wherever the program keeps its modules.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch import nn

from oche.errors import ArgumentError, ShapeMismatch
from oche.program.merging import Merge, combine, unpack
from oche.supernets.drawn import Drawn, Gate, Slot, indices
from oche.supernets.mixer import Mixer, name
from oche.supernets.outputs import check_equal, shape, weighted_sum

_extracting: ContextVar[Mapping[str, Any] | None] = ContextVar("oche_extracting", default=None)


@contextmanager
def extracting(decisions: Mapping[str, Any]) -> Iterator[None]:
    """Let copies hold the chosen candidates instead of relaxed modules."""
    token = _extracting.set(decisions)
    try:
        yield
    finally:
        _extracting.reset(token)


def extracted() -> Mapping[str, Any] | None:
    """Decisions for which copies are made at present; None for plain copies."""
    return _extracting.get()


class Runtime:
    """What one supernet and its relaxed modules share while they run; copies and files of a supernet get an empty one."""

    def __init__(self) -> None:
        #: The draw of the forward pass that is under way.
        self.drawn: Drawn | None = None
        #: The draw of the latest forward pass.
        self.last: Drawn | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (Runtime, ())

    def current(self, slot: Slot) -> Drawn:
        """The present draw."""
        if self.drawn is None:
            raise ArgumentError(f"choice {name(slot)}: got a call outside of its supernet; allowed: calls through supernet(x)")
        return self.drawn


class Call(nn.Module):
    """A function without weights, as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """What the function returns."""
        return self.function(*inputs, **named)


class Relaxed(nn.Module):
    """Base of modules that stand for a choice.

    Args:
        slot: The place.
        modules: By name; they become children named `=name`, so that state-dict keys hold labels and no index.
        runtime: Shared with the supernet.
    """

    def __init__(self, slot: Slot, modules: Mapping[str, Any], runtime: Runtime) -> None:
        super().__init__()
        self.slot = slot
        self.runtime = runtime
        self.names = tuple(f"={escape(label)}" for label in modules)
        for child, module in zip(self.names, modules.values(), strict=True):
            self.add_module(child, module)

    @property
    def inside(self) -> list[nn.Module]:
        """The modules in order."""
        return [self._modules[child] for child in self.names]  # type: ignore[misc]

    @abstractmethod
    def extract(self, decisions: Mapping[str, Any], memo: dict[int, Any]) -> nn.Module:
        """A copy of what a child holds here."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        decisions = _extracting.get()
        if decisions is not None:
            made = self.extract(decisions, memo)
        else:
            made = type(self).__new__(type(self))
            memo[id(self)] = made
            made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        memo[id(self)] = made
        return made

    def extra_repr(self) -> str:
        """The place and its labels."""
        return f"{self.slot.key}: {', '.join(self.slot.labels)}"


class Mixed(Relaxed):
    """All candidates of a choice, mixed as the mixer says."""

    def __init__(self, slot: Slot, modules: Mapping[str, Any], runtime: Runtime, mixer: Mixer, note: str = "") -> None:
        super().__init__(slot, modules, runtime)
        self.mixer = mixer
        self.note = note
        #: Whether candidates give outputs of one shape in all draws; not if their widths are drawn.
        self.even = True
        self._shapes: dict[Any, tuple[str, Any]] = {}

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """The mixture of the candidates' outputs."""
        drawn = self.runtime.current(self.slot)
        output = self.mixer.mix(self.slot, drawn, self.inside, *inputs, **named)
        self._remember(drawn.gate(self.slot), inputs, output)
        return output

    def _remember(self, gate: Gate, inputs: tuple[Any, ...], output: Any) -> None:
        """Where one candidate runs at a time, compare its shape with those that ran before on such inputs."""
        if not self.even or gate.active is None or len(gate.active) != 1:
            return
        label, came, found = self.slot.labels[gate.active[0]], repr(shape(list(inputs))), shape(output)
        known = self._shapes.setdefault(came, (label, found)) if len(self._shapes) < 64 else self._shapes.get(came, (label, found))
        if known[1] != found:
            raise ShapeMismatch(
                f"outputs of choice {name(self.slot)}: got {known[1]} from {known[0]!r} and {found} from {label!r}; "
                "allowed: equal shapes; give the candidates equal strides, paddings and channels"
            )

    def extract(self, decisions: Mapping[str, Any], memo: dict[int, Any]) -> nn.Module:
        """A copy of the chosen candidate."""
        if self.slot.keys:
            chosen = ",".join(decisions[key] for key in self.slot.keys)
        else:
            taken = decisions[self.slot.key]
            chosen = taken if self.slot.index is None else taken[self.slot.index]
        return self.mixer.extract(self.slot, self.inside, self.slot.labels.index(chosen), memo)


class Merged(Relaxed):
    """All inputs of a choice of inputs, merged.

    Args:
        k: How many of them a child takes.
        merge: As in `manyof`.
        positions: For each label, the index of its input.
        n: Number of inputs with which the program calls.
    """

    #: Indices of the chosen inputs; None, because all are mixed.
    active = None

    def __init__(
        self,
        slot: Slot,
        modules: Mapping[str, Any],
        runtime: Runtime,
        k: int,
        merge: str | Callable[..., Any],
        positions: Sequence[int],
        n: int,
    ) -> None:
        super().__init__(slot, modules, runtime)
        self.k = k
        self.merge = merge
        self.positions = tuple(positions)
        self.n = n

    def forward(self, *inputs: Any) -> Any:
        """Merge `n` inputs, given one by one or as one list."""
        states = unpack(inputs, self.n, self.slot.location)
        gate = self.runtime.current(self.slot).gate(self.slot)
        chosen, modules = indices(gate, len(self.names)), self.inside
        outputs = [modules[i](states[self.positions[i]]) for i in chosen]
        labels = [self.slot.labels[i] for i in chosen]
        if gate.weights is None:
            check_equal(outputs, labels, name(self.slot))
            return combine(outputs, self.merge)
        scalars = gate.weights.unbind(0)
        if callable(self.merge):
            return self.merge([scalars[i] * output for i, output in zip(chosen, outputs, strict=True)])
        return weighted_sum(outputs, [scalars[i] for i in chosen], labels, name(self.slot))

    def extract(self, decisions: Mapping[str, Any], memo: dict[int, Any]) -> nn.Module:
        """A merge of copies of the chosen edges."""
        labels = decisions.get(self.slot.key, self.slot.labels)
        chosen = [self.slot.labels.index(label) for label in labels]
        edges = [copy.deepcopy(self.inside[i], memo) for i in chosen]
        active = [self.positions[i] for i in chosen]
        return _as_trained(Merge(edges, active, self.n, self.merge, self.slot.location), self.training)


class Stacked(Relaxed):
    """Layers in a row, of which a chosen number is used.

    Args:
        counts: Allowed numbers, in the order of the labels.
    """

    def __init__(self, slot: Slot, modules: Mapping[str, Any], runtime: Runtime, mixer: Mixer, counts: Sequence[int]) -> None:
        super().__init__(slot, modules, runtime)
        self.mixer = mixer
        self.counts = tuple(counts)

    def forward(self, x: Any) -> Any:
        """What the mixer makes of the outputs after each allowed number of layers; layers are run once, and later ones only if needed."""
        layers, after = self.inside, [x]

        def at(count: int) -> Callable[..., Any]:
            def run(_: Any) -> Any:
                while len(after) <= count:
                    after.append(layers[len(after) - 1](after[-1]))
                return after[count]

            return run

        drawn = self.runtime.current(self.slot)
        return self.mixer.mix(self.slot, drawn, [at(count) for count in self.counts], x)

    def extract(self, decisions: Mapping[str, Any], memo: dict[int, Any]) -> nn.Module:
        """Copies of the first layers in a row."""
        depth = int(decisions.get(self.slot.key, self.slot.labels[0]))
        return _as_trained(nn.Sequential(*(copy.deepcopy(layer, memo) for layer in self.inside[:depth])), self.training)


def escape(label: str) -> str:
    """A label as part of a state-dict key, which cannot hold a dot; one to one."""
    return label.replace("%", "%25").replace(".", "%2E")


def _as_trained(module: nn.Module, training: bool) -> nn.Module:
    module.training = training
    return module
