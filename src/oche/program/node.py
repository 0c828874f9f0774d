"""Programs as data: a node is a target and its arguments, and builds nothing until it is told to.

`symbolic(T)` wraps a class or a function without touching it; calling the wrapper gives a `Node`. Nodes are immutable, hold no
tensors, and can be read, compared, edited by path and written as JSON. Choices may stand anywhere among the arguments. A value that is
put into a tree belongs to the place where it stands: the same node at two places is two parts, each built and decided on its own,
unless one of them is a `ref` to the other.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, overload

from oche.errors import ArgumentError, Undecided, unknown
from oche.program._argument_types import ArgumentTypes
from oche.program._binder import Binder
from oche.program._context import running
from oche.program._editing import Batch, Epoch
from oche.program._formats import Difference, differences, pretty
from oche.program._json import read, readers, write, writers
from oche.program._tree import (
    LEAVES,
    Branch,
    FrozenDict,
    as_change,
    at,
    copy_tree,
    freeze,
    is_module,
    parts,
    set_at,
    transform,
    walk,
)

__all__ = ["Node", "Symbol", "is_module", "symbolic"]

_symbols: dict[str, Symbol] = {}


class Symbol:
    """A class or function whose calls give nodes. Made by `symbolic`.

    While a program runs (a child or a supernet is being built) a call goes straight to the target.
    """

    def __init__(self, target: Callable[..., Any]) -> None:
        self.target = target
        self.name = f"{target.__module__}:{target.__qualname__}"
        self.__doc__ = target.__doc__
        self.__name__ = target.__name__
        try:
            self.signature = inspect.signature(target)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"symbolic: got {target!r}, whose arguments cannot be read; allowed: classes and functions") from error
        self.binder = Binder(self.__name__, self.signature)
        self.types: ArgumentTypes | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A node of this call, or the call's result while a program runs."""
        if running.get() is not None:
            return self.target(*args, **kwargs)
        return _node(self, self.binder.bind(args, kwargs, False))

    def partial(self, *args: Any, **kwargs: Any) -> Node:
        """A node with arguments still missing; building it before they are set raises `Undecided`."""
        return _node(self, self.binder.bind(args, kwargs, True))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Symbol):
            return NotImplemented
        # Functions and classes made inside a function may share a name and yet be different.
        return self.target is other.target or (self.name == other.name and "<" not in self.name)

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"symbolic({self.__name__})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_symbol_of, (self.target, self.types is not None))


@overload
def symbolic(target: Callable[..., Any], *, check: bool = False) -> Symbol: ...


@overload
def symbolic(target: None = None, *, check: bool = False) -> Callable[[Callable[..., Any]], Symbol]: ...


def symbolic(target: Callable[..., Any] | None = None, *, check: bool = False) -> Any:
    """Make calls of a class or function return nodes.

    Args:
        target: A class or a function; it is not changed. It is also registered under its qualified name for `Node.from_json`. Without one,
            a decorator: `@symbolic(check=True)`.
        check: Check arguments by their annotations whenever a node is made, edited or read: constants, nodes, and every candidate of a
            choice. Once asked for, it holds for the target wherever it is made symbolic.

    Example:
        >>> Point = symbolic(complex)
        >>> node = Point(real=1, imag=2)
        >>> node.set({"imag": 3}).build()
        (1+3j)
    """
    if target is None:
        return lambda found: symbolic(found, check=check)
    return _symbol_of(target, check)


def _symbol_of(target: Callable[..., Any], check: bool) -> Symbol:
    symbol = target if isinstance(target, Symbol) else _symbol(target)
    if check and symbol.types is None:
        symbol.types = ArgumentTypes(symbol.__name__, symbol.target)
    return symbol


def _symbol(target: Callable[..., Any]) -> Symbol:
    if not callable(target):
        raise ArgumentError(f"symbolic: got {target!r}; allowed: a class or a function")
    name = f"{getattr(target, '__module__', '')}:{getattr(target, '__qualname__', '')}"
    known = _symbols.get(name)
    if known is not None and known.target is target:
        return known
    symbol = Symbol(target)
    _symbols[symbol.name] = symbol
    return symbol


def Partial(target: Callable[..., Any], *args: Any, **kwargs: Any) -> Node:
    """A node of a class or function with arguments still missing.

    It can be set, compared and written like any node. Building it before all required arguments are there raises `Undecided`.

    Example:
        >>> node = Partial(complex, imag=2)
        >>> node.set({"real": 1}).build()
        (1+2j)
    """
    return symbolic(target).partial(*args, **kwargs)


def registered(name: str) -> Symbol:
    """The symbol of a target's qualified name.

    Raises:
        UnknownNameError: nothing of that name was made symbolic in this process.
    """
    found = _symbols.get(name)
    if found is None:
        raise unknown("symbolic target", name, _symbols, "make it symbolic first: oche.symbolic(...)")
    return found


class Node(Branch):
    """A target and its arguments, as immutable data.

    Args:
        symbol: What is called when the node is built.
        args: Arguments by name; values may be nodes, choices, and lists, tuples and dicts of them.
    """

    __slots__ = ("_hash", "_linked")

    symbol: Symbol

    def __init__(self, symbol: Symbol, args: Mapping[str, Any]) -> None:
        _fill(self, symbol, dict(args))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a node cannot be changed; use node.set({{{name!r}: ...}})")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in _SLOTS:
            raise AttributeError(name)
        try:
            return self.arguments[name]
        except KeyError:
            raise NotBuilt(
                f"node {self.symbol.__name__}: got .{name} of a node that is not built; allowed: its arguments "
                f"({', '.join(self.arguments) or 'none'}), or .build() first"
            ) from None

    def __reduce__(self) -> tuple[Any, ...]:
        return (Node, (self.symbol, dict(self.arguments)))

    @property
    def args(self) -> dict[str, Any]:
        """A copy of the arguments by name."""
        return dict(self.arguments)

    @property
    def missing(self) -> tuple[str, ...]:
        """Paths of required arguments that no value was given for, here and below."""
        found = list(self.symbol.binder.missing(self.arguments))
        for path, value in walk(self):
            if isinstance(value, Node):
                found += [f"{path}.{name}" for name in value.symbol.binder.missing(value.arguments)]
        return tuple(found)

    def replace(self, args: Mapping[str, Any]) -> Node:
        """A node of the same target with these arguments."""
        return _node(self.symbol, dict(args))

    def check_argument(self, name: str, path: str) -> None:
        """Raise `UnknownNameError` unless the target takes an argument of this name."""
        self.symbol.binder.check_name(name, path)

    def construct(self, args: Mapping[str, Any]) -> Any:
        """Call the target with arguments that are ready."""
        return self.symbol.binder.call(self.symbol.target, args)

    def build(self) -> Any:
        """Call the targets, innermost first.

        Raises:
            Undecided: a choice is still open, or an argument is missing; the message names its path.
        """
        from oche.program.resolver import Build

        return Build().whole(self)

    # -- reading and editing ------------------------------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        """The value at a path, such as `layers[2].op.kernel`.

        Raises:
            UnknownNameError: no such path.
        """
        return at(self, parts(path), path)

    def set(self, edits: Mapping[str, Any]) -> Node:
        """A node with values at some paths replaced; untouched parts are shared.

        Inside `with node.editing():` the node itself is changed, and returned.

        Args:
            edits: By path, such as `layers[2].op.kernel`.

        Raises:
            UnknownNameError: no such path; the arguments that exist are listed.
        """
        batch = _batches.get(id(self)) if _batches else None
        if batch is not None:
            for path, value in edits.items():
                batch.set(_steps(path), freeze(value), path)
            return self
        edited: Any = self
        for path, value in edits.items():
            edited = set_at(edited, _steps(path), value, path)
        return follow(self, edited)

    @contextmanager
    def editing(self) -> Iterator[Node]:
        """Change this node in place for a block: its `set` edits it, and what was cached is dropped once, at the end.

        Nodes below that other trees share are copied when they are first edited. If the block raises, the node is as it was before.
        Reading inside the block gives the values from before it. Not for nodes that other threads read, or that are keys of a dict.

        Example:
            >>> node = symbolic(complex)(1, 2)
            >>> with node.editing():
            ...     _ = node.set({"real": 5})
            ...     _ = node.set({"imag": 6})
            >>> node.build()
            (5+6j)
        """
        if id(self) in _batches:
            raise ArgumentError(f"node {self.symbol.__name__}: got editing() inside its own editing(); allowed: one block at a time")
        batch = _batches[id(self)] = Batch(self)
        try:
            yield self
        finally:
            del _batches[id(self)]
        edited = follow(self, _node(self.symbol, dict(batch.close())))
        for slot in ("_hash", "_linked"):
            if hasattr(type(self), slot):
                object.__setattr__(self, slot, None)
        _set_arguments(self, edited.arguments)

    def map(self, change: Callable[..., Any]) -> Node:
        """A node in which every value is `change(path, value)`, innermost first; what comes out unchanged is shared.

        Args:
            change: Of `(path, value)`, or of `(path, value, parent)` with the node, list, tuple or dict that the value stood in.
        """
        return follow(self, transform(self, "", as_change(change)))

    def query(self, where: str | Callable[[str, Any], bool]) -> dict[str, Any]:
        """All values, by path, whose path matches a regular expression, or for which `where(path, value)` holds."""
        if isinstance(where, str):
            search = re.compile(where).search
            return {path: value for path, value in walk(self) if search(path)}
        return {path: value for path, value in walk(self) if where(path, value)}

    def clone(self) -> Node:
        """A node equal to this one that shares no container and no node with it; references point into the copy."""
        return follow(self, copy_tree(self), everywhere=True)

    def diff(self, other: Node) -> Difference:
        """Paths at which two nodes differ, with both values; a missing one is the string `<missing>`. Its `str` is readable."""
        return differences(self, other)

    # -- text ---------------------------------------------------------------------------------------------------------------

    def format(self) -> str:
        """The node as an indented call, one argument a line."""
        return pretty(self)

    def to_json(self) -> str:
        """JSON text; targets stand by their qualified name."""
        if is_linked(self):
            from oche.program._links import write_linked

            return write_linked(self)
        return write(self)

    @staticmethod
    def from_json(text: str) -> Node:
        """The inverse of `to_json`. Only targets that were made symbolic in this process are resolved; nothing is imported.

        Raises:
            UnknownNameError: the target is not registered, or does not take an argument.
        """
        value = read(text, _read_node)
        if not isinstance(value, Node):
            raise ArgumentError(f"node text: got {text[:60]!r}; allowed: what Node.to_json wrote")
        return value

    # -- structure ----------------------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Node):
            return NotImplemented
        if self.symbol is not other.symbol and self.symbol != other.symbol:
            return False
        if is_linked(self):
            from oche.program._links import canonical

            return canonical(self).arguments == canonical(other).arguments
        return self.arguments == other.arguments

    def __hash__(self) -> int:
        cached = self._hash
        if cached is not None and cached[0] == Epoch.now:
            return cached[1]
        arguments = self.arguments
        if is_linked(self):
            from oche.program._links import canonical

            arguments = canonical(self).arguments
        made = hash((self.symbol.name, arguments))
        object.__setattr__(self, "_hash", (Epoch.now, made))
        return made

    def __repr__(self) -> str:
        return f"{self.symbol.__name__}({', '.join(f'{k}={v!r}' for k, v in self.arguments.items())})"


class NotBuilt(Undecided, AttributeError):
    """A node or a choice was used as if it were what it builds."""


_SLOTS = {"symbol", "arguments", "_hash", "_linked"}
LEAVES.add(Node)
_new = object.__new__
_set_symbol = Branch.symbol.__set__  # type: ignore[attr-defined]
_set_arguments = Branch.arguments.__set__  # type: ignore[attr-defined]
_set_hash = Node._hash.__set__  # type: ignore[attr-defined]
_set_linked = Node._linked.__set__  # type: ignore[attr-defined]
_batches: dict[int, Batch] = {}


def _fill(node: Node, symbol: Symbol, args: dict[str, Any]) -> None:
    for k, v in args.items():
        if v.__class__ not in LEAVES:
            args[k] = freeze(v)
    if symbol.types is not None:
        symbol.types.check(args)
    _set_symbol(node, symbol)
    _set_arguments(node, FrozenDict(args))
    _set_hash(node, None)
    _set_linked(node, None)


def _node(symbol: Symbol, args: dict[str, Any]) -> Node:
    """A node that takes over `args`, a dict of its own."""
    node = _new(Node)
    _fill(node, symbol, args)
    return node


def _steps(path: str) -> tuple[str | int, ...]:
    steps = parts(path)
    if not steps:
        raise ArgumentError(f"path: got {path!r}; allowed: a path such as 'layers[2].op.kernel'")
    return steps


def _read_node(name: str, args: Mapping[str, Any]) -> Node:
    symbol = registered(name)
    for key in args:
        if key not in symbol.binder.known:
            symbol.binder.check_name(key, key)
    return _node(symbol, dict(args))


def is_linked(node: Node) -> bool:
    """Whether there are references or derived values in a node."""
    cached = node._linked
    if cached is not None and cached[0] == Epoch.now:
        return cached[1]
    from oche.program._links import holds_links

    found = False
    for value in node.arguments.values():
        if value.__class__ not in _SIMPLE and holds_links(value):
            found = True
            break
    object.__setattr__(node, "_linked", (Epoch.now, found))
    return found


_SIMPLE = {int, float, str, bool, type(None)}


def follow(before: Node, after: Any, everywhere: bool = False) -> Any:
    """`after`, an edited `before`, with references that pointed into `before` pointing to the same places in `after`."""
    if after is before or not isinstance(after, Node) or not is_linked(before):
        return after
    from oche.program._links import redirect

    return redirect(before, after, everywhere)


def _write_symbol(value: Symbol, path: str) -> str:
    return f'{{"_type": "symbol", "args": {write(value.name)}}}'


writers[Symbol] = _write_symbol
readers["symbol"] = registered
