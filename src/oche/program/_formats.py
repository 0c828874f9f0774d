"""Nodes as text for people, and the differences of two trees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from oche.program._tree import Branch

MISSING = "<missing>"


class Difference(dict[str, tuple[Any, Any]]):
    """Paths at which two trees differ, each with both values; a missing one is the string `<missing>`."""

    def format(self) -> str:
        """One line a path: `-` what the first tree has, `+` what the second one has."""
        lines = []
        for path, (a, b) in self.items():
            lines += [f"{sign} {path or 'root'} = {_one_line(v)}" for sign, v in (("-", a), ("+", b)) if v is not MISSING]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.format()


def _one_line(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."


def differences(a: Any, b: Any) -> Difference:
    """What differs between two trees."""
    return Difference() if a is b or a == b else Difference(_diff(a, b, ""))


def _diff(a: Any, b: Any, path: str) -> Iterator[tuple[str, tuple[Any, Any]]]:
    if a is b:
        return
    if isinstance(a, Branch) and isinstance(b, Branch) and a.symbol == b.symbol:
        yield from _diff_mapping(a.arguments, b.arguments, path)
    elif isinstance(a, dict) and isinstance(b, dict):
        yield from _diff_mapping(a, b, path)
    elif isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _diff(x, y, f"{path}[{i}]")
    elif a != b:
        yield path, (a, b)


def _diff_mapping(a: Any, b: Any, path: str) -> Iterator[tuple[str, tuple[Any, Any]]]:
    prefix = f"{path}." if path else ""
    for k in [*a, *(k for k in b if k not in a)]:
        yield from _diff(a.get(k, MISSING), b.get(k, MISSING), f"{prefix}{k}")


def pretty(value: Any, depth: int = 0) -> str:
    """An indented call, one argument a line."""
    pad = "  " * (depth + 1)
    if isinstance(value, Branch):
        lines = [f"{pad}{k}={pretty(v, depth + 1)}," for k, v in value.arguments.items()]
        name = value.symbol.__name__
        return "\n".join([f"{name}(", *lines, "  " * depth + ")"]) if lines else f"{name}()"
    if isinstance(value, (list, tuple)) and any(isinstance(v, (Branch, list, tuple, dict)) for v in value):
        opening, closing = ("[", "]") if isinstance(value, list) else ("(", ")")
        return "\n".join([opening, *(f"{pad}{pretty(v, depth + 1)}," for v in value), "  " * depth + closing])
    if isinstance(value, dict) and value:
        return "\n".join(["{", *(f"{pad}{k!r}: {pretty(v, depth + 1)}," for k, v in value.items()), "  " * depth + "}"])
    return repr(value)
