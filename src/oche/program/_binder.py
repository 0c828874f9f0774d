"""From a call's arguments to arguments by name, prepared once per target.

`inspect.Signature.bind` costs more than everything else that making a node takes; here it only words the errors.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from oche.errors import ArgumentError, Undecided, unknown

_P = inspect.Parameter


class Binder:
    """The parameters of a target in the form that calls need.

    Args:
        name: Of the target, for messages.
        signature: Of the target.
    """

    def __init__(self, name: str, signature: inspect.Signature) -> None:
        self.name = name
        self.signature = signature
        parameters = signature.parameters.values()
        self.var_positional = next((p.name for p in parameters if p.kind is _P.VAR_POSITIONAL), None)
        self.open_names = any(p.kind is _P.VAR_KEYWORD for p in parameters)
        self.positional = tuple(p.name for p in parameters if p.kind in (_P.POSITIONAL_ONLY, _P.POSITIONAL_OR_KEYWORD))
        self.positional_only = frozenset(p.name for p in parameters if p.kind is _P.POSITIONAL_ONLY)
        self.order = tuple(p.name for p in parameters if p.kind is not _P.VAR_KEYWORD)
        self.known = frozenset(self.order)
        self.required = frozenset(p.name for p in parameters if p.default is p.empty and p.kind not in (_P.VAR_POSITIONAL, _P.VAR_KEYWORD))
        self._all_by_name = all(p.kind in (_P.POSITIONAL_OR_KEYWORD, _P.KEYWORD_ONLY, _P.VAR_KEYWORD) for p in parameters)
        self._keyword_order = list(self.order)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any], partial: bool) -> dict[str, Any]:
        """Arguments by name, in the order of the signature.

        Raises:
            ArgumentError: the target does not take them.
        """
        if not self._all_by_name or len(args) > len(self.positional):
            return self._bind_any(args, kwargs, partial)
        if args:
            flat = dict(zip(self.positional, args, strict=False))
            flat.update(kwargs)
            if len(flat) != len(args) + len(kwargs):
                return self._bind_any(args, kwargs, partial)
        else:
            flat = kwargs
        keys = flat.keys()
        if not (keys <= self.known or self.open_names) or not (partial or keys >= self.required):
            return self._bind_any(args, kwargs, partial)
        return self.ordered(flat)

    def ordered(self, flat: dict[str, Any]) -> dict[str, Any]:
        """The arguments in the order of the signature, free names behind the others in their own order."""
        given = list(flat)
        if given == self._keyword_order[: len(given)]:
            return flat
        known = {name: flat[name] for name in self.order if name in flat}
        return known if len(known) == len(flat) else {**known, **{k: v for k, v in flat.items() if k not in known}}

    def _bind_any(self, args: tuple[Any, ...], kwargs: dict[str, Any], partial: bool) -> dict[str, Any]:
        try:
            bound = (self.signature.bind_partial if partial else self.signature.bind)(*args, **kwargs)
        except TypeError as error:
            raise ArgumentError(f"{self.name}: got unfit arguments ({error}); allowed: {self.name}{self.signature}") from error
        flat: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            kind = self.signature.parameters[name].kind
            if kind is _P.VAR_KEYWORD:
                flat.update(value)
            else:
                flat[name] = list(value) if kind is _P.VAR_POSITIONAL else value
        return flat

    def check_name(self, name: str, path: str) -> None:
        """Raise `UnknownNameError` unless there is an argument of this name."""
        if name not in self.known and not self.open_names:
            raise unknown(f"path {path!r}, argument of {self.name}", name, self.order)

    def missing(self, args: Mapping[str, Any]) -> list[str]:
        """Names of required arguments that are not there."""
        if args.keys() >= self.required:
            return []
        return [name for name in self.order if name in self.required and name not in args]

    def call(self, target: Any, args: Mapping[str, Any]) -> Any:
        """Call the target with arguments by name.

        Raises:
            Undecided: a required argument is missing; the message names it.
        """
        missing = self.missing(args)
        if missing:
            raise Undecided(f"node {self.name}: got no value for argument {missing[0]!r}; allowed: all arguments; use node.set")
        if self.var_positional is None and not self.positional_only:
            return target(**args)
        positional, named = [], dict(args)
        for name in self.positional:
            # Once an argument is left to its default, those behind it must go by name.
            if name not in named:
                break
            positional.append(named.pop(name))
        else:
            if self.var_positional in named:
                positional += list(named.pop(self.var_positional))
        return target(*positional, **named)
