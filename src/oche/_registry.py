"""Names to things: one registry per noun, and the one grammar of settings, `name?key=value&key=value`.

An entry is text `module:attribute`, imported at first use, so that naming a thing costs nothing and `import oche` stays small.
Names are looked up without regard to case, `-` and `_`. Other packages add entries by entry points of the group
`oche.<plural noun>`.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any
from urllib.parse import parse_qsl, unquote

from oche.errors import ArgumentError, unknown


@dataclass(frozen=True)
class Entry:
    """One registered thing: where it is, settings that the name stands for, and a line of help."""

    name: str
    target: str | Callable[..., Any]
    settings: Mapping[str, Any]
    summary: str


class Registry:
    """All things of one noun.

    Args:
        noun: Singular, for messages, for example `algorithm`.
        group: Entry-point group that other packages may fill, for example `oche.algorithms`.
    """

    def __init__(self, noun: str, group: str) -> None:
        self.noun = noun
        self.group = group
        self._entries: dict[str, Entry] = {}
        self._scanned = False

    def register(self, name: str, target: str | Callable[..., Any], summary: str = "", **settings: Any) -> None:
        """Add `name`.

        Args:
            name: As printed in lists; lower case with `-`.
            target: A callable that makes the thing, as `module:attribute` or itself.
            summary: One line for lists.
            **settings: Keyword arguments that the name stands for; those in the text overrule them.

        Raises:
            ArgumentError: the name is taken.
        """
        key = canonical(name)
        if key in self._entries:
            raise ArgumentError(f"{self.noun} name: got {name!r} twice; allowed: a name that is not taken")
        self._entries[key] = Entry(name, target, settings, summary)

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(e.name for e in self.entries())

    def entries(self) -> Iterator[Entry]:
        """All entries in the order of registration."""
        self._scan()
        yield from self._entries.values()

    def get(self, text: str, **overrides: Any) -> Any:
        """Make the thing that `text` names, `name` or `name?key=value&key=value`.

        Raises:
            UnknownNameError: no such name; the nearest one is suggested.
            ArgumentError: a setting that the thing does not take, or that it refuses.
        """
        factory, merged = self.resolve(text, **overrides)
        return factory(**merged)

    def resolve(self, text: str, **overrides: Any) -> tuple[Callable[..., Any], dict[str, Any]]:
        """What makes the thing that `text` names, and the settings to call it with; the errors of `get`."""
        name, settings = parse(text)
        entry = self.entry(name)
        merged = {**entry.settings, **settings, **overrides}
        factory = load(entry.target) if isinstance(entry.target, str) else entry.target
        _check_settings(self.noun, entry.name, factory, merged)
        return factory, merged

    def entry(self, name: str) -> Entry:
        """The entry of `name`."""
        self._scan()
        found = self._entries.get(canonical(name))
        if found is None:
            raise unknown(self.noun, name, self.names(), f"see 'oche list {self.group.rpartition('.')[2]}'")
        return found

    def __contains__(self, name: str) -> bool:
        self._scan()
        return canonical(name) in self._entries

    def _scan(self) -> None:
        if self._scanned:
            return
        self._scanned = True
        for point in metadata.entry_points(group=self.group):
            if canonical(point.name) not in self._entries:
                self.register(point.name, point.value)


def canonical(name: str) -> str:
    """`name` without case, `-` and `_`."""
    return name.lower().replace("-", "").replace("_", "")


def load(target: str) -> Any:
    """Import what `module:attribute` names."""
    module, _, attribute = target.partition(":")
    found: Any = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """Split `name?key=value&key=value` into the name and typed settings.

    Values are JSON where they parse as JSON (`4`, `0.1`, `true`, `null`, `[1,2]`), else text.

    Example:
        >>> parse("pc-darts?k=4&channels=shift")
        ('pc-darts', {'k': 4, 'channels': 'shift'})
    """
    name, mark, query = text.partition("?")
    if not name.strip():
        raise ArgumentError(f"settings: got {text!r}; allowed: name or name?key=value&key=value")
    if not mark:
        return unquote(name.strip()), {}
    try:
        pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise ArgumentError(f"settings: got {text!r}; allowed: name?key=value&key=value") from error
    return unquote(name.strip()), {key: _value(value) for key, value in pairs}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _check_settings(noun: str, name: str, factory: Any, settings: Mapping[str, Any]) -> None:
    parameters = inspect.signature(factory).parameters
    needed = [k for k, p in parameters.items() if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    missing = [k for k in needed if k not in settings]
    if missing:
        shown = "&".join(f"{k}=..." for k in needed)
        raise ArgumentError(f"{noun} {name!r}: got no {', '.join(missing)}; allowed: '{name}?{shown}'")
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for key in settings:
        if key not in parameters:
            raise unknown(f"setting of {noun} {name!r}", key, parameters)
