"""What came back for a batch: one by one, or as whole columns, whichever way it was told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np

from oche.errors import ArgumentError
from oche.loop.contracts import Feedback


@dataclass
class Result:
    """What came back for one genome, in standard units, and the number of its proposal."""

    genome: np.ndarray
    feedback: Feedback
    number: int = -1


@dataclass(frozen=True)
class Columns:
    """Feedback of a whole batch that was told as arrays.

    Args:
        rewards: `(n,)`; NaN where an evaluation failed.
        descriptors: `(n, d)`, or None.
        observations: `(n, ...)`, or None.
        zones: Names, or None.
    """

    rewards: np.ndarray
    descriptors: np.ndarray | None = None
    observations: np.ndarray | None = None
    zones: Sequence[str | None] | None = None

    def feedback(self, row: int) -> Feedback:
        """The same for one genome."""
        if np.isnan(self.rewards[row]):
            return Feedback(status="failed", reason="no reward was told")
        return Feedback(
            reward=float(self.rewards[row]),
            descriptor=None if self.descriptors is None else tuple(self.descriptors[row].tolist()),
            observations=None if self.observations is None else self.observations[row],
            zone=None if self.zones is None else self.zones[row],
        )


class Results(Sequence[Result]):
    """A batch of results in the order of its proposals.

    Args:
        genomes: `(n, d)` in standard units.
        numbers: `(n,)` of the proposals.
        told: Feedback of each, or columns.
    """

    def __init__(self, genomes: np.ndarray, numbers: np.ndarray, told: Sequence[Feedback] | Columns) -> None:
        self.genomes, self.numbers, self._told = genomes, numbers, told

    def __len__(self) -> int:
        return len(self.genomes)

    def __iter__(self) -> Iterator[Result]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Result: ...

    @overload
    def __getitem__(self, index: slice) -> Results: ...

    def __getitem__(self, index: int | slice) -> Result | Results:
        if isinstance(index, slice):
            rows = range(*index.indices(len(self)))
            return Results(self.genomes[index], self.numbers[index], [self._feedback(i) for i in rows])
        if not 0 <= index < len(self):
            raise IndexError(index)
        return Result(self.genomes[index], self._feedback(index), int(self.numbers[index]))

    def _feedback(self, row: int) -> Feedback:
        return self._told.feedback(row) if isinstance(self._told, Columns) else self._told[row]

    @cached_property
    def ok(self) -> np.ndarray:
        """`(n,)` whether each was evaluated."""
        if isinstance(self._told, Columns):
            return ~np.isnan(self._told.rewards)
        return np.array([f.reward is not None for f in self._told], dtype=bool)

    @cached_property
    def rewards(self) -> np.ndarray:
        """`(n,)`; 0 where an evaluation failed."""
        if isinstance(self._told, Columns):
            return np.where(self.ok, self._told.rewards, 0.0)
        plain = [f.reward for f in self._told]
        if not all(type(r) is float for r in plain):
            plain = [f.scalar if f.ok else 0.0 for f in self._told]
        return np.array(plain, dtype=np.float64)

    def descriptors(self, rows: np.ndarray) -> Sequence[Any]:
        """Descriptors of some, None where there is none."""
        if isinstance(self._told, Columns):
            return [None] * len(rows) if self._told.descriptors is None else self._told.descriptors[rows]  # type: ignore[return-value]
        return [self._told[i].descriptor for i in rows]

    def observations(self, rows: np.ndarray) -> Sequence[Any]:
        """Observations of some, None where there are none."""
        if isinstance(self._told, Columns):
            return [None] * len(rows) if self._told.observations is None else [self._told.observations[i] for i in rows]
        return [self._told[i].observations for i in rows]

    def zones(self, rows: np.ndarray) -> list[str | None]:
        """Zones of some."""
        if isinstance(self._told, Columns):
            return [None] * len(rows) if self._told.zones is None else [self._told.zones[i] for i in rows]
        return [self._told[i].zone for i in rows]

    def pairs(self, algorithm: str, missing: float) -> np.ndarray:
        """`(n, 2)` descriptors; `missing` where an evaluation failed.

        Raises:
            ArgumentError: one has no descriptor of two numbers.
        """
        if isinstance(self._told, Columns):
            found = self._told.descriptors
            if found is None or found.shape[1] != 2:
                raise _no_pair(algorithm, None if found is None else found[0].tolist())
            return np.where(self.ok[:, None], found, missing)
        nothing, made = (missing, missing), []
        for feedback in self._told:
            place = nothing if feedback.reward is None else feedback.descriptor
            if place is None or len(place) != 2:
                raise _no_pair(algorithm, place)
            made.append(place)
        return np.array(made, dtype=np.float64).reshape(-1, 2)


def _no_pair(algorithm: str, got: Any) -> ArgumentError:
    return ArgumentError(f"algorithm {algorithm!r}: got descriptor {got!r}; allowed: two numbers; use a task that gives descriptors")


def checked_columns(number: int, rewards: Any, descriptors: Any, observations: Any, zones: Any) -> Columns:
    """Columns of a batch of `number`.

    Raises:
        ArgumentError: another length, or infinite rewards.
    """
    found = np.asarray(rewards, dtype=np.float64)
    if found.shape != (number,) or np.isinf(found).any():
        raise ArgumentError(f"rewards: got shape {found.shape}; allowed: {number} finite numbers, NaN for a failed evaluation")
    places = None if descriptors is None else np.asarray(descriptors, dtype=np.float64)
    if places is not None and (places.ndim != 2 or len(places) != number):
        raise ArgumentError(f"descriptors: got shape {places.shape}; allowed: ({number}, numbers)")
    for what, values in (("observations", observations), ("zones", zones)):
        if values is not None and len(values) != number:
            raise ArgumentError(f"{what}: got {len(values)}; allowed: {number}, as many as genomes were asked")
    return Columns(found, places, observations, zones)
