"""The grid of elites that MAP-Elites and CMA-ME fill."""

from __future__ import annotations

from collections.abc import Mapping
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
        genomes: `(filled, genes)` of their elites.
        rewards: `(filled,)`.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.cells: list[int] = []
        self.genomes: list[np.ndarray] = []
        self.rewards: list[float] = []
        self._place: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.cells)

    def add(self, genome: np.ndarray, reward: float, cell: int) -> tuple[int, float]:
        """Offer a policy.

        Returns:
            2 if it filled an empty cell, 1 if it beat the elite, 0 if not; and by how much it beat the elite (its reward in a new cell).
        """
        place = self._place.get(cell)
        if place is None:
            self._place[cell] = len(self.cells)
            self.cells.append(cell)
            self.genomes.append(genome)
            self.rewards.append(reward)
            return 2, reward
        gain = reward - self.rewards[place]
        if gain > 0:
            self.genomes[place], self.rewards[place] = genome, reward
            return 1, gain
        return 0, gain

    def cell_of(self, result: Result, algorithm: str) -> int:
        """The cell of an evaluated policy.

        Raises:
            ArgumentError: it has no descriptor, or one outside the grid.
        """
        found = result.feedback.descriptor
        if found is None or len(found) != 2:
            raise ArgumentError(
                f"algorithm {algorithm!r}: got descriptor {found!r}; allowed: two numbers; use a task that gives descriptors"
            )
        cell = int(self.grid.cell_index([found])[0])
        if cell < 0:
            low, high = self.grid.low, self.grid.high
            raise ArgumentError(
                f"algorithm {algorithm!r}: got descriptor {list(found)} outside its grid; allowed: [{low:g}, {high:g}] on both axes; "
                f"make the grid wider, '{algorithm}?low=...&high=...'"
            )
        return cell

    def state(self) -> dict[str, Any]:
        """Arrays."""
        genomes = np.stack(self.genomes) if self.genomes else np.zeros((0, 0))
        return {"cells": np.array(self.cells, dtype=np.int64), "genomes": genomes, "rewards": np.array(self.rewards, dtype=np.float64)}

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.cells = [int(c) for c in state["cells"]]
        self.genomes = list(np.array(state["genomes"]))
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
