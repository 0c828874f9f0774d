"""Gymnasium both ways: our environments with its interface, and any of its environments as a task of ours."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from oche.diversity._drawing import SIZE
from oche.diversity._environment import Environment, PolicyTask, environment
from oche.diversity._environments import environments
from oche.diversity._policy import Policies, PolicyShape, checked_genomes
from oche.diversity._rollout import Grid, Rollout, frame_indices, zone_rewards
from oche.errors import ArgumentError, MissingExtraError, SpaceError


def _gymnasium() -> Any:
    # What draws most of its environments greets on the standard output, where `--json` belongs.
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import gymnasium
    except ImportError:
        raise MissingExtraError("gymnasium", "diversity") from None
    return gymnasium


@cache
def _episode_class() -> Any:
    gymnasium = _gymnasium()

    class Episode(gymnasium.Env):
        """One episode at a time, equal to a row of `rollout` bit for bit."""

        def __init__(self, env: Environment, render_mode: str | None = None) -> None:
            self.metadata = {"render_modes": ["rgb_array"], "render_fps": 30}
            self.environment = env
            self.render_mode = render_mode
            shape, box = env.simulator.shape, gymnasium.spaces.Box
            self.observation_space = box(-np.inf, np.inf, (shape.inputs,), np.float64)
            self.action_space = box(-1.0, 1.0, (shape.outputs,), np.float64)
            self._state: Any = None
            self._step = 0

        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict[str, Any]]:
            super().reset(seed=seed)
            n = self.environment.simulator.lane
            self._state, self._step = self.environment.simulator.start(n), 0
            self._state.alive = np.ones(n, dtype=bool)
            return self._observation(), self._info()[1]

        def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
            simulator = self.environment.simulator
            if self._state is None or not self._state.alive[0] or self._step >= simulator.steps:
                raise ArgumentError("step: got an episode that has ended; allowed: a running one; call reset()")
            values = np.asarray(action, dtype=np.float64).reshape(-1, 1)
            simulator.step(self._state, np.repeat(values, len(self._state.alive), axis=1))
            self._step += 1
            terminated = not bool(self._state.alive[0])
            truncated = not terminated and self._step >= simulator.steps
            reward, info = self._info()
            given = (terminated or truncated) and bool(simulator.rewarded(self._state, self._state.alive)[0])
            return self._observation(), reward if given else 0.0, terminated, truncated, info

        def render(self) -> np.ndarray:
            return self.environment.simulator.draw(self._state)[0]

        def _observation(self) -> np.ndarray:
            return self.environment.simulator.observe(self._state)[:, 0].copy()

        def _info(self) -> tuple[float, dict[str, Any]]:
            simulator = self.environment.simulator
            reward, zone = zone_rewards(simulator.zones, simulator.outcome(self._state))
            name = simulator.zones[zone[0]].name if zone[0] >= 0 else None
            return float(reward[0]), {"zone": name, "descriptor": simulator.descriptor(self._state)[:, 0].copy()}

    return Episode


def gymnasium_environment(env: str | Environment, render_mode: str | None = None) -> Any:
    """One of our environments with the interface of Gymnasium.

    Args:
        env: Its name, or itself.
        render_mode: `rgb_array` for pictures of 64 x 64 pixels.

    Returns:
        A `gymnasium.Env`; `info` has `zone` and the true `descriptor`. The reward comes with the last step.

    Raises:
        MissingExtraError: gymnasium is not installed.
    """
    made = environment(env) if isinstance(env, str) else env
    return _episode_class()(made, render_mode)


def register_gymnasium() -> list[str]:
    """Register all environments with Gymnasium, as `oche/Curling-v1` and so on, and return their ids."""
    gymnasium = _gymnasium()
    ids = []
    for name in environments():
        title = "".join(part.capitalize() for part in name.split("-"))
        ids.append(f"oche/{title}-v1")
        if ids[-1] not in gymnasium.registry:
            gymnasium.register(ids[-1], entry_point=gymnasium_environment, kwargs={"env": name}, order_enforce=False)
    return ids


class GymTask(PolicyTask):
    """Any Gymnasium environment with `rgb_array` pictures as a task: a small network acts, pictures are what a descriptor is learned from.

    Args:
        env: Id of the environment, or a function that makes one (given `render_mode="rgb_array"`).
        steps: Longest episode.
        frames: Pictures per episode, made 64 x 64 by taking the nearest pixels.
        layers: Hidden layers of the network.
        hidden: Their width.
        descriptor: Function of (last observation, last info) that gives two numbers, for measuring and for algorithms with given
            descriptors; None: there are none.
        grid: Grid for coverage by `descriptor`.
        zone: Function of (sum of rewards, last observation, last info) that names the zone reached, or gives None. By default every
            episode with a reward above 0 reaches `reward`.
        zones: All names that `zone` can give.
        draw: Function of the environment itself (unwrapped) that gives a picture; None: what it renders. For environments that cannot draw,
            or whose drawing library is not installed.
        seed: Every episode starts from this seed, so that a genome has one result.
        **settings: Passed on to the environment.

    Raises:
        MissingExtraError: gymnasium is not installed.
        SpaceError: observations are no numbers, or actions neither numbers nor one discrete choice.
        ArgumentError: a picture that is not `(height, width, 3)` of 0 to 255, or none because a library that draws is missing.

    Example:
        >>> task = GymTask("MountainCarContinuous-v0", steps=200, frames=2)
        >>> runs = oche.search(task.space, "stax", task, budget=oche.Budget(trials=1000))
    """

    lot = 50

    def __init__(
        self,
        env: str | Callable[..., Any],
        steps: int = 500,
        frames: int = 5,
        layers: int = 2,
        hidden: int = 5,
        descriptor: Callable[[Any, Mapping[str, Any]], Sequence[float]] | None = None,
        grid: Grid | None = None,
        zone: Callable[[float, Any, Mapping[str, Any]], str | None] | None = None,
        zones: Sequence[str] = ("reward",),
        draw: Callable[[Any], Any] | None = None,
        seed: int = 0,
        **settings: Any,
    ) -> None:
        if grid is not None and descriptor is None:
            raise ArgumentError("grid: got one without a descriptor; allowed: give descriptor=, a function of observation and info")
        gymnasium = _gymnasium()
        label = env if isinstance(env, str) else getattr(env, "__name__", type(env).__name__)
        self.name = f"gymnasium:{label}"
        render = {} if draw is not None else {"render_mode": "rgb_array"}
        self._make = (lambda: gymnasium.make(env, **render, **settings)) if isinstance(env, str) else (lambda: env(**render, **settings))
        self._draw = draw
        self._env: Any = None
        self.settings, self.seed = dict(settings), int(seed)
        self.steps, self.frames = int(steps), int(frames)
        self._at = frame_indices(self.steps, self.frames)
        self._descriptor, self._zone = descriptor, zone or _any_reward
        self.grid, self.zones = grid, tuple(zones)
        made = self._open()
        self._discrete = hasattr(made.action_space, "n")
        self.shape = PolicyShape(_numbers(made.observation_space, "observations"), self._outputs(made.action_space), layers, hidden)
        self.length = self.shape.length

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_env": None}

    def _open(self) -> Any:
        if self._env is None:
            self._env = self._make()
        return self._env

    def _outputs(self, space: Any) -> int:
        return int(space.n) if self._discrete else _numbers(space, "actions")

    def describe(self) -> dict[str, Any]:
        """Environment, its settings, network, frames, metric."""
        metric = {"name": self.metric, "direction": self.direction, "unit": self.unit, "report": "all policies of the exploration"}
        network = [self.shape.layers, self.shape.hidden]
        settings = {k: v if isinstance(v, (bool, int, float, str)) else repr(v) for k, v in sorted(self.settings.items())}
        plain: dict[str, Any] = {"task": self.name, "steps": self.steps, "frames": self.frames, "network": network}
        plain |= {"seed": self.seed, "settings": settings}
        if self._draw is not None:
            plain["draw"] = getattr(self._draw, "__name__", type(self._draw).__name__)
        return {**plain, "metric": metric}

    def rollout(self, genomes: Any, frames: int | None = None) -> Rollout:
        """See `PolicyTask.rollout`; episodes run one after the other."""
        checked = checked_genomes(genomes, self.length)
        at = self._at if frames is None else frame_indices(self.steps, frames) if frames else []
        done = [self._episode(genome, at) for genome in checked]
        width = len(done[0][2]) if done else 0
        pictures = np.stack([d[3] for d in done]) if done else np.zeros((0, len(at), 3, SIZE, SIZE), np.uint8)
        reward = np.array([d[0] for d in done], dtype=np.float64)
        zone = np.array([d[1] for d in done], dtype=np.int64)
        descriptor = np.array([d[2] for d in done], dtype=np.float64).reshape(len(done), width)
        return Rollout(reward, zone, descriptor, pictures, np.array([d[4] for d in done], dtype=np.int64))

    def _episode(self, genome: np.ndarray, at: Sequence[int]) -> tuple[float, int, Sequence[float], np.ndarray, int]:
        env, policy = self._open(), Policies(self.shape, genome[None])
        observation, info = env.reset(seed=self.seed)
        total, taken, step = 0.0, [], 0
        for step in range(self.steps):
            values = policy.act(np.asarray(observation, dtype=np.float64).reshape(-1, 1))[:, 0]
            observation, reward, terminated, truncated, info = env.step(self._action(values, env.action_space))
            total += float(reward)
            over = terminated or truncated
            if len(taken) < len(at) and (step == at[len(taken)] or over):
                taken.append(_picture(self._rendered(env)))
            if over:
                break
        while taken and len(taken) < len(at):
            taken.append(taken[-1])
        name = self._zone(total, observation, info)
        if name is not None and name not in self.zones:
            raise ArgumentError(f"zone: got {name!r}; allowed: {', '.join(map(repr, self.zones))}, or None; give zones=")
        found = [float(v) for v in self._descriptor(observation, info)] if self._descriptor is not None else []
        pictures = np.stack(taken) if taken else np.zeros((0, 3, SIZE, SIZE), np.uint8)
        return total, -1 if name is None else self.zones.index(name), found, pictures, step + 1

    def _rendered(self, env: Any) -> Any:
        if self._draw is not None:
            return self._draw(env.unwrapped)
        try:
            return env.render()
        except _gymnasium().error.DependencyNotInstalled as error:
            raise ArgumentError(
                f"frames of {self.name}: got no picture, {str(error).rstrip('.')}; allowed: an environment that can draw; "
                "install what draws it, or give draw=, a function of the environment that gives a picture"
            ) from None

    def _action(self, values: np.ndarray, space: Any) -> Any:
        if self._discrete:
            return int(space.start) + int(values.argmax())
        low, high = np.maximum(space.low, -1e6), np.minimum(space.high, 1e6)
        return (low + (values.reshape(space.shape) + 1) / 2 * (high - low)).astype(space.dtype)


def _any_reward(total: float, observation: Any, info: Mapping[str, Any]) -> str | None:
    return "reward" if total > 0 else None


def _numbers(space: Any, what: str) -> int:
    if not hasattr(space, "low"):
        raise SpaceError(f"{what}: got {space}; allowed: numbers (Box){' or one choice (Discrete)' if what == 'actions' else ''}; wrap it")
    return int(np.prod(space.shape))


def _picture(frame: Any) -> np.ndarray:
    """A picture as `(3, 64, 64)` uint8, nearest pixels."""
    found = np.asarray(frame)
    if found.ndim != 3 or found.shape[2] != 3:
        raise ArgumentError(f"frame: got shape {found.shape}; allowed: (height, width, 3), an environment with render_mode='rgb_array'")
    if found.dtype != np.uint8:
        if not np.isfinite(found).all() or found.min() < 0 or found.max() > 255:
            raise ArgumentError(f"frame: got values from {found.min()} to {found.max()}; allowed: 0 to 255, or 0 to 1")
        found = (found * 255 if found.max() <= 1 else found).round().astype(np.uint8)
    rows = ((np.arange(SIZE) + 0.5) * found.shape[0] / SIZE).astype(int)
    columns = ((np.arange(SIZE) + 0.5) * found.shape[1] / SIZE).astype(int)
    return np.ascontiguousarray(found[np.ix_(rows, columns)].transpose(2, 0, 1))
