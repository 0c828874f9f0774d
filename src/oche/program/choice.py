"""The one extension point for freedom in a program, and the choices that everybody needs.

A `Choice` tells its decisions (`collect`), what stands in its place in a child (`child`) and in a supernet (`relax`). The functions
with which programs are written (`oneof` and the others) are in `making.py`.
"""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from oche.errors import NotRelaxable, SpaceError
from oche.program.layout import join
from oche.program.node import Symbol, is_module
from oche.program.resolver import Collect, Resolver, Site
from oche.program.spec import Decision, Number, Pick


class Choice(ABC):
    """A point of freedom in a program.

    Args:
        name: Key of the decision; equal names are one decision. None: the place is the key.
        candidates: By label; empty for numbers.
        given: Keyword arguments with which candidate factories are called.
        relaxed_only: Labels that take part in a mixture but are never a decision.
    """

    is_oche_choice = True

    def __init__(
        self, name: str | None, candidates: Mapping[str, Any], given: Mapping[str, Any] | None = None, relaxed_only: Sequence[str] = ()
    ) -> None:
        if name is not None and (not isinstance(name, str) or not name):
            raise SpaceError(f"choice name: got {name!r}; allowed: text, or None")
        self.name = name
        self.key: str | None = None
        self.candidates = dict(candidates)
        self.given = dict(given or {})
        self.relaxed_only = frozenset(relaxed_only)
        for label, candidate in self.candidates.items():
            if is_module(candidate):
                raise SpaceError(
                    f"choice {name or ''!r}, candidate {label!r}: got a module that is already built; allowed: something that builds one, "
                    f"so that every child gets its own; write lambda: {type(candidate).__name__}(...)"
                )

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of all candidates, those that are relaxed only included."""
        return tuple(self.candidates)

    @property
    def decidable(self) -> tuple[str, ...]:
        """Labels that can be a decision."""
        return tuple(label for label in self.candidates if label not in self.relaxed_only)

    @property
    def decides(self) -> bool:
        """Whether there is anything to decide."""
        return True

    @property
    def default(self) -> Any:
        """The decision of a program that nobody searches: the first candidate."""
        return self.decidable[0]

    @abstractmethod
    def collect(self, collector: Collect, site: Site, plain: bool) -> tuple[list[Decision], Any]:
        """The decisions at `site`, and what an undecided program gets to see."""

    @abstractmethod
    def child(self, resolver: Resolver, site: Site, decision: Any) -> Any:
        """What stands here once `decision` is taken: a label, a tuple of labels, or a number."""

    @abstractmethod
    def relax(self, builder: Any, site: Site) -> Any:
        """The supernet module that stands here.

        Args:
            builder: Resolver of a supernet. It offers `mix(choice, site)` (one softmax over candidates), `merge(choice, site)`
                (weighted inputs), `slots(choice, site)` (a list of mixed ops) and `stack(choice, site)` (elastic depth); other choices
                build their own module from `candidate(choice, site, label)` and `group(key, labels)`.
            site: The place.
        """

    @staticmethod
    def is_choice(value: Any) -> bool:
        """Whether a value is a choice."""
        return isinstance(value, Choice)

    def keyed(self, key: str) -> Choice:
        """The same choice, bound to a key wherever it comes to stand."""
        made = copy.copy(self)
        made.key = key
        return made

    def call(self, label: str, site: Site | None = None, **overrides: Any) -> Any:
        """Call the factory of a candidate with the given arguments, some of them replaced.

        Raises:
            SpaceError: the factory does not take them; the message names the place, the candidate and the arguments.
        """
        factory = self.candidates[label]
        arguments = {**self.given, **overrides}
        target = factory.target if isinstance(factory, Symbol) else factory
        if arguments:
            _check_call(target, arguments, site.location if site else self.name or "", label)
        return target(**arguments)

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name else ""
        return f"{type(self).__name__.lower()}([{', '.join(self.candidates)}]{name})"


class OneOf(Choice):
    """One of several candidates."""

    def collect(self, collector: Collect, site: Site, plain: bool) -> tuple[list[Decision], Any]:
        """One pick; each candidate holds what is met while it is built."""
        visited = {label: collector.visit(self, site, label) for label in self.labels}
        decidable = self.decidable
        seen = 0
        if plain and not all(is_module(value) for _, value in visited.values()):
            seen = collector.default(site, len(decidable))
        branches = tuple(visited[label][0] for label in decidable)
        named = self.name is not None
        pick = Pick(site.rel, site.location, site.key, "oneof", decidable, 1, True, False, (branches,), named, self.labels)
        return [pick], visited[decidable[seen]][1]

    def child(self, resolver: Resolver, site: Site, decision: Any) -> Any:
        """The chosen candidate."""
        _check_label(self, site, decision)
        return resolver.candidate(self, site, decision)

    def relax(self, builder: Any, site: Site) -> Any:
        """A mixed op over all candidates."""
        return builder.mix(self, site)


class ManyOf(Choice):
    """Several candidates at once: a list of values, or a module that merges chosen inputs.

    Args:
        k: How many.
        candidates: By label.
        distinct: Whether no candidate may stand twice.
        is_sorted: Whether the picks are a set and not a sequence.
        merge: None for a list of values; `sum` or `mean`, or a function of a list of tensors, for a module over as many parallel
            inputs as there are candidates.
        name: As in `Choice`.
        given: As in `Choice`.
        kind: `manyof` or `permutate`.
    """

    def __init__(
        self,
        k: int,
        candidates: Mapping[str, Any],
        distinct: bool,
        is_sorted: bool,
        merge: str | Callable[..., Any] | None,
        name: str | None,
        given: Mapping[str, Any] | None = None,
        kind: str = "manyof",
    ) -> None:
        super().__init__(name, candidates, given)
        self.k = k
        self.distinct = distinct
        self.is_sorted = is_sorted
        self.merge = merge
        self.kind = kind

    @property
    def default(self) -> Any:
        """The first k candidates, or k times the first."""
        return self.labels[: self.k] if self.distinct else (self.labels[0],) * self.k

    @property
    def decides(self) -> bool:
        """Whether there is anything to decide: not if all inputs are merged."""
        return self.merge is None or self.k < len(self.candidates)

    def collect(self, collector: Collect, site: Site, plain: bool) -> tuple[list[Decision], Any]:
        """One pick with k slots; all candidates' own decisions side by side if there is nothing to pick."""
        if self.merge is not None:
            return self._collect_merge(collector, site)
        slots: list[tuple[tuple[Decision, ...], ...]] = []
        values: list[Any] = []
        for slot in range(self.k):
            seen = [collector.visit(self, site, label, slot) for label in self.labels] if slot == 0 or any(slots[0]) else []
            slots.append(tuple(found for found, _ in seen) if seen else slots[0])
            label = self.labels[slot if self.distinct else 0]
            values.append(seen[self.labels.index(label)][1] if seen else collector.visit(self, site, label, slot)[1])
        return [self._pick(site, tuple(slots))], values

    def _pick(self, site: Site, slots: tuple[tuple[tuple[Decision, ...], ...], ...]) -> Pick:
        return Pick(
            site.rel, site.location, site.key, self.kind, self.labels, self.k, self.distinct, self.is_sorted, slots, self.name is not None
        )

    def _collect_merge(self, collector: Collect, site: Site) -> tuple[list[Decision], Any]:
        from oche.program.merging import Merge

        assert self.merge is not None
        seen = [collector.visit(self, site, label) for label in self.labels]
        module = Merge([value for _, value in seen[: self.k]], tuple(range(self.k)), len(seen), self.merge, site.location)
        branches = tuple(found for found, _ in seen)
        if self.decides:
            return [self._pick(site, (branches,) * self.k)], module
        n = len(branches)
        inner = [replace(d, rel=join(f"{site.rel}[={i}/{n}]", d.rel)) for i, branch in enumerate(branches) for d in branch]
        return list(inner), module

    def child(self, resolver: Resolver, site: Site, decision: Any) -> Any:
        """The chosen candidates, as a list or as a merging module."""
        labels = tuple(decision) if self.decides else self.labels
        for label in labels:
            _check_label(self, site, label)
        if self.merge is None:
            return [resolver.candidate(self, site, label, slot) for slot, label in enumerate(labels)]
        from oche.program.merging import Merge

        active = tuple(self.labels.index(label) for label in labels)
        edges = [resolver.candidate(self, site, label) for label in labels]
        return Merge(edges, active, len(self.labels), self.merge, site.location)

    def relax(self, builder: Any, site: Site) -> Any:
        """A module that merges all inputs, or a list of mixed ops, one for each slot."""
        return builder.slots(self, site) if self.merge is None else builder.merge(self, site)


class Repeat(Choice):
    """A number of equal layers in a row, where the number is a choice.

    Args:
        make: Builds layer i, called with i if it takes an argument.
        counts: Allowed numbers of layers.
        name: As in `Choice`.
    """

    def __init__(self, make: Callable[..., Any], counts: Sequence[int], name: str | None) -> None:
        self.counts = tuple(counts)
        self.make = make
        layers = {str(i): _Layer(make, i) for i in range(max(counts))}
        super().__init__(name, layers)

    @property
    def labels(self) -> tuple[str, ...]:
        """The allowed counts as text."""
        return tuple(str(c) for c in self.counts)

    @property
    def decidable(self) -> tuple[str, ...]:
        """The allowed counts as text."""
        return self.labels

    @property
    def decides(self) -> bool:
        """Whether more than one count is allowed."""
        return len(self.counts) > 1

    @property
    def layers(self) -> tuple[str, ...]:
        """Labels of the layers, for `Resolver.candidate`."""
        return tuple(self.candidates)

    def collect(self, collector: Collect, site: Site, plain: bool) -> tuple[list[Decision], Any]:
        """One pick of the count; layers that are always there stand beside it, the others inside it."""
        found, values = [], []
        for i, label in enumerate(self.layers):
            inside, value = collector.visit(self, site, label)
            found.append([replace(d, rel=join(f"{site.rel}[{i}]", d.rel)) for d in inside])
            values.append(value)
        low = min(self.counts)
        always = [d for layer in found[:low] for d in layer]
        if not self.decides:
            return always, _in_row(values)
        branches = tuple(tuple(d for layer in found[low:count] for d in layer) for count in self.counts)
        pick = Pick(site.rel, site.location, site.key, "repeat", self.labels, 1, True, False, (branches,), named=self.name is not None)
        return [pick, *always], _in_row(values[: self.counts[0]])

    def child(self, resolver: Resolver, site: Site, decision: Any) -> Any:
        """The chosen number of layers."""
        if not self.decides:
            decision = self.labels[0]
        _check_label(self, site, decision)
        return _in_row([resolver.candidate(self, site, label) for label in self.layers[: int(decision)]])

    def relax(self, builder: Any, site: Site) -> Any:
        """A stack whose output mixes the allowed depths."""
        return builder.stack(self, site)


class NumberChoice(Choice):
    """A float or an int from a range.

    Args:
        kind: `float` or `int`.
        lo, hi: Range, both ends included.
        scale: `linear`, `log` or `rlog`.
        step: Distance of allowed ints.
        name: As in `Choice`.
    """

    def __init__(self, kind: str, lo: float, hi: float, scale: str, step: int, name: str | None) -> None:
        super().__init__(name, {})
        self.kind = kind
        self.lo, self.hi, self.scale, self.step = lo, hi, scale, step

    def collect(self, collector: Collect, site: Site, plain: bool) -> tuple[list[Decision], Any]:
        """One number; an undecided program sees the lower end."""
        number = Number(site.rel, site.location, site.key, self.kind, self.lo, self.hi, self.scale, self.step, self.name is not None)
        return [number], self.lo

    @property
    def default(self) -> Any:
        """The lower end."""
        return self.lo

    def child(self, resolver: Resolver, site: Site, decision: Any) -> Any:
        """The number."""
        return decision

    def relax(self, builder: Any, site: Site) -> Any:
        """Numbers cannot be mixed."""
        raise NotRelaxable(
            f"choice {site.location!r}: got a {self.kind} from [{self.lo}, {self.hi}]; allowed in a supernet: choices between modules; "
            "use a black-box algorithm, or leave it out with space.where(...)"
        )

    def __repr__(self) -> str:
        return f"{self.kind}v({self.lo}, {self.hi})"


class _Layer:
    """Builds layer i of a repeat."""

    def __init__(self, make: Callable[..., Any], index: int) -> None:
        self.make = make
        self.index = index

    def __call__(self) -> Any:
        return self.make(self.index) if _takes_index(self.make) else self.make()


def _check_label(choice: Choice, site: Site, label: Any) -> None:
    if label not in choice.labels:
        raise SpaceError(f"choice {site.location!r}: got candidate {label!r}; allowed: {', '.join(choice.labels)}")


def _check_call(factory: Callable[..., Any], arguments: Mapping[str, Any], location: str, label: str) -> None:
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise SpaceError(
            f"choice {location!r}, candidate {label!r}: got arguments {', '.join(arguments) or 'none'} ({error}); "
            f"allowed: {label}{signature}; give what every candidate takes"
        ) from error


def _takes_index(make: Callable[..., Any]) -> bool:
    try:
        parameters = list(inspect.signature(make).parameters.values())
    except (TypeError, ValueError):
        return False
    return bool(parameters) and parameters[0].kind in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )


def _in_row(layers: list[Any]) -> Any:
    if layers and all(is_module(layer) for layer in layers):
        import torch

        return torch.nn.Sequential(*layers)
    return layers
