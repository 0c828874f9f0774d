"""The resolver that builds a supernet in one run of the unedited program.

Every choice becomes a relaxed module with all its candidates, each built from its own random stream (so a fresh child starts with the
weights of its path). In tree style, choices between plain values among a layer's arguments are lifted: the layer itself becomes the
choice, one copy for each combination of values. Choices between whole numbers become elastic widths where they can.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from oche.errors import NotRelaxable, UndeclaredDecision, UnknownNameError
from oche.networks._elastic import elastic_rule
from oche.program import Choice, ManyOf, Node, NumberChoice, OneOf, Repeat, Resolver, Site, Space
from oche.program.layout import join
from oche.program.resolver import own_choices
from oche.supernets.chains import Link
from oche.supernets.drawn import Gate, Slot
from oche.supernets.mixer import Mixer
from oche.supernets.relaxed import Call, Merged, Mixed, Runtime, Stacked
from oche.supernets.rows import Row
from oche.supernets.widths import Width, width

#: Most combinations of values that one layer is built for. Source: ours.
MAX_COMBINATIONS = 32


class SuperResolver(Resolver):
    """Answers every choice with a relaxed module.

    Args:
        space: The space that is relaxed; says which candidates exist and which decisions are taken already.
        mixer: Builds and mixes candidates.
        runtime: Shared by all relaxed modules.
        seed: Root of the random streams.
    """

    def __init__(self, space: Space, mixer: Mixer, runtime: Runtime, seed: int = 0) -> None:
        super().__init__(seed)
        self.space = space
        self.mixer = mixer
        self.runtime = runtime
        #: What is decided, by key.
        self.rows: dict[str, Row] = {}
        #: Places about which the user should know something, by location.
        self.notes: dict[str, str] = {}
        self._lifted: dict[str, str] = {}
        self._decided: dict[str, str] = {}
        #: Elastic widths that the program was given, by key.
        self.widths: dict[str, Width] = {}

    def resolve(self, choice: Choice, location: str | None = None) -> Any:
        """The relaxed module of a choice; what is decided already stands as decided."""
        site = self.site(choice, location)
        if site.location in self._lifted:
            return choice.child(self, site, self._lifted[site.location])
        if choice.decides and site.key in self.space.fixed:
            return choice.child(self, site, self.space.fixed[site.key])
        if choice.decides and site.key in self.space.root.keys and site.key not in self.space.keys:
            self.notes[site.location] = f"left out of the space: stands at its default, {choice.default}"
            return choice.child(self, site, choice.default)
        return choice.relax(self, site)

    # -- what choices are made of -------------------------------------------------------------------------------------------

    def mix(self, choice: Choice, site: Site) -> Any:
        """A softmax over the candidates of a choice: a module, or an elastic width if they are whole numbers."""
        labels = self.labels(choice, site)
        whole = _is_whole(choice, labels)
        self.group(site.key, labels, "width" if whole else "op")
        if whole:
            sizes = tuple(choice.candidates[label] for label in labels)
            return self.widths.setdefault(site.location, width(site.key, site.location, labels, sizes))
        slot = Slot(site.key, site.location, labels, choice.given)
        return self._mixed(slot, lambda label, **overrides: self._module(choice, site, label, **overrides))

    def merge(self, choice: ManyOf, site: Site) -> nn.Module:
        """All inputs of a choice of inputs; with edge weights if the mixer asks for them."""
        labels = self.labels(choice, site)
        allowed = tuple(range(len(labels)))
        self._add(Row(site.key, labels, allowed, min(choice.k, len(labels)), "set", trained=self.mixer.needs_edges))
        modules = {label: self._module(choice, site, label) for label in labels}
        positions = [choice.labels.index(label) for label in labels]
        slot = Slot(site.key, site.location, labels, choice.given)
        return Merged(slot, modules, self.runtime, choice.k, choice.merge or "sum", positions, len(choice.labels))

    def slots(self, choice: ManyOf, site: Site) -> list[nn.Module]:
        """A mixed op for each slot of a choice of several in order; one row of logits a slot.

        Raises:
            NotRelaxable: the picks are a set: their slots have no logits of their own.
        """
        if choice.is_sorted and choice.distinct and choice.k > 1:
            raise NotRelaxable(
                f"choice {site.location!r}: got {choice.kind} of a set of {choice.k}; allowed in a supernet: oneof, repeat, permutate, "
                "manyof in order, manyof with merge; add merge='sum' if the candidates are parallel inputs, or use sorted=False"
            )
        labels = self.labels(choice, site)
        self._add(Row(site.key, labels, tuple(range(len(labels))), choice.k, "slots", True, choice.distinct, choice.is_sorted))
        return [
            self._mixed(
                Slot(site.key, f"{site.location}[{i}]", labels, choice.given, index=i),
                lambda label, i=i, **overrides: self._module(choice, site, label, i, **overrides),
            )
            for i in range(choice.k)
        ]

    def stack(self, choice: Repeat, site: Site) -> nn.Module:
        """As many layers as the largest allowed count."""
        labels = self.labels(choice, site)
        counts = [int(label) for label in labels]
        layers = {label: self._module(choice, site, label) for label in choice.layers[: max(counts)]}
        if not choice.decides:
            return nn.Sequential(*layers.values())
        self.group(site.key, labels, "depth")
        return Stacked(Slot(site.key, site.location, labels, choice.given), layers, self.runtime, self.mixer, counts)

    def labels(self, choice: Choice, site: Site) -> tuple[str, ...]:
        """Labels of the candidates that this supernet holds at a place.

        Raises:
            UndeclaredDecision: the place was not met when the space was compiled.
        """
        if not choice.decides:
            return choice.labels
        try:
            return self.space.relaxed_labels(site.key)
        except UnknownNameError as error:
            raise UndeclaredDecision(
                f"choice {site.key!r} at {site.location!r}: got a choice that was not met when the space was compiled; allowed: choices "
                "that are met in every run; nest choices by a callable, and name those under an 'if'"
            ) from error

    def group(self, key: str, labels: tuple[str, ...], axis: str = "op", link: Link | None = None) -> Callable[[], Gate]:
        """Declare one softmax over candidates; the result gives its present gate while the supernet runs.

        For choices that build a module of their own. Such a module derives from `Relaxed`, so that children can inherit.

        Args:
            key: Key of the decision.
            labels: Labels of the candidates.
            axis: What they differ in, as in `Row`.
            link: How they hang together with the decision before; all of them can be decided then.
        """
        decidable = labels if link is not None else self.space.labels(key)
        allowed = tuple(i for i, label in enumerate(labels) if label in decidable)
        self._add(Row(key, labels, allowed, axis=axis, link=link))
        runtime, slot = self.runtime, Slot(key, key, labels)
        return lambda: runtime.current(slot).gate(slot)

    def taken(self) -> dict[str, Any]:
        """Decisions that derived values may use: those of the space, and those of the layer that is being built."""
        return {**self.space.fixed, **self._decided}

    # -- value choices among a layer's arguments ----------------------------------------------------------------------------

    def node(self, node: Node, rel: str) -> Any:
        """What a node builds; one candidate for each combination if arguments are choices between values."""
        values = {path: choice for path, choice in self._liftable(node, rel) if _is_value_choice(choice)}
        sites = {path: self.site(choice, path) for path, choice in values.items()}
        sites = {path: site for path, site in sites.items() if site.key not in self.space.fixed and site.location not in self._lifted}
        if not sites:
            return super().node(node, rel)
        keys = list(dict.fromkeys(site.key for site in sites.values()))
        first = {site.key: values[path] for path, site in sites.items()}
        labels = [self.labels(first[key], next(s for s in sites.values() if s.key == key)) for key in keys]
        for key, options in zip(keys, labels, strict=True):
            self.group(key, options)
        combos = list(itertools.product(*(range(len(options)) for options in labels)))
        if len(combos) > MAX_COMBINATIONS:
            raise NotRelaxable(
                f"layer {node.symbol.__name__} at {join(self._scopes[-1].location, rel)!r}: got {len(combos)} combinations of "
                f"{', '.join(repr(k) for k in keys)}; allowed in a supernet: up to {MAX_COMBINATIONS}; use space.restrict(...)"
            )
        return self._lift(node, rel, sites, keys, labels, combos)

    def _liftable(self, node: Node, rel: str) -> list[tuple[str, Any]]:
        """Choices among a node's arguments, without those of whole numbers for arguments in which the layer is elastic."""
        rule = elastic_rule(node.symbol.target) if isinstance(node.symbol.target, type) else None
        elastic = rule.sizes if rule is not None else {}
        return [
            (path, choice)
            for argument, value in node.arguments.items()
            for path, choice in own_choices(value, join(rel, argument))
            if not (argument in elastic and _is_whole(choice, choice.labels))
        ]

    def _lift(
        self,
        node: Node,
        rel: str,
        sites: Mapping[str, Site],
        keys: list[str],
        labels: list[tuple[str, ...]],
        combos: list[tuple[int, ...]],
    ) -> nn.Module:
        location = join(self._scopes[-1].location, rel) or node.symbol.__name__
        by_name = {",".join(options[c] for options, c in zip(labels, combo, strict=True)): combo for combo in combos}
        slot = Slot(keys[0], location, tuple(by_name), keys=tuple(keys), combos=tuple(combos))

        def make(name: str, **overrides: Any) -> nn.Module:
            chosen = dict(zip(keys, (options[c] for options, c in zip(labels, by_name[name], strict=True)), strict=True))
            outer, self._lifted = self._lifted, {**self._lifted, **{s.location: chosen[s.key] for s in sites.values()}}
            before, self._decided = self._decided, {**self._decided, **chosen}
            try:
                built = Resolver.node(self, node.replace({**node.args, **overrides}), rel)
            finally:
                self._lifted, self._decided = outer, before
            return _as_module(built, f"layer {node.symbol.__name__} at {location!r}")

        return self._mixed(slot, make)

    # -- shared -------------------------------------------------------------------------------------------------------------

    def _mixed(self, slot: Slot, make: Callable[..., nn.Module]) -> nn.Module:
        rebuilt: dict[str, Any] = {}

        def tracked(label: str, **overrides: Any) -> nn.Module:
            rebuilt.update({k: v for k, v in overrides.items() if slot.given.get(k) != v})
            return make(label, **overrides)

        candidates = self.mixer.build(slot, tracked)
        if candidates.note:
            self.notes[slot.location] = candidates.note
        kept = {} if candidates.whole else rebuilt
        slot = Slot(slot.key, slot.location, slot.labels, slot.given, kept, slot.keys, slot.combos, slot.index)
        return Mixed(slot, candidates.modules, self.runtime, self.mixer, candidates.note)

    def _module(self, choice: Choice, site: Site, label: str, index: int | None = None, **overrides: Any) -> nn.Module:
        return _as_module(self.candidate(choice, site, label, index, **overrides), f"choice {site.location!r}, candidate {label!r}")

    def _add(self, row: Row) -> None:
        self.rows.setdefault(row.key, row)


def _as_module(made: Any, what: str) -> nn.Module:
    if isinstance(made, nn.Module):
        return made
    if callable(made):
        return Call(made)
    raise NotRelaxable(
        f"{what}: got {made!r}, which is no module; allowed in a supernet: candidates that are modules or functions of tensors; write the "
        "program as a tree of symbolic layers, as in symbolic(nn.Conv2d)(..., kernel_size=oneof([1, 3])), use a black-box algorithm, leave "
        "it out with space.where(...), or decide it with space.fix({key: label})"
    )


def _is_whole(choice: Choice, labels: tuple[str, ...]) -> bool:
    """Whether a choice is one between whole numbers above zero, which can be widths."""
    found = [choice.candidates[label] for label in labels] if isinstance(choice, OneOf) else []
    return bool(found) and all(type(candidate) is int and candidate > 0 for candidate in found)


def _is_value_choice(choice: Choice) -> bool:
    """Whether a choice gives a layer a number, a text or the like, and not a module."""
    if isinstance(choice, NumberChoice) or not isinstance(choice, OneOf):
        return False
    return not any(callable(c) or isinstance(c, (Node, Choice)) for c in choice.candidates.values())
