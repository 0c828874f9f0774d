"""Editing programs by rule: what to change, by key, path, value, type or member, and edits with a name and settings.

A rule is applied to every value of a tree, innermost first, and the first rule that fits a value changes it. A patcher is a function
that returns edits; once registered, the text `name?key=value` stands for it, so that an edit can be shared, logged and given on a
command line.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from oche._registry import Registry
from oche.errors import ArgumentError, OcheError
from oche.program._tree import Branch, as_change
from oche.program.node import Node, Symbol

patchers = Registry("patcher", "oche.patchers")

_NO = object()


@dataclass(frozen=True)
class Rule:
    """Which values of a tree change, and into what.

    Args:
        fits: Whether a value changes, of `(path, value, parent)`.
        becomes: What it becomes, of `(path, value, parent)`.
        label: For messages.
    """

    fits: Callable[[str, Any, Any], bool]
    becomes: Callable[[str, Any, Any], Any]
    label: str = "rule"


def on_key(pattern: str, value: Any) -> Rule:
    """Change what stands under arguments and dict keys that match a regular expression as a whole.

    Args:
        pattern: Of the last step of the path, such as `width` or `.*_rate`.
        value: What stands there then, or a function of `(path, value)` or `(path, value, parent)`.
    """
    search = re.compile(pattern).fullmatch
    return Rule(lambda path, _, __: search(path.rpartition(".")[2]) is not None, _becomes(value), f"on_key({pattern!r})")


def on_path(pattern: str, value: Any) -> Rule:
    """Change what stands at paths in which a regular expression is found; `value` as in `on_key`."""
    search = re.compile(pattern).search
    return Rule(lambda path, _, __: search(path) is not None, _becomes(value), f"on_path({pattern!r})")


def on_value(old: Any, value: Any) -> Rule:
    """Change values that equal `old` and have its type; `value` as in `on_key`."""
    return Rule(lambda _, v, __: type(v) is type(old) and v == old, _becomes(value), f"on_value({old!r})")


def on_type(kind: Any, value: Any) -> Rule:
    """Change nodes whose target is a class or one of its subclasses, and plain values of that type; `value` as in `on_key`."""
    return Rule(lambda _, v, __: _is_a(v, kind), _becomes(value), f"on_type({getattr(kind, '__name__', kind)})")


def on_member(kind: Any, name: str, value: Any) -> Rule:
    """Change one argument of the nodes of a class; `value` as in `on_key`."""
    return Rule(
        lambda path, _, parent: isinstance(parent, Branch) and _is_a(parent, kind) and path.rpartition(".")[2] == name,
        _becomes(value),
        f"on_member({getattr(kind, '__name__', kind)}, {name!r})",
    )


def _is_a(value: Any, kind: Any) -> bool:
    kind = kind.target if isinstance(kind, Symbol) else kind
    target = value.symbol.target if isinstance(value, Branch) else type(value)
    return target is kind or (isinstance(target, type) and isinstance(kind, type) and issubclass(target, kind))


def _becomes(value: Any) -> Callable[[str, Any, Any], Any]:
    if callable(value) and not isinstance(value, (Symbol, type)):
        return as_change(value)
    return lambda _, __, ___: value


def patch(node: Node, *rules: Any, must_change: bool = False) -> Node:
    """A node edited by rules, one after the other; the node itself stays as it is.

    Args:
        node: What is edited.
        *rules: Each the text of a registered patcher (`widen?factor=2`), a rule (`on_key`, `on_path`, `on_value`, `on_type`,
            `on_member`), a dict from path to value, a function of `(path, value)` or `(path, value, parent)`, or a list of these. The rules
            of one list are applied together: for each value the first that fits.
        must_change: Refuse a rule that changes nothing.

    Raises:
        UnknownNameError: no such patcher or setting.
        ArgumentError: a setting has the wrong type, a validator refuses the result, or a rule changed nothing with `must_change`.

    Source: Peng et al. 2023 (arXiv 2302.01918), rule-based patches.

    Example:
        >>> from oche.program import symbolic
        >>> patch(symbolic(complex)(1, 2), on_key("imag", lambda path, v: v * 10)).build()
        (1+20j)
    """
    if not isinstance(node, Node):
        raise ArgumentError(f"patch: got {node!r}; allowed: a node; make its class symbolic first")
    for rule in rules:
        edited = _apply(node, rule)
        if must_change and edited == node:
            raise ArgumentError(f"patch: got {getattr(rule, 'label', rule)!r}, which changes nothing in the node; allowed: rules that fit")
        node = edited
    return node


def _apply(node: Node, rule: Any) -> Node:
    if isinstance(rule, str):
        function, settings = patchers.resolve(rule)
        return function.apply(node, settings) if isinstance(function, _Patcher) else _apply(node, function(node, **settings))
    if isinstance(rule, Node):
        return rule
    if isinstance(rule, Mapping):
        return node.set(rule)
    if isinstance(rule, Rule):
        return _apply_rules(node, [rule])
    if isinstance(rule, Iterable):
        together = list(rule)
        if all(isinstance(r, Rule) for r in together):
            return _apply_rules(node, together)
        return patch(node, *together)
    if callable(rule):
        return node.map(rule)
    raise ArgumentError(f"patch: got {rule!r}; allowed: text, a rule, a dict of paths, a function, or a list of them")


def _apply_rules(node: Node, rules: list[Rule]) -> Node:
    def change(path: str, value: Any, parent: Any) -> Any:
        for rule in rules:
            if rule.fits(path, value, parent):
                return rule.becomes(path, value, parent)
        return value

    return node.map(change)


class _Patcher:
    """A registered function that gives the edits of a node."""

    def __init__(self, name: str, function: Callable[..., Any], validate: Callable[[Node], Any] | None) -> None:
        self.name = name
        self.function = function
        self.validate = validate
        self.__doc__ = function.__doc__
        self.__name__ = getattr(function, "__name__", name)
        first, *settings = inspect.signature(function).parameters.values()
        self.__signature__ = inspect.Signature(settings)
        try:
            self.hints = typing.get_type_hints(function)
        except NameError:
            # An annotation that names something local is no type that text could be checked against.
            self.hints = {}
        self.hints.pop(first.name, None)

    def __call__(self, node: Node, **settings: Any) -> Node:
        return self.apply(node, settings)

    def apply(self, node: Node, settings: Mapping[str, Any]) -> Node:
        typed = {k: self._typed(k, v) for k, v in settings.items()}
        missing = [
            p.name
            for p in self.__signature__.parameters.values()
            if p.default is p.empty and p.kind is not p.VAR_KEYWORD and p.name not in typed
        ]
        if missing:
            raise ArgumentError(
                f"patcher {self.name!r}: got no value for setting {missing[0]!r}; allowed: all settings without a default; "
                f"write {self.name}?{missing[0]}=..."
            )
        edited = _apply(node, self.function(node, **typed))
        if self.validate is not None:
            self._check(edited)
        return edited

    def _check(self, edited: Node) -> None:
        assert self.validate is not None
        try:
            verdict = self.validate(edited)
        except OcheError:
            raise
        except (ValueError, TypeError) as error:
            raise ArgumentError(
                f"patcher {self.name!r}: got a result that its validator refuses ({error}); allowed: valid results"
            ) from error
        if verdict is False:
            raise ArgumentError(f"patcher {self.name!r}: got a result that its validator refuses; allowed: valid results")

    def _typed(self, key: str, value: Any) -> Any:
        hint = self.hints.get(key)
        if hint is None or hint is Any:
            return value
        found = _convert(value, hint)
        if found is _NO:
            shown = getattr(hint, "__name__", str(hint))
            raise ArgumentError(f"patcher {self.name!r}, setting {key!r}: got {value!r}; allowed: {shown}")
        return found


def _convert(value: Any, hint: Any) -> Any:
    """`value` as a value of the type, or `_NO`."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return value if any(value == o and type(value) is type(o) for o in options) else _NO
    if options and (origin is typing.Union or type(hint).__name__ == "UnionType"):
        return next((found for o in options if (found := _convert(value, o)) is not _NO), _NO)
    kind = origin or hint
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, bool):
        return _NO
    if kind is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if kind is tuple and isinstance(value, list):
        return tuple(value)
    if kind is type(None):
        return value if value is None else _NO
    return value if not isinstance(kind, type) or isinstance(value, kind) else _NO


def patcher(name: str, validate: Callable[[Node], Any] | None = None) -> Callable[[Callable[..., Any]], Callable[..., Node]]:
    """Register a function of a node and settings as an edit with a name.

    The function returns what `patch` takes: rules, a dict from path to value, or a whole node. Its annotations are the types of its
    settings.

    Args:
        name: By which `patch(node, "name?key=value")` finds it.
        validate: Called with the edited node; refuses it by an exception or by False.

    Raises:
        ArgumentError: the name is taken.

    Example:
        >>> from oche.program import Node, symbolic
        >>> @patcher("scale-imaginary")
        ... def scale(node: Node, factor: float = 2.0):
        ...     return on_key("imag", lambda path, v: v * factor)
        >>> patch(symbolic(complex)(1, 2), "scale-imaginary?factor=3").build()
        (1+6j)
    """

    def register(function: Callable[..., Any]) -> Callable[..., Node]:
        made = _Patcher(name, function, validate)
        patchers.register(name, made, (function.__doc__ or "").strip().partition("\n")[0])
        return made

    return register
