"""Gymnasium both ways."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import oche
from oche.diversity import Grid, GymTask, environment, gymnasium_environment, register_gymnasium
from oche.diversity._policy import Policies
from oche.errors import ArgumentError, SpaceError
from tests.cli.conftest import run_oche


@pytest.mark.parametrize("name", ["curling", "redundant-arm", "point", "hard-maze"])
def test_an_episode_equals_a_row_of_a_rollout(name: str) -> None:
    env = environment(name)
    if name == "hard-maze":
        env.simulator.steps = 200
    some = np.random.default_rng(4).standard_normal((20, env.length))
    done = env.rollout(some)
    row = int(done.length.argmin())
    episode, policy = gymnasium_environment(env, "rgb_array"), Policies(env.simulator.shape, some[row : row + 1])
    observation, _ = episode.reset(seed=0)
    total, over, steps, info = 0.0, False, 0, {}
    while not over:
        observation, reward, terminated, truncated, info = episode.step(policy.act(observation[:, None])[:, 0])
        total, over, steps = total + reward, terminated or truncated, steps + 1
    assert steps == done.length[row]
    assert np.array_equal(info["descriptor"], done.descriptor[row])
    assert total == done.reward[row]
    assert np.array_equal(episode.render().transpose(2, 0, 1), done.frames[row, -1])
    with pytest.raises(ArgumentError, match="call reset"):
        episode.step(np.zeros(env.simulator.shape.outputs))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_gymnasium_accepts_the_environments() -> None:
    check_env(gymnasium_environment("point", "rgb_array"), skip_render_check=True)
    assert register_gymnasium() == ["oche/Curling-v1", "oche/HardMaze-v1", "oche/Point-v1", "oche/RedundantArm-v1"]
    made = gymnasium.make("oche/RedundantArm-v1", render_mode="rgb_array")
    observation, info = made.reset(seed=0)
    assert observation.shape == (20,)
    np.testing.assert_allclose(info["descriptor"], (0.306472, 0.691742), atol=1e-6)
    assert made.render().shape == (64, 64, 3)


class Slide(gymnasium.Env):
    """A dot on a line, with a choice of directions."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}

    def __init__(self, render_mode: str | None = None, goal: float = 0.8) -> None:
        self.render_mode, self.goal = render_mode, goal
        self.observation_space = gymnasium.spaces.Box(-1, 1, (1,), np.float64)
        self.action_space = gymnasium.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = 0.0
        return np.array([self.x]), {}

    def step(self, action):
        self.x = float(np.clip(self.x + 0.1 * (action - 1), -1, 1))
        found = self.x > self.goal
        return np.array([self.x]), float(found), found, False, {"x": self.x}

    def render(self):
        picture = np.zeros((100, 200, 3), dtype=np.uint8)
        at = int((self.x + 1) * 99)
        picture[45:55, at : at + 4] = 255
        return picture


def test_any_environment_is_a_task() -> None:
    task = GymTask(Slide, steps=20, frames=3, descriptor=lambda o, i: (o[0], 0.0), grid=Grid(-1, 1, cells=10), goal=0.85)
    assert task.length == PolicyLength(1, 3)
    done = task.rollout(np.random.default_rng(0).standard_normal((12, task.length)))
    assert done.frames.shape == (12, 3, 3, 64, 64)
    assert set(done.zone.tolist()) <= {-1, 0}
    assert np.array_equal(done.zone >= 0, done.reward > 0)
    assert np.array_equal(task.rollout(np.random.default_rng(0).standard_normal((12, task.length))).frames, done.frames)
    runs = oche.search(task.space, "random", task, budget=oche.Budget(trials=30), progress=False)
    assert runs.records[0].metrics["coverage"] > 0
    assert runs.records[0].task == "gymnasium:Slide"


EXAMPLES = Path(__file__).parents[2] / "examples"
_TINY = ["--budget", "40", "--seeds", "1", "--against", "", "--quiet", "--json"]


def test_one_of_gymnasiums_own_is_searched_from_the_command_line(tmp_path: Path) -> None:
    env = f"{EXAMPLES / 'gymnasium_tasks.py'}:pendulum?steps=30"
    done = run_oche("diversity", "stax?population=10&chunk=20&epochs=1", "--env", env, *_TINY, "--out", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    means = json.loads(done.stdout)["means"]["stax?population=10&chunk=20&epochs=1"]
    assert means["coverage"] > 0 and "reward_upright" in means
    # Pictures were learned from, and are shown beside what the autoencoder makes of them.
    studies = {s["kind"]: s for s in json.loads((tmp_path / "behavior.json").read_text())}
    assert studies["behavior_space"]["trained"] and studies["behavior_space"]["pictures"]


def test_two_of_gymnasiums_own_have_pictures_that_change_with_the_episode() -> None:
    spec = importlib.util.spec_from_file_location("gymnasium_tasks", EXAMPLES / "gymnasium_tasks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for make in (module.mountain_car, module.pendulum):
        task = make(steps=40)
        done = task.rollout(np.random.default_rng(0).standard_normal((3, task.length)))
        assert done.frames.shape == (3, 2, 3, 64, 64)
        assert (done.frames[:, 0] != done.frames[:, 1]).any((1, 2, 3)).all()
        assert task.grid is not None and (task.grid.cell_index(done.descriptor) >= 0).all()
        budget = oche.Budget(trials=50)
        found = oche.search(task.space, "stax?population=10&chunk=20&epochs=1", task, budget=budget, progress=False).records[0]
        assert found.settings["autoencoder"]["trainings"] and found.metrics["coverage"] > 0


def test_without_its_drawing_library_an_environment_says_so_or_is_drawn_by_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pygame"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pygame", None)
    plain = GymTask("Pendulum-v1", steps=3, frames=1)
    with pytest.raises(ArgumentError, match=r"pygame is not installed.*or give draw="):
        plain.rollout(np.zeros(plain.length))

    def upright(env):
        return np.full((64, 64, 3), 200 if np.cos(env.state[0]) > 0 else 10, np.uint8)

    drawn = GymTask("Pendulum-v1", steps=3, frames=1, draw=upright)
    assert set(drawn.rollout(np.zeros(drawn.length)).frames.ravel().tolist()) <= {10, 200}
    assert drawn.describe()["draw"] == "upright"


def test_a_file_without_a_task_is_refused(tmp_path: Path) -> None:
    done = run_oche("diversity", "stax", "--env", f"{EXAMPLES / 'gymnasium_tasks.py'}:GRID", cwd=tmp_path)
    assert done.returncode == 2
    assert "which is Grid; allowed: a task such as oche.diversity.GymTask" in done.stderr


def PolicyLength(inputs: int, outputs: int) -> int:
    return (inputs * 5 + 1) + 26 + (5 * outputs + 1)


def test_bad_environments_are_refused() -> None:
    class Silent(Slide):
        def render(self):
            return np.zeros((4, 4))

    with pytest.raises(ArgumentError, match="frame: got shape"):
        GymTask(Silent, steps=5, frames=1).rollout(np.zeros(48))

    class Words(Slide):
        def __init__(self, render_mode=None):
            super().__init__(render_mode)
            self.observation_space = gymnasium.spaces.Text(5)

    with pytest.raises(SpaceError, match="observations: got Text"):
        GymTask(Words, steps=5)
    with pytest.raises(ArgumentError, match="grid: got one without a descriptor"):
        GymTask(Slide, grid=Grid(0, 1))
    with pytest.raises(ArgumentError, match="zone: got 'far'"):
        GymTask(Slide, steps=5, frames=1, zone=lambda r, o, i: "far").rollout(np.zeros(48))
