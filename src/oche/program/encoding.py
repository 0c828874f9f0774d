"""From a value back to the decisions that make it: the inverse of decoding a tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oche.errors import SpaceError
from oche.program._links import Link
from oche.program.choice import Choice, ManyOf, NumberChoice, OneOf, Repeat
from oche.program.layout import join
from oche.program.node import Node
from oche.program.resolver import Resolver, Site
from oche.program.text_choice import TextChoice

#: Candidates of these types hold nothing inside.
_CONSTANTS = frozenset((int, float, str, bool, type(None)))


class _Mismatch(Exception):
    """A value does not fit a part of a program."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


class Encode(Resolver):
    """Matches a value against a program, part by part; the first candidate that matches wins."""

    def __init__(self) -> None:
        super().__init__(0)
        self._taken: dict[str, Any] = {}

    def decisions(self, program: Any, value: Any) -> dict[str, Any]:
        """Decisions by key with which `program` decodes to `value`.

        Raises:
            SpaceError: there are none; the message names the path.
        """
        try:
            self._match(program, value, "", "")
        except _Mismatch as error:
            raise SpaceError(f"encode at {error.path or 'the root'!r}: {error}") from None
        return self._taken

    def resolve(self, choice: Choice, location: str | None = None) -> Any:
        """Not used: matching walks the program itself."""
        raise SpaceError(f"encode: got a program that meets choice {location!r} while it runs; allowed: programs in tree style")

    def _match(self, part: Any, value: Any, rel: str, path: str) -> None:
        if isinstance(part, Choice):
            self._match_choice(part, value, self.site(part, rel), path)
        elif isinstance(part, Link):
            return  # It decides nothing; what stands here follows from other parts.
        elif isinstance(part, Node):
            if not isinstance(value, Node) or value.symbol.name != part.symbol.name:
                raise _Mismatch(path, f"got {value!r}; allowed: a node of {part.symbol.__name__}")
            self._match_mapping(part.args, value.args, rel, path)
        elif isinstance(part, dict):
            if not isinstance(value, Mapping):
                raise _Mismatch(path, f"got {value!r}; allowed: a dict with keys {list(part)}")
            self._match_mapping(part, value, rel, path)
        elif isinstance(part, (list, tuple)):
            if not isinstance(value, (list, tuple)) or len(value) != len(part):
                raise _Mismatch(path, f"got {value!r}; allowed: {len(part)} items")
            for i, (p, v) in enumerate(zip(part, value, strict=True)):
                self._match(p, v, f"{rel}[{i}]", f"{path}[{i}]")
        elif type(part) is not type(value) or part != value:
            raise _Mismatch(path, f"got {value!r}; allowed: {part!r}, this part is fixed")

    def _match_mapping(self, part: Mapping[str, Any], value: Mapping[str, Any], rel: str, path: str) -> None:
        if set(part) != set(value):
            raise _Mismatch(path, f"got keys {sorted(map(str, value))}; allowed: {sorted(map(str, part))}")
        for k, p in part.items():
            self._match(p, value[k], join(rel, str(k)), join(path, str(k)))

    def _match_choice(self, choice: Choice, value: Any, site: Site, path: str) -> None:
        if isinstance(choice, OneOf):
            decision: Any = self._first(choice, value, site, path)
        elif isinstance(choice, ManyOf):
            decision = self._match_many(choice, value, site, path)
        elif isinstance(choice, NumberChoice):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not choice.lo <= value <= choice.hi:
                raise _Mismatch(path, f"got {value!r}; allowed: a number in [{choice.lo}, {choice.hi}]")
            decision = value
        elif isinstance(choice, TextChoice):
            decision = self._gene(choice, value, path)
        elif isinstance(choice, Repeat):
            if not isinstance(value, list) or len(value) not in choice.counts:
                raise _Mismatch(path, f"got {value!r}; allowed: a list of {' or '.join(choice.labels)} items")
            for label, item in zip(choice.layers, value, strict=False):
                self._inside(choice, site, label, None, item, f"{path}[{label}]")
            decision = str(len(value))
        else:
            raise _Mismatch(path, f"got a {type(choice).__name__}; allowed: choices of this library")
        if choice.decides:
            self._take(site, decision, path)

    @staticmethod
    def _gene(choice: TextChoice, value: Any, path: str) -> str:
        try:
            text = choice.gene_of(value)
            again = choice.decode(text)
        except Exception as error:
            raise _Mismatch(path, f"got {value!r} ({error}); allowed: what {choice!r} can encode") from error
        if again != value:
            raise _Mismatch(path, f"got {value!r}, which {choice!r} gives back as {again!r}; allowed: what it can encode")
        return text

    def _match_many(self, choice: ManyOf, value: Any, site: Site, path: str) -> tuple[str, ...]:
        if not isinstance(value, (list, tuple)) or len(value) != choice.k:
            raise _Mismatch(path, f"got {value!r}; allowed: a list of {choice.k}")
        labels = self._fill_slots(choice, list(value), site, path, [])
        if labels is None:
            raise _Mismatch(
                path, f"got {value!r}; allowed: {choice.k} of the candidates {self._shown(choice)}{' in order' * choice.is_sorted}"
            )
        return tuple(labels)

    def _fill_slots(self, choice: ManyOf, values: list[Any], site: Site, path: str, chosen: list[int]) -> list[str] | None:
        """Match slot by slot and step back where a match leaves nothing for later slots."""
        slot = len(chosen)
        if slot == len(values):
            return [choice.labels[c] for c in chosen]
        for c, label in enumerate(choice.labels):
            if (choice.distinct and c in chosen) or (choice.is_sorted and chosen and c < chosen[-1]):
                continue
            saved = dict(self._taken)
            try:
                self._inside(choice, site, label, slot, values[slot], f"{path}[{slot}]")
                found = self._fill_slots(choice, values, site, path, [*chosen, c])
            except _Mismatch:
                found = None
            if found is not None:
                return found
            self._taken = saved
        return None

    def _first(self, choice: Choice, value: Any, site: Site, path: str) -> str:
        for label in choice.decidable:
            candidate = choice.candidates[label]
            if type(candidate) in _CONSTANTS:
                if type(value) is type(candidate) and value == candidate:
                    return label
                continue
            saved = dict(self._taken)
            try:
                self._inside(choice, site, label, None, value, path)
                return label
            except _Mismatch:
                self._taken = saved
        raise _Mismatch(path, f"got {value!r}; allowed: the candidates {self._shown(choice)}")

    @staticmethod
    def _shown(choice: Choice) -> str:
        return ", ".join(repr(choice.candidates[label]) for label in choice.decidable)

    def _inside(self, choice: Choice, site: Site, label: str, slot: int | None, value: Any, path: str) -> None:
        place = site.location if slot is None else f"{site.location}[{slot}]"
        candidate = choice.candidates[label]
        with self.scope(f"{place}[={label}]"):
            if callable(candidate) and not isinstance(candidate, Node):
                candidate = choice.call(label, site)
            self._match(candidate, value, "", path)

    def _take(self, site: Site, decision: Any, path: str) -> None:
        if self._taken.setdefault(site.key, decision) != decision:
            raise _Mismatch(path, f"got {decision!r}; allowed: {self._taken[site.key]!r}, as elsewhere under the name {site.key!r}")
