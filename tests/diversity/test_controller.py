"""Policies as programs: the same episodes as genomes play, searched by algorithms for black boxes."""

from __future__ import annotations

import numpy as np
import pytest

import oche
from oche.diversity import Controller, ControllerTask, PolicyShape, environment
from oche.errors import ArgumentError, UnknownNameError


@pytest.mark.parametrize("name", ["point", "redundant-arm"])
def test_a_function_that_does_what_a_genome_does_has_its_episode(name: str) -> None:
    from oche.diversity._policy import Policies

    env = environment(name, frames=2)
    genomes = np.random.default_rng(3).standard_normal((3, env.length))

    def acting(genome: np.ndarray) -> object:
        policy = Policies(env.simulator.shape, np.repeat(genome[None], 16, 0))
        return lambda observation: policy.act(np.repeat(observation[:, None], 16, 1))[:, 0]

    task = ControllerTask(env)
    expected = env.rollout(genomes)
    found = task._play([acting(g) for g in genomes], 2)
    assert [f.reward for f in found] == expected.reward.tolist()
    assert np.array([f.descriptor for f in found]).tolist() == expected.descriptor.tolist()
    assert all((f.observations == frames).all() for f, frames in zip(found, expected.frames, strict=True))
    assert task.evaluate(acting(genomes[1]), 0).descriptor == found[1].descriptor


def test_the_network_by_hand() -> None:
    shape = PolicyShape(2, 1, layers=1, hidden=2)
    genes = [1.0, 2.0, 3.0, 4.0, 0.5, 1.0, -1.0, 0.25]  # W1 = [[1, 2], [3, 4]], b1 = .5, W2 = [1, -1], b2 = .25
    observation = np.array([0.1, -0.2])
    a, b = 0.1 - 0.6 + 0.5, 0.2 - 0.8 + 0.5
    for name, f in (("tanh", np.tanh), ("relu", lambda x: max(x, 0.0)), ("sin", np.sin), ("linear", lambda x: x)):
        assert Controller(shape, genes, name)(observation)[0] == pytest.approx(np.tanh((f(a) - f(b) + 0.25) / 2))
    with pytest.raises(ArgumentError, match="allowed: 8 finite numbers"):
        Controller(shape, genes[:-1])
    with pytest.raises(UnknownNameError, match="tanh"):
        Controller(shape, genes, "tahn")


def test_shaped_rewards_fall_with_the_distance_and_change_no_zone() -> None:
    plain, shaped = ControllerTask("point"), ControllerTask("point", shaped=True)
    # Zones of the point: (0.7, 0.7) radius 0.2 and (-0.8, 0.6) radius 0.1, on a square 2 wide; 50 steps of 0.05.
    still = shaped.evaluate(lambda _: [0.0, 0.0], 0)
    assert still.zone is None and still.reward == pytest.approx(-(np.hypot(0.7, 0.7) - 0.2) / 2)
    assert plain.evaluate(lambda _: [0.0, 0.0], 0).reward == 0
    inside = [t.evaluate(lambda _: [0.28, 0.28], 0) for t in (plain, shaped)]
    assert inside[0].zone == inside[1].zone == "area 1" and inside[0].reward == inside[1].reward == pytest.approx(1)
    assert plain.describe() != shaped.describe()


@pytest.mark.parametrize("action", [[0.1], [np.nan, 0.0], "left"])
def test_what_is_no_action_is_refused(action: object) -> None:
    with pytest.raises((ArgumentError, ValueError)):
        ControllerTask("point").evaluate(lambda _: action, 0)


def test_zones_lie_in_the_units_of_the_grid() -> None:
    # The maze's zones are given in a world 600 wide, its descriptor in [0, 1].
    zone = environment("hard-maze").reward_zones[0]
    assert zone.center == pytest.approx((0.1, 0.1)) and zone.radius == pytest.approx(50 / 600)
    assert ControllerTask("hard-maze", shaped=True).evaluate(lambda _: [0.0, 0.0], 0).reward == pytest.approx(
        -(min(np.hypot(0, 390), np.hypot(40, 250)) - 50) / 600, abs=1e-6
    )


def test_what_builds_no_controller_is_refused() -> None:
    runs = oche.search({"x": oche.floatv(0, 1)}, "random", ControllerTask("point"), budget=oche.Budget(trials=2), progress=False)
    assert "allowed: a function or an object with __call__" in runs[0].reason
    with pytest.raises(ArgumentError, match="batched environment"):
        ControllerTask(3)  # type: ignore[arg-type]


def _rule() -> object:
    """A policy without any network: walk toward a place, which is a choice."""
    x, y = oche.floatv(-1, 1, name="x"), oche.floatv(-1, 1, name="y")
    speed = oche.oneof([0.2, 1.0], name="speed")
    return lambda place: np.clip((np.array([x, y]) - place) / 0.05, -speed, speed)


@pytest.mark.parametrize("algorithm", ["random", "regularized-evolution?population=20&tournament=5", "optuna:tpe"])
def test_rules_are_searched_by_black_box_algorithms(algorithm: str) -> None:
    task = ControllerTask("point?frames=1", shaped=True)
    space = oche.Space(_rule)
    if algorithm.startswith("optuna"):
        pytest.importorskip("optuna")
    runs = oche.search(space, algorithm, task, budget=oche.Budget(trials=60), seeds=[0], progress=False)
    record = runs.records[0]
    assert record.status == "done" and record.metric == "reward_mean"
    best = max(t.feedback.reward for t in runs[0].trials)
    first = max(t.feedback.reward for t in runs[0].trials[:10])
    assert best >= first and best > -0.05
    assert record.metrics["reward_mean"] == pytest.approx(sum(record.metrics[f"reward_area_{i}"] for i in (1, 2)) / 2)
