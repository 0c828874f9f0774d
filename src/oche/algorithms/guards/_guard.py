"""The protocol of guards, and what they may see of a search."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oche.algorithms.guards import registry
from oche.errors import ArgumentError
from oche.loop.contracts import Problem
from oche.program import DNA
from oche.schemes.base import SchemeState
from oche.supernets.network import Supernet


@dataclass
class Watched:
    """What a guard sees.

    Args:
        net: The shared network.
        problem: Losses and batches.
        training: State of the scheme.
        valid_batch: A validation batch, the same at every call of an epoch's end; in a step the one that comes next.
        seed: Root of a guard's own draws.
        arch_moves: Whether the warm-up is over.
    """

    net: Supernet
    problem: Problem
    training: SchemeState
    valid_batch: Any
    seed: int
    arch_moves: bool


class Guard:
    """Base of all guards; does nothing."""

    #: Whether `after_step` wants gradients of the weights, at the price of keeping them.
    needs_gradients = False
    #: Whether `after_step` is called at all.
    every_step = False

    def after_step(self, watched: Watched) -> float:
        """Called after a step; returns the passes that it took."""
        return 0.0

    def after_epoch(self, watched: Watched) -> tuple[bool, float]:
        """Called after an epoch of the weights: whether the training ends here, and the passes that it took."""
        return False, 0.0

    def point(self) -> DNA | None:
        """The point to propose after this guard has ended the training; None: the one that is derived."""
        return None

    def metrics(self) -> dict[str, float]:
        """Numbers to show."""
        return {}

    def state(self) -> dict[str, Any]:
        """What `load` needs."""
        return {}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""


def guards_of(given: Any) -> list[Guard]:
    """Fresh guards from a text, a guard, or a list of them.

    Raises:
        ArgumentError: something else was given.
    """
    listed: Sequence[Any] = [] if given is None or given == "" else [given] if isinstance(given, (str, Guard)) else list(given)
    made = [registry.get(one) if isinstance(one, str) else copy.deepcopy(one) for one in listed]
    for one in made:
        if not isinstance(one, Guard):
            raise ArgumentError(f"guards: got {one!r}; allowed: guards, or their names: {', '.join(registry.names())}")
    return made
