"""Decisions of a part of a space: fewer candidates, fewer choices, or some choices taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from oche.errors import SpaceError
from oche.program.decisions import indices
from oche.program.layout import join
from oche.program.spec import Decision, Pick


def restrict(d: Decision, allowed: Mapping[str, Sequence[str]]) -> Decision:
    """A decision with the labels that are allowed for its key, and those inside it likewise."""
    if not isinstance(d, Pick):
        if d.key in allowed:
            raise SpaceError(f"choice {d.key!r}: got labels for a number or text; allowed: choices between candidates")
        return d
    keep = [i for i, label in enumerate(d.labels) if d.key not in allowed or label in allowed[d.key]]
    if len(keep) < (d.k if d.distinct else 1):
        raise SpaceError(f"choice {d.key!r}: got {len(keep)} candidates that stay; allowed: at least {d.k if d.distinct else 1}")
    slots = tuple(tuple(tuple(restrict(inner, allowed) for inner in slot[i]) for i in keep) for slot in d.slots)
    relaxed = tuple(label for label in d.relaxed if d.key not in allowed or label in allowed[d.key])
    return replace(d, labels=tuple(d.labels[i] for i in keep), slots=slots, relaxed=relaxed)


def keep(decisions: Sequence[Decision], kept: set[str]) -> list[Decision]:
    """The decisions whose keys are kept."""
    found: list[Decision] = []
    for d in decisions:
        if d.key not in kept:
            continue
        if isinstance(d, Pick):
            d = replace(d, slots=tuple(tuple(tuple(keep(branch, kept)) for branch in slot) for slot in d.slots))
        found.append(d)
    return found


def fix(decisions: Sequence[Decision], values: Mapping[str, Any], prefix: str = "") -> list[Decision]:
    """What is still to be decided once `values` are taken; decisions inside a taken candidate move up to its place."""
    found: list[Decision] = []
    for d in decisions:
        rel = join(prefix, d.rel)
        if d.key not in values:
            if isinstance(d, Pick):
                d = replace(d, slots=tuple(tuple(tuple(fix(branch, values)) for branch in slot) for slot in d.slots))
            found.append(replace(d, rel=rel))
        elif isinstance(d, Pick):
            for slot, c in enumerate(indices(d, values[d.key])):
                name = rel if d.single else f"{rel}[{slot}]"
                found += fix(d.slots[slot][c], values, f"{name}[={c}/{d.n}]")
    return found
