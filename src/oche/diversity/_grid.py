"""The grid of elites that MAP-Elites and CMA-ME fill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from oche.diversity._results import Results
from oche.diversity._rollout import Grid
from oche.errors import ArgumentError
from oche.program import Space


class EliteGrid:
    """The best policy of each cell.

    Args:
        grid: Its cells.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        #: Filled cells in the order in which they were first filled; rewards and numbers of proposals (-1: not known) of their elites.
        self.cells: list[int] = []
        self.rewards: list[float] = []
        self.numbers: list[int] = []
        self._place: dict[int, int] = {}
        self._genomes = np.empty((0, 0))

    @property
    def genomes(self) -> np.ndarray:
        """`(filled, genes)` of the elites; changed in place by `add`."""
        return self._genomes[: len(self.cells)]

    def __len__(self) -> int:
        return len(self.cells)

    def add(self, genomes: Any, rewards: Any, cells: Any, numbers: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Offer policies, one after the other; genomes are copied all at once, which is what takes time.

        Args:
            genomes: `(n, genes)`.
            rewards: `(n,)`.
            cells: `(n,)`; -1 for a policy that is not offered.
            numbers: `(n,)` of their proposals; None: not known.

        Returns:
            For each 2 if it filled an empty cell, 1 if it beat the elite, 0 if not; and by how much it beat the elite (its reward in
            a new cell).
        """
        found, offered = np.asarray(genomes, dtype=np.float64), np.asarray(rewards, dtype=np.float64).tolist()
        where = np.asarray(cells).tolist()
        number = [-1] * len(where) if numbers is None else np.asarray(numbers).tolist()
        status, gains, winners = [0] * len(where), [0.0] * len(where), dict[int, int]()
        for i, (cell, reward) in enumerate(zip(where, offered, strict=True)):
            if cell < 0:
                continue
            place = self._place.get(cell)
            if place is None:
                self._place[cell] = place = len(self.cells)
                self.cells.append(cell)
                self.rewards.append(reward)
                self.numbers.append(number[i])
                status[i], gains[i], winners[place] = 2, reward, i
                continue
            gains[i] = reward - self.rewards[place]
            if gains[i] > 0:
                self.rewards[place], self.numbers[place] = reward, number[i]
                status[i], winners[place] = 1, i
        if winners:
            self._grow(found.shape[1])
            self._genomes[list(winners)] = found[list(winners.values())]
        return np.array(status), np.array(gains)

    def _grow(self, genes: int) -> None:
        """Make room for the genomes of all cells."""
        known, needed = len(self._genomes), len(self.cells)
        if needed > known:
            grown = np.empty((max(64, 2 * needed), genes))
            if known:
                grown[:known] = self._genomes
            self._genomes = grown

    def add_results(self, results: Results, algorithm: str) -> tuple[np.ndarray, np.ndarray]:
        """Offer what came back for a batch; see `add`. Failed ones are not offered.

        Raises:
            ArgumentError: one has no descriptor, or one outside the grid.
        """
        places = results.pairs(algorithm, missing=self.grid.low)
        cells = self.grid.cell_index(places)
        if (outside := np.flatnonzero(cells < 0)).size:
            low, high, one = self.grid.low, self.grid.high, places[outside[0]].tolist()
            raise ArgumentError(
                f"algorithm {algorithm!r}: got descriptor {one} outside its grid; allowed: [{low:g}, {high:g}] on both axes; "
                f"make the grid wider, '{algorithm}?low=...&high=...'"
            )
        return self.add(results.genomes, results.rewards, np.where(results.ok, cells, -1), results.numbers)

    def state(self) -> dict[str, Any]:
        """Arrays."""
        return {
            "cells": np.array(self.cells, dtype=np.int64),
            "genomes": self.genomes.copy(),
            "rewards": np.array(self.rewards, dtype=np.float64),
            "numbers": np.array(self.numbers, dtype=np.int64),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.cells, self.rewards, self.numbers = (np.asarray(state[k]).tolist() for k in ("cells", "rewards", "numbers"))
        self._genomes = np.array(state["genomes"])
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
