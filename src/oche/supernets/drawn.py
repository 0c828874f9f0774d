"""What a mixer draws for one forward pass, and how a mixed op finds its share in it.

A draw holds one gate per key, so that all places that share a decision share its weights in a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from oche.errors import ArgumentError


@dataclass(frozen=True)
class Moment:
    """How far a search is, for whatever changes over it.

    Args:
        share: Epochs done of all epochs; 0 at the start, below 1 in the last epoch.
        ramp: The same scaled so that the last epoch has 1: `epoch / (epochs - 1)`.
    """

    share: float = 0.0
    ramp: float = 0.0


@dataclass(frozen=True)
class Gate:
    """How the candidates of one choice count.

    Args:
        weights: `(n,)`, one multiplier per candidate; None where the active candidates count fully. For a choice of k in order `(k, n)`.
        active: Indices of the candidates that are run; None for all. For a choice of k in order, one per slot.
    """

    weights: Tensor | None = None
    active: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Slot:
    """A place of a choice in a supernet: all that a mixer may know of it.

    Args:
        key: Key of the decision.
        location: Unique place in the program.
        labels: Labels of the candidates, in order.
        given: Arguments with which the program builds candidates.
        rebuilt: Arguments that the mixer replaced, empty if the candidates are those of the program.
        keys: Where a layer's arguments are several choices: all their keys. Empty otherwise.
        combos: For each candidate, the index of the label of each key. Empty without `keys`.
        index: Which slot of a choice of several in order; None for all others.
    """

    key: str
    location: str
    labels: tuple[str, ...]
    given: Mapping[str, Any] = field(default_factory=dict)
    rebuilt: Mapping[str, Any] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    combos: tuple[tuple[int, ...], ...] = ()
    index: int | None = None


@dataclass
class Drawn:
    """One draw.

    Args:
        gates: By key.
        step: Number of the step that it belongs to.
        phase: `weights` or `arch`.
        path: Number of the path within the step.
        extra: What else the mixer needs in `mix`.
        forced: Keys that are decided from outside; there the output is that of the child.
    """

    gates: dict[str, Gate]
    step: int = 0
    phase: str = "weights"
    path: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
    forced: frozenset[str] = frozenset()

    def is_forced(self, slot: Slot) -> bool:
        """Whether a place is decided from outside."""
        return slot.key in self.forced if not slot.keys else all(key in self.forced for key in slot.keys)

    def gate(self, slot: Slot) -> Gate:
        """The gate of a place; where several choices meet in one layer, the product of theirs."""
        if not slot.keys:
            gate = self._of(slot.key, slot.location)
            return gate if slot.index is None else _of_slot(gate, slot.index)
        gates = [self._of(key, slot.location) for key in slot.keys]
        kept = [
            i for i, combo in enumerate(slot.combos) if all(g.active is None or c in g.active for g, c in zip(gates, combo, strict=True))
        ]
        active = None if len(kept) == len(slot.combos) else tuple(kept)
        if all(gate.weights is None for gate in gates):
            return Gate(None, active)
        weights = None
        for axis, gate in enumerate(gates):
            if gate.weights is not None:
                picked = gate.weights[[combo[axis] for combo in slot.combos]]
                weights = picked if weights is None else weights * picked
        return Gate(weights, active)

    def _of(self, key: str, location: str) -> Gate:
        try:
            return self.gates[key]
        except KeyError:
            raise ArgumentError(
                f"draw: got no gate for choice {key!r} at {location!r}; allowed: one per key; the mixer's draw() must cover policy.rows"
            ) from None


def _of_slot(gate: Gate, index: int) -> Gate:
    """The share of one slot in the gate of a choice of several in order."""
    weights = None if gate.weights is None else gate.weights[index]
    return Gate(weights, None if gate.active is None else (gate.active[index],))


def indices(gate: Gate, n: int) -> tuple[int, ...]:
    """The candidates that are run, of n."""
    return tuple(range(n)) if gate.active is None else gate.active
