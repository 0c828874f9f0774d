"""Values of a program that come from other places in it: references and derived values. They decide nothing.

A program that holds some is walked once before it is decoded or built, to find where each of them leads; the resolver then shares what
a reference leads to, and computes a derived value once the values it needs are decided. Paths are looked up from the node that holds
the link outward, so that a part with links in it works in a larger program too.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from oche.errors import OcheError, SpaceError, unknown
from oche.program import node as nodes
from oche.program._json import readers, write, writers
from oche.program._tree import Branch, FrozenDict, FrozenList, at, child, parts, walk
from oche.program.layout import join


class Link:
    """Base of what leads to other places of a program."""

    __slots__ = ()


class Ref(Link):
    """Another place of the program, or a node or choice that stands there. Made by `ref`."""

    __slots__ = ("path", "target")

    def __init__(self, target: Any = None, path: str | None = None) -> None:
        self.target = target
        self.path = path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and self.path == other.path and (self.target is other.target or self.target == other.target)

    def __hash__(self) -> int:
        return hash((self.path, self.target))

    def __repr__(self) -> str:
        return f"ref({self.target if self.path is None else self.path!r})"


class Derived(Link):
    """A value computed from others. Made by `derived`."""

    __slots__ = ("function", "paths")

    def __init__(self, function: Callable[..., Any], paths: tuple[str, ...]) -> None:
        self.function = function
        self.paths = paths

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Derived) and self.function == other.function and self.paths == other.paths

    def __hash__(self) -> int:
        return hash((self.function, self.paths))

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", repr(self.function))
        return f"derived({', '.join([name, *map(repr, self.paths)])})"


def ref(target: Any) -> Any:
    """Share one part of a program between several places.

    Without it, a node or choice that stands at two places is two parts: built twice, and decided twice unless it has a name. What a
    reference leads to is built once and decided once, and every place gets the same object.

    Args:
        target: A node or choice that stands elsewhere in the program (or only in references), or a path such as `encoder.width`.

    Raises:
        SpaceError: something else was given.

    Source: Peng et al. 2020 (PyGlove), `pg.Ref`; references to paths are ours.

    Example:
        >>> from oche.program import Space, oneof
        >>> width = oneof([8, 16])
        >>> [Space({"a": width, "b": other}).size for other in (width, ref(width))]
        [4, 2]
    """
    if isinstance(target, str) and parts(target):
        return Ref(path=target)
    if isinstance(target, Branch) or getattr(target, "is_oche_choice", False):
        return Ref(target)
    if isinstance(target, Ref):
        return target
    raise SpaceError(f"ref: got {target!r}; allowed: a node, a choice, or a path such as 'encoder.width'")


def derived(function: Callable[..., Any], *paths: str) -> Derived:
    """A value that is computed from other values of the program once they are decided.

    It decides nothing, so it does not count in the size of a space.

    Args:
        function: Called with the decided values, in the order of the paths; nodes are passed as nodes. Make it symbolic to write the
            program as JSON.
        *paths: Where the values stand, each looked up from the node that holds the derived value outward.

    Raises:
        SpaceError: no function or no path was given. When the space is compiled: no such path.

    Example:
        >>> from oche.program import Space, oneof
        >>> space = Space({"kernel": oneof([3, 5]), "padding": derived(lambda k: k // 2, "kernel")})
        >>> space.size, space.decode(space.at(1))
        (2, {'kernel': 5, 'padding': 2})
    """
    if not callable(function) or not paths or not all(isinstance(p, str) and parts(p) for p in paths):
        raise SpaceError(f"derived: got {function!r} of {paths!r}; allowed: a function, then at least one path such as 'encoder.width'")
    return Derived(getattr(function, "target", function), paths)


def holds_links(value: Any) -> bool:
    """Whether there is a link in a tree, candidates of its choices included."""
    if isinstance(value, Link):
        return True
    if isinstance(value, Branch):
        return nodes.is_linked(value)  # type: ignore[arg-type]
    if isinstance(value, dict):
        return any(holds_links(v) for v in value.values())
    if isinstance(value, (list, tuple)):
        return any(holds_links(v) for v in value)
    return any(holds_links(v) for v in value.candidates.values()) if getattr(value, "is_oche_choice", False) else False


# -- where links lead -------------------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """A part of a program: what it is, and the scope and the path in it by which resolvers name it."""

    scope: str
    rel: str
    part: Any

    @property
    def location(self) -> str:
        """The unique name of the place."""
        return join(self.scope, self.rel)


class LinkTable:
    """Where the links of a program lead.

    Attributes:
        owners: Locations that references lead to.
        targets: For each location of a reference, where it leads.
        inputs: For each location of a derived value, where the values stand: a place, and the steps inside what is decided there.
    """

    def __init__(self) -> None:
        self.owners: set[str] = set()
        self.targets: dict[str, Place] = {}
        self.inputs: dict[str, list[tuple[Place, tuple[str | int, ...]]]] = {}
        self._objects: dict[int, Place] = {}
        self._outside = 0

    def add(self, program: Any, scope: str = "") -> None:
        """Find the links of a program that stands in a scope."""
        found: list[tuple[Link, str, list[Place]]] = []
        self._walk(program, scope, "", [], found)
        while found:
            link, location, frames = found.pop(0)
            if isinstance(link, Derived):
                self.inputs[location] = [_look_up(path, location, frames) for path in link.paths]
                continue
            place = self._lead(link, location, frames, found)
            self.targets[location] = place
            self.owners.add(place.location)

    def _lead(self, link: Any, location: str, frames: list[Place], found: list[Any]) -> Place:
        if link.path is not None:
            place, rest = _look_up(link.path, location, frames)
            if rest:
                raise SpaceError(
                    f"ref at {location!r}: got path {link.path!r} into a choice; allowed: a path to a value or to the choice itself"
                )
            return place
        if id(link.target) not in self._objects:
            # It stands in references only: it gets a place of its own, the same in every run.
            self._walk(link.target, "", f"shared{self._outside}", [], found)
            self._outside += 1
        return self._objects[id(link.target)]

    def _walk(self, part: Any, scope: str, rel: str, frames: list[Place], found: list[Any]) -> None:
        place = Place(scope, rel, part)
        if isinstance(part, Link):
            found.append((part, place.location, frames))
        elif isinstance(part, (Branch, dict)):
            self._objects.setdefault(id(part), place)
            for k, v in (part.arguments if isinstance(part, Branch) else part).items():
                self._walk(v, scope, join(rel, str(k)), [*frames, place], found)
        elif isinstance(part, (list, tuple)):
            for i, v in enumerate(part):
                self._walk(v, scope, f"{rel}[{i}]", [*frames, place], found)
        elif getattr(part, "is_oche_choice", False):
            self._objects.setdefault(id(part), place)
            slots = [f"[{s}]" for s in range(getattr(part, "k", 0))] if getattr(part, "merge", 0) is None else [""]
            for slot in slots:
                for label, candidate in part.candidates.items():
                    self._walk(candidate, f"{place.location}{slot}[={label}]", "", frames, found)


def _look_up(path: str, location: str, frames: Sequence[Place]) -> tuple[Place, tuple[str | int, ...]]:
    """The place that a path leads to from the innermost frame that has it, and the steps that lie inside a choice or link there."""
    steps = parts(path)
    for frame in reversed(frames):
        part, rel = frame.part, frame.rel
        for i, step in enumerate(steps):
            if isinstance(part, Link) or getattr(part, "is_oche_choice", False):
                return Place(frame.scope, rel, part), steps[i:]
            try:
                part = child(part, step, path)
            except OcheError:
                break
            rel = f"{rel}[{step}]" if isinstance(step, int) else join(rel, step)
        else:
            return Place(frame.scope, rel, part), ()
    known = frames[-1].part if frames else None
    names = known.arguments if isinstance(known, Branch) else known if isinstance(known, dict) else ()
    raise unknown(f"path of the link at {location!r}", path, [str(k) for k in names], "paths are looked up from there outward")


def table_of(program: Any) -> LinkTable | None:
    """Where the links of a program lead, or None if it has none."""
    if not holds_links(program):
        return None
    table = LinkTable()
    table.add(program)
    return table


# -- edits, copies and text -------------------------------------------------------------------------------------------------


def redirect(before: Any, after: Any, everywhere: bool = False) -> Any:
    """`after` with references to objects of `before` turned into references to their paths.

    Args:
        before: The tree as it was.
        after: The tree after an edit, or a copy.
        everywhere: Whether references to objects that still stand in `after` are turned too.
    """
    paths = _paths(before)
    kept = {} if everywhere else _paths(after)
    moved = {i: path for i, path in paths.items() if i not in kept and _has(after, path)}
    return _relink(after, moved) if moved else after


def canonical(node: Any) -> Any:
    """The node with every reference to an object that stands in it as a reference to its path."""
    return _relink(node, _paths(node))


def write_linked(node: Any) -> str:
    """JSON text of a node with links."""
    return write(canonical(node))


def _paths(tree: Any) -> dict[int, str]:
    found: dict[int, str] = {}
    for path, value in walk(tree):
        if isinstance(value, Branch) or getattr(value, "is_oche_choice", False):
            found.setdefault(id(value), path)
    return found


def _has(tree: Any, path: str) -> bool:
    try:
        at(tree, parts(path), path)
    except OcheError:
        return False
    return True


def _relink(value: Any, paths: dict[int, str]) -> Any:
    if isinstance(value, Ref):
        return Ref(path=paths[id(value.target)]) if value.path is None and id(value.target) in paths else value
    if not holds_links(value) or isinstance(value, Derived):
        return value
    if isinstance(value, Branch):
        return value.replace({k: _relink(v, paths) for k, v in value.arguments.items()})
    if isinstance(value, dict):
        return FrozenDict({k: _relink(v, paths) for k, v in value.items()})
    if isinstance(value, (list, tuple)):
        items = [_relink(v, paths) for v in value]
        return FrozenList(items) if isinstance(value, list) else type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    changed = copy.copy(value)
    changed.candidates = {k: _relink(v, paths) for k, v in value.candidates.items()}
    return changed


def _write_ref(value: Ref, path: str) -> str:
    if value.path is None:
        raise SpaceError(
            f"{path.lstrip('.')}: got a reference to something that stands nowhere in the node; allowed in JSON: references to its parts; "
            "put the target itself at one of the places"
        )
    return f'{{"_type": "ref", "args": {write(value.path)}}}'


def _write_derived(value: Derived, path: str) -> str:
    name = f"{value.function.__module__}:{getattr(value.function, '__qualname__', '')}"
    try:
        known = nodes.registered(name).target is value.function
    except OcheError:
        known = False
    if not known:
        raise SpaceError(f"{path.lstrip('.')}: got {value!r}; allowed in JSON: symbolic functions; write derived(oche.symbolic(f), ...)")
    return f'{{"_type": "derived", "args": {write([name, *value.paths])}}}'


def _read_derived(args: Any) -> Derived:
    name, *paths = args
    return derived(nodes.registered(name).target, *paths)


writers[Ref] = _write_ref
writers[Derived] = _write_derived
readers["ref"] = ref
readers["derived"] = _read_derived
