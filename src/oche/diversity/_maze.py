"""A two-wheeled robot in the hard maze."""

from __future__ import annotations

from functools import cache

import numpy as np

from oche.diversity import _maze_map as maze
from oche.diversity._drawing import SIZE, canvases, fill_disc, stamp_discs
from oche.diversity._policy import PolicyShape
from oche.diversity._rollout import Batch, Grid, Simulator, Zone

_WORLD = 600.0
_UNIT = np.float32(_WORLD / maze.SIZE)  # of one pixel
_START = (60.0, 450.0, np.pi / 4)
_AXLE = np.float32(20)
_RANGE = np.float32(100)
_LASERS = (np.pi / 4, 0.0, -np.pi / 4)
_F = np.float32


class HardMaze(Simulator):
    """Wheel steps drive a robot with three lasers and two bumpers through a maze; what counts is where it stands after 2,000 steps.

    Everything but the policy is computed in float32, as in the original.

    Args:
        reward_before_last_move: Take the reward from the place before the last move, as the reference does.

    Source: the hard maze of Lehman and Stanley 2011 as in libfastsim; the map is rebuilt from strokes.
    """

    shape = PolicyShape(5, 2)
    steps = 2000
    zones = (Zone("area 1", (60.0, 60.0), 50.0), Zone("area 2", (100.0, 200.0), 50.0))
    units = _WORLD
    grid = Grid(0.0, 1.0)
    block = 1024

    def __init__(self, reward_before_last_move: bool = False) -> None:
        self.reward_before_last_move = bool(reward_before_last_move)
        self.settings = {"reward_before_last_move": self.reward_before_last_move}

    def start(self, n: int) -> Batch:
        """At (60, 450), heading 45 degrees."""
        pose = np.repeat(np.array(_START, dtype=_F)[:, None], n, axis=1)
        state = Batch({"pose": pose, "before": pose.copy(), "sensors": np.zeros((5, n), dtype=_F)})
        state["sensors"][:3] = _lasers(pose)
        return state

    def observe(self, state: Batch) -> np.ndarray:
        """Three distances, then the left and the right bumper."""
        return state["sensors"].astype(np.float64)

    def step(self, state: Batch, actions: np.ndarray) -> None:
        """Move by both wheels; a move into a wall turns the robot and leaves it where it is."""
        old = state["pose"]
        new = _moved(old, np.clip(actions, -4, 4).astype(_F))
        x, y = _pixel(new[0]), _pixel(new[1])
        hit = np.flatnonzero(_blocked(x, y))
        sensors = np.zeros_like(state["sensors"])
        if len(hit):
            sensors[3:, hit] = _bumpers(x[hit], y[hit], new[2, hit])
            new[:2, hit] = old[:2, hit]
        sensors[:3] = _lasers(new)
        state["before"], state["pose"], state["sensors"] = old, new, sensors

    def descriptor(self, state: Batch) -> np.ndarray:
        """Place over the size of the world."""
        return state["pose"][:2].astype(np.float64) / _WORLD

    def outcome(self, state: Batch) -> np.ndarray:
        """Place in units of the world, where zones are given."""
        return state["before" if self.reward_before_last_move else "pose"][:2].astype(np.float64)

    def draw(self, state: Batch) -> np.ndarray:
        """Walls black, floor white, goals red, robot blue."""
        scale = SIZE / _WORLD
        x, y = state["pose"][0].astype(np.float64) * scale, state["pose"][1].astype(np.float64) * scale
        pictures = canvases(_background(), len(x))
        stamp_discs(pictures, x, y, 2 * 3 * scale, (0, 0, 255))
        return pictures


def _pixel(values: np.ndarray) -> np.ndarray:
    return np.floor(values / _UNIT + _F(0.5)).astype(np.int64)


def _moved(pose: np.ndarray, wheels: np.ndarray) -> np.ndarray:
    """Poses after the left and the right wheel turned by some units."""
    x, y, heading = pose
    left, right = wheels
    turn = (right - left) / _AXLE
    curved = np.abs(turn) > 1e-10
    radius = np.where(curved, left / np.where(curved, turn, _F(1)) + _AXLE / 2, _F(0))
    # The chord in the robot's frame, then turned by the heading less a right angle.
    across, ahead = (np.cos(turn) - 1) * radius, np.where(curved, np.sin(turn) * radius, left)
    sine, cosine = np.sin(heading), np.cos(heading)
    angle = heading + turn
    angle = angle - _F(2 * np.pi) * np.floor((angle + _F(np.pi)) / _F(2 * np.pi))
    return np.stack([x + across * sine + ahead * cosine, y - across * cosine + ahead * sine, angle])


def _blocked(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where the robot's middle may not be; a step is shorter than the border is thick."""
    return maze.blocked()[x.clip(0, maze.SIZE - 1), y.clip(0, maze.SIZE - 1)]


def _bumpers(x: np.ndarray, y: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """Left and right bumper `(2, n)` of robots whose body lies on walls."""
    offsets = maze.body_offsets()
    px, py = x + offsets[:, :1], y + offsets[:, 1:]
    inside = (px >= 0) & (py >= 0) & (px < maze.SIZE) & (py < maze.SIZE)
    on = inside & maze.walls()[px.clip(0, maze.SIZE - 1), py.clip(0, maze.SIZE - 1)]
    angle = np.arctan2(offsets[:, 1], offsets[:, 0])[:, None] - heading
    angle = angle - 2 * np.pi * np.floor((angle + np.pi) / (2 * np.pi))
    right = on & (angle > 0) & (angle < np.pi / 2)
    left = on & (angle < 0) & (angle > -np.pi / 2)
    return np.stack([left.any(0), right.any(0)]).astype(_F)


def _lasers(pose: np.ndarray) -> np.ndarray:
    """Distances `(3, n)` to the first wall pixel, 100 where none is that near."""
    x, y, heading = pose
    px, py = _pixel(x), _pixel(y)
    direction = heading + np.array(_LASERS, dtype=_F)[:, None]
    dx = _pixel(x + np.cos(direction) * _RANGE) - px
    dy = _pixel(y + np.sin(direction) * _RANGE) - py
    starts = np.tile(px, 3), np.tile(py, 3)
    met, ex, ey = (a.reshape(3, -1) for a in maze.first_wall(*starts, dx.ravel(), dy.ravel()))
    away_x, away_y = x - (px + ex).astype(_F) * _UNIT, y - (py + ey).astype(_F) * _UNIT
    return np.where(met, np.sqrt(away_x * away_x + away_y * away_y), _RANGE)


@cache
def _background() -> np.ndarray:
    at = np.floor((np.arange(SIZE) + 0.5) * maze.SIZE / SIZE).astype(int)
    picture = np.full((SIZE, SIZE, 3), 255, dtype=np.uint8)
    scale = SIZE / _WORLD
    for zone in HardMaze.zones:
        fill_disc(picture, zone.center[0] * scale, zone.center[1] * scale, zone.radius * scale, (255, 0, 0))
    picture[maze.walls()[np.ix_(at, at)].T] = 0
    return picture
