"""The curling table in Box2D, one at a time: slower, and exact where the simplified one is not."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from oche.diversity import _curling as table
from oche.diversity._rollout import Batch, Simulator
from oche.errors import MissingExtraError

_ITERATIONS = 100
_TORQUE = 100.0


class CurlingBox2D(Simulator):
    """The same table with rigid bodies, motors and contacts of Box2D.

    Raises:
        MissingExtraError: Box2D is not installed.

    Source: `Curling-v0` of the SERENE repository; the ball is a bullet body, walls have the library's friction of 0.2.
    """

    shape = table.SHAPE
    steps = 500
    zones = table.ZONES
    grid = table.GRID
    lane = 1
    settings: dict[str, object] = {"backend": "box2d"}  # noqa: RUF012 - nothing can be set here

    def __init__(self) -> None:
        _box2d()
        self._worlds: list[_World] = []

    def __getstate__(self) -> dict[str, Any]:
        return {"_worlds": []}

    def start(self, n: int) -> Batch:
        """New worlds; a simulator runs one batch at a time."""
        self._worlds = [_World() for _ in range(n)]
        state = Batch({"number": np.arange(n), "ball": np.zeros((2, n)), "joints": np.zeros((2, n)), "speeds": np.zeros((2, n))})
        self._read(state)
        return state

    def observe(self, state: Batch) -> np.ndarray:
        """Place of the ball, joint angles, joint speeds."""
        return np.concatenate([state["ball"], state["joints"], state["speeds"]])

    def step(self, state: Batch, actions: np.ndarray) -> None:
        """Step every world."""
        speeds = np.clip(actions, -1, 1)
        for i, number in enumerate(state["number"]):
            self._worlds[number].step(float(speeds[0, i]), float(speeds[1, i]))
        self._read(state)

    def _read(self, state: Batch) -> None:
        for i, number in enumerate(state["number"]):
            world = self._worlds[number]
            state["ball"][:, i] = world.ball.position
            state["joints"][:, i] = [joint.angle for joint in world.joints]
            state["speeds"][:, i] = [joint.speed for joint in world.joints]

    def descriptor(self, state: Batch) -> np.ndarray:
        """Place of the ball."""
        return state["ball"].copy()

    def draw(self, state: Batch) -> np.ndarray:
        """As in the simplified table."""
        return table.draw_tables(state["ball"], state["joints"])


def _box2d() -> Any:
    try:
        # Its wrapper types warn while they are made; where warnings are errors that ends the process.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import Box2D
    except ImportError:
        raise MissingExtraError("Box2D", "diversity") from None
    return Box2D


class _World:
    """One table."""

    def __init__(self) -> None:
        b2 = _box2d()
        self.world = b2.b2World(gravity=(0, 0), doSleep=True)
        half = table.HALF
        walls = self.world.CreateStaticBody(position=(0, 0))
        for x, y, width, height in ((0, -half, half, 0.05), (0, half, half, 0.05), (-half, 0, 0.05, half), (half, 0, 0.05, half)):
            shape = b2.b2PolygonShape(box=(width, height, (x, y), 0))
            walls.CreateFixture(shape=shape, friction=0.2)
        self.ball = self.world.CreateDynamicBody(
            position=table.START, linearDamping=1.1, angularDamping=2.0, bullet=True,
            fixtures=b2.b2FixtureDef(shape=b2.b2CircleShape(radius=table.BALL), density=1.0, friction=0.9, restitution=0.9),
        )  # fmt: skip
        x, y = table.BASE
        middles = (y + 0.5, y + 1.4)
        links = [
            self.world.CreateDynamicBody(
                position=(x, middle), bullet=True,
                fixtures=b2.b2FixtureDef(shape=b2.b2PolygonShape(box=(0.05, 0.5)), density=density, friction=0.9, restitution=0.0),
            )
            for middle, density in zip(middles, (5.0, 1.0), strict=True)
        ]  # fmt: skip
        hinges = ((walls, links[0], (x, y)), (links[0], links[1], (x, y + 1.0)))
        self.joints = [
            self.world.CreateRevoluteJoint(
                bodyA=a, bodyB=b, anchor=anchor, lowerAngle=-limit, upperAngle=limit, enableLimit=True, enableMotor=True,
                maxMotorTorque=_TORQUE, motorSpeed=0.0, collideConnected=False,
            )
            for (a, b, anchor), limit in zip(hinges, table.LIMITS, strict=True)
        ]  # fmt: skip

    def step(self, first: float, second: float) -> None:
        """Set both motors and go on by a sixtieth of a second."""
        self.joints[0].motorSpeed, self.joints[1].motorSpeed = first, second
        self.world.Step(table.DT, _ITERATIONS, _ITERATIONS)
        self.world.ClearForces()
