"""An environment as a task: policies in, rewards, pictures and true descriptors out."""

from __future__ import annotations

import hashlib
import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from oche.diversity._measures import summarize
from oche.diversity._policy import HIGH, LOW, checked_genomes
from oche.diversity._rollout import Grid, Rollout, Simulator, Zone, frame_indices, roll_out
from oche.errors import ArgumentError
from oche.loop.contracts import Cost, Feedback
from oche.program import DNA, Space, floatv


class PolicyTask(ABC):
    """Base of tasks whose members are genomes of policies.

    Attributes:
        name: For records.
        length: Genes of a genome.
        grid: Grid of true descriptors, or None.
        zones: Names of the reward zones.
        lot: Policies that are worth evaluating at once.
    """

    direction = "max"
    lot = 200
    length: int
    name: str
    grid: Grid | None = None
    zones: tuple[str, ...] = ()

    @abstractmethod
    def rollout(self, genomes: Any, frames: int | None = None) -> Rollout:
        """Run one episode per genome.

        Args:
            genomes: `(n, length)`, or one genome; clipped to [-5, 5].
            frames: Frames per episode; None: as many as the task was made with.

        Raises:
            ArgumentError: another shape, or genes that are not finite.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What two results must share to be compared."""

    @property
    def metric(self) -> str:
        """`coverage` in percent of the grid, or without a grid the mean over zones of the largest reward."""
        return "coverage" if self.grid is not None else "reward_mean"

    @property
    def unit(self) -> str:
        """Unit of the metric."""
        return "%" if self.grid is not None else ""

    @cached_property
    def space(self) -> Space:
        """All genomes: `length` numbers in [-5, 5]."""
        return Space(_program(self.name, self.length, self.grid))

    def child(self, space: Space, dna: DNA, seed: int, final: bool = False) -> np.ndarray:
        """The genome."""
        return np.array(dna.flat, dtype=np.float64)

    def evaluate(self, child: Any, seed: int) -> Feedback:
        """One episode."""
        return self.feedback(self.rollout(child))[0]

    def evaluate_many(self, space: Space, dnas: Sequence[DNA], seeds: Sequence[int], observe: bool = True) -> list[Feedback]:
        """One episode of each, side by side.

        Args:
            space: The space.
            dnas: Points of it.
            seeds: A seed for each; these environments have no chance in them.
            observe: Whether frames are wanted.
        """
        genomes = np.array([dna.flat for dna in dnas], dtype=np.float64)
        return self.feedback(self.rollout(genomes, None if observe else 0))

    def report(self, child: Any, seed: int) -> Feedback:
        """The pick once more. What a run is judged by is added from its trials, see `summarize`."""
        found = self.evaluate(child, seed)
        return Feedback(**{**_fields(found), "observations": None, "metrics": {**found.metrics, self.metric: 0.0}})

    def summarize(self, trials: Sequence[Any]) -> tuple[dict[str, float], dict[str, list[list[float]]]]:
        """Metrics and curves of a whole run from its trials."""
        return summarize(trials, self.grid, self.zones)

    def feedback(self, done: Rollout) -> list[Feedback]:
        """What an algorithm is told of each episode."""
        found = []
        for i in range(len(done)):
            zone = int(done.zone[i])
            found.append(
                Feedback(
                    reward=float(done.reward[i]),
                    metrics={"length": float(done.length[i])},
                    observations=done.frames[i] if done.frames.shape[1] else None,
                    descriptor=tuple(float(v) for v in done.descriptor[i]) if done.descriptor.shape[1] else None,
                    zone=self.zones[zone] if zone >= 0 else None,
                    cost=Cost(trials=1, samples=int(done.length[i])),
                )
            )
        return found


def _fields(feedback: Feedback) -> dict[str, Any]:
    return {name: getattr(feedback, name) for name in feedback.__dataclass_fields__}


class Environment(PolicyTask):
    """One of the batched environments.

    Args:
        name: Its registered name.
        simulator: Its rules.
        frames: Frames per episode.
        channels: 3, or 1 for gray pictures.

    Raises:
        ArgumentError: a setting out of its range.

    Example:
        >>> env = environment("point")
        >>> done = env.rollout(np.zeros((2, env.length)))
        >>> done.descriptor.tolist(), done.frames.shape
        ([[0.0, 0.0], [0.0, 0.0]], (2, 5, 3, 64, 64))
    """

    def __init__(self, name: str, simulator: Simulator, frames: int = 5, channels: int = 3) -> None:
        if channels not in (1, 3):
            raise ArgumentError(f"channels: got {channels!r}; allowed: 1 (gray) or 3")
        frame_indices(simulator.steps, frames)
        self.simulator = simulator
        self.environment, self.name = name, f"environment:{name}"
        self.length = simulator.shape.length
        self.grid = simulator.grid
        self.zones = tuple(zone.name for zone in simulator.zones)
        units = simulator.units
        #: In the units of the descriptor.
        self.reward_zones = tuple(Zone(z.name, (z.center[0] / units, z.center[1] / units), z.radius / units) for z in simulator.zones)
        self.frames, self.channels = int(frames), int(channels)

    @property
    def steps(self) -> int:
        """Longest episode."""
        return self.simulator.steps

    def rollout(self, genomes: Any, frames: int | None = None) -> Rollout:
        """See `PolicyTask.rollout`."""
        checked = checked_genomes(genomes, self.length)
        return roll_out(self.simulator, checked, self.frames if frames is None else frames, self.channels)

    def describe(self) -> dict[str, Any]:
        """Environment, its settings, frames, metric."""
        settings: Mapping[str, Any] = getattr(self.simulator, "settings", {})
        metric = {"name": self.metric, "direction": self.direction, "unit": self.unit, "report": "all policies of the exploration"}
        return {
            "task": self.name,
            "settings": dict(settings),
            "frames": self.frames,
            "channels": self.channels,
            "steps": self.steps,
            "metric": metric,
        }

    def __repr__(self) -> str:
        return f"Environment({self.environment}, {self.length} genes, {self.frames} frames)"


def _program(name: str, length: int, grid: Grid | None) -> Any:
    """The program of the space: a list of `length` numbers."""

    class Policy:
        #: For algorithms that need bounds of the descriptors before they have seen any.
        descriptor_grid = grid

        def __init__(self) -> None:
            self.genome = [floatv(LOW, HIGH, name=f"g{i}") for i in range(length)]

        @staticmethod
        def architecture(decisions: Mapping[str, Any]) -> str:
            """A short name; the genome itself is in the record's `dna`."""
            values = [float(v) for v in decisions.values()]
            digest = hashlib.sha256(struct.pack(f"<{len(values)}d", *values)).hexdigest()[:12]
            return f"policy {digest}"

    Policy.__name__ = Policy.__qualname__ = f"{name.partition(':')[2] or name}-policy"
    return Policy


def environment(text: str, **settings: Any) -> Environment:
    """An environment by its name, for example `curling` or `redundant-arm?frames=1`.

    Args:
        text: `curling` (with `backend="numpy"` or `"box2d"`), `hard-maze`, `redundant-arm` or `point`.
        **settings: `frames`, `channels`, and the environment's own.

    Raises:
        UnknownNameError: no such environment or setting; the nearest one is suggested.
    """
    from oche.diversity._environments import registry

    return registry.get(text, **settings)
