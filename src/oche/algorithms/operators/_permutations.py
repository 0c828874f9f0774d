"""Crossover of permutations: two parents, two children. Other decisions come from a parent drawn for each.

What is inside a candidate of a permutation goes with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from oche.algorithms._units import Unit, combine
from oche.algorithms.operators._base import Context, Member
from oche.algorithms.operators._recombinators import Recombinator
from oche.errors import ArgumentError


class PermutationCrossover(Recombinator):
    """Crosses each permutation of two parents by `cross`."""

    @staticmethod
    def cross(a: Sequence[int], b: Sequence[int], i: int, j: int) -> list[int]:
        """The child of two permutations with a segment [i, j)."""
        raise TypeError("override cross")

    def children(self, parents: list[Member], context: Context) -> list[tuple[Any, ...]]:
        """Both children: of (a, b) and of (b, a)."""
        if len(parents) != 2:
            raise ArgumentError(
                f"{type(self).__name__}: got {len(parents)} parents; allowed: 2; select them, for example Sample(2) >> PMX()"
            )
        flats = [m.dna.flat for m in parents]
        drawn: dict[int, tuple[int, int, int]] = {}

        def decide(unit: Unit, having: list[int], c: int) -> Any:
            if unit.number not in drawn:
                i, j = _segment(len(unit.seats), context.rng)
                drawn[unit.number] = (i, j, int(context.rng.integers(2)))
            i, j, source = drawn[unit.number]
            if not unit.is_permutation or len(having) < 2:
                return (source + c) % 2
            first, second = (flats[c], flats[1 - c])
            made = self.cross([first[s] for s in unit.seats], [second[s] for s in unit.seats], i, j)  # type: ignore[misc]
            return _moved(unit, made, first, second)

        return [combine(context.space, flats, lambda unit, having, c=c: decide(unit, having, c)) for c in range(2)]


def _segment(n: int, rng: np.random.Generator) -> tuple[int, int]:
    """Uniform over all non-empty segments [i, j) of n places."""
    i, j = np.sort(rng.choice(n + 1, size=2, replace=False)).tolist()
    return i, j


def _moved(unit: Unit, genes: Sequence[int], first: Sequence[Any], second: Sequence[Any]) -> dict[int, Any]:
    """Genes of all slots with what is inside the candidates: from the parent that has it in this slot, else from the first."""
    found: dict[int, Any] = {}
    for block, gene in zip(unit.blocks, genes, strict=True):
        parent = second if second[block[0]] == gene and first[block[0]] != gene else first
        source = next(b for b in unit.blocks if parent[b[0]] == gene)
        found.update({i: parent[k] for i, k in zip(block, source, strict=True)})
    return found


class PMX(PermutationCrossover):
    """Partially mapped crossover: a segment of the first parent stays; the rest comes from the second, mapped around the segment.

    Source: Goldberg and Lingle 1985.

    Example:
        >>> PMX.cross([1, 2, 3, 4, 5, 6, 7, 8, 9], [9, 3, 7, 8, 2, 6, 5, 1, 4], 3, 7)
        [9, 3, 2, 4, 5, 6, 7, 1, 8]
    """

    @staticmethod
    def cross(a: Sequence[int], b: Sequence[int], i: int, j: int) -> list[int]:
        """The child of two permutations with the segment [i, j) of a."""
        child = list(b)
        child[i:j] = a[i:j]
        mapped = dict(zip(a[i:j], b[i:j], strict=True))
        for k in (*range(i), *range(j, len(b))):
            gene = b[k]
            while gene in mapped:
                gene = mapped[gene]
            child[k] = gene
        return child


class Order(PermutationCrossover):
    """Order crossover: a segment of the first parent stays; the rest follows behind it, around the end, in the second's order.

    Source: Davis 1985.

    Example:
        >>> Order.cross([1, 2, 3, 4, 5, 6, 7, 8, 9], [9, 3, 7, 8, 2, 6, 5, 1, 4], 3, 7)
        [3, 8, 2, 4, 5, 6, 7, 1, 9]
    """

    @staticmethod
    def cross(a: Sequence[int], b: Sequence[int], i: int, j: int) -> list[int]:
        """The child of two permutations with the segment [i, j) of a."""
        n, kept = len(a), set(a[i:j])
        rest = iter([b[(j + k) % n] for k in range(n) if b[(j + k) % n] not in kept])
        child = list(a)
        for k in range(n - (j - i)):
            child[(j + k) % n] = next(rest)
        return child


class Cycle(PermutationCrossover):
    """Cycle crossover: each place keeps the gene of one parent; cycles of places come from the parents in turn. No segment is needed.

    Source: Oliver, Smith and Holland 1987.

    Example:
        >>> Cycle.cross([1, 2, 3, 4, 5, 6, 7, 8, 9], [9, 3, 7, 8, 2, 6, 5, 1, 4])
        [1, 3, 7, 4, 2, 6, 5, 8, 9]
    """

    @staticmethod
    def cross(a: Sequence[int], b: Sequence[int], i: int = 0, j: int = 0) -> list[int]:
        """The child of two permutations whose first cycle comes from a."""
        place = {gene: k for k, gene in enumerate(a)}
        child: list[int | None] = [None] * len(a)
        turn = 0
        for start in range(len(a)):
            if child[start] is not None:
                continue
            k = start
            while child[k] is None:
                child[k] = (a, b)[turn][k]
                k = place[b[k]]
            turn = 1 - turn
        return child  # type: ignore[return-value]
