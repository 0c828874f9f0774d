"""Names to environments."""

from __future__ import annotations

from oche.diversity._environment import Environment
from oche.errors import unknown
from oche.loop.registry import Registry, canonical

registry = Registry("environment", "oche.environments")
registry.register("curling", "oche.diversity._environments:curling", "an arm of two links pushes a ball; two zones")
registry.register("hard-maze", "oche.diversity._environments:hard_maze", "a robot with wheels and lasers in a maze; two zones")
registry.register("redundant-arm", "oche.diversity._environments:redundant_arm", "an arm of 20 joints between walls; three zones")
registry.register("point", "oche.diversity._environments:point", "a point on a square, for first steps; two zones")


def environments() -> list[str]:
    """Names of all environments."""
    return registry.names()


def curling(frames: int = 5, channels: int = 3, backend: str = "numpy") -> Environment:
    """The curling table; `backend="box2d"` is the exact, slow one."""
    if canonical(backend) == "numpy":
        from oche.diversity._curling import Curling

        return Environment("curling", Curling(), frames, channels)
    if canonical(backend) == "box2d":
        from oche.diversity._curling_box2d import CurlingBox2D

        return Environment("curling", CurlingBox2D(), frames, channels)
    raise unknown("backend of environment 'curling'", backend, ("numpy", "box2d"))


def hard_maze(frames: int = 5, channels: int = 3, reward_before_last_move: bool = False) -> Environment:
    """The hard maze; `reward_before_last_move=True` is the reference's reward."""
    from oche.diversity._maze import HardMaze

    return Environment("hard-maze", HardMaze(reward_before_last_move), frames, channels)


def redundant_arm(frames: int = 5, channels: int = 3, reward_at_limit: bool = True) -> Environment:
    """The arm; `reward_at_limit=False` is the reference's reward."""
    from oche.diversity._arm import RedundantArm

    return Environment("redundant-arm", RedundantArm(reward_at_limit), frames, channels)


def point(frames: int = 5, channels: int = 3) -> Environment:
    """The point toy."""
    from oche.diversity._point import Point

    return Environment("point", Point(), frames, channels)
