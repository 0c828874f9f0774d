"""Programs as data: a node is a target and its arguments, and builds nothing until it is told to.

`symbolic(T)` wraps a class or a function without touching it; calling the wrapper gives a `Node`. Nodes are immutable, hold no
tensors, and can be read, compared, edited by path and written as JSON. Choices may stand anywhere among the arguments.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from oche.errors import ArgumentError, SpaceError, Undecided, unknown

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

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A node of this call, or the call's result while a program runs."""
        from oche.program.resolver import current

        if current() is not None:
            return self.target(*args, **kwargs)
        return Node(self, self._bind(args, kwargs, partial=False))

    def partial(self, *args: Any, **kwargs: Any) -> Node:
        """A node with arguments still missing; building it before they are set raises `Undecided`."""
        return Node(self, self._bind(args, kwargs, partial=True))

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any], partial: bool) -> dict[str, Any]:
        try:
            bound = (self.signature.bind_partial if partial else self.signature.bind)(*args, **kwargs)
        except TypeError as error:
            raise ArgumentError(f"{self.__name__}: got unfit arguments ({error}); allowed: {self.__name__}{self.signature}") from error
        flat: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            kind = self.signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                flat.update(value)
            else:
                flat[name] = list(value) if kind is inspect.Parameter.VAR_POSITIONAL else value
        return flat

    def __repr__(self) -> str:
        return f"symbolic({self.__name__})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (symbolic, (self.target,))


def symbolic(target: Callable[..., Any]) -> Symbol:
    """Make calls of a class or function return nodes.

    Args:
        target: A class or a function; it is not changed. It is also registered under its qualified name for `Node.from_json`.

    Example:
        >>> Point = symbolic(complex)
        >>> node = Point(real=1, imag=2)
        >>> node.set({"imag": 3}).build()
        (1+3j)
    """
    if isinstance(target, Symbol):
        return target
    if not callable(target):
        raise ArgumentError(f"symbolic: got {target!r}; allowed: a class or a function")
    symbol = Symbol(target)
    _symbols[symbol.name] = symbol
    return symbol


class Node:
    """A target and its arguments, as immutable data.

    Args:
        symbol: What is called when the node is built.
        args: Arguments by name; values may be nodes, choices, and lists, tuples and dicts of them.
    """

    __slots__ = ("_args", "symbol")

    symbol: Symbol

    def __init__(self, symbol: Symbol, args: Mapping[str, Any]) -> None:
        object.__setattr__(self, "symbol", symbol)
        object.__setattr__(self, "_args", dict(args))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a node cannot be changed; use node.set({{{name!r}: ...}})")

    def __reduce__(self) -> tuple[Any, ...]:
        return (Node, (self.symbol, self._args))

    @property
    def args(self) -> dict[str, Any]:
        """A copy of the arguments by name."""
        return dict(self._args)

    def replace(self, args: Mapping[str, Any]) -> Node:
        """A node of the same target with these arguments."""
        return Node(self.symbol, args)

    def construct(self, args: Mapping[str, Any]) -> Any:
        """Call the target with arguments that are ready."""
        positional, named, unbroken = [], dict(args), True
        for name, parameter in self.symbol.signature.parameters.items():
            required = parameter.default is parameter.empty and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            if required and name not in args:
                raise Undecided(f"node {self.symbol.__name__}: got no value for argument {name!r}; allowed: all arguments; use node.set")
            if parameter.kind is parameter.VAR_POSITIONAL and name in named:
                positional += list(named.pop(name))
            elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD) and name in named and unbroken:
                positional.append(named.pop(name))
            else:
                # Once an argument is left to its default, those behind it must go by name.
                unbroken = False
        return self.symbol.target(*positional, **named)

    def build(self) -> Any:
        """Call the targets, innermost first.

        Raises:
            Undecided: a choice is still open; the message names its path.
        """
        return _build(self, "")

    def set(self, edits: Mapping[str, Any]) -> Node:
        """A node with values at some paths replaced; untouched parts are shared.

        Args:
            edits: By path, such as `layers[2].op.kernel`.

        Raises:
            UnknownNameError: no such path; the arguments that exist are listed.
        """
        edited: Any = self
        for path, value in edits.items():
            edited = _set(edited, _parts(path), value, path)
        return edited

    def map(self, change: Callable[[str, Any], Any]) -> Node:
        """A node in which every value is `change(path, value)`, innermost first."""
        return _map(self, "", change, top=True)

    def query(self, where: str | Callable[[str, Any], bool]) -> dict[str, Any]:
        """All values, by path, whose path matches a regular expression, or for which `where(path, value)` holds."""
        test = (lambda path, _: re.search(where, path) is not None) if isinstance(where, str) else where
        return {path: value for path, value in _walk(self, "") if path and test(path, value)}

    def clone(self) -> Node:
        """A node equal to this one that shares no container with it."""
        return self.map(lambda _, value: value)

    def diff(self, other: Node) -> dict[str, tuple[Any, Any]]:
        """Paths at which two nodes differ, with both values; a missing one is the string `<missing>`."""
        return dict(_diff(self, other, ""))

    def format(self) -> str:
        """The node as an indented call, one argument a line."""
        return _format(self, 0)

    def to_json(self) -> str:
        """JSON text; targets stand by their qualified name."""
        return json.dumps(_to_json(self, ""))

    @staticmethod
    def from_json(text: str) -> Node:
        """The inverse of `to_json`. Only targets that were made symbolic in this process are resolved; nothing is imported.

        Raises:
            UnknownNameError: the target is not registered.
        """
        value = _from_json(json.loads(text))
        if not isinstance(value, Node):
            raise ArgumentError(f"node text: got {text[:60]!r}; allowed: what Node.to_json wrote")
        return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        return self.symbol.name == other.symbol.name and self._args == other._args

    def __hash__(self) -> int:
        return hash((self.symbol.name, _hashable(self._args)))

    def __repr__(self) -> str:
        return f"{self.symbol.__name__}({', '.join(f'{k}={v!r}' for k, v in self._args.items())})"


def is_module(value: Any) -> bool:
    """Whether a value is a torch module; torch is not imported for it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def _build(value: Any, path: str) -> Any:
    if getattr(value, "is_oche_choice", False):
        raise Undecided(
            f"{path or 'program'}: got an open choice ({value!r}); allowed: decided values; build a point with Space(...).decode(dna)"
        )
    if isinstance(value, Node):
        return value.construct({k: _build(v, f"{path}.{k}" if path else k) for k, v in value.args.items()})
    return _rebuild(value, lambda v, step: _build(v, path + step))


def _rebuild(value: Any, change: Callable[[Any, str], Any]) -> Any:
    if isinstance(value, dict):
        return {k: change(v, f".{k}") for k, v in value.items()}
    if isinstance(value, list):
        return [change(v, f"[{i}]") for i, v in enumerate(value)]
    if isinstance(value, tuple):
        items = [change(v, f"[{i}]") for i, v in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, Node):
        for k, v in value.args.items():
            yield from _walk(v, f"{path}.{k}" if path else k)
    elif isinstance(value, dict):
        for k, v in value.items():
            yield from _walk(v, f"{path}.{k}" if path else str(k))
    elif isinstance(value, (list, tuple)):
        for i, v in enumerate(value):
            yield from _walk(v, f"{path}[{i}]")


def _map(value: Any, path: str, change: Callable[[str, Any], Any], top: bool = False) -> Any:
    if isinstance(value, Node):
        value = value.replace({k: _map(v, f"{path}.{k}" if path else k, change) for k, v in value.args.items()})
    else:
        value = _rebuild(value, lambda v, step: _map(v, (path + step).lstrip("."), change))
    return value if top else change(path, value)


def _parts(path: str) -> list[str | int]:
    found = re.findall(r"[^.\[\]]+|\[\d+\]", path)
    return [int(p[1:-1]) if p.startswith("[") else p for p in found]


def _set(value: Any, parts: list[str | int], new: Any, path: str) -> Any:
    if not parts:
        return new
    head, rest = parts[0], parts[1:]
    if isinstance(value, Node) and isinstance(head, str):
        _check_argument(value, head, path)
        args = value.args
        if rest and head not in args:
            raise unknown(f"path {path!r}", head, args)
        return value.replace({**args, head: _set(args.get(head), rest, new, path)})
    if isinstance(value, dict) and head in value:
        return {**value, head: _set(value[head], rest, new, path)}
    if isinstance(value, (list, tuple)) and isinstance(head, int) and head < len(value):
        items = [*value[:head], _set(value[head], rest, new, path), *value[head + 1 :]]
        return items if isinstance(value, list) else tuple(items)
    known = value.args if isinstance(value, Node) else value if isinstance(value, dict) else []
    raise unknown(f"path {path!r}", str(head), [str(k) for k in known])


def _check_argument(node: Node, name: str, path: str) -> None:
    parameters = node.symbol.signature.parameters
    if name not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise unknown(f"path {path!r}, argument of {node.symbol.__name__}", name, parameters)


def _diff(a: Any, b: Any, path: str) -> Iterator[tuple[str, tuple[Any, Any]]]:
    if isinstance(a, Node) and isinstance(b, Node) and a.symbol.name == b.symbol.name:
        yield from _diff(a.args, b.args, path)
    elif isinstance(a, dict) and isinstance(b, dict):
        for k in [*a, *(k for k in b if k not in a)]:
            step = f"{path}.{k}" if path else str(k)
            yield from _diff(a.get(k, "<missing>"), b.get(k, "<missing>"), step)
    elif isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _diff(x, y, f"{path}[{i}]")
    elif a != b:
        yield path, (a, b)


def _format(value: Any, depth: int) -> str:
    pad = "  " * (depth + 1)
    if isinstance(value, Node):
        lines = [f"{pad}{k}={_format(v, depth + 1)}," for k, v in value.args.items()]
        return "\n".join([f"{value.symbol.__name__}(", *lines, "  " * depth + ")"]) if lines else f"{value.symbol.__name__}()"
    if isinstance(value, (list, tuple)) and any(isinstance(v, (Node, list, tuple, dict)) for v in value):
        opening, closing = ("[", "]") if isinstance(value, list) else ("(", ")")
        return "\n".join([opening, *(f"{pad}{_format(v, depth + 1)}," for v in value), "  " * depth + closing])
    if isinstance(value, dict) and value:
        return "\n".join(["{", *(f"{pad}{k!r}: {_format(v, depth + 1)}," for k, v in value.items()), "  " * depth + "}"])
    return repr(value)


def _to_json(value: Any, path: str) -> Any:
    if isinstance(value, Node):
        return {"_type": value.symbol.name, "args": {k: _to_json(v, f"{path}.{k}") for k, v in value.args.items()}}
    if isinstance(value, dict):
        if not all(isinstance(k, str) for k in value) or "_type" in value:
            raise SpaceError(f"{path}: got a dict with keys {list(value)[:4]!r}; allowed in JSON: text keys, none of them '_type'")
        return {k: _to_json(v, f"{path}.{k}") for k, v in value.items()}
    if isinstance(value, tuple):
        return {"_type": "tuple", "args": [_to_json(v, f"{path}[{i}]") for i, v in enumerate(value)]}
    if isinstance(value, list):
        return [_to_json(v, f"{path}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, Symbol):
        return {"_type": "symbol", "args": value.name}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise SpaceError(f"{path.lstrip('.')}: got {value!r}; allowed in JSON: numbers, text, None, containers and nodes of them")


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(v) for v in value]
    if not isinstance(value, dict):
        return value
    name = value.get("_type")
    if name is None:
        return {k: _from_json(v) for k, v in value.items()}
    if name == "tuple":
        return tuple(_from_json(v) for v in value["args"])
    target = value["args"] if name == "symbol" else name
    if target not in _symbols:
        raise unknown("symbolic target", target, _symbols, "make it symbolic first: oche.symbolic(...)")
    if name == "symbol":
        return _symbols[target]
    return Node(_symbols[target], {k: _from_json(v) for k, v in value["args"].items()})


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((k, _hashable(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(_hashable(v) for v in value)
    return value
