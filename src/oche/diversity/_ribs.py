"""Bridge to pyribs: grids of elites of our runs as its archives, and its schedulers as algorithms of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from oche.diversity._generational import Batch, Generational, Search
from oche.diversity._rollout import Grid
from oche.errors import ArgumentError, MissingExtraError
from oche.loop.contracts import Budget


def _ribs() -> Any:
    try:
        import ribs.archives
    except ImportError:
        raise MissingExtraError("ribs", "diversity") from None
    return ribs


def grid_archive(trials: Any, grid: Grid) -> Any:
    """A `ribs.archives.GridArchive` with the best policy of each cell, for its statistics and pictures.

    Args:
        trials: A run, or its trials; those without a reward or a descriptor are left out.
        grid: Grid of the descriptors, for example `env.grid`.

    Returns:
        The archive: solutions are genomes, objectives rewards, measures descriptors.

    Raises:
        MissingExtraError: pyribs is not installed.
        ArgumentError: no trial has a reward and a descriptor.

    Example:
        >>> runs = oche.search(env.space, "novelty-search", env, budget=oche.Budget(trials=500))
        >>> grid_archive(runs[0], env.grid).stats.coverage
    """
    ribs = _ribs()
    told = [t for t in getattr(trials, "trials", trials) if t.feedback is not None and t.feedback.ok and t.feedback.descriptor is not None]
    if not told:
        raise ArgumentError("grid archive: got no trial with a reward and a descriptor; allowed: at least one")
    genomes = np.array([t.dna.flat for t in told], dtype=np.float64)
    ranges = [(grid.low, grid.high)] * 2
    archive = ribs.archives.GridArchive(solution_dim=genomes.shape[1], dims=[grid.cells] * 2, ranges=ranges)
    inside = grid.cell_index([t.feedback.descriptor for t in told]) >= 0
    rewards = np.array([t.feedback.scalar for t in told])
    archive.add(genomes[inside], rewards[inside], np.array([t.feedback.descriptor for t in told])[inside])
    return archive


class RibsScheduler(Generational):
    """Any pyribs scheduler as an algorithm: its `ask` and `tell` between ours.

    It runs in memory and is resumed by doing its tells again: it draws from generators of its own, so `make` must give
    its seed to the archive and to every emitter.

    Args:
        make: `make(dimension, seed)` -> a new `ribs.schedulers.Scheduler` whose solutions are genomes in [-5, 5].
        label: For records.

    Raises:
        MissingExtraError: pyribs is not installed.

    Example:
        >>> def make(dimension, seed):
        ...     archive = GridArchive(solution_dim=dimension, dims=[50, 50], ranges=[(0, 1), (0, 1)], seed=seed)
        ...     emitters = [GaussianEmitter(archive, sigma=0.05, x0=np.zeros(dimension), batch_size=36, seed=seed)]
        ...     return Scheduler(archive, emitters)
        >>> oche.search(env.space, RibsScheduler(make, "map-elites"), env, budget=oche.Budget(trials=1000))
    """

    name = "ribs"

    def __init__(self, make: Callable[[int, int], Any], label: str = "scheduler") -> None:
        _ribs()
        self._make, self._label = make, label

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        return {"scheduler": self._label}

    def __deepcopy__(self, memo: dict[int, Any]) -> RibsScheduler:
        return RibsScheduler(self._make, self._label)

    def _begin(self, budget: Budget | None) -> None:
        self.scheduler: Any = None

    def _search(self) -> Search:
        self.scheduler = self._make(self.dimension, int(self._generator("scheduler").integers(2**31)))
        while True:
            results = yield Batch(np.asarray(self.scheduler.ask(), dtype=np.float64))
            rewards, measures = [], []
            for result in results:
                found = result.feedback.descriptor
                if result.feedback.ok and found is None:
                    raise ArgumentError("algorithm 'ribs': got feedback without a descriptor; allowed: a task that gives descriptors")
                # pyribs knows no failed solutions: they count as the worst, where the first one was.
                rewards.append(result.feedback.scalar if result.feedback.ok else -1e9)
                measures.append(found if found is not None else measures[-1] if measures else (0.0, 0.0))
            self.scheduler.tell(rewards, measures)

    def _pack(self) -> dict[str, Any]:
        return {}

    def _unpack(self, state: Mapping[str, Any]) -> None:
        """Nothing: everything comes back by the tells since the start."""
