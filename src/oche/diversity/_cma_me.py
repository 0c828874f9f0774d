"""CMA-ME: several normal distributions whose points are ranked by what they do for a grid of elites."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from oche.diversity._generational import Batch, Boundary, Generational, Search
from oche.diversity._grid import EliteGrid, grid_for
from oche.diversity._results import Results
from oche.errors import ArgumentError, unknown
from oche.loop.cma import CMA
from oche.loop.contracts import Budget

_EVERY = 5  # rounds between two boundaries
_RANKS = ("improvement", "optimizing")


class CMAME(Generational):
    """Emitters in turns: each draws a generation, puts it into the grid, and moves toward what helped.

    An emitter starts again from a random elite when none of its generation helped, or when its distribution is used up.

    Args:
        emitters: Distributions.
        population: Points per generation of each; None: 4 + 3 ln d.
        sigma: First step, in units of a tenth of a gene's range.
        rank: `optimizing` by reward alone, as in the reference of STAX; `improvement` first new cells by reward, then gains.
        low: Lower edge of the grid on both axes; None: the environment's, as for `high` and `cells`.
        high: Upper edge.
        cells: Cells per axis.

    Raises:
        ArgumentError: a setting out of its range.

    Source: Fontaine et al. 2020; sigma 0.5 and optimizing emitters as STAX has them; 5 emitters are ours.
    """

    name = "cma-me"

    def __init__(
        self,
        emitters: int = 5,
        population: int | None = None,
        sigma: float = 0.5,
        rank: str = "optimizing",
        low: float | None = None,
        high: float | None = None,
        cells: int | None = None,
    ) -> None:
        if isinstance(emitters, bool) or not isinstance(emitters, int) or emitters < 1:
            raise ArgumentError(f"emitters: got {emitters!r}; allowed: a whole number from 1")
        if population is not None and (isinstance(population, bool) or not isinstance(population, int) or population < 2):
            raise ArgumentError(f"population: got {population!r}; allowed: a whole number from 2, or None")
        if not 0 < sigma <= 5:
            raise ArgumentError(f"sigma: got {sigma!r}; allowed: a number in (0, 5]")
        if rank not in _RANKS:
            raise unknown("rank", rank, _RANKS)
        self._given = {
            "emitters": emitters, "population": population, "sigma": sigma, "rank": rank, "low": low, "high": high, "cells": cells,
        }  # fmt: skip

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        return dict(self._given)

    def _begin(self, budget: Budget | None) -> None:
        s = self._given
        self.size = s["population"] or 4 + int(3 * math.log(self.dimension))
        self.elites = EliteGrid(grid_for(self._space, self.name, s["low"], s["high"], s["cells"]))
        self.distributions: list[CMA | None] = [None] * s["emitters"]
        self._rounds = 0

    def _new(self) -> CMA:
        rng = self._generator("restart")
        known = self.elites.genomes
        mean = known[int(rng.integers(len(known)))].copy() if len(known) else np.clip(rng.standard_normal(self.dimension), -5, 5)
        return CMA(mean, self._given["sigma"], self.size)

    def _search(self) -> Search:
        while True:
            for i in range(len(self.distributions)):
                if self.distributions[i] is None:
                    self.distributions[i] = self._new()
            points = [d.sample(self._generator("emitter"), self.size) for d in self.distributions if d is not None]
            # All emitters in one batch: they do not depend on each other within a round.
            results = yield Batch(np.clip(np.concatenate(points), -5, 5))
            for i in range(len(self.distributions)):
                self._learn(i, results[i * self.size : (i + 1) * self.size])
            self._rounds += 1
            if self._rounds % _EVERY == 0:
                yield Boundary(f"round-{self._rounds}")

    def _learn(self, number: int, results: Results) -> None:
        distribution = self.distributions[number]
        assert distribution is not None
        improving = self._given["rank"] == "improvement"
        status, gain = self.elites.add_results(results, self.name)
        helped = bool(status.any())
        keys = np.where(improving, gain, results.rewards)
        # Failed ones last; by improvement, new cells come before better elites.
        order = np.lexsort((-keys, -status if improving else np.zeros(len(keys)), ~results.ok))
        distribution.update(results.genomes[order])
        if not helped or distribution.exhausted:
            self.distributions[number] = None

    def _pack(self) -> dict[str, Any]:
        made = [d.state() if d is not None else None for d in self.distributions]
        return {"elites": self.elites.state(), "rounds": self._rounds, "distributions": made}

    def _unpack(self, state: Mapping[str, Any]) -> None:
        self.elites.load(state["elites"])
        self._rounds = int(state["rounds"])
        self.distributions = [CMA.from_state(d) if d is not None else None for d in state["distributions"]]

    def note(self) -> str:
        """How the search stands."""
        return f"{len(self.elites)} elites"
