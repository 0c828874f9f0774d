"""Checks of arguments by the annotations of their target, for targets that were made symbolic with `check=True`.

What is known without building anything is checked: constants, nodes by the class that they build, every candidate of a choice, the parts of
lists, tuples and dicts. What is not known before it is built (what a function returns, a reference, a derived value) passes.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from oche.errors import ArgumentError

_MISSING: Any = object()


class ArgumentTypes:
    """The annotated parameters of a target.

    Args:
        name: Of the target, for messages.
        target: A class or a function; annotations are read at the first check, so they may name what is defined later.
    """

    def __init__(self, name: str, target: Callable[..., Any]) -> None:
        self.name = name
        self.target = target
        self._hints: dict[str, Any] | None = None

    @property
    def hints(self) -> dict[str, Any]:
        """Types by argument.

        Raises:
            ArgumentError: an annotation names something that does not exist.
        """
        if self._hints is None:
            of = self.target.__init__ if isinstance(self.target, type) else self.target  # type: ignore[misc] - only read
            try:
                found = typing.get_type_hints(of)
            except (NameError, TypeError) as error:
                raise ArgumentError(
                    f"symbolic({self.name}, check=True): got an annotation that cannot be read ({error}); allowed: types that exist"
                ) from error
            found.pop("return", None)
            self._hints = found
        return self._hints

    def check(self, arguments: Mapping[str, Any]) -> None:
        """See that every argument is of its type.

        Raises:
            ArgumentError: one is not; the message names it, with the path inside it.
        """
        for name, hint in self.hints.items():
            value = arguments.get(name, _MISSING)
            if value is _MISSING:
                continue
            fault = next(_faults(value, hint, name), None)
            if fault is not None:
                path, found, wanted = fault
                raise ArgumentError(f"{self.name}, argument {path}: got {found!r}; allowed: {_text(wanted)}")


_Fault = tuple[str, Any, Any]


def _faults(value: Any, hint: Any, path: str) -> Iterator[_Fault]:
    """Places where a value is not of a type: (path, value, type)."""
    if hint is Any or isinstance(hint, typing.TypeVar) or _is_link(value):
        return
    if getattr(value, "is_oche_choice", False):
        yield from _choice_faults(value, hint, path)
        return
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        yield from _faults(value, inside[0], path)
    elif origin in (typing.Union, types.UnionType):
        if all(next(_faults(value, option, path), None) is not None for option in inside):
            yield path, value, hint
    elif origin is typing.Literal:
        if not any(value == option and type(value) is type(option) for option in inside):
            yield path, value, hint
    elif origin is None:
        if not _is_instance(value, hint):
            yield path, value, hint
    else:
        yield from _container_faults(value, hint, origin, inside, path)


def _container_faults(value: Any, hint: Any, origin: Any, inside: tuple[Any, ...], path: str) -> Iterator[_Fault]:
    if not _is_instance(value, origin):
        yield path, value, hint
        return
    if isinstance(value, tuple) and origin is tuple:
        if inside[-1:] == (Ellipsis,):
            inside = inside[:1] * len(value)
        if len(inside) != len(value):
            yield path, value, hint
            return
        for i, (item, one) in enumerate(zip(value, inside, strict=True)):
            yield from _faults(item, one, f"{path}[{i}]")
    elif isinstance(value, Mapping) and len(inside) == 2:
        for key, item in value.items():
            yield from _faults(key, inside[0], path)
            yield from _faults(item, inside[1], f"{path}[{key!r}]")
    elif isinstance(value, Collection) and not isinstance(value, (str, bytes)) and len(inside) == 1:
        for i, item in enumerate(value):
            yield from _faults(item, inside[0], f"{path}[{i}]")


def _choice_faults(choice: Any, hint: Any, path: str) -> Iterator[_Fault]:
    """A choice is of a type if each of its candidates is; factories are not called."""
    kind = getattr(choice, "kind", None)
    if kind in ("float", "int"):
        yield from _faults(choice.lo, hint, path)
        return
    candidates = {label: c for label, c in choice.candidates.items() if not (callable(c) and not _builds(c))}
    if kind in ("manyof", "permutate"):
        for label, candidate in candidates.items():
            yield from _faults([candidate] * choice.k, hint, f"{path} (candidate {label!r})")
    elif kind is None:
        for label, candidate in candidates.items():
            yield from _faults(candidate, hint, f"{path} (candidate {label!r})")


def _builds(value: Any) -> Any:
    """The class that a node builds, None where the value is no node, or is one of a function."""
    symbol = getattr(type(value), "symbol", None) and value.symbol
    target = getattr(symbol, "target", None)
    return target if isinstance(target, type) else None


def _is_link(value: Any) -> bool:
    from oche.program._links import Link

    return isinstance(value, Link)


def _is_instance(value: Any, kind: Any) -> bool:
    if kind is None or kind is type(None):
        return value is None
    if kind is Callable or kind is typing.Callable:
        return callable(value)
    if not isinstance(kind, type):
        return True  # nothing that can be checked, such as a protocol of a newer Python
    symbol = getattr(type(value), "symbol", None) and value.symbol
    if symbol is not None:
        built = _builds(value)
        return built is None or kind is object or issubclass(built, kind)
    if isinstance(value, bool):
        return kind in (bool, object)
    if kind is float:
        return isinstance(value, (int, float))
    if kind is type or getattr(kind, "__origin__", None) is type:
        return isinstance(value, type)
    if kind in (Sequence, Collection) and isinstance(value, (str, bytes)):
        return False
    try:
        return isinstance(value, kind)
    except TypeError:
        return True  # a protocol that cannot be asked


def _text(hint: Any) -> str:
    if hint is None or hint is type(None):
        return "None"
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint).replace("typing.", "")
