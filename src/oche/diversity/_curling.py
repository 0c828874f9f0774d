"""A ball on a table that an arm of two links pushes about: many tables at once, by a simplified simulation."""

from __future__ import annotations

from typing import Any

import numpy as np

from oche.diversity._drawing import SIZE, blank, canvases, stamp_discs, stamp_points, strips
from oche.diversity._policy import PolicyShape
from oche.diversity._rollout import LANE, Batch, Grid, Simulator, Zone

DT = 1 / 60
START = (-0.5, 0.2)
BASE = (0.0, -1.5)
LIMITS = (0.4 * np.pi, 0.9 * np.pi)
BALL, LINK = 0.15, 0.05  # radius; half the width
HALF = 1.5  # of the table
INNER = HALF - LINK  # the walls are 0.1 thick
# Bodies of the original touch at a skin of 0.01 each and may sink in by 0.005: so far apart they stay.
_SKIN = 0.005
_STOP = INNER - BALL - _SKIN
_REACH = INNER - 3 * _SKIN
# Ends of the links: link 0 from its hinge in the bottom wall, link 1 from its joint at height 1, which it overlaps by 0.1.
_LINK_0 = (0.0, 1.0)
_LINK_1 = (-0.1, 0.9)
_RESTITUTION, _BOUNCES_ABOVE = 0.9, 1.0
_LINK_FRICTION, _WALL_FRICTION = 0.9, (0.9 * 0.2) ** 0.5
_DAMPING, _SPIN_DAMPING = 1 / (1 + DT * 1.1), 1 / (1 + DT * 2.0)
_DEEP = 0.02
_SWEEPS = 2

ZONES = (Zone("area 1", (0.8, 0.8), 0.4), Zone("area 2", (0.8, -0.8), 0.2))
GRID = Grid(-1.35, 1.35, reachable=(1, 48))
SHAPE = PolicyShape(6, 2, layers=3)


class Curling(Simulator):
    """The arm's two motors set joint speeds; what counts is where the ball lies after 500 steps.

    Links move as they are told and stop at their limits, at walls, and where the ball is caught; the ball is pushed out of links, bounces
    and spins. Long contacts end elsewhere than in Box2D; see the page on this system for how often.

    Source: `Curling-v0` of the SERENE repository, simplified.
    """

    shape = SHAPE
    steps = 500
    zones = ZONES
    grid = GRID
    block = 1024
    settings: dict[str, object] = {"backend": "numpy"}  # noqa: RUF012 - nothing can be set here

    def start(self, n: int) -> Batch:
        """Ball at (-0.5, 0.2) at rest, both links upright."""
        ball = np.repeat(np.array(START)[:, None], n, axis=1)
        names = {"velocity": 2, "joints": 2, "speeds": 2}
        return Batch({"ball": ball, "spin": np.zeros(n), **{k: np.zeros((size, n)) for k, size in names.items()}})

    def observe(self, state: Batch) -> np.ndarray:
        """Place of the ball, joint angles, joint speeds."""
        return np.concatenate([state["ball"], state["joints"], state["speeds"]])

    def step(self, state: Batch, actions: np.ndarray) -> None:
        """One sixtieth of a second."""
        before = state["joints"]
        joints = before + DT * np.clip(actions, -1, 1)
        for i, limit in enumerate(LIMITS):
            np.clip(joints[i], -limit, limit, out=joints[i])
        turns = _directions(joints)
        outside = np.flatnonzero(_link_1_outside(turns))
        if len(outside):
            joints[:, outside] = _slide(before[:, outside], joints[:, outside])
            # All of them again: a part of them would be computed by other instructions.
            turns = _directions(joints)
        velocity = state["velocity"] * _DAMPING
        ball = state["ball"] + DT * velocity
        spin = state["spin"] * _SPIN_DAMPING
        speeds = (joints - before) / DT
        rows = np.flatnonzero(_touching(ball, turns))
        if len(rows):
            part = _Contact(ball[:, rows], velocity[:, rows], spin[rows], turns[:, rows], speeds[:, rows])
            caught = part.solve()
            ball[:, rows], velocity[:, rows], spin[rows] = part.ball, part.velocity, part.spin
            held = rows[caught]
            if len(held):
                # The ball is caught between arm and wall: neither moves.
                ball[:, held], velocity[:, held] = state["ball"][:, held], 0.0
                joints[:, held], speeds[:, held] = before[:, held], 0.0
        state["ball"], state["velocity"], state["spin"], state["joints"], state["speeds"] = ball, velocity, spin, joints, speeds

    def descriptor(self, state: Batch) -> np.ndarray:
        """Place of the ball."""
        return state["ball"].copy()

    def draw(self, state: Batch) -> np.ndarray:
        """Ball blue, links gray, walls lighter gray, on black; zones are not drawn."""
        return draw_tables(state["ball"], state["joints"])


def _directions(joints: np.ndarray) -> np.ndarray:
    """Unit vectors along link 0 and link 1, `(4, n)`: x, y, x, y; upright at angle 0, to the left for positive ones."""
    turns = np.empty((4, joints.shape[1]))
    for link, angle in enumerate((joints[0], joints[0] + joints[1])):
        np.negative(np.sin(angle), out=turns[2 * link])
        np.cos(angle, out=turns[2 * link + 1])
    return turns


def _link_1_outside(turns: np.ndarray) -> np.ndarray:
    """Where a corner of link 1 is in a wall: its outer end by the corners, its inner one by the middle, which the joint keeps inside."""
    x, y = BASE[0] + turns[0] + _LINK_1[1] * turns[2], BASE[1] + turns[1] + _LINK_1[1] * turns[3]
    return (np.abs(x) + LINK * np.abs(turns[3]) > _REACH) | (np.abs(y) + LINK * np.abs(turns[2]) > _REACH)


def _slide(before: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Joint angles where both joints together would put link 1 into a wall: only one of them moves, or none."""
    found = before.copy()
    done = np.zeros(before.shape[1], dtype=bool)
    for moving in (1, 0):
        tried = before.copy()
        tried[moving] = wanted[moving]
        # Padded to whole chunks, so that sines are always computed by the same instructions.
        padded = np.zeros((2, -(-tried.shape[1] // LANE) * LANE))
        padded[:, : tried.shape[1]] = tried
        fits = ~_link_1_outside(_directions(padded))[: tried.shape[1]] & ~done
        found[:, fits] = tried[:, fits]
        done |= fits
    return found


def _near(ball: np.ndarray, turns: np.ndarray, link: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Nearest point of a link's box to each ball, and the vector from it to the ball's center: x, y, dx, dy."""
    low, high = (_LINK_0, _LINK_1)[link]
    ax, ay = turns[2 * link], turns[2 * link + 1]
    px, py = (BASE[0], BASE[1]) if link == 0 else (BASE[0] + turns[0], BASE[1] + turns[1])
    dx, dy = ball[0] - px, ball[1] - py
    along = np.minimum(np.maximum(dx * ax + dy * ay, low), high)
    across = np.minimum(np.maximum(dy * ax - dx * ay, -LINK), LINK)
    x, y = px + along * ax - across * ay, py + along * ay + across * ax
    return x, y, ball[0] - x, ball[1] - y


def _touching(ball: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Balls that touch a link or a wall."""
    found = (np.abs(ball) > _STOP).any(0)
    for link in (0, 1):
        _, _, dx, dy = _near(ball, turns, link)
        found |= dx * dx + dy * dy < (BALL + _SKIN) ** 2
    return found


class _Contact:
    """Balls that touch something in this step. Sums, products and roots only: their number changes no bit of a result."""

    def __init__(self, ball: np.ndarray, velocity: np.ndarray, spin: np.ndarray, turns: np.ndarray, speeds: np.ndarray) -> None:
        self.ball, self.velocity, self.spin = ball, velocity, spin
        self._turns, self._speeds = turns, speeds

    def solve(self) -> np.ndarray:
        """Push balls out and change their speeds. Returns which of them are still deep in a link, caught at a wall."""
        for _ in range(_SWEEPS):
            self._push(0)
            self._push(1)
            self._bounce()
        caught = np.zeros(len(self.spin), dtype=bool)
        for link in (0, 1):
            _, _, dx, dy = _near(self.ball, self._turns, link)
            caught |= dx * dx + dy * dy < (BALL + _SKIN - _DEEP) ** 2
        return caught

    def _push(self, link: int) -> None:
        x, y, dx, dy = _near(self.ball, self._turns, link)
        distance = np.sqrt(dx * dx + dy * dy)
        touching = distance < BALL + _SKIN
        if not touching.any():
            return
        # A center inside the box is pushed to the side.
        inside = distance < 1e-9
        safe = np.where(inside, 1.0, distance)
        nx = np.where(inside, -self._turns[2 * link + 1], dx / safe)
        ny = np.where(inside, self._turns[2 * link], dy / safe)
        first, second = self._speeds
        vx, vy = -first * (y - BASE[1]), first * (x - BASE[0])
        if link:
            vx = vx - second * (y - BASE[1] - self._turns[1])
            vy = vy + second * (x - BASE[0] - self._turns[0])
        out = np.where(touching, BALL + _SKIN - distance, 0.0)
        self.ball[0] += out * nx
        self.ball[1] += out * ny
        self._hit(touching, nx, ny, vx, vy, _LINK_FRICTION)

    def _bounce(self) -> None:
        for axis in (0, 1):
            touching = np.abs(self.ball[axis]) > _STOP
            if not touching.any():
                continue
            inward, zero = np.where(self.ball[axis] > 0, -1.0, 1.0), np.zeros(len(self.spin))
            self.ball[axis] = np.where(touching, -inward * _STOP, self.ball[axis])
            self._hit(touching, *((inward, zero) if axis == 0 else (zero, inward)), None, None, _WALL_FRICTION)

    def _hit(self, touching: np.ndarray, nx: np.ndarray, ny: np.ndarray, vx: Any, vy: Any, friction: float) -> None:
        """Impulses, per mass, on balls that close in on a surface with velocity (vx, vy), None at rest, and normal (nx, ny)."""
        rx, ry = (self.velocity[0], self.velocity[1]) if vx is None else (self.velocity[0] - vx, self.velocity[1] - vy)
        closing = rx * nx + ry * ny
        hits = touching & (closing < 0)
        bounce = np.where(-closing > _BOUNCES_ABOVE, 1 + _RESTITUTION, 1.0)
        push = np.where(hits, -bounce * closing, 0.0)
        # A disc slides less the more it spins along: its surface weighs a third.
        sliding = ry * nx - rx * ny - BALL * self.spin
        drag = np.minimum(np.maximum(-sliding / 3, -friction * push), friction * push)
        self.velocity[0] += push * nx - drag * ny
        self.velocity[1] += push * ny + drag * nx
        self.spin = self.spin - 2 * drag / BALL


_GRAY, _WALL, _BLUE = (100, 100, 100), (150, 150, 150), (0, 0, 255)


def _table() -> np.ndarray:
    picture = blank(_WALL)
    edge = max(1, round(LINK / (2 * HALF) * SIZE))
    picture[edge:-edge, edge:-edge] = 0
    return picture


_BACKGROUND = _table()


def draw_tables(ball: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Pictures `(n, 64, 64, 3)` of balls `(2, n)` and joint angles `(2, n)`."""
    scale = SIZE / (2 * HALF)

    def pixels(point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (point[0] + HALF) * scale, (HALF - point[1]) * scale

    pictures = canvases(_BACKGROUND, ball.shape[1])
    turns, base = _directions(joints), np.array(BASE)[:, None]
    for start, along, (low, high) in ((base, turns[:2], _LINK_0), (base + turns[:2], turns[2:], _LINK_1)):
        x0, y0 = pixels(start + low * along)
        x1, y1 = pixels(start + high * along)
        stamp_points(pictures, *strips(x0, y0, x1, y1, 2 * LINK * scale, scale), _GRAY)
    stamp_discs(pictures, *pixels(ball), BALL * scale, _BLUE)
    return pictures
