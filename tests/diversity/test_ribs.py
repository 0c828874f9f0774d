"""The bridge to pyribs: archives agree with ours; its schedulers run as our algorithms, and resume."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import oche
from oche.diversity import RibsScheduler, environment, grid_archive
from oche.store.store import Store

pytest.importorskip("ribs")
pytestmark = pytest.mark.filterwarnings("ignore")


def make(dimension: int, seed: int) -> Any:
    from ribs.archives import GridArchive
    from ribs.emitters import GaussianEmitter
    from ribs.schedulers import Scheduler

    archive = GridArchive(solution_dim=dimension, dims=[50, 50], ranges=[(-1, 1), (-1, 1)], seed=seed)
    return Scheduler(archive, [GaussianEmitter(archive, sigma=0.3, x0=np.zeros(dimension), batch_size=20, seed=seed)])


def test_the_grid_of_a_run_equals_pyribs() -> None:
    env = environment("point?frames=1")
    run = oche.search(env.space, "random", env, budget=oche.Budget(trials=400), progress=False)[0]
    archive = grid_archive(run, env.grid)
    assert archive.stats.coverage * 100 == pytest.approx(run.records[0].metrics["coverage"])
    assert archive.stats.obj_max == pytest.approx(max(t.feedback.scalar for t in run.trials))


def bandit(dimension: int, seed: int) -> Any:
    from ribs.archives import ProximityArchive
    from ribs.emitters import IsoLineEmitter
    from ribs.schedulers import BanditScheduler

    archive = ProximityArchive(solution_dim=dimension, measure_dim=2, k_neighbors=5, novelty_threshold=0.01, seed=seed)
    emitters = [IsoLineEmitter(archive, x0=np.zeros(dimension), batch_size=10, seed=seed + i) for i in range(3)]
    return BanditScheduler(archive, emitters, num_active=2, reselect="all")


@pytest.mark.parametrize("make", [make, bandit])
def test_a_scheduler_is_an_algorithm_and_resumes(make: Any, tmp_path: Any) -> None:
    env = environment("point?frames=1")

    def go(store: Any, trials: int) -> list[tuple[float, ...]]:
        runs = oche.search(
            env.space, RibsScheduler(make, make.__name__), env, budget=oche.Budget(trials=trials), seeds=[1], store=store, progress=False
        )
        assert runs.records[0].algorithm == f"ribs?scheduler={make.__name__}"
        return [t.dna.flat for t in runs[0].trials]

    whole = go(None, 130)
    with Store(tmp_path / "runs.db") as store:
        assert go(store, 70) == whole[:70]
        # The same run with a larger budget goes on where it ended.
        assert go(store, 130) == whole
