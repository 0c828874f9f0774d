"""A decision tree compiled to flat arrays: sampling, checking, ranking and mutation are loops over integers.

Points stand in pre-order: each slot of a choice, then the decisions inside its candidates. Point p is active if its parent has taken
candidate `parent_choice[p]`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from oche.errors import DNAError, SpaceError
from oche.program.counting import completions
from oche.program.dna import Gene
from oche.program.spec import Decision, Number, Pick, Text, pick_size, product


@dataclass(frozen=True)
class Point:
    """One flat decision point.

    Args:
        id: Unique name, with `[=i/n]` for candidate i of n on the way and `[s]` for slot s of a choice with several.
        key: Name of the decision.
        kind: `categorical`, `float`, `int` or `text`.
        n: Number of candidates; 0 for a float or text.
        labels: One per candidate.
        parent: Index of the point that it depends on, -1 if none.
        parent_choice: The parent's candidate under which it is active.
        group: Index of the first slot of its choice, -1 for a choice with one slot.
        slot: Which slot it is.
        lo, hi, scale, step: Range of a number.
        distinct, is_sorted: Constraints between the slots of a group.
        choice: `oneof`, `manyof`, `permutate`, `repeat`, `float`, `int`, `custom` or `evolve`.
        named: Whether the user gave the key.
        gene: What makes and changes the text of a text point, see `spec.Text`.
    """

    id: str
    key: str
    kind: str
    n: int
    labels: tuple[str, ...] = ()
    parent: int = -1
    parent_choice: int = -1
    group: int = -1
    slot: int = 0
    lo: float = 0.0
    hi: float = 0.0
    scale: str = "linear"
    step: int = 1
    distinct: bool = False
    is_sorted: bool = False
    choice: str = "oneof"
    named: bool = False
    gene: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class _Placed:
    """A decision and where its points lie."""

    decision: Decision
    seats: tuple[int, ...]  # index of each slot's point
    inside: tuple[tuple[tuple[_Placed, ...], ...], ...]  # per slot, per candidate
    branch_sizes: tuple[int | float, ...]
    size: int | float


class Layout:
    """The compiled form of a list of decisions.

    Args:
        decisions: Unified decisions, see `spec.unify`.
    """

    def __init__(self, decisions: Sequence[Decision]) -> None:
        self.points: list[Point] = []
        self._root = tuple(self._place(d, "", -1, -1) for d in decisions)
        self.size = product(item.size for item in self._root)
        self.n = tuple(p.n for p in self.points)
        self.parent = tuple(p.parent for p in self.points)
        self.parent_choice = tuple(p.parent_choice for p in self.points)
        self.group = tuple(p.group for p in self.points)
        members: dict[int, list[int]] = {}
        for i, p in enumerate(self.points):
            if p.group >= 0:
                members.setdefault(p.group, []).append(i)
        self._members = {group: tuple(seats) for group, seats in members.items()}
        below: list[list[int]] = [[] for _ in self.points]
        for i, parent in enumerate(self.parent):
            up = parent
            while up >= 0:
                below[up].append(i)
                up = self.parent[up]
        self.below = tuple(tuple(b) for b in below)
        self._plain = all(p.kind == "categorical" and p.parent < 0 and p.group < 0 for p in self.points)

    def _place(self, decision: Decision, prefix: str, parent: int, parent_choice: int) -> _Placed:
        name = join(prefix, decision.rel)
        if isinstance(decision, Number):
            self.points.append(
                Point(
                    id=name, key=decision.key, kind=decision.kind, n=0 if decision.kind == "float" else int(decision.count), parent=parent,
                    parent_choice=parent_choice, lo=decision.lo, hi=decision.hi, scale=decision.scale, step=decision.step,
                    choice=decision.kind, named=decision.named,
                )
            )  # fmt: skip
            return _Placed(decision, (len(self.points) - 1,), (), (), decision.count)
        if isinstance(decision, Text):
            self.points.append(
                Point(
                    id=name, key=decision.key, kind="text", n=0, parent=parent, parent_choice=parent_choice, choice=decision.kind,
                    named=decision.named, gene=decision.gene,
                )
            )  # fmt: skip
            return _Placed(decision, (len(self.points) - 1,), (), (), decision.count)
        seats, inside = [], []
        group = len(self.points) if decision.k > 1 else -1
        for slot in range(decision.k):
            seat = len(self.points)
            seats.append(seat)
            slot_name = name if decision.single else f"{name}[{slot}]"
            self.points.append(
                Point(
                    id=slot_name, key=decision.key, kind="categorical", n=decision.n, labels=decision.labels, parent=parent,
                    parent_choice=parent_choice, group=group, slot=slot, distinct=decision.distinct, is_sorted=decision.is_sorted,
                    choice=decision.kind, named=decision.named,
                )
            )  # fmt: skip
            inside.append(
                tuple(
                    tuple(self._place(d, f"{slot_name}[={i}/{decision.n}]", seat, i) for d in branch)
                    for i, branch in enumerate(decision.slots[slot])
                )
            )
        sizes = tuple(product(item.size for item in branch) if branch else 1 for branch in inside[0]) if inside else ()
        return _Placed(decision, tuple(seats), tuple(inside), sizes, pick_size(decision, sizes))

    def active(self, flat: Sequence[Gene]) -> list[bool]:
        """Which points are active."""
        return [p < 0 or flat[p] == c for p, c in zip(self.parent, self.parent_choice, strict=True)]

    # -- sampling and mutation ----------------------------------------------------------------------------------------------

    def sample(self, rng: np.random.Generator) -> tuple[Gene, ...]:
        """Uniform at each point on the way down; distinct picks without replacement; sorted picks drawn, then sorted."""
        draws = rng.random(len(self.points)).tolist()
        if self._plain:
            return tuple([int(u * n) for u, n in zip(draws, self.n, strict=True)])
        flat: list[Gene] = [None] * len(self.points)
        for i, p in enumerate(self.points):
            if p.parent >= 0 and flat[p.parent] != p.parent_choice:
                continue
            if p.group < 0:
                flat[i] = _draw(p, draws[i], rng)
            elif p.slot == 0:
                seats = self._members[i]
                for seat, gene in zip(seats, _draw_group(p, [draws[s] for s in seats]), strict=True):
                    flat[seat] = gene
        return tuple(flat)

    def resample(self, flat: Sequence[Gene], point: int, rng: np.random.Generator) -> tuple[Gene, ...]:
        """Redraw one active point and everything below it; the value may come out the same. Text is changed by its own `mutate`.

        In a group with distinct picks a value that stands in another slot trades places with it; in a sorted one the slots are put in
        order again, each with what is inside it.
        """
        genes = list(flat)
        p = self.points[point]
        u = float(rng.random())
        if p.group < 0:
            genes[point] = p.gene.mutate(flat[point], rng) if p.kind == "text" else _draw(p, u, rng)
            self._refill(genes, point, rng)
            return tuple(genes)
        seats = self._members[p.group]
        if not p.distinct:
            genes[point] = int(u * p.n)
            self._refill(genes, point, rng)
        else:
            self._redraw_distinct(genes, point, seats, u, rng)
        if p.is_sorted:
            self._sort_group(genes, seats)
        return tuple(genes)

    def _redraw_distinct(self, genes: list[Gene], point: int, seats: Sequence[int], u: float, rng: np.random.Generator) -> None:
        p = self.points[point]
        taken = {genes[s]: s for s in seats if s != point}
        if p.is_sorted:
            free = [c for c in range(p.n) if c not in taken]
            genes[point] = free[int(u * len(free))]
            self._refill(genes, point, rng)
            return
        value = int(u * p.n)
        other = taken.get(value)
        if other is None:
            genes[point] = value
            self._refill(genes, point, rng)
            return
        self._swap(genes, point, other)

    def _refill(self, genes: list[Gene], point: int, rng: np.random.Generator) -> None:
        for i in self.below[point]:
            genes[i] = None
        for i in self.below[point]:
            p = self.points[i]
            if genes[p.parent] != p.parent_choice:
                continue
            if p.group < 0:
                genes[i] = _draw(p, float(rng.random()), rng)
            elif p.slot == 0:
                seats = self._members[i]
                for seat, gene in zip(seats, _draw_group(p, rng.random(len(seats)).tolist()), strict=True):
                    genes[seat] = gene

    def _swap(self, genes: list[Gene], a: int, b: int) -> None:
        # Slots of one group have equal sub-trees, so what is below one maps to what is below the other, position by position.
        for i, j in zip((a, *self.below[a]), (b, *self.below[b]), strict=True):
            genes[i], genes[j] = genes[j], genes[i]

    def _sort_group(self, genes: list[Gene], seats: Sequence[int]) -> None:
        blocks = sorted(([genes[i] for i in (s, *self.below[s])] for s in seats), key=lambda block: block[0])  # type: ignore[arg-type, return-value]
        for seat, block in zip(seats, blocks, strict=True):
            for i, gene in zip((seat, *self.below[seat]), block, strict=True):
                genes[i] = gene

    # -- rank and unrank ----------------------------------------------------------------------------------------------------

    def at(self, index: int) -> tuple[Gene, ...]:
        """The point of rank `index` in canonical order: lexicographic, the last decision fastest."""
        flat: list[Gene] = [None] * len(self.points)
        _unrank(self._root, index, flat, self.points)
        return tuple(flat)

    def index(self, flat: Sequence[Gene]) -> int:
        """The rank of a legal point."""
        return _rank(self._root, flat, self.points)

    def nested(self, flat: Sequence[Gene]) -> Any:
        """The nested form of a legal point."""
        return nested_form(self._root, flat)

    def from_nested(self, value: Any) -> tuple[Gene, ...]:
        """The flat form of a nested one."""
        flat: list[Gene] = [None] * len(self.points)
        _fill_nested(self._root, value, flat)
        return tuple(flat)

    # -- checking -----------------------------------------------------------------------------------------------------------

    def check(self, flat: Sequence[Gene]) -> None:
        """Raise `DNAError` unless `flat` is legal; the message names the point."""
        if len(flat) != len(self.points):
            raise DNAError(f"DNA: got {len(flat)} genes; allowed: {len(self.points)}, one per decision point of the space")
        if self._plain and all(type(gene) is int and 0 <= gene < n for gene, n in zip(flat, self.n, strict=True)):
            return
        for p, gene in zip(self.points, flat, strict=True):
            if p.parent >= 0 and flat[p.parent] != p.parent_choice:
                if gene is not None:
                    raise DNAError(f"gene of {p.id!r}: got {gene!r}; allowed: None, the point is inactive")
                continue
            _check_gene(p, gene)
        for seats in self._members.values():
            genes = [flat[s] for s in seats]
            if genes[0] is not None:
                _check_group(self.points[seats[0]], genes)  # type: ignore[arg-type]


def join(prefix: str, name: str) -> str:
    """`prefix.name`, or without the dot where `name` starts with a bracket or `prefix` is empty."""
    if not prefix or not name:
        return prefix or name
    return prefix + name if name.startswith("[") else f"{prefix}.{name}"


def _draw(p: Point, u: float, rng: np.random.Generator) -> Gene:
    if p.kind == "categorical":
        return int(u * p.n)
    if p.kind == "text":
        return p.gene.random(rng)
    if p.kind == "int":
        if p.scale == "log":
            low, high = math.log(p.lo - 0.5), math.log(p.hi + 0.5)
            value = round(math.exp(low + u * (high - low)))
            steps = round((min(max(value, p.lo), p.hi) - p.lo) / p.step)
            return int(p.lo) + min(steps, p.n - 1) * p.step
        return int(p.lo) + int(u * p.n) * p.step
    return from_unit(p, u)


def from_unit(p: Point, u: float) -> float:
    """The number at share `u` of a float point's range, by its scale."""
    if p.scale == "log":
        return min(max(math.exp(math.log(p.lo) + u * (math.log(p.hi) - math.log(p.lo))), p.lo), p.hi)
    if p.scale == "rlog":
        mirrored = math.exp(math.log(p.lo) + (1 - u) * (math.log(p.hi) - math.log(p.lo)))
        return min(max(p.lo + p.hi - mirrored, p.lo), p.hi)
    return min(p.lo + u * (p.hi - p.lo), p.hi)


def _draw_group(p: Point, draws: Sequence[float]) -> list[int]:
    if p.distinct:
        left = list(range(p.n))
        genes = [left.pop(int(u * len(left))) for u in draws]
    else:
        genes = [int(u * p.n) for u in draws]
    return sorted(genes) if p.is_sorted else genes


def _check_gene(p: Point, gene: Gene) -> None:
    if gene is None:
        raise DNAError(f"gene of {p.id!r}: got None; allowed: a value, the point is active")
    if p.kind == "text":
        if not isinstance(gene, str):
            raise DNAError(f"gene of {p.id!r}: got {gene!r}; allowed: text, the gene is the user's own ({p.choice})")
        p.gene.check(gene, p.id)
        return
    if isinstance(gene, (bool, str)):
        raise DNAError(f"gene of {p.id!r}: got {gene!r}; allowed: a number")
    if p.kind == "float":
        if not (p.lo <= gene <= p.hi):
            raise DNAError(f"gene of {p.id!r}: got {gene!r}; allowed: [{p.lo}, {p.hi}]")
        return
    if isinstance(gene, float):
        raise DNAError(f"gene of {p.id!r}: got {gene!r}; allowed: a whole number")
    if p.kind == "int":
        if not (p.lo <= gene <= p.hi) or (gene - int(p.lo)) % p.step:
            raise DNAError(f"gene of {p.id!r}: got {gene!r}; allowed: {int(p.lo)} to {int(p.hi)} in steps of {p.step}")
    elif not 0 <= gene < p.n:
        raise DNAError(f"gene of {p.id!r}: got {gene!r}; allowed: 0 to {p.n - 1} ({', '.join(p.labels[:8])})")


def _check_group(p: Point, genes: Sequence[int]) -> None:
    name = p.id.removesuffix("[0]")
    if p.distinct and len(set(genes)) != len(genes):
        raise DNAError(f"genes of {name!r}: got {list(genes)!r}; allowed: distinct candidates")
    if p.is_sorted and any(a > b for a, b in pairwise(genes)):
        raise DNAError(f"genes of {name!r}: got {list(genes)!r}; allowed: sorted candidates")


def _finite(n: int | float) -> int:
    if isinstance(n, float):
        raise SpaceError("space: got a float or text decision, so it is infinite; allowed: finite spaces for ranks; use sample()")
    return n


def _unrank(placed: Sequence[_Placed], index: int, flat: list[Gene], points: Sequence[Point]) -> None:
    for item in reversed(placed):
        index, own = divmod(index, _finite(item.size))
        if isinstance(item.decision, Number):
            p = points[item.seats[0]]
            flat[item.seats[0]] = int(p.lo) + own * p.step
        elif item.seats:
            _unrank_pick(item, own, flat, points)


def _unrank_pick(item: _Placed, index: int, flat: list[Gene], points: Sequence[Point]) -> None:
    pick = item.decision
    assert isinstance(pick, Pick)
    sizes = tuple(_finite(s) for s in item.branch_sizes)
    chosen: list[int] = []
    for slot, seat in enumerate(item.seats):
        for c in _candidates(pick, chosen):
            rest = completions(sizes, pick.k, slot, chosen, c, pick.distinct, pick.is_sorted)
            if index < sizes[c] * rest:
                inner, index = divmod(index, rest)
                flat[seat] = c
                _unrank(item.inside[slot][c], inner, flat, points)
                chosen.append(c)
                break
            index -= sizes[c] * rest


def _rank(placed: Sequence[_Placed], flat: Sequence[Gene], points: Sequence[Point]) -> int:
    index = 0
    for item in placed:
        own = 0
        if isinstance(item.decision, Number):
            p = points[item.seats[0]]
            _finite(item.size)
            own = (int(flat[item.seats[0]]) - int(p.lo)) // p.step  # type: ignore[arg-type]
        elif item.seats:
            own = _rank_pick(item, flat, points)
        index = index * _finite(item.size) + own
    return index


def _rank_pick(item: _Placed, flat: Sequence[Gene], points: Sequence[Point]) -> int:
    pick = item.decision
    assert isinstance(pick, Pick)
    sizes = tuple(_finite(s) for s in item.branch_sizes)
    chosen: list[int] = []
    index = 0
    for slot, seat in enumerate(item.seats):
        gene = flat[seat]
        assert isinstance(gene, int)
        for c in _candidates(pick, chosen):
            rest = completions(sizes, pick.k, slot, chosen, c, pick.distinct, pick.is_sorted)
            if c == gene:
                index += _rank(item.inside[slot][c], flat, points) * rest
                break
            index += sizes[c] * rest
        chosen.append(gene)
    return index


def _candidates(pick: Pick, chosen: Sequence[int]) -> list[int]:
    if pick.is_sorted and chosen:
        return list(range(chosen[-1] + (1 if pick.distinct else 0), pick.n))
    if pick.distinct:
        return [c for c in range(pick.n) if c not in chosen]
    return list(range(pick.n))


def nested_form(placed: Sequence[_Placed], flat: Sequence[Gene]) -> Any:
    """Nested numbers of a list of decisions: the number itself if there is one decision, else a list."""
    items = [_nested_item(item, flat) for item in placed]
    return items[0] if len(items) == 1 else items


def _nested_item(item: _Placed, flat: Sequence[Gene]) -> Any:
    if not isinstance(item.decision, Pick):
        return flat[item.seats[0]]
    slots = []
    for slot, seat in enumerate(item.seats):
        gene = flat[seat]
        inner = item.inside[slot][int(gene)] if gene is not None else ()
        below = nested_form(inner, flat) if inner else None
        slots.append(gene if below is None else (gene, *below) if isinstance(below, list) else (gene, below))
    return slots[0] if item.decision.single else slots


def _fill_nested(placed: Sequence[_Placed], value: Any, flat: list[Gene]) -> None:
    values = [value] if len(placed) == 1 else value
    if not isinstance(values, (list, tuple)) or len(values) != len(placed):
        raise DNAError(f"nested DNA: got {value!r}; allowed: {len(placed)} decisions")
    for item, own in zip(placed, values, strict=True):
        decision = item.decision
        if not isinstance(decision, Pick):
            flat[item.seats[0]] = own
            continue
        slots = [own] if decision.single else own
        if not isinstance(slots, (list, tuple)) or len(slots) != len(item.seats):
            raise DNAError(f"nested DNA of {decision.key!r}: got {own!r}; allowed: {len(item.seats)} picks")
        for slot, (seat, pick) in enumerate(zip(item.seats, slots, strict=True)):
            gene, *below = pick if isinstance(pick, (list, tuple)) else (pick,)
            if isinstance(gene, bool) or not isinstance(gene, int) or not 0 <= gene < decision.n:
                raise DNAError(f"nested DNA of {decision.key!r}: got {gene!r}; allowed: 0 to {decision.n - 1}")
            flat[seat] = gene
            inner = item.inside[slot][gene]
            if inner:
                _fill_nested(inner, below[0] if len(inner) == 1 and len(below) == 1 else below, flat)
            elif below:
                raise DNAError(f"nested DNA of {decision.key!r}: got {below!r} inside candidate {gene}; allowed: nothing there")
