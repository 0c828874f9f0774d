"""Policies as programs: any function from observations to actions, built from a program with choices, plays the environments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from oche.diversity._environment import Environment, environment
from oche.diversity._policy import PolicyShape
from oche.diversity._rollout import roll_out_with
from oche.errors import ArgumentError, unknown
from oche.loop.contracts import Feedback
from oche.program import DNA, Space

#: Name to function, for hidden layers.
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sin": np.sin,
    "linear": lambda x: x,
}


class Controller:
    """A small feed-forward network as a policy: what a program with choices may build, beside any function of your own.

    Args:
        shape: Layers and widths.
        genes: `shape.length` numbers, in the order of `PolicyShape`.
        activation: Of the hidden layers: `tanh`, `relu`, `sin` or `linear`. The last layer is always `tanh(x / 2)`.

    Raises:
        ArgumentError: another number of genes.
        UnknownNameError: another activation.

    Example:
        >>> controller = Controller(PolicyShape(2, 2, layers=0), [1.0, 0.0, 0.0, 1.0, 0.0])
        >>> controller(np.array([0.0, 2.0])).round(3).tolist()
        [0.0, 0.762]
    """

    def __init__(self, shape: PolicyShape, genes: Sequence[float], activation: str = "tanh") -> None:
        if activation not in ACTIVATIONS:
            raise unknown("activation", activation, ACTIVATIONS)
        found = np.asarray(genes, dtype=np.float64)
        if found.shape != (shape.length,) or not np.isfinite(found).all():
            raise ArgumentError(f"genes: got shape {found.shape}; allowed: {shape.length} finite numbers for {shape}")
        self.shape, self.activation = shape, activation
        self._layers: list[tuple[np.ndarray, float]] = []
        at = 0
        for a, b in shape.sizes:
            self._layers.append((found[at : at + a * b].reshape(a, b), float(found[at + a * b])))
            at += a * b + 1

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """Actions `(outputs,)` in (-1, 1) for an observation `(inputs,)`."""
        hidden, values = ACTIVATIONS[self.activation], observation
        for i, (weights, bias) in enumerate(self._layers):
            values = values @ weights + bias
            values = hidden(values) if i < len(self._layers) - 1 else np.tanh(values / 2)
        return values


class _Side:
    """Controllers that play side by side: one call of each per step; copies that fill up a chunk are not called."""

    def __init__(self, controllers: Sequence[Any], rows: np.ndarray, outputs: int) -> None:
        self._controllers, self._rows, self._outputs = controllers, rows, outputs

    def take(self, rows: np.ndarray) -> _Side:
        return _Side(self._controllers, self._rows[rows], self._outputs)

    def act(self, observations: np.ndarray) -> np.ndarray:
        actions = np.empty((self._outputs, len(self._rows)))
        done: dict[int, int] = {}
        for column, number in enumerate(self._rows.tolist()):
            if number in done:
                actions[:, column] = actions[:, done[number]]
                continue
            done[number] = column
            actions[:, column] = self._checked(self._controllers[number](observations[:, column].copy()))
        return actions

    def _checked(self, action: Any) -> np.ndarray:
        found = np.asarray(action, dtype=np.float64)
        if found.shape != (self._outputs,) or not np.isfinite(found).all():
            raise ArgumentError(
                f"controller: got action {found.tolist() if found.size < 9 else found.shape}; allowed: {self._outputs} finite numbers"
            )
        return found


class ControllerTask:
    """The task of controlling an environment: a child is any function that maps an observation to an action.

    So a policy can be a program with choices (its layers, its activation, a rule instead of a network), which every algorithm that
    asks and tells can search. Feedback holds reward, zone, true descriptor and frames, as for genomes.

    Args:
        env: An environment or its text.
        shaped: Outside all zones the reward is minus the distance to the edge of the nearest zone, in widths of the grid, instead of
            0: most algorithms for black boxes learn nothing from zeros.

    Attributes:
        inputs: Numbers of an observation.
        outputs: Numbers of an action.

    Example:
        >>> task = ControllerTask("point")
        >>> task.evaluate(lambda observation: [0.5, 0.5], seed=0).zone
        'area 1'
    """

    direction = "max"
    lot = 50

    def __init__(self, env: Environment | str = "point", shaped: bool = False) -> None:
        self.env = environment(env) if isinstance(env, str) else env
        if not isinstance(self.env, Environment):
            raise ArgumentError(f"controller task: got {type(env).__name__}; allowed: a batched environment or its name, such as 'point'")
        shape = self.env.simulator.shape
        self.inputs, self.outputs = shape.inputs, shape.outputs
        self.name = f"controller:{self.env.environment}"
        self.grid, self.zones, self.reward_zones, self.steps = self.env.grid, self.env.zones, self.env.reward_zones, self.env.steps
        self.metric, self.unit, self.shaped = "reward_mean", "", bool(shaped)
        if self.shaped and (self.grid is None or not self.reward_zones):
            raise ArgumentError(f"controller task {self.name!r}: got shaped=True without a grid and zones of reward; allowed: shaped=False")

    def describe(self) -> dict[str, Any]:
        """That of the environment, with mean reward over zones as its metric."""
        found = self.env.describe()
        metric = {"name": self.metric, "direction": "max", "unit": "", "report": "largest reward of each zone, over all trials"}
        return {**found, "task": self.name, "shaped": self.shaped, "metric": metric}

    def child(self, space: Space, dna: DNA, seed: int, final: bool = False) -> Any:
        """The controller that the program builds.

        Raises:
            ArgumentError: it builds something that cannot be called.
        """
        built = space.build(dna, seed=seed)
        if not callable(built):
            raise ArgumentError(
                f"{self.name}: got {type(built).__name__} from the program; allowed: a function or an object with __call__ that maps "
                f"{self.inputs} numbers to {self.outputs}"
            )
        return built

    def evaluate(self, child: Any, seed: int) -> Feedback:
        """One episode."""
        return self._play([child], self.env.frames)[0]

    def evaluate_many(self, space: Space, dnas: Sequence[DNA], seeds: Sequence[int], observe: bool = True) -> list[Feedback]:
        """One episode of each, side by side; see `PolicyTask.evaluate_many`."""
        children = [self.child(space, dna, seed) for dna, seed in zip(dnas, seeds, strict=True)]
        return self._play(children, self.env.frames if observe else 0)

    def report(self, child: Any, seed: int) -> Feedback:
        """The pick once more."""
        found = self._play([child], 0)[0]
        return Feedback(reward=found.reward, zone=found.zone, descriptor=found.descriptor, cost=found.cost, metrics={self.metric: 0.0})

    def summarize(self, trials: Sequence[Any]) -> Any:
        """See `PolicyTask.summarize`."""
        return self.env.summarize(trials)

    def _play(self, controllers: Sequence[Any], frames: int) -> list[Feedback]:
        def side(part: slice, rows: np.ndarray) -> _Side:
            return _Side(controllers[part], rows, self.outputs)

        done = roll_out_with(self.env.simulator, side, len(controllers), frames, self.env.channels)
        if self.shaped and self.grid is not None:
            gaps = [np.hypot(*(done.descriptor - z.center).T) - z.radius for z in self.reward_zones]
            far = np.min(gaps, axis=0) / (self.grid.high - self.grid.low)
            done = replace(done, reward=np.where(done.zone >= 0, done.reward, -np.maximum(far, 0.0)))
        return self.env.feedback(done)


def controller_task(env: str = "point", shaped: bool = False) -> ControllerTask:
    """`ControllerTask` by the name of its environment, for the registry of tasks."""
    return ControllerTask(env, shaped)
