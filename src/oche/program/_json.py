"""Nodes as JSON text and back. Targets stand by name; only names that were made symbolic in this process come back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from oche.errors import ArgumentError, SpaceError
from oche.program._tree import Branch

#: What a type of value becomes, and what text of a kind becomes: `links.py` and `symbol` add theirs.
Writer = Callable[[Any, str], str]
writers: dict[type, Writer] = {}
readers: dict[str, Callable[[Any], Any]] = {}

_WORDS = {None: "null", True: "true", False: "false"}


def write(value: Any, path: str = "") -> str:
    """JSON text of a tree.

    Raises:
        SpaceError: something in it is no data, or a dict's key is no text; the message names the path.
    """
    cls = value.__class__
    if cls is int:
        return repr(value)
    if cls is str:
        return quoted(value)
    if value is None or cls is bool:
        return _WORDS[value]
    if cls is float:
        return json.dumps(value)
    if isinstance(value, Branch):
        inside = ", ".join([f"{quoted(k)}: {write(v, f'{path}.{k}')}" for k, v in value.arguments.items()])
        return f'{{"_type": {quoted(value.symbol.name)}, "args": {{{inside}}}}}'
    if isinstance(value, list):
        return f"[{', '.join([write(v, f'{path}[{i}]') for i, v in enumerate(value)])}]"
    if isinstance(value, tuple):
        return f'{{"_type": "tuple", "args": [{", ".join([write(v, f"{path}[{i}]") for i, v in enumerate(value)])}]}}'
    if isinstance(value, dict):
        if not all(isinstance(k, str) for k in value) or "_type" in value:
            raise SpaceError(
                f"{path.lstrip('.')}: got a dict with keys {list(value)[:4]!r}; allowed in JSON: text keys, none of them '_type'"
            )
        return "{" + ", ".join([f"{quoted(k)}: {write(v, f'{path}.{k}')}" for k, v in value.items()]) + "}"
    writer = next((w for kind, w in writers.items() if isinstance(value, kind)), None)
    if writer is not None:
        return writer(value, path)
    if isinstance(value, (int, float, str)):
        return json.dumps(value)
    raise SpaceError(f"{path.lstrip('.')}: got {value!r}; allowed in JSON: numbers, text, None, containers and nodes of them")


def read(text: str, make: Callable[[str, Mapping[str, Any]], Any]) -> Any:
    """The tree of JSON text.

    Args:
        text: What `write` wrote.
        make: Makes a node of a target's name and its arguments.

    Raises:
        ArgumentError: the text is not JSON of that form.
    """

    def hook(value: dict[str, Any]) -> Any:
        name = value.get("_type")
        if name is None:
            return value
        args = value.get("args")
        reader = readers.get(name)
        if reader is not None:
            return reader(args)
        if not isinstance(args, dict):
            raise ArgumentError(f"node text: got {args!r} as arguments of {name!r}; allowed: what Node.to_json wrote")
        return make(name, args)

    try:
        return json.loads(text, object_hook=hook)
    except (json.JSONDecodeError, TypeError) as error:
        raise ArgumentError(f"node text: got {text[:60]!r}; allowed: what Node.to_json wrote") from error


def _read_tuple(args: Any) -> tuple[Any, ...]:
    return tuple(args)


readers["tuple"] = _read_tuple
