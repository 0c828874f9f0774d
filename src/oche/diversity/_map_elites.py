"""MAP-Elites: the best policy of every cell of a grid of given descriptors, mutated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oche.diversity._generational import Batch, Boundary, Generational, Search, population_for
from oche.diversity._grid import EliteGrid, grid_for
from oche.errors import ArgumentError
from oche.loop.contracts import Budget

_EVERY = 10  # batches between two boundaries, at least


class MapElites(Generational):
    """Draws elites at random, mutates them, and keeps what fills an empty cell or beats the cell's elite.

    Args:
        population: Random policies at the start; None follows the budget.
        batch: Mutants per step; None: twice the population.
        sigma: Standard deviation of mutations.
        line_sigma: Standard deviation of a step along the line to a second elite (0: none).
        low: Lower edge of the grid on both axes; None: the environment's, as for `high` and `cells`.
        high: Upper edge.
        cells: Cells per axis.

    Raises:
        ArgumentError: a setting out of its range.

    Source: Mouret and Clune 2015; `line_sigma` as in Vassiliades and Mouret 2018; population, batch and sigma as STAX has them.
    """

    name = "map-elites"
    multiplies = False

    def __init__(
        self,
        population: int | None = None,
        batch: int | None = None,
        sigma: float = 0.05,
        line_sigma: float = 0.0,
        low: float | None = None,
        high: float | None = None,
        cells: int | None = None,
    ) -> None:
        for key, value in (("population", population), ("batch", batch)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ArgumentError(f"{key}: got {value!r}; allowed: a whole number from 1, or None")
        if not 0 < sigma <= 5 or not 0 <= line_sigma <= 5:
            raise ArgumentError(f"sigma: got {sigma!r} and line_sigma {line_sigma!r}; allowed: sigma in (0, 5], line_sigma in [0, 5]")
        self._given = {
            "population": population, "batch": batch, "sigma": sigma, "line_sigma": line_sigma, "low": low, "high": high, "cells": cells,
        }  # fmt: skip

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        return dict(self._given)

    def _begin(self, budget: Budget | None) -> None:
        s = self._given
        self.size = population_for(budget, s["population"], self.name)
        self.batch = s["batch"] or 2 * self.size
        self.elites = EliteGrid(grid_for(self._space, self.name, s["low"], s["high"], s["cells"]))
        self._steps = 0

    def _search(self) -> Search:
        s, since = self._given, 0
        while True:
            parents = None
            if not len(self.elites):
                genomes = self._generator("initial").standard_normal((self.size, self.dimension))
            else:
                known = self.elites.genomes
                rng = self._generator("mutation")
                first, second = rng.integers(len(known), size=(2, self.batch))
                parents = [self.elites.numbers[i] for i in first.tolist()]
                genomes = known[first] + s["sigma"] * rng.standard_normal((self.batch, self.dimension))
                if s["line_sigma"]:
                    genomes += s["line_sigma"] * rng.standard_normal((self.batch, 1)) * (known[second] - known[first])
            results = yield Batch(genomes, parents=parents)
            self.elites.add_results(results, self.name)
            self._steps += 1
            since += 1
            # At a boundary all elites are copied: the more there are, the rarer it is.
            if since >= max(_EVERY, len(self.elites) // (4 * self.batch)):
                since = 0
                yield Boundary(f"batch-{self._steps}")

    def _pack(self) -> dict[str, Any]:
        return {"elites": self.elites.state(), "steps": self._steps, "sizes": [self.size, self.batch]}

    def _unpack(self, state: Mapping[str, Any]) -> None:
        self.elites.load(state["elites"])
        self._steps, (self.size, self.batch) = int(state["steps"]), state["sizes"]

    def note(self) -> str:
        """How the search stands."""
        return f"{len(self.elites)} elites"
