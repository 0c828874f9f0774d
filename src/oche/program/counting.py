"""Exact sizes of choices, and the numbers of completions that ranking needs.

With candidate sizes s_1..s_n and k picks, the number of points is an elementary symmetric polynomial e_k (distinct), a complete
homogeneous one h_k (repeated), times k! where the order counts. Both come from an O(n k) table of exact integers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache


def elementary(sizes: Sequence[int], k: int) -> int:
    """e_k: sum over all k-subsets of the product of their sizes.

    Example:
        >>> elementary([2, 3, 1], 2)
        11
    """
    table = [1] + [0] * k
    for s in sizes:
        for j in range(k, 0, -1):
            table[j] += s * table[j - 1]
    return table[k]


def homogeneous(sizes: Sequence[int], k: int) -> int:
    """h_k: the same over multisets.

    Example:
        >>> homogeneous([2, 3, 1], 2)
        25
    """
    table = [1] + [0] * k
    for s in sizes:
        for j in range(1, k + 1):
            table[j] += s * table[j - 1]
    return table[k]


def picks(sizes: Sequence[int], k: int, distinct: bool, is_sorted: bool) -> int:
    """Number of ways to pick k candidates and one point inside each."""
    if distinct:
        return elementary(sizes, k) * (1 if is_sorted else math.factorial(k))
    return homogeneous(sizes, k) if is_sorted else sum(sizes) ** k


def size_text(size: int | float) -> str:
    """A size for people: exact up to 15 digits, then as a power of ten.

    Example:
        >>> size_text(1_037_664_180), size_text(5**10_000), size_text(float("inf"))
        ('1,037,664,180', 'about 10^6989.7', 'infinitely many')
    """
    if isinstance(size, float):
        return "infinitely many"
    return f"{size:,}" if size < 10**15 else f"about 10^{math.log10(size):.1f}"


@lru_cache(maxsize=1024)
def suffix_table(sizes: tuple[int, ...], k: int, distinct: bool) -> tuple[tuple[int, ...], ...]:
    """`table[c][m]`: number of sorted ways to fill m slots from candidates c, c+1, ..., n-1.

    Returns:
        n + 1 rows of k + 1 exact integers.
    """
    n = len(sizes)
    rows: list[tuple[int, ...]] = [(1,) + (0,) * k]
    for c in range(n - 1, -1, -1):
        after = rows[-1]
        row = [1] * (k + 1)
        for m in range(1, k + 1):
            row[m] = after[m] + sizes[c] * (after[m - 1] if distinct else row[m - 1])
        rows.append(tuple(row))
    return tuple(reversed(rows))


def completions(sizes: tuple[int, ...], k: int, slot: int, chosen: Sequence[int], candidate: int, distinct: bool, is_sorted: bool) -> int:
    """Number of ways to fill the slots after `slot`, once `candidate` stands in it.

    Args:
        sizes: Size of each candidate's own sub-space.
        k: Number of slots.
        slot: Index of the slot that `candidate` fills.
        chosen: Candidates of the slots before it.
        candidate: The candidate in question.
        distinct: Whether no candidate may stand twice.
        is_sorted: Whether candidates must not go down from slot to slot.
    """
    rest = k - slot - 1
    if is_sorted:
        return suffix_table(sizes, k, distinct)[candidate + 1 if distinct else candidate][rest]
    if not distinct:
        return sum(sizes) ** rest
    used = {*chosen, candidate}
    free = [s for c, s in enumerate(sizes) if c not in used]
    if len(set(sizes)) == 1:
        return math.perm(len(free), rest) * sizes[0] ** rest
    return math.factorial(rest) * elementary(free, rest)
