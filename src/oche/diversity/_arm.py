"""A planar arm of 20 joints in a square with four walls."""

from __future__ import annotations

import numpy as np

from oche.diversity._drawing import SIZE, blank, canvases, fill_box, stamp_points, strips
from oche.diversity._policy import PolicyShape
from oche.diversity._rollout import Batch, Grid, Simulator, Zone

_JOINTS = 20
_LINK = 1 / _JOINTS
_DT = 0.01
_SUBSTEPS = 2
# x, y, width, height
_WALLS = ((0.49, 0.0, 0.02, 0.2), (0.49, 0.8, 0.02, 0.2), (0.0, 0.49, 0.2, 0.02), (0.8, 0.49, 0.2, 0.02))
# Points of the arm may not come nearer than this to each other, in the sum of both axes.
_GAP = 0.95 * _LINK
# Neighbors are always 0.05 apart, which is enough in any direction.
_FIRST, _SECOND = np.triu_indices(_JOINTS + 1, 2)
_WHITE = (255, 255, 255)


class RedundantArm(Simulator):
    """Accelerations of 20 joints move the tip of an arm whose base stands in the middle of the unit square.

    An episode ends by a move that is not allowed (a wall, the arm itself, the border, too fast), or after 100 steps. The descriptor is
    the final place of the tip.

    Args:
        reward_at_limit: Reward an episode that the time limit ends. The reference rewards only those that end by an illegal move.

    Source: `RedundantArm-v0` of the SERENE repository.
    """

    shape = PolicyShape(_JOINTS, _JOINTS)
    steps = 100
    ends_early = True
    zones = (Zone("area 1", (0.25, 0.25), 0.05), Zone("area 2", (0.85, 0.85), 0.05), Zone("area 3", (0.25, 0.90), 0.05))
    grid = Grid(0.0, 1.0)

    def __init__(self, reward_at_limit: bool = True) -> None:
        self.reward_at_limit = bool(reward_at_limit)
        self.settings = {"reward_at_limit": self.reward_at_limit}

    def start(self, n: int) -> Batch:
        """Joints bent by 4 pi / 20 down to pi / 20, at rest."""
        joints = np.repeat(np.linspace(4 * np.pi / 20, np.pi / 20, _JOINTS)[:, None], n, axis=1)
        return Batch({"joints": joints, "speeds": np.zeros((_JOINTS, n)), "points": _points(joints)})

    def observe(self, state: Batch) -> np.ndarray:
        """Joint angles over pi."""
        return state["joints"] / np.pi

    def step(self, state: Batch, actions: np.ndarray) -> None:
        """Two sub-steps of 0.01 s."""
        for _ in range(_SUBSTEPS):
            joints, speeds = state["joints"], state["speeds"]
            # The reference adds half of the acceleration to the speed, by taking the speed from the change of the angle.
            new = joints + speeds * _DT + actions / 2 * _DT**2
            points = _points(new)
            legal = _legal(state["points"][:, -1], points, speeds[-1])
            moves = state.alive & legal
            if moves.all():
                state["speeds"], state["joints"], state["points"] = (new - joints) / _DT, new, points
                continue
            state["speeds"] = np.where(moves, (new - joints) / _DT, speeds)
            state["joints"] = np.where(moves, new, joints)
            state["points"] = np.where(moves, points, state["points"])
            state.alive = moves

    def descriptor(self, state: Batch) -> np.ndarray:
        """Place of the tip."""
        return state["points"][:, -1].copy()

    def rewarded(self, state: Batch, at_limit: np.ndarray) -> np.ndarray:
        """All, or only those that ended by an illegal move."""
        return np.ones(len(at_limit), dtype=bool) if self.reward_at_limit else ~at_limit

    def draw(self, state: Batch) -> np.ndarray:
        """Arm and walls white on black; zones are not drawn."""
        x, y = state["points"][0] * SIZE, (1 - state["points"][1]) * SIZE
        pictures = canvases(_BACKGROUND, x.shape[1])
        for i in range(_JOINTS):
            stamp_points(pictures, *strips(x[i], y[i], x[i + 1], y[i + 1], 1.0, _LINK * SIZE), _WHITE)
        return pictures


def _points(joints: np.ndarray) -> np.ndarray:
    """Base, joints and tip, `(2, 21, n)`, for joint angles `(20, n)`."""
    angles = np.cumsum(joints, axis=0)
    angles += np.pi / 2
    points = np.empty((2, _JOINTS + 1, joints.shape[1]))
    points[:, 0] = 0.5
    for axis, part in enumerate((np.cos(angles), np.sin(angles))):
        part *= _LINK
        for i in range(_JOINTS):
            np.add(points[axis, i], part[i], out=points[axis, i + 1])
    return points


def _legal(tip: np.ndarray, points: np.ndarray, last_speed: np.ndarray) -> np.ndarray:
    """Which moves are allowed. The signed speed of the last joint is the reference's own condition."""
    dx, dy = points[0, -1] - tip[0], points[1, -1] - tip[1]
    legal = np.sqrt(dx * dx + dy * dy) / 2 + last_speed <= 1
    legal &= (points >= 0).all((0, 1)) & (points < 1).all((0, 1))
    x, y = points
    for left, low, width, height in _WALLS:
        legal &= ~((x > left) & (x < left + width) & (y > low) & (y < low + height)).any(0)
    gaps = np.abs(x.take(_FIRST, 0) - x.take(_SECOND, 0))
    gaps += np.abs(y.take(_FIRST, 0) - y.take(_SECOND, 0))
    return legal & (gaps.min(0) >= _GAP)


def _walls() -> np.ndarray:
    picture = blank()
    for x, y, width, height in _WALLS:
        fill_box(picture, x * SIZE, (1 - y - height) * SIZE, width * SIZE, height * SIZE, _WHITE)
    return picture


_BACKGROUND = _walls()
