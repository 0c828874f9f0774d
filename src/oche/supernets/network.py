"""One module that holds every candidate of every choice of a program.

A supernet runs the unedited program once under `SuperResolver` and keeps two disjoint groups of parameters: `weights()`, and `arch()`,
one row of logits per decision key. What a forward pass does with the candidates is up to its mixer; any point of the space can be
forced by `fixed`, taken out as a child, or derived from the logits.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from oche.errors import ArgumentError, NotRelaxable, unknown
from oche.networks._elastic import elastic_layers
from oche.program import DNA, Space, as_space
from oche.seeds import torch_generator
from oche.supernets.chains import joined
from oche.supernets.drawn import Drawn, Gate, Moment
from oche.supernets.elastic import elastic_layers_of, make_elastic
from oche.supernets.mixer import PHASES, Mixer
from oche.supernets.norm import MODES, drop_statistics, give_statistics, has_statistics, recalibrate, restore
from oche.supernets.policy import Policy
from oche.supernets.relaxed import Mixed, Runtime, extracting
from oche.supernets.resolver import SuperResolver
from oche.supernets.rows import Row, forced


class Supernet(nn.Module):
    """A program with all its choices open, as a module.

    Args:
        space: A space, or a program with choices.
        mixer: How candidates are mixed.
        weighting: Maps probabilities `(n,)` to multipliers `(n,)`; None leaves them.
        seed: Root of the initial weights, the logits and the draws.
        batch_norm: `batch` (statistics of the batch, also in evaluation) or `running`.

    Raises:
        NotRelaxable: a choice cannot take part; the message names the place and what to do.

    Source: specs of one-shot search (Liu et al. 2019; Xu et al. 2020); building it from an unedited program is ours.
    """

    def __init__(
        self, space: Any, mixer: Mixer, weighting: Callable[[Tensor], Tensor] | None = None, seed: int = 0, batch_norm: str = "batch"
    ) -> None:
        super().__init__()
        if batch_norm not in MODES:
            raise ArgumentError(f"batch_norm: got {batch_norm!r}; allowed: {', '.join(repr(m) for m in MODES)}")
        self.space: Space = as_space(space)
        self.mixer = mixer
        self.weighting = weighting
        self.seed = seed
        self.batch_norm = batch_norm
        self.runtime = Runtime()
        self.network, rows, self.notes = _build(self.space, mixer, self.runtime, seed)
        self.policy: Policy = mixer.policy(self.space, rows, seed)
        if batch_norm == "batch":
            drop_statistics(self.network)
        self._fixed: dict[str, Any] = {}
        self._all_fixed = False
        self._recalibrated = False
        self._draws = 0
        self._clock: tuple[int, str, int] | None = None
        self._multipliers: Mapping[str, Tensor] = {}
        self._weighted: Mapping[str, Tensor] = {}

    # -- parameters ---------------------------------------------------------------------------------------------------------

    def named_weights(self) -> dict[str, nn.Parameter]:
        """All weights by their name in the state dict."""
        return {f"network.{name}": parameter for name, parameter in self.network.named_parameters()}

    def weights(self) -> list[nn.Parameter]:
        """All weights, as an optimizer wants them."""
        return list(self.named_weights().values())

    def named_arch(self) -> dict[str, Tensor]:
        """All architecture parameters by decision key."""
        return self.policy.named_logits()

    def arch(self) -> list[Tensor]:
        """All architecture parameters, as an optimizer wants them."""
        return list(self.named_arch().values())

    # -- running ------------------------------------------------------------------------------------------------------------

    @property
    def drawn(self) -> Drawn | None:
        """The draw of the latest forward pass."""
        return self.runtime.last

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """The output of the program with its candidates mixed by a new draw."""
        self.runtime.drawn = self.runtime.last = self._draw()
        try:
            return self.network(*inputs, **named)
        finally:
            self.runtime.drawn = None

    @contextmanager
    def at(
        self,
        step: int,
        phase: str = "weights",
        path: int = 0,
        moment: Moment | None = None,
        multipliers: Mapping[str, Tensor] | None = None,
    ) -> Iterator[Supernet]:
        """Draw for this step, phase and path in the block, as often as forward is called; otherwise every call is a step of its own.

        Args:
            step: Number of the step.
            phase: `weights` or `arch`.
            path: Number of the path within the step.
            moment: How far the search is; None: as before.
            multipliers: By key, what takes the place of the weights that are drawn.
        """
        if phase not in PHASES:
            raise ArgumentError(f"phase: got {phase!r}; allowed: {', '.join(repr(p) for p in PHASES)}")
        before = self._clock, self.policy.moment, self._multipliers
        self._clock, self._multipliers = (step, phase, path), multipliers or {}
        if moment is not None:
            self.policy.moment = moment
        try:
            yield self
        finally:
            self._clock, self.policy.moment, self._multipliers = before

    def draw(self) -> Drawn:
        """The draw that a forward pass would make; in an `at` block always the same."""
        return self._draw()

    def _draw(self) -> Drawn:
        step, phase, path = self._clock or (self._draws, "weights", 0)
        if self._clock is None:
            self._draws += 1
        generator = torch_generator(self.seed, "draw", step, phase, 0 if self.mixer.joint_paths else path)
        drawn = replace(self.mixer.draw(self.policy, generator, step, phase, path), step=step, phase=phase, path=path)
        decided = {key for key in self.policy.rows if self._all_fixed or key in self._fixed}
        for key, row in self.policy.rows.items():
            gate = drawn.gates.get(key, Gate())
            if key in self._weighted:
                drawn.gates[key] = Gate(self._weighted[key])
            elif key in decided:
                drawn.gates[key] = forced(row, self._fixed.get(key))
            elif key in self._multipliers and (gate.weights is not None or gate.active is None):
                drawn.gates[key] = Gate(self._multipliers[key], gate.active)
            elif gate.weights is not None and self.weighting is not None:
                rows = gate.weights if gate.weights.dim() == 2 else gate.weights[None]
                weighted = torch.stack([self.weighting(row) for row in rows])
                drawn.gates[key] = Gate(weighted.reshape(gate.weights.shape), gate.active)
        joined(self.policy.rows, drawn.gates)
        return replace(drawn, forced=frozenset(decided))

    @contextmanager
    def fixed(self, decisions: DNA | Mapping[str, Any]) -> Iterator[Supernet]:
        """Force decisions in the block.

        Args:
            decisions: A DNA: the output is exactly that of the child with these weights. Or some decisions by key, as labels (tuples of
                labels for choices of inputs): the others are drawn as before.

        Raises:
            UnknownNameError: a key or a label does not exist.
        """
        whole = isinstance(decisions, DNA)
        values = self.policy.placed(self.space.decisions(decisions)) if isinstance(decisions, DNA) else self._checked(decisions)
        before = self._fixed, self._all_fixed, self._recalibrated
        self._fixed, self._all_fixed = ({} if whole else self._fixed) | values, whole or self._all_fixed
        try:
            yield self
        finally:
            if self._recalibrated and not before[2]:
                self._forget()
            self._fixed, self._all_fixed, _ = before

    @contextmanager
    def weighted(self, weights: Mapping[str, Tensor]) -> Iterator[Supernet]:
        """Give all candidates of some choices of one these weights in the block, whatever is drawn.

        Args:
            weights: By key, one number for each label.
        """
        before, self._weighted = self._weighted, dict(weights)
        try:
            yield self
        finally:
            self._weighted = before

    def _checked(self, decisions: Mapping[str, Any]) -> dict[str, Any]:
        checked: dict[str, Any] = {}
        for key, value in decisions.items():
            if key not in self.policy.rows:
                raise unknown("choice", key, self.policy.rows)
            row = self.policy.rows[key]
            labels = (value,) if isinstance(value, str) else tuple(value)
            for label in labels:
                if label not in row.labels and (row.link is None or label not in row.link.decisions):
                    raise unknown(f"candidate of {key!r}", str(label), row.labels)
            if len(labels) != row.k:
                raise ArgumentError(f"fixed {key!r}: got {len(labels)} labels; allowed: {row.k}")
            checked[key] = labels[0] if row.kind == "one" else labels
        return checked

    # -- losses as functions of their tensors -------------------------------------------------------------------------------

    def functional(self, weights: Mapping[str, Tensor], arch: Mapping[str, Tensor]) -> Functional:
        """The supernet as a function of other tensors; nothing of the supernet is changed by calling it.

        Args:
            weights: By the names of `named_weights`.
            arch: By key, as in `named_arch`.
        """
        return Functional(self, weights, arch)

    # -- points of the space ------------------------------------------------------------------------------------------------

    def derive(self, exclude: Iterable[str | tuple[str, str]] = ()) -> DNA:
        """The point that the logits stand for, without some labels where there are others."""
        return self.policy.derive(exclude)

    def arch_state(self) -> dict[str, Any]:
        """The architecture parameters by key and label, as JSON."""
        return self.policy.saved()

    def load_arch(self, saved: Mapping[str, Any], strict: bool = True) -> None:
        """Take architecture parameters from `arch_state` of this supernet, or of one of another depth or width with equal keys.

        Args:
            saved: From `arch_state`.
            strict: Refuse keys that only one side has.

        Raises:
            ArgumentError: the keys, the labels or the number of slots differ.
        """
        self.policy.restore(saved, strict)

    def child(self, dna: DNA, weights: str = "inherit", seed: int | None = None, **arguments: Any) -> nn.Module:
        """The program of a point, as a module of its own.

        Args:
            dna: A point of the space.
            weights: `inherit`: copies of the supernet's weights; state-dict keys equal those of a fresh child. `fresh`: initial weights.
            seed: Of fresh weights; default the supernet's, which gives the weights from which its path started.
            **arguments: Other arguments of the program, for fresh weights only.

        Raises:
            ArgumentError: inherited weights do not fit, because the arguments differ or the mixer rebuilt candidates.
        """
        if weights == "fresh":
            # In the whole space: decisions that were left out stand at their defaults, as they do in the supernet.
            return self.space.root.build(self.space.lift(dna), self.seed if seed is None else seed, **arguments)
        if weights != "inherit":
            raise ArgumentError(f"weights: got {weights!r}; allowed: 'inherit', 'fresh'")
        decisions = self.space.decisions(dna)
        other = {name: value for name, value in arguments.items() if self.space.arguments.get(name, _Missing) != value}
        if other:
            raise ArgumentError(
                f"child with inherited weights: got other arguments {other!r}; allowed: those of the supernet; use weights='fresh'"
            )
        self._refuse_rebuilt()
        with extracting({**self.space.fixed, **decisions}):
            network = copy.deepcopy(self.network)
        restore(network)
        for parameter in network.parameters():
            parameter.grad = None
        return network

    def _refuse_rebuilt(self) -> None:
        rebuilt = next((m for m in self.network.modules() if isinstance(m, Mixed) and m.slot.rebuilt), None)
        if rebuilt is not None:
            changed = ", ".join(f"{k}={v!r} for {rebuilt.slot.given.get(k)!r}" for k, v in rebuilt.slot.rebuilt.items())
            raise ArgumentError(
                f"child with inherited weights: got candidates of choice {rebuilt.slot.key!r} that {type(self.mixer).__name__} built with "
                f"{changed}; allowed: a mixer that keeps the program's candidates; use weights='fresh'"
            )

    def restrict(self, allowed: Mapping[str, Sequence[str]], weights: str = "copy") -> Supernet:
        """A supernet of fewer candidates.

        Args:
            allowed: By key, the labels that stay.
            weights: `copy`: weights and logits of what stays; `fresh`: initial ones.
        """
        if weights not in ("copy", "fresh"):
            raise ArgumentError(f"weights: got {weights!r}; allowed: 'copy', 'fresh'")
        made = Supernet(self.space.restrict(allowed), self.mixer, self.weighting, self.seed, self.batch_norm)
        made.to(next(iter(self.parameters())).device)
        made.train(self.training)
        if weights == "copy":
            self._copy_into(made)
        return made

    @torch.no_grad()
    def _copy_into(self, other: Supernet) -> None:
        mine = dict(self.network.state_dict())
        allowed = {**{key: row.labels for key, row in other.policy.rows.items()}, **other.space.fixed}
        for path, layer in elastic_layers_of(self.network):
            mine.update({f"{path}.{name}".lstrip("."): tensor for name, tensor in layer.cut(allowed).state_dict().items()})
        for path, module in self.network.named_modules():
            if isinstance(module, Mixed) and type(module.mixer).extract is not Mixer.extract:  # candidates may share their weights
                for i, child in enumerate(module.names[: len(module.slot.labels)]):
                    made = module.mixer.extract(module.slot, module.inside, i, {})
                    mine.update({f"{path}.{child}.{name}": tensor for name, tensor in made.state_dict().items()})
        other.network.load_state_dict({name: mine[name] for name in other.network.state_dict()})
        other.policy.take(self.policy)

    # -- batch norm ---------------------------------------------------------------------------------------------------------

    def recalibrate(self, batches: Iterable[Any]) -> Supernet:
        """Compute batch-norm statistics of what is run at present, and use them in evaluation.

        With `batch_norm="batch"` they hold until the enclosing `fixed` block ends, or until the supernet trains again.

        Args:
            batches: Inputs, or pairs of inputs and targets.
        """
        if self.batch_norm == "batch" and not has_statistics(self.network):
            give_statistics(self.network)
        self._recalibrated = False  # this pass in training mode is not the training that ends the use of statistics
        recalibrate(self, batches)
        self._recalibrated = True
        return self

    def train(self, mode: bool = True) -> Supernet:
        """Switch between training and evaluation."""
        if mode and getattr(self, "_recalibrated", False):
            self._forget()
        super().train(mode)
        return self

    def _forget(self) -> None:
        self._recalibrated = False
        if self.batch_norm == "batch":
            drop_statistics(self.network)


class Functional:
    """A supernet as a function of given tensors, with buffers of its own.

    Args:
        supernet: Gives structure, draws and present buffers.
        weights, arch: As in `Supernet.functional`.
    """

    def __init__(self, supernet: Supernet, weights: Mapping[str, Tensor], arch: Mapping[str, Tensor]) -> None:
        self.supernet = supernet
        names = {id(parameter): name for name, parameter in supernet.policy.named_parameters()}
        logits = {f"policy.{names[id(parameter)]}": arch[key] for key, parameter in supernet.named_arch().items()}
        self.buffers = {name: buffer.clone() for name, buffer in supernet.named_buffers()}
        self._tensors = {**weights, **logits, **self.buffers}

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """The output at these tensors."""
        return functional_call(self.supernet, self._tensors, inputs, named)

    @torch.no_grad()
    def accept(self) -> None:
        """Make the buffers as they are after the calls those of the supernet."""
        for name, buffer in self.supernet.named_buffers():
            buffer.copy_(self.buffers[name])


class _Missing:
    """Stands for an argument that was not given."""


def _build(space: Space, mixer: Mixer, runtime: Runtime, seed: int) -> tuple[nn.Module, list[Row], dict[str, str]]:
    resolver = SuperResolver(space, mixer, runtime, seed)
    network = space.run(resolver)
    if not isinstance(network, nn.Module):
        raise NotRelaxable(
            f"program {space.name!r}: got a {type(network).__name__}; allowed in a supernet: a program that builds a torch module"
        )
    reached = make_elastic(network, runtime)
    lost = next((width for width in resolver.widths.values() if not reached.issuperset(width.keys)), None)
    if lost is not None:
        raise NotRelaxable(
            f"choice {lost.place}: got a whole number in plain style that is no width of a layer; allowed in a supernet: widths of elastic "
            f"layers ({', '.join(elastic_layers())}); use repeat(...) for a number of layers, leave it out with space.where(...), or "
            "decide it with space.fix(...)"
        )
    width = next(iter(resolver.widths.values()), None)
    if width is not None and mixer.needs_all:
        raise NotRelaxable(
            f"choice {width.place}: got an elastic width with {type(mixer).__name__}, whose gates need what every candidate "
            "gives; allowed: choices between modules; decide it with space.fix(...), or use another mixer"
        )
    if not resolver.rows:
        raise NotRelaxable(f"program {space.name!r}: got no choices; allowed in a supernet: at least one; put oneof(...) where it may vary")
    return network, list(resolver.rows.values()), resolver.notes
