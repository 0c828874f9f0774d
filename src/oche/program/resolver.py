"""Who answers when a program asks for a choice.

A program runs once under a resolver; every `oneof(...)` met on the way asks the current resolver what to return. Collecting the
points of a space, building a sampled child and building a supernet are three resolvers over the same unedited program. Outside of
any resolver a choice is a value of its own (tree style).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oche.errors import NotRelaxable, SpaceError, Undecided, UndeclaredDecision
from oche.program._context import current, running
from oche.program._links import Derived, Link, LinkTable, Place, Ref, table_of
from oche.program._tree import Branch, at, is_module
from oche.program.layout import join
from oche.program.node import Node, is_linked
from oche.program.spec import Decision
from oche.seeds import building, derive

if TYPE_CHECKING:
    from oche.program.choice import Choice

__all__ = ["DEEPEST", "Build", "Collect", "Decide", "Defaults", "Resolver", "Site", "current", "own_choices"]

#: Choices may stand inside each other so many levels deep.
DEEPEST = 64


@dataclass(frozen=True)
class Site:
    """One place where a choice stands.

    Args:
        location: Unique, with the labels of the candidates on the way, for example `cell#2[=conv3].choice0`.
        key: The name if given, else the location. Equal keys are one decision.
        rel: Last part of the location, inside the enclosing candidate.
    """

    location: str
    key: str
    rel: str


class _Scope:
    def __init__(self, location: str) -> None:
        self.location = location
        self.counts: dict[str, int] = {}

    def next(self, name: str | None) -> str:
        """`choice0`, `choice1`, ... for unnamed choices; `name`, `name#2`, `name#3`, ... for named ones."""
        stem = "choice" if name is None else name
        seen = self.counts.get(stem, 0)
        self.counts[stem] = seen + 1
        if name is None:
            return f"choice{seen}"
        return name if seen == 0 else f"{name}#{seen + 1}"


class Resolver(ABC):
    """Base of all resolvers: names places, opens scopes, builds candidates from their own random streams.

    Args:
        seed: Candidate `label` at `location` is built with `derive(seed, "candidate", location, label)`, whoever builds it: a
            fresh child therefore starts with the very weights of its path in the supernet of the same seed.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._scopes = [_Scope("")]
        self._links: LinkTable | None = None
        self._shared: dict[str, Any] = {}
        self._deriving: tuple[str, ...] = ()

    @abstractmethod
    def resolve(self, choice: Choice, location: str | None = None) -> Any:
        """What the program gets in place of `choice`.

        Args:
            choice: The choice.
            location: Its path inside the present scope in tree style; None in plain style, where names and a running number serve.
        """

    @contextmanager
    def running(self) -> Iterator[None]:
        """Make this the current resolver for the block."""
        token = running.set(self)
        try:
            yield
        finally:
            running.reset(token)

    @contextmanager
    def scope(self, location: str) -> Iterator[None]:
        """Name places below `location` for the block."""
        self._scopes.append(_Scope(location))
        try:
            yield
        finally:
            self._scopes.pop()

    def site(self, choice: Choice, location: str | None = None) -> Site:
        """Name the place where `choice` is met. Call it once per meeting."""
        scope = self._scopes[-1]
        rel = scope.next(choice.name) if location is None else location
        if not rel and not scope.location:
            rel = choice.name or "choice"
        place = join(scope.location, rel)
        return Site(place, choice.key or choice.name or place, rel)

    def candidate(self, choice: Choice, site: Site, label: str, slot: int | None = None, **overrides: Any) -> Any:
        """Build one candidate in its own scope and from its own random stream.

        Args:
            choice: The choice.
            site: Its place, from `site()`.
            label: Which candidate.
            slot: Which slot it fills, where slots are independent values; None where a candidate is built once.
            **overrides: Arguments of the factory that replace those given in the program.
        """
        place = site.location if slot is None else f"{site.location}[{slot}]"
        made = choice.candidates[label]
        if not callable(made) and not isinstance(made, (Node, dict, list, tuple)) and not choice.is_choice(made):
            return made
        with self.scope(f"{place}[={label}]"), building(derive(self.seed, "candidate", place, label)):
            return self.materialize(self._admit(choice.call(label, site, **overrides)) if callable(made) else made)

    def _admit(self, made: Any) -> Any:
        """Find the links of a node that a factory made just now."""
        if isinstance(made, Node) and is_linked(made):
            self._links = self._links or LinkTable()
            self._links.add(made, self._scopes[-1].location)
        return made

    def materialize(self, value: Any, rel: str = "") -> Any:
        """Replace every choice in a container or node by what this resolver says, and nodes by what `node` says."""
        if self._links is not None:
            place = join(self._scopes[-1].location, rel)
            if isinstance(value, Link):
                return self._follow(value, place)
            if place in self._links.owners:
                return self._share(place, value, rel)
        return self._materialize(value, rel)

    def _materialize(self, value: Any, rel: str) -> Any:
        if isinstance(value, Node):
            return self.node(value, rel)
        if isinstance(value, dict):
            return {k: self.materialize(v, join(rel, str(k))) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self.materialize(v, f"{rel}[{i}]") for i, v in enumerate(value)]
            return items if isinstance(value, list) else _as_tuple(value, items)
        if getattr(value, "is_oche_choice", False):
            return self.resolve(value, rel)
        return value

    # -- links --------------------------------------------------------------------------------------------------------------

    def _follow(self, link: Link, location: str) -> Any:
        """What stands in place of a reference or a derived value."""
        assert self._links is not None
        if isinstance(link, Derived):
            return self._derive(link, location)
        place = self._links.targets[location]
        with self.scope(place.scope):
            return self.referred(link, self.materialize(place.part, place.rel))

    def referred(self, link: Any, value: Any) -> Any:
        """What a reference becomes, given what it leads to has become."""
        return value

    def _share(self, location: str, value: Any, rel: str) -> Any:
        if location not in self._shared:
            self._shared[location] = _BUSY
            try:
                self._shared[location] = self._materialize(value, rel)
            except BaseException:
                del self._shared[location]
                raise
        if self._shared[location] is _BUSY:
            raise SpaceError(f"ref to {location!r}: got a reference from inside of what it leads to; allowed: references to other parts")
        return self._shared[location]

    def _derive(self, link: Derived, location: str) -> Any:
        assert self._links is not None
        if location in self._deriving:
            raise SpaceError(f"derived value at {location!r}: got a circle, {' <- '.join(self._deriving)}; allowed: values that end")
        try:
            values = [self._peek(place, rest, location) for place, rest in self._links.inputs[location]]
        except UndeclaredDecision as error:
            return self.still_open(link, location, error)
        return self.materialize(link.function(*values))

    def _peek(self, place: Place, rest: tuple[str | int, ...], location: str) -> Any:
        """The decided value of a place, with nodes as nodes."""
        view = Decide(self.taken(), self.seed, keep_nodes=True)
        view._links, view._deriving = self._links, (*self._deriving, location)
        with view.scope(place.scope):
            value = view.materialize(place.part, place.rel)
        return at(value, rest, f"{place.location}.{rest}") if rest else value

    def taken(self) -> Mapping[str, Any]:
        """Decisions by key that derived values may use."""
        return {}

    def still_open(self, link: Derived, location: str, error: UndeclaredDecision) -> Any:
        """What stands in place of a derived value that needs a decision which is not taken."""
        raise NotRelaxable(
            f"derived value at {location!r}: got values that a supernet mixes ({', '.join(link.paths)}); allowed: decided ones, "
            "and choices among the arguments of the same layer; leave them out with space.where(...), or decide them with space.fix(...)"
        ) from error

    # -- nodes --------------------------------------------------------------------------------------------------------------

    def node(self, node: Node, rel: str) -> Any:
        """What becomes of a node: by default what it builds.

        A node with choices among its own arguments builds from a random stream of its own: whatever is decided, the layers after it
        start with the same weights.
        """
        if not own_choices(node.arguments, rel):
            return self._construct(node, rel)
        with building(derive(self.seed, "node", join(self._scopes[-1].location, rel))):
            return self._construct(node, rel)

    def _construct(self, node: Node, rel: str) -> Any:
        return node.construct({k: self.materialize(v, join(rel, k)) for k, v in node.arguments.items()})

    def run(self, program: Any, arguments: Mapping[str, Any], plain: bool) -> Any:
        """Run a whole program under this resolver, from the random stream of the seed."""
        with self.running(), building(derive(self.seed, "program")):
            return program(**arguments) if plain else self.whole(program)

    def whole(self, program: Any) -> Any:
        """Materialize a whole tree, links included."""
        self._links = table_of(program)
        return self.materialize(program)


class Build(Resolver):
    """Builds a tree that has no open choice, from whatever random stream is current."""

    def resolve(self, choice: Choice, location: str | None = None) -> Any:
        """Refuse."""
        place = self.site(choice, location).location
        raise Undecided(
            f"{place or 'program'}: got an open choice ({choice!r}); allowed: decided values; build a point with Space(...).decode(dna)"
        )

    def still_open(self, link: Derived, location: str, error: UndeclaredDecision) -> Any:
        """Refuse."""
        raise Undecided(f"{location}: got a derived value of an open choice ({link!r}); allowed: decided values") from error

    def node(self, node: Node, rel: str) -> Any:
        """What the node builds."""
        missing = node.symbol.binder.missing(node.arguments)
        if missing:
            raise Undecided(
                f"{join(rel, missing[0])}: got no value for argument {missing[0]!r} of {node.symbol.__name__}; allowed: all arguments; "
                "use node.set"
            )
        return self._construct(node, rel)


class Decide(Resolver):
    """Builds what a set of decisions says.

    Args:
        decisions: By key: a label, a tuple of labels, or a number.
        seed: Root of the random streams.
        keep_nodes: Leave nodes as nodes with their decided arguments.
        partial: Leave choices without a decision as they are, marked with their key.
    """

    def __init__(self, decisions: Mapping[str, Any], seed: int = 0, keep_nodes: bool = False, partial: bool = False) -> None:
        super().__init__(seed)
        self.decisions = decisions
        self.keep_nodes = keep_nodes
        self.partial = partial

    def resolve(self, choice: Choice, location: str | None = None) -> Any:
        """The chosen candidate and nothing else."""
        site = self.site(choice, location)
        if not choice.decides:
            return choice.child(self, site, None)
        if site.key not in self.decisions:
            if self.partial:
                return choice.keyed(site.key)
            raise UndeclaredDecision(
                f"choice {site.key!r} at {site.location!r}: got no decision for it; allowed: choices that were met when the space was "
                "compiled; nest choices by a callable, as in oneof([1, lambda: oneof([2, 3])]), name those under an 'if', and compile with "
                "Space(program, collect='exhaustive') where control flow depends on several of them"
            )
        return choice.child(self, site, self.decisions[site.key])

    def taken(self) -> Mapping[str, Any]:
        """All decisions."""
        return self.decisions

    def still_open(self, link: Derived, location: str, error: UndeclaredDecision) -> Any:
        """The derived value itself in a partial program."""
        if self.partial:
            return link
        raise error

    def referred(self, link: Any, value: Any) -> Any:
        """A reference to the decided node where nodes stay nodes, else the value."""
        return Ref(value) if self.keep_nodes and (isinstance(value, Branch) or getattr(value, "is_oche_choice", False)) else value

    def node(self, node: Node, rel: str) -> Any:
        """A node with decided arguments, or what it builds."""
        if not self.keep_nodes:
            return super().node(node, rel)
        arguments = {k: self.materialize(v, join(rel, k)) for k, v in node.arguments.items()}
        if _holds_module(arguments):
            raise _NoDataError
        return node.replace(arguments)

    def whole(self, program: Any) -> Any:
        """The decided tree; what it builds where a factory gives a module, which no node can hold."""
        try:
            return super().whole(program)
        except _NoDataError as error:
            if self.partial:
                raise SpaceError(
                    "decode: got a tree in which a factory gives a module, and choices are left open; allowed: candidates that are nodes; "
                    "write symbolic(nn.Conv2d)(...) in place of lambda: nn.Conv2d(...)"
                ) from error
            return Decide(self.decisions, self.seed).run(program, {}, plain=False)


class Defaults(Resolver):
    """Builds the first candidate of every choice, from whatever random stream is current: what a class is outside of any search."""

    def resolve(self, choice: Choice, location: str | None = None) -> Any:
        """The default candidate."""
        site = self.site(choice, location)
        return choice.child(self, site, choice.default)

    def candidate(self, choice: Choice, site: Site, label: str, slot: int | None = None, **overrides: Any) -> Any:
        """The candidate, built like any other part of the program."""
        made = choice.candidates[label]
        with self.running():
            return self.materialize(choice.call(label, site, **overrides) if callable(made) else made)


class Collect(Resolver):
    """Visits every candidate of every choice and records the decisions.

    Args:
        fixed: Decisions that are no longer open; their choices are decided and not recorded.
        forced: Candidate that a value choice returns to the program, by location; the first decidable one otherwise.
    """

    def __init__(self, fixed: Mapping[str, Any] | None = None, forced: Mapping[str, int] | None = None) -> None:
        super().__init__(0)
        self.fixed = dict(fixed or {})
        self.forced = dict(forced or {})
        #: Places of plain-style choices that gave the program a plain value, with the number of candidates.
        #: Control flow may depend on them.
        self.value_choices: dict[str, int] = {}
        self._found: list[list[Decision]] = [[]]

    @property
    def decisions(self) -> list[Decision]:
        """What was found, not yet unified."""
        return self._found[0]

    def resolve(self, choice: Choice, location: str | None = None) -> Any:
        """Record the choice and return what its default candidate builds."""
        site = self.site(choice, location)
        if choice.decides and site.key in self.fixed:
            return choice.child(self, site, self.fixed[site.key])
        decisions, value = choice.collect(self, site, plain=location is None)
        self._found[-1].extend(decisions)
        return value

    def visit(self, choice: Choice, site: Site, label: str, slot: int | None = None) -> tuple[tuple[Decision, ...], Any]:
        """Build one candidate and return the decisions met inside it, and the candidate."""
        if len(self._found) > DEEPEST:
            raise SpaceError(
                f"choice {site.location[:120]!r}...: got a choice that holds itself more than {DEEPEST} levels deep; "
                "allowed: recursion with a bound; write oche.recursive(make, max_depth=3)"
            )
        self._found.append([])
        try:
            value = self.candidate(choice, site, label, slot)
        finally:
            found = self._found.pop()
        return tuple(found), value

    def _share(self, location: str, value: Any, rel: str) -> Any:
        """Every reference records the decisions of what it leads to; they are unified by their keys."""
        if self._shared.get(location) is _BUSY:
            return super()._share(location, value, rel)
        self._shared.pop(location, None)
        return super()._share(location, value, rel)

    def _derive(self, link: Derived, location: str) -> Any:
        """Nothing is decided yet."""
        return link

    def node(self, node: Node, rel: str) -> Any:
        """Walk the arguments; nothing is built."""
        for name, value in node.arguments.items():
            self.materialize(value, join(rel, name))
        return node

    def default(self, site: Site, n: int) -> int:
        """Which candidate the program gets to see at a value choice of `n` candidates."""
        if len(self._scopes) == 1:
            self.value_choices[site.location] = n
        return self.forced.get(site.location, 0)


_BUSY = object()


class _NoDataError(Exception):
    """A node would hold a module."""


def _holds_module(value: Any) -> bool:
    """Whether there is a torch module in containers."""
    if isinstance(value, dict):
        return any(map(_holds_module, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_holds_module, value))
    return is_module(value)


def own_choices(value: Any, rel: str) -> list[tuple[str, Any]]:
    """Choices in a container, each with its path below `rel`; those inside nodes belong to the nodes."""
    if isinstance(value, dict):
        return [found for k, v in value.items() for found in own_choices(v, join(rel, str(k)))]
    if isinstance(value, (list, tuple)):
        return [found for i, v in enumerate(value) for found in own_choices(v, f"{rel}[{i}]")]
    return [(rel, value)] if getattr(value, "is_oche_choice", False) else []


def _as_tuple(original: tuple[Any, ...], items: list[Any]) -> Any:
    if hasattr(original, "_fields"):
        return type(original)(*items)
    if type(original) is not tuple:
        raise SpaceError(f"container: got {type(original).__name__}; allowed: dict, list, tuple and named tuples")
    return tuple(items)
