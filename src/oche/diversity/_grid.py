"""The grid of elites that MAP-Elites and CMA-ME fill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oche.diversity._generational import Result
from oche.diversity._rollout import Grid
from oche.errors import ArgumentError
from oche.program import Space


class EliteGrid:
    """The best policy of each cell.

    Args:
        grid: Its cells.

    Attributes:
        cells: Filled cells, in the order in which they were first filled.
        rewards: `(filled,)`.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.cells: list[int] = []
        self.rewards: list[float] = []
        self._place: dict[int, int] = {}
        self._genomes = np.empty((0, 0))

    @property
    def genomes(self) -> np.ndarray:
        """`(filled, genes)` of the elites; changed in place by `add`."""
        return self._genomes[: len(self.cells)]

    def __len__(self) -> int:
        return len(self.cells)

    def add(self, genome: np.ndarray, reward: float, cell: int) -> tuple[int, float]:
        """Offer a policy.

        Returns:
            2 if it filled an empty cell, 1 if it beat the elite, 0 if not; and by how much it beat the elite (its reward in a new cell).
        """
        place = self._place.get(cell)
        if place is None:
            self._place[cell] = place = len(self.cells)
            if place == len(self._genomes):
                grown = np.empty((max(64, 2 * place), len(genome)))
                if place:
                    grown[:place] = self._genomes[:place]
                self._genomes = grown
            self._genomes[place] = genome
            self.cells.append(cell)
            self.rewards.append(reward)
            return 2, reward
        gain = reward - self.rewards[place]
        if gain > 0:
            self._genomes[place], self.rewards[place] = genome, reward
            return 1, gain
        return 0, gain

    def cells_of(self, results: Sequence[Result], algorithm: str) -> list[int]:
        """The cells of evaluated policies; -1 for those that failed.

        Raises:
            ArgumentError: one has no descriptor, or one outside the grid.
        """
        found = [r.feedback.descriptor if r.feedback.ok else (self.grid.low, self.grid.low) for r in results]
        for one in found:
            if one is None or len(one) != 2:
                raise ArgumentError(
                    f"algorithm {algorithm!r}: got descriptor {one!r}; allowed: two numbers; use a task that gives descriptors"
                )
        cells = self.grid.cell_index(found)
        if (outside := np.flatnonzero(cells < 0)).size:
            low, high, one = self.grid.low, self.grid.high, found[int(outside[0])]
            raise ArgumentError(
                f"algorithm {algorithm!r}: got descriptor {list(one or ())} outside its grid; allowed: [{low:g}, {high:g}] on both axes; "
                f"make the grid wider, '{algorithm}?low=...&high=...'"
            )
        return [int(c) if r.feedback.ok else -1 for c, r in zip(cells, results, strict=True)]

    def state(self) -> dict[str, Any]:
        """Arrays."""
        return {
            "cells": np.array(self.cells, dtype=np.int64),
            "genomes": self.genomes.copy(),
            "rewards": np.array(self.rewards, dtype=np.float64),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.cells = [int(c) for c in state["cells"]]
        self._genomes = np.array(state["genomes"])
        self.rewards = [float(r) for r in state["rewards"]]
        self._place = {c: i for i, c in enumerate(self.cells)}


def grid_for(space: Space, algorithm: str, low: float | None, high: float | None, cells: int | None) -> Grid:
    """The grid of an algorithm: as its settings say, else that of the space's environment.

    Raises:
        ArgumentError: neither says it.
    """
    own: Grid | None = getattr(space.program, "descriptor_grid", None)
    if (low is None or high is None) and own is None:
        raise ArgumentError(
            f"algorithm {algorithm!r} on space {space.name!r}: got no grid; allowed: the space of an environment, or "
            f"'{algorithm}?low=0&high=1&cells=50'"
        )
    made = Grid(
        float(low if low is not None else own.low),  # type: ignore[union-attr] - one of both is there
        float(high if high is not None else own.high),  # type: ignore[union-attr]
        int(cells if cells is not None else own.cells if own is not None else 50),
    )
    if not made.low < made.high or made.cells < 1:
        raise ArgumentError(f"grid: got low={made.low}, high={made.high}, cells={made.cells}; allowed: low below high, at least one cell")
    return made
