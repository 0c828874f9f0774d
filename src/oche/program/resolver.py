"""Who answers when a program asks for a choice.

A program runs once under a resolver; every `oneof(...)` met on the way asks the current resolver what to return. Collecting the
points of a space, building a sampled child and building a supernet are three resolvers over the same unedited program. Outside of
any resolver a choice is a value of its own (tree style).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oche.errors import SpaceError, UndeclaredDecision
from oche.program.layout import join
from oche.program.node import Node
from oche.program.spec import Decision
from oche.seeds import building, derive

if TYPE_CHECKING:
    from oche.program.choice import Choice

#: Choices may stand inside each other so many levels deep.
DEEPEST = 64

_current: ContextVar[Resolver | None] = ContextVar("oche_resolver", default=None)


def current() -> Resolver | None:
    """The resolver under which the program runs in this thread or task, or None."""
    return _current.get()


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
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

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
            return self.materialize(choice.call(label, site, **overrides) if callable(made) else made)

    def materialize(self, value: Any, rel: str = "") -> Any:
        """Replace every choice in a container or node by what this resolver says, and nodes by what `node` says."""
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

    def node(self, node: Node, rel: str) -> Any:
        """What becomes of a node: by default what it builds.

        A node with choices among its own arguments builds from a random stream of its own: whatever is decided, the layers after it
        start with the same weights.
        """
        if not own_choices(node.args, rel):
            return self._construct(node, rel)
        with building(derive(self.seed, "node", join(self._scopes[-1].location, rel))):
            return self._construct(node, rel)

    def _construct(self, node: Node, rel: str) -> Any:
        return node.construct({k: self.materialize(v, join(rel, k)) for k, v in node.args.items()})

    def run(self, program: Any, arguments: Mapping[str, Any], plain: bool) -> Any:
        """Run a whole program under this resolver, from the random stream of the seed."""
        with self.running(), building(derive(self.seed, "program")):
            return program(**arguments) if plain else self.materialize(program)


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

    def node(self, node: Node, rel: str) -> Any:
        """A node with decided arguments, or what it builds."""
        if not self.keep_nodes:
            return super().node(node, rel)
        return node.replace({k: self.materialize(v, join(rel, k)) for k, v in node.args.items()})


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

    def node(self, node: Node, rel: str) -> Any:
        """Walk the arguments; nothing is built."""
        return node.replace({k: self.materialize(v, join(rel, k)) for k, v in node.args.items()})

    def default(self, site: Site, n: int) -> int:
        """Which candidate the program gets to see at a value choice of `n` candidates."""
        if len(self._scopes) == 1:
            self.value_choices[site.location] = n
        return self.forced.get(site.location, 0)


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
