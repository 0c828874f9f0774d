"""The decision tree of a space: what is decided, under which condition, and how many ways there are.

A program is compiled to a list of `Decision`s. A `Pick` takes k of n candidates, each of which may hold decisions of its own; a
`Number` takes a float or an int, a `Text` takes text that the user makes and changes. Nothing here knows programs or torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from oche.errors import SpaceError
from oche.program.counting import picks


@dataclass(frozen=True)
class Pick:
    """Take k of n candidates.

    Args:
        rel: Name of the place inside the enclosing candidate.
        location: Unique place in the program, with labels of the candidates on the way.
        key: Decisions with one key are one decision.
        kind: `oneof`, `manyof`, `permutate` or `repeat`.
        labels: One per candidate.
        k: Number of slots.
        distinct: Whether no candidate may stand twice.
        is_sorted: Whether candidate indices must not go down from slot to slot.
        slots: For each slot, for each candidate, the decisions inside it.
        named: Whether the user named it.
        relaxed: Labels of all candidates that a supernet holds, those that are never a decision included.
    """

    rel: str
    location: str
    key: str
    kind: str
    labels: tuple[str, ...]
    k: int
    distinct: bool
    is_sorted: bool
    slots: tuple[tuple[tuple[Decision, ...], ...], ...]
    named: bool = False
    relaxed: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Number of candidates."""
        return len(self.labels)

    @property
    def single(self) -> bool:
        """Whether the decision is one label and not a tuple of labels."""
        return self.kind in ("oneof", "repeat")

    def signature(self) -> tuple[object, ...]:
        """What decisions of one key must share."""
        return (self.kind, self.labels, self.k, self.distinct, self.is_sorted)


@dataclass(frozen=True)
class Number:
    """Take a number from [lo, hi].

    Args:
        rel, location, key, named: As in `Pick`.
        kind: `float` or `int`.
        lo, hi: Both ends included.
        scale: `linear`, `log` (uniform in the logarithm) or `rlog` (uniform in the logarithm of hi + lo - x).
        step: Distance of allowed ints.
    """

    rel: str
    location: str
    key: str
    kind: str
    lo: float
    hi: float
    scale: str = "linear"
    step: int = 1
    named: bool = False

    @property
    def count(self) -> int | float:
        """Number of values."""
        return math.inf if self.kind == "float" else (int(self.hi) - int(self.lo)) // self.step + 1

    def signature(self) -> tuple[object, ...]:
        """What decisions of one key must share."""
        return (self.kind, self.lo, self.hi, self.scale, self.step)


@dataclass(frozen=True)
class Text:
    """Take text, one of infinitely many.

    Args:
        rel, location, key, named: As in `Pick`.
        kind: `custom` or `evolve`.
        gene: Makes, changes and checks the text: `random(rng)`, `mutate(text, rng)`, `check(text)`; see `text_choice.TextChoice`.
        rules: Names of the functions behind it: what decisions of one key must share.
    """

    rel: str
    location: str
    key: str
    kind: str
    gene: Any = field(compare=False, repr=False)
    rules: tuple[str, ...] = ()
    named: bool = False

    @property
    def count(self) -> float:
        """Number of values: infinite."""
        return math.inf

    def signature(self) -> tuple[object, ...]:
        """What decisions of one key must share."""
        return (self.kind, self.rules)


Decision = Pick | Number | Text


def size(decisions: Sequence[Decision]) -> int | float:
    """Number of points of a list of decisions; `math.inf` with any float or text inside."""
    return product(decision_size(decision) for decision in decisions)


def product(sizes: Iterable[int | float]) -> int | float:
    """Product of exact sizes, ints of any length; the only float among them is infinity."""
    total: int | float = 1
    for found in sizes:
        # An int of some hundred digits cannot meet a float, infinity or not.
        total = math.inf if isinstance(found, float) or isinstance(total, float) else total * found
    return total


def decision_size(decision: Decision) -> int | float:
    """Number of points of one decision, everything inside it counted."""
    return pick_size(decision, branch_sizes(decision)) if isinstance(decision, Pick) else decision.count


def pick_size(pick: Pick, inside: Sequence[int | float]) -> int | float:
    """Number of points of a pick whose candidates have sub-spaces of these sizes."""
    if not pick.k:
        return 1
    if any(isinstance(s, float) for s in inside):
        return math.inf
    return picks(inside, pick.k, pick.distinct, pick.is_sorted)  # type: ignore[arg-type]


def branch_sizes(pick: Pick) -> tuple[int | float, ...]:
    """Size of the sub-space inside each candidate."""
    return tuple(size(branch) if branch else 1 for branch in pick.slots[0]) if pick.k else ()


def walk(decisions: Sequence[Decision]) -> Iterator[Decision]:
    """All decisions, each before those inside it."""
    for decision in decisions:
        yield decision
        if isinstance(decision, Pick):
            for slot in decision.slots:
                for branch in slot:
                    yield from walk(branch)


def unify(decisions: Sequence[Decision]) -> tuple[Decision, ...]:
    """Make decisions with one key one decision.

    Of occurrences that stand side by side the first one stays and takes over what later ones hold inside. An occurrence inside a
    candidate goes if the key is decided outside. Occurrences in branches that exclude each other stay.

    Raises:
        SpaceError: one key has unequal candidates, or stands in two branches that can both be active.
    """
    unified = _unify(decisions, {})
    _refuse_overlaps(unified)
    return unified


def _unify(decisions: Sequence[Decision], outside: dict[str, Decision]) -> tuple[Decision, ...]:
    merged: dict[str, Decision] = {}
    for decision in decisions:
        known = merged.get(decision.key) or outside.get(decision.key)
        if known is not None:
            _check_agreement(known, decision)
        if decision.key in outside:
            _refuse_lost(outside[decision.key], decision)
        elif decision.key in merged:
            merged[decision.key] = _join(merged[decision.key], decision)
        else:
            merged[decision.key] = decision
    inner = {**outside, **merged}
    return tuple(_unify_inside(d, inner) for d in merged.values())


def _unify_inside(decision: Decision, outside: dict[str, Decision]) -> Decision:
    if not isinstance(decision, Pick):
        return decision
    slots = tuple(tuple(_unify(branch, outside) if branch else branch for branch in slot) for slot in decision.slots)
    return replace(decision, slots=slots)


def _join(first: Decision, second: Decision) -> Decision:
    if not isinstance(first, Pick) or not isinstance(second, Pick):
        return first
    slots = tuple(
        tuple(a + b for a, b in zip(slot_a, slot_b, strict=True)) for slot_a, slot_b in zip(first.slots, second.slots, strict=True)
    )
    return replace(first, slots=slots)


def _check_agreement(a: Decision, b: Decision) -> None:
    if a.signature() != b.signature():
        raise SpaceError(
            f"choice {a.key!r}: got unequal choices at {a.location!r} ({_describe(a)}) and {b.location!r} ({_describe(b)}); "
            "allowed: equal kind and candidates under one name; give them different names"
        )


def _describe(decision: Decision) -> str:
    if isinstance(decision, Number):
        return f"{decision.kind} [{decision.lo}, {decision.hi}]"
    if isinstance(decision, Text):
        return f"{decision.kind} by {', '.join(decision.rules)}"
    return f"{decision.kind}, {decision.k} of {decision.n}: {', '.join(decision.labels[:8])}"


def _refuse_lost(outer: Decision, inner: Decision) -> None:
    if not isinstance(inner, Pick) or not isinstance(outer, Pick):
        return
    known = {d.key for d in walk([outer])}
    lost = next((d for d in walk([inner]) if d.key not in known), None)
    if lost is not None:
        raise SpaceError(
            f"choice {lost.key!r}: got a place inside {inner.location!r}, which is decided by {outer.location!r} of the same name; "
            "allowed: equal choices inside both; name the inner choice"
        )


def _refuse_overlaps(decisions: Sequence[Decision]) -> None:
    _keys_inside(decisions)


def _keys_inside(decisions: Sequence[Decision]) -> dict[str, str]:
    """Keys that can be active together in this list, with a location each."""
    together: dict[str, str] = {}
    for decision in decisions:
        mine = {decision.key: decision.location}
        if isinstance(decision, Pick):
            mine.update(_keys_of_pick(decision))
        for key, location in mine.items():
            if key in together:
                raise SpaceError(
                    f"choice {key!r}: got it in two branches that can both be active, {together[key]!r} and {location!r}; "
                    "allowed: one name per decision; give them different names, or decide it outside of both"
                )
            together[key] = location
    return together


def _keys_of_pick(pick: Pick) -> dict[str, str]:
    by_branch = [[_keys_inside(branch) for branch in slot] for slot in pick.slots]
    found: dict[str, str] = {}
    seats: dict[str, tuple[int, int]] = {}
    for slot, branches in enumerate(by_branch):
        for candidate, keys in enumerate(branches):
            for key, location in keys.items():
                if key in seats and seats[key][0] != slot and not (pick.distinct and seats[key][1] == candidate):
                    raise SpaceError(
                        f"choice {key!r}: got it in two candidates of {pick.location!r} that can be picked together, "
                        f"{found[key]!r} and {location!r}; allowed: one name per decision; give them different names"
                    )
                seats.setdefault(key, (slot, candidate))
                found.setdefault(key, location)
    return found
