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
        self._used = 0
        self._place = np.full(grid.size, -1, dtype=np.int64)
        self._cells = np.empty(0, dtype=np.int64)
        self._rewards = np.empty(0)
        self._numbers = np.empty(0, dtype=np.int64)
        self._genomes = np.empty((0, 0))

    @property
    def genomes(self) -> np.ndarray:
        """`(filled, genes)` of the elites, in the order in which their cells were first filled; changed in place by `add`."""
        return self._genomes[: self._used]

    @property
    def cells(self) -> np.ndarray:
        """`(filled,)` their cells."""
        return self._cells[: self._used]

    @property
    def rewards(self) -> np.ndarray:
        """`(filled,)` their rewards."""
        return self._rewards[: self._used]

    @property
    def numbers(self) -> np.ndarray:
        """`(filled,)` numbers of their proposals, -1 where not known."""
        return self._numbers[: self._used]

    def __len__(self) -> int:
        return self._used

    def add(self, genomes: Any, rewards: Any, cells: Any, numbers: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Offer policies, all at once with the result of one after the other.

        Args:
            genomes: `(n, genes)`.
            rewards: `(n,)`.
            cells: `(n,)`; -1 for a policy that is not offered.
            numbers: `(n,)` of their proposals; None: not known.

        Returns:
            For each 2 if it filled an empty cell, 1 if it beat the elite, 0 if not; and by how much it beat the elite (its reward in
            a new cell).
        """
        found, reward = np.asarray(genomes, dtype=np.float64), np.asarray(rewards, dtype=np.float64)
        where = np.asarray(cells, dtype=np.int64)
        number = np.full(len(where), -1) if numbers is None else np.asarray(numbers, dtype=np.int64)
        status, gain = np.zeros(len(where), dtype=np.int64), np.zeros(len(where))
        left = np.flatnonzero(where >= 0)
        # Of policies for the same cell the first goes first: each round takes one per cell, and most batches need one or two.
        while len(left):
            first = np.sort(np.unique(where[left], return_index=True)[1])
            rows = left[first]
            self._add_round(found, reward, where, number, rows, status, gain)
            waiting = np.ones(len(left), dtype=bool)
            waiting[first] = False
            left = left[waiting]
        return status, gain

    def _add_round(
        self,
        found: np.ndarray,
        reward: np.ndarray,
        where: np.ndarray,
        number: np.ndarray,
        rows: np.ndarray,
        status: np.ndarray,
        gain: np.ndarray,
    ) -> None:
        """The same for policies of different cells."""
        place = self._place[where[rows]]
        new = rows[place < 0]
        at = np.arange(self._used, self._used + len(new))
        self._grow(self._used + len(new), found.shape[1])
        self._place[where[new]] = at
        self._cells[at] = where[new]
        self._used += len(new)
        status[new], gain[new] = 2, reward[new]
        old, place = rows[place >= 0], place[place >= 0]
        gain[old] = reward[old] - self._rewards[place]
        better = gain[old] > 0
        status[old[better]] = 1
        put, into = np.concatenate([new, old[better]]), np.concatenate([at, place[better]])
        self._genomes[into], self._rewards[into], self._numbers[into] = found[put], reward[put], number[put]

    def _grow(self, needed: int, genes: int) -> None:
        if needed <= len(self._genomes):
            return
        room = max(64, 2 * needed)
        for name in ("_cells", "_rewards", "_numbers", "_genomes"):
            old = getattr(self, name)[: self._used]
            grown = np.empty((room, genes) if name == "_genomes" else room, dtype=old.dtype)
            if self._used:
                grown[: self._used] = old
            setattr(self, name, grown)

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
        """Arrays, copied."""
        return {k: getattr(self, k).copy() for k in ("cells", "genomes", "rewards", "numbers")}

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self._cells, self._genomes = np.array(state["cells"], dtype=np.int64), np.array(state["genomes"])
        self._rewards, self._numbers = np.array(state["rewards"], dtype=np.float64), np.array(state["numbers"], dtype=np.int64)
        self._used = len(self._cells)
        self._place = np.full(self.grid.size, -1, dtype=np.int64)
        self._place[self._cells] = np.arange(self._used)


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
