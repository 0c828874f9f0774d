"""Decisions by key, as users write them, and genes by point, as a DNA holds them: from each to the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oche.errors import SpaceError
from oche.program.dna import Gene
from oche.program.layout import Point, join
from oche.program.spec import Decision, Number, Pick, Text


def read(points: Sequence[Point], flat: Sequence[Gene]) -> dict[str, Any]:
    """Active decisions by key: a label, a tuple of labels, or a number."""
    found: dict[str, Any] = {}
    for p, gene in zip(points, flat, strict=True):
        if gene is None:
            continue
        if p.kind != "categorical":
            found[p.key] = gene
        elif p.choice in ("oneof", "repeat"):
            found[p.key] = p.labels[int(gene)]
        else:
            found[p.key] = (*(found[p.key] if p.slot else ()), p.labels[int(gene)])
    return found


def write(
    decisions: Sequence[Decision], prefix: str, values: Mapping[str, Any], flat: list[Gene], by_id: Mapping[str, int], defaults: bool
) -> None:
    """Put decisions into `flat` at the places of their points; the first candidate stands in for one that is not given, with `defaults`."""
    for d in decisions:
        name = join(prefix, d.rel)
        if d.key not in values and not defaults:
            raise SpaceError(f"choice {d.key!r}: got no decision; allowed: one for every active choice")
        if isinstance(d, Number):
            flat[by_id[name]] = _number(d, values.get(d.key, d.lo))
            continue
        if isinstance(d, Text):
            flat[by_id[name]] = values.get(d.key) if d.key in values else d.gene.first()
            continue
        for slot, c in enumerate(indices(d, values.get(d.key))):
            slot_name = name if d.single else f"{name}[{slot}]"
            flat[by_id[slot_name]] = c
            write(d.slots[slot][c], f"{slot_name}[={c}/{d.n}]", values, flat, by_id, defaults)


def _number(d: Number, value: Any) -> float | int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SpaceError(f"choice {d.key!r}: got {value!r}; allowed: a number in [{d.lo}, {d.hi}]")
    if d.kind == "int" and int(value) != value:
        raise SpaceError(f"choice {d.key!r}: got {value!r}; allowed: a whole number in [{d.lo}, {d.hi}]")
    return int(value) if d.kind == "int" else float(value)


def indices(d: Pick, value: Any) -> list[int]:
    """Candidates of the slots of a choice: those of the labels in `value`, or the first ones if it is None."""
    if value is None:
        return list(range(d.k)) if d.distinct else [0] * d.k
    chosen = [value] if d.single else list(value) if isinstance(value, (list, tuple)) else [value]
    if len(chosen) != d.k:
        raise SpaceError(f"choice {d.key!r}: got {len(chosen)} candidates {chosen!r}; allowed: {d.k}")
    found = []
    for label in chosen:
        if str(label) not in d.labels:
            raise SpaceError(f"choice {d.key!r}: got candidate {label!r}; allowed: {', '.join(d.labels)}")
        found.append(d.labels.index(str(label)))
    return sorted(found) if d.is_sorted else found
