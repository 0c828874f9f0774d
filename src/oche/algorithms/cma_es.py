"""CMA-ES on spaces of numbers, each as a share of its range on its own scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oche.algorithms._units import gene_at, to_unit
from oche.errors import ArgumentError
from oche.loop.cma import CMA
from oche.loop.contracts import Budget, Feedback, Proposal
from oche.program import DNA, Space

# A point outside the ranges is drawn again so often before its numbers are cut off.
_REDRAWS = 100
# Of trials that are known at the start the best share counts, and each is the center of a small ball (Nomura et al. 2021).
_BEST, _BALL = 0.1, 0.1


class CMAES:
    """Follows good points by a normal distribution in the unit cube; whole numbers are rounded, log scales are honored.

    Each ask is one draw of the distribution as it is; as soon as `population` results are there the distribution moves. Failed and
    skipped trials rank last. Trials that are known before the first ask set the first mean, step and shape; later ones take the place of a
    draw in an update.

    Args:
        population: Points per update; None: 4 + 3 ln d.
        sigma: First step, as a share of each range. The first mean is the middle.
        restarts: How often to start again from a random mean, with twice the population, when the distribution has shrunk.

    Raises:
        ArgumentError: a setting out of its range.

    Source: Hansen 2016, see `oche.loop.cma`; 0.3 of the range as Hansen advises; restarts as in Auger and Hansen 2005 (IPOP);
        start from known trials as in Nomura et al. 2021 (WS-CMA-ES).
    """

    def __init__(self, population: int | None = None, sigma: float = 0.3, restarts: int = 0) -> None:
        if population is not None and (isinstance(population, bool) or not isinstance(population, int) or population < 2):
            raise ArgumentError(f"population: got {population!r}; allowed: a whole number from 2, or None for 4 + 3 ln d")
        if isinstance(restarts, bool) or not isinstance(restarts, int) or restarts < 0:
            raise ArgumentError(f"restarts: got {restarts!r}; allowed: a whole number from 0")
        if not 0 < sigma <= 1:
            raise ArgumentError(f"sigma: got {sigma!r}; allowed: a number in (0, 1]")
        self.population, self.sigma, self.restarts = population, float(sigma), restarts

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        return {"population": self.population, "sigma": self.sigma, "restarts": self.restarts}

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`.

        Raises:
            ArgumentError: a decision is not a number.
        """
        for p in space.points:
            if p.kind == "categorical":
                raise ArgumentError(
                    f"algorithm 'cma-es' on space {space.name!r}: got choice {p.key!r} between candidates; allowed: floatv and intv only; "
                    "use 'regularized-evolution', or search the numbers alone with where="
                )
        self._space = space
        self._rng = rng
        self.distribution = CMA(np.full(len(space.points), 0.5), self.sigma, self.population)
        self._restarted = 0
        self._asked = 0
        self._pending: dict[int, list[float]] = {}
        self._results: list[tuple[list[float], float | None]] = []
        self._known: list[tuple[list[float], float]] = []

    def ask(self, n: int) -> list[Proposal]:
        """`n` draws of the distribution."""
        made = []
        if self._known:
            self._start_from_known()
        for _ in range(n):
            if self._restarted < self.restarts and self.distribution.exhausted:
                self._restart()
            point = self._draw()
            self._pending[self._asked] = point
            genes = tuple(gene_at(p, u) for p, u in zip(self._space.points, point, strict=True))
            made.append(Proposal(self._asked, DNA.trusted(genes, self._space.fingerprint)))
            self._asked += 1
        return made

    def _start_from_known(self) -> None:
        # sorted() is stable: of equal rewards the first learned ranks first.
        ranked = sorted(self._known, key=lambda r: -r[1])
        best = np.array([point for point, _ in ranked[: max(1, math.ceil(_BEST * len(ranked)))]])
        self._known = []
        mean, d = best.mean(0), len(self._space.points)
        shape = _BALL**2 * np.eye(d) + (best - mean).T @ (best - mean) / len(best)
        sigma = float(np.linalg.det(shape)) ** (1 / (2 * d))
        self.distribution = CMA(mean, sigma, self.population, covariance=shape / sigma**2)

    def _restart(self) -> None:
        self._restarted += 1
        self._results = []
        mean = self._rng.random(len(self._space.points))
        self.distribution = CMA(mean, self.sigma, self.distribution.population * 2)

    def _draw(self) -> list[float]:
        point = self.distribution.sample(self._rng, 1)[0]
        for _ in range(_REDRAWS):
            if ((point >= 0) & (point <= 1)).all():
                break
            point = self.distribution.sample(self._rng, 1)[0]
        return point.clip(0, 1).tolist()

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Collect results, and move the distribution once there are enough.

        Raises:
            ArgumentError: a result for a proposal that was not asked, or with several objectives.
        """
        for number, feedback in results:
            point = self._pending.pop(number, None)
            if point is None:
                raise ArgumentError(f"tell: got proposal {number}; allowed: one that was asked and not told yet")
            self._take(point, feedback.scalar if feedback.ok else None)

    def learn(self, dna: DNA, feedback: Feedback) -> None:
        """Use a trial that was not asked for; one without a reward says nothing."""
        if not feedback.ok:
            return
        point = [to_unit(p, float(gene)) for p, gene in zip(self._space.points, dna.flat, strict=True)]  # type: ignore[arg-type]
        if self._asked:
            self._take(self.distribution.near(point).tolist(), feedback.scalar)
        else:
            self._known.append((point, feedback.scalar))

    def _take(self, point: list[float], reward: float | None) -> None:
        self._results.append((point, reward))
        if len(self._results) < self.distribution.population:
            return
        # sorted() is stable: of equal rewards the first told ranks first.
        ranked = sorted(self._results, key=lambda r: float("inf") if r[1] is None else -r[1])
        if any(known is not None for _, known in ranked):
            self.distribution.update([p for p, _ in ranked])
        self._results = []

    def state(self) -> dict[str, Any]:
        """The distribution, results since its last move, and open proposals."""
        return {
            "asked": self._asked,
            "restarted": self._restarted,
            "pending": [[i, p] for i, p in self._pending.items()],
            "results": [[p, reward] for p, reward in self._results],
            "known": [[p, reward] for p, reward in self._known],
            "distribution": self.distribution.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        self._asked, self._restarted = int(state["asked"]), int(state["restarted"])
        self._pending = {int(i): list(p) for i, p in state["pending"]}
        self._results = [(list(p), reward) for p, reward in state["results"]]
        self._known = [(list(p), reward) for p, reward in state["known"]]
        self.distribution = CMA.from_state(state["distribution"])
