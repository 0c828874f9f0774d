"""Trees of data: what a node is made of, and how a tree is walked, read and rebuilt by path.

A tree holds nodes, lists, tuples and dicts; everything else is a leaf. Containers inside nodes are frozen, so that a node cannot change
behind the caches of those that hold it. Nothing here knows targets, choices or JSON.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from oche.errors import ArgumentError, unknown

Change = Callable[[str, Any, Any], Any]


class Branch:
    """The base of nodes: named arguments below a target.

    `arguments` is the frozen mapping itself, without a copy.
    """

    __slots__ = ("arguments", "symbol")

    symbol: Any
    arguments: Mapping[str, Any]

    if TYPE_CHECKING:

        def replace(self, args: Mapping[str, Any]) -> Branch:
            """A node of the same target with these arguments."""
            ...

        def check_argument(self, name: str, path: str) -> None:
            """Raise unless the target takes an argument of this name."""
            ...


def _refuse(self: Any, *_: Any, **__: Any) -> NoReturn:
    raise TypeError(f"this {type(self).__bases__[0].__name__} is part of a node and cannot be changed; use node.set(...) or a copy")


class FrozenList(list):
    """A list inside a node."""

    __slots__ = ()
    append = extend = insert = pop = remove = clear = sort = reverse = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return (FrozenList, (list(self),))


class FrozenDict(dict):
    """A dict inside a node."""

    __slots__ = ()
    pop = popitem = clear = update = setdefault = _refuse
    __setitem__ = __delitem__ = __ior__ = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return (FrozenDict, (dict(self),))


#: Types that hold nothing that could change.
LEAVES = {int, float, str, bool, type(None), bytes, complex, FrozenList, FrozenDict}


def freeze(value: Any) -> Any:
    """`value` with all containers in it frozen; one that is frozen already is returned as it is.

    Raises:
        ArgumentError: a torch module or a tensor, which is no data.
    """
    if value.__class__ in LEAVES or isinstance(value, Branch):
        return value
    if isinstance(value, list):
        return FrozenList([freeze(v) for v in value])
    if isinstance(value, dict):
        return FrozenDict({k: freeze(v) for k, v in value.items()})
    if isinstance(value, tuple):
        return as_tuple(value, [freeze(v) for v in value])
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, (torch.nn.Module, torch.Tensor)):
        raise ArgumentError(
            f"argument of a node: got a {type(value).__name__} that is already built; allowed: data, which holds no weights; give what "
            "builds it, a node of a symbolic class or a function"
        )
    return value


def as_tuple(original: tuple[Any, ...], items: list[Any]) -> tuple[Any, ...]:
    """A tuple of the type of `original`; `original` itself if the items are its own."""
    if all(a is b for a, b in zip(original, items, strict=True)):
        return original
    return type(original)(*items) if hasattr(original, "_fields") else tuple(items)


def is_module(value: Any) -> bool:
    """Whether a value is a torch module; torch is not imported for it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


# -- paths ------------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4096)
def parts(path: str) -> tuple[str | int, ...]:
    """The steps of a path such as `layers[2].op.kernel`."""
    found = re.findall(r"[^.\[\]]+|\[\d+\]", path)
    return tuple(int(p[1:-1]) if p.startswith("[") else p for p in found)


def child(value: Any, step: str | int, path: str) -> Any:
    """The value one step below `value`.

    Raises:
        UnknownNameError: there is none; what exists is listed.
    """
    if isinstance(value, Branch) and step in value.arguments:
        return value.arguments[step]  # type: ignore[index]
    if isinstance(value, dict):
        key = _key(value, step)
        if key is not None:
            return value[key[0]]
    if isinstance(value, (list, tuple)) and isinstance(step, int) and step < len(value):
        return value[step]
    raise no_such_step(value, step, path)


def _key(value: Mapping[Any, Any], step: str | int) -> tuple[Any] | None:
    """The key that a step names, which may be a number."""
    if step in value:
        return (step,)
    return next(((k,) for k in value if not isinstance(k, str) and str(k) == str(step)), None)


def no_such_step(value: Any, step: str | int, path: str) -> Exception:
    """The error for a step that leads nowhere."""
    known: Iterable[Any] = ()
    if isinstance(value, Branch):
        known = value.arguments
    elif isinstance(value, dict):
        known = value
    elif isinstance(value, (list, tuple)):
        known = [f"[{i}]" for i in range(len(value))]
    return unknown(f"path {path!r}", str(step), [str(k) for k in known])


def at(value: Any, steps: Iterable[str | int], path: str) -> Any:
    """The value at the end of some steps."""
    for step in steps:
        value = child(value, step, path)
    return value


def set_at(value: Any, steps: tuple[str | int, ...], new: Any, path: str) -> Any:
    """`value` with what stands at the end of some steps replaced; everything beside the way is shared."""
    if not steps:
        return new
    head, rest = steps[0], steps[1:]
    if isinstance(value, Branch):
        arguments = value.arguments
        if head not in arguments:
            value.check_argument(str(head), path)
            if rest:
                raise no_such_step(value, head, path)
        inner = set_at(arguments[head], rest, new, path) if rest else new  # type: ignore[index]
        return value.replace({**arguments, head: inner})  # type: ignore[dict-item]
    if isinstance(value, (list, tuple)) and isinstance(head, int) and head < len(value):
        items = list(value)
        items[head] = set_at(value[head], rest, new, path)
        return FrozenList(items) if isinstance(value, list) else as_tuple(value, items)
    if isinstance(value, dict):
        key = _key(value, head)
        if key is not None:
            return FrozenDict({**value, key[0]: set_at(value[key[0]], rest, new, path)})
    raise no_such_step(value, head, path)


# -- walks ------------------------------------------------------------------------------------------------------------------


def walk(value: Any) -> list[tuple[str, Any]]:
    """Everything below `value` with its path, each before what is in it."""
    found: list[tuple[str, Any]] = []
    _walk(value, "", found.append)
    return found


def _walk(value: Any, path: str, found: Callable[[tuple[str, Any]], None]) -> None:
    if isinstance(value, (Branch, dict)):
        prefix = f"{path}." if path else ""
        for k, v in (value.arguments if isinstance(value, Branch) else value).items():
            step = f"{prefix}{k}"
            found((step, v))
            if v.__class__ not in _BARE:
                _walk(v, step, found)
    elif isinstance(value, (list, tuple)):
        for i, v in enumerate(value):
            step = f"{path}[{i}]"
            found((step, v))
            if v.__class__ not in _BARE:
                _walk(v, step, found)


_BARE = {int, float, str, bool, type(None)}


def transform(value: Any, path: str, change: Change) -> Any:
    """Everything below `value` replaced by `change(path, value, parent)`, innermost first; what did not change is shared."""
    if isinstance(value, Branch):
        prefix = f"{path}." if path else ""
        made = _changed(value.arguments.items(), prefix, "", value, change)
        return value if made is None else value.replace({**value.arguments, **made})
    if isinstance(value, dict):
        made = _changed(value.items(), f"{path}." if path else "", "", value, change)
        return value if made is None else FrozenDict({**value, **made})
    if isinstance(value, (list, tuple)):
        made = _changed(enumerate(value), f"{path}[", "]", value, change)
        if made is None:
            return value
        items = [made.get(i, v) for i, v in enumerate(value)]
        return FrozenList(items) if isinstance(value, list) else as_tuple(value, items)
    return value


def _changed(items: Iterable[tuple[Any, Any]], prefix: str, suffix: str, parent: Any, change: Change) -> dict[Any, Any] | None:
    made: dict[Any, Any] | None = None
    for k, v in items:
        path = f"{prefix}{k}{suffix}"
        new = change(path, v if v.__class__ in _BARE else transform(v, path, change), parent)
        if new is not v:
            made = made or {}
            made[k] = new
    return made


def as_change(change: Callable[..., Any]) -> Change:
    """A function of `(path, value)` or `(path, value, parent)` as one of three arguments."""
    try:
        inspect.signature(change).bind("", None, None)
    except TypeError:
        return lambda path, value, _: change(path, value)
    except ValueError:
        pass
    return change


def copy_tree(value: Any) -> Any:
    """A copy that shares no container and no node with `value`."""
    if value.__class__ in _BARE:
        return value
    if isinstance(value, Branch):
        return value.replace({k: copy_tree(v) for k, v in value.arguments.items()})
    if isinstance(value, dict):
        return FrozenDict({k: copy_tree(v) for k, v in value.items()})
    if isinstance(value, list):
        return FrozenList([copy_tree(v) for v in value])
    if isinstance(value, tuple):
        items = [copy_tree(v) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value
