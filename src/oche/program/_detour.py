"""Other classes in place of some, for a block of code that was never made symbolic; and whole modules of symbolic classes."""

from __future__ import annotations

import threading
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from oche.errors import ArgumentError, unknown
from oche.program.node import Symbol, symbolic

_NONE: Mapping[type, Any] = types.MappingProxyType({})
_active: ContextVar[Mapping[type, Any]] = ContextVar("oche_detours", default=_NONE)
_lock = threading.Lock()
_installed: dict[type, int] = {}


@contextmanager
def detour(classes: Mapping[type, Any]) -> Iterator[None]:
    """Make other classes wherever a block of code makes some.

    Code below the block in this thread or task sees the others; all other threads and tasks go on as before. Only the classes themselves
    are swapped, not their subclasses. Inside of a replacement the class itself can be made. Detours nest: the inner one rules.

    Args:
        classes: From a class to what is called in its place, with the same arguments: a class, a symbolic class, or a function.

    Raises:
        ArgumentError: a class that cannot be swapped, such as one of the interpreter's own.

    Source: Peng et al. 2023 (arXiv 2302.01918), `pg.detour`.

    Example:
        >>> class Adam:
        ...     pass
        >>> class Sgd:
        ...     pass
        >>> def training():
        ...     return Adam()
        >>> with detour({Adam: Sgd}):
        ...     type(training()).__name__
        'Sgd'
        >>> type(training()).__name__
        'Adam'
    """
    replacements = {source: target.target if isinstance(target, Symbol) else target for source, target in classes.items()}
    for source, target in replacements.items():
        if not isinstance(source, type) or not callable(target):
            raise ArgumentError(f"detour: got {source!r}: {target!r}; allowed: from a class to a class or a function")
    held: list[type] = []
    token = None
    try:
        for source in replacements:
            _install(source)
            held.append(source)
        token = _active.set({**_active.get(), **replacements})
        yield
    finally:
        if token is not None:
            _active.reset(token)
        for source in held:
            _release(source)


def _install(source: type) -> None:
    """Put a `__new__` on a class that asks the present thread or task what to make."""
    with _lock:
        if not _installed.get(source):
            original = source.__new__
            own = source.__dict__.get("__new__")
            if own is not None and getattr(own, "__func__", own) is _new_object:
                own = None

            def swapped(cls: type, *args: Any, **kwargs: Any) -> Any:
                target = _active.get().get(cls) if cls is source else None
                if target is None or target is source:
                    return original(cls) if original is object.__new__ else original(cls, *args, **kwargs)  # type: ignore[call-overload]
                return _make(source, target, args, kwargs)

            swapped.own = own  # type: ignore[attr-defined]
            try:
                source.__new__ = staticmethod(swapped)  # type: ignore[method-assign, assignment]
            except TypeError as error:
                raise ArgumentError(f"detour: got {source!r}, which cannot be swapped; allowed: classes written in Python") from error
        _installed[source] = _installed.get(source, 0) + 1


def _make(source: type, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    token = _active.set({k: v for k, v in _active.get().items() if k is not source})
    try:
        if isinstance(target, type) and issubclass(target, source):
            # The interpreter calls __init__ itself on an instance of the class that was asked for.
            new = target.__new__
            return object.__new__(target) if new is object.__new__ else new(target, *args, **kwargs)
        return target(*args, **kwargs)
    finally:
        _active.reset(token)


def _release(source: type) -> None:
    with _lock:
        _installed[source] -= 1
        if _installed[source]:
            return
        del _installed[source]
        own = source.__dict__["__new__"].__func__.own
        if own is not None:
            source.__new__ = own  # type: ignore[method-assign]
            return
        del source.__new__
        if source.__new__ is object.__new__:
            source.__new__ = staticmethod(_new_object)  # type: ignore[method-assign, assignment]


def _new_object(cls: type, /, *args: Any, **kwargs: Any) -> Any:
    """What `object.__new__` does for a class.

    It stays on a class that was swapped: once a `__new__` was deleted from a class, the interpreter's `object.__new__` refuses arguments
    that are meant for `__init__`.
    """
    if (args or kwargs) and cls.__init__ is object.__init__:
        raise TypeError(f"{cls.__name__}() takes no arguments")
    return object.__new__(cls)  # type: ignore[call-overload]


class Wrapped:
    """A module of which every class is symbolic. Made by `wrap`."""

    def __init__(self, module: types.ModuleType, where: Callable[[str, Any], bool]) -> None:
        self._module = module
        self._where = where

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name, _ABSENT)
        if found is _ABSENT:
            raise _NoMember(str(unknown(f"name of {self._module.__name__}", name, [n for n in dir(self._module) if n[0] != "_"])))
        if isinstance(found, types.ModuleType):
            return Wrapped(found, self._where)
        return symbolic(found) if callable(found) and not isinstance(found, Symbol) and self._where(name, found) else found

    def __dir__(self) -> list[str]:
        return dir(self._module)

    def __repr__(self) -> str:
        return f"wrap({self._module.__name__})"


class _NoMember(ArgumentError, AttributeError):
    """A wrapped module has no such name."""


_ABSENT = object()


def wrap(target: Any, where: Callable[[str, Any], bool] | None = None) -> Any:
    """A class or function, or all classes of a module, made symbolic; nothing of the original is touched.

    Args:
        target: A module, a class or a function.
        where: For a module, which of its names become symbolic, of `(name, object)`; by default its classes. Others, constants and
            functions among them, are what they were; modules inside are wrapped alike.

    Example:
        >>> import fractions
        >>> wrapped = wrap(fractions)
        >>> wrapped.Fraction(1, 2).set({"denominator": 3}).build()
        Fraction(1, 3)
    """
    if isinstance(target, types.ModuleType):
        return Wrapped(target, where or (lambda _, found: isinstance(found, type)))
    return symbolic(target)
