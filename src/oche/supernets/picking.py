"""Choices of k candidates, slot after slot: which candidates a slot may take, and which it takes at best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from oche.errors import NotRelaxable
from oche.program.spec import Decision, Pick


def picks(tree: Sequence[Decision]) -> Iterable[Pick]:
    """The choices of a list of decisions.

    Raises:
        NotRelaxable: there is a numeric decision.
    """
    for decision in tree:
        if not isinstance(decision, Pick):
            raise NotRelaxable(f"choice {decision.key!r}: got a number; allowed in a policy: choices between candidates")
        if decision.k:
            yield decision


def decide(pick: Pick, chosen: Sequence[int], decisions: dict[str, Any]) -> None:
    """Write the labels that were chosen into `decisions`."""
    labels = tuple(pick.labels[c] for c in chosen)
    decisions[pick.key] = labels[0] if pick.single else labels


def allowed(pick: Pick, slot: int, taken: Sequence[int], c: int) -> bool:
    """Whether slot number `slot` may take candidate c, so that later slots can still be filled."""
    if pick.distinct and c in taken:
        return False
    if not pick.is_sorted:
        return True
    low = taken[-1] + (1 if pick.distinct else 0) if taken else 0
    left = pick.k - slot - 1 if pick.distinct else 0
    return low <= c < pick.n - left


def assign(scores: np.ndarray, pick: Pick) -> list[int]:
    """Candidates for slots from a table of log-probabilities `(k, n)`."""
    if not pick.distinct:
        chosen = [int(np.argmax(row)) for row in scores]
        return sorted(chosen) if pick.is_sorted else chosen
    if pick.kind == "permutate":
        from scipy.optimize import linear_sum_assignment  # scipy takes a second to load; few spaces have orders

        return [int(c) for c in linear_sum_assignment(scores, maximize=True)[1]]
    left, chosen = scores.copy(), [0] * pick.k
    for _ in range(pick.k):
        slot, c = np.unravel_index(int(np.argmax(left)), left.shape)
        chosen[slot] = int(c)
        left[slot, :] = -math.inf
        left[:, c] = -math.inf
    return chosen
