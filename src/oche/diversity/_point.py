"""A point that walks on a square: the smallest environment, for first steps and tests."""

from __future__ import annotations

import numpy as np

from oche.diversity._drawing import SIZE, blank, canvases, stamp_discs
from oche.diversity._policy import PolicyShape
from oche.diversity._rollout import Batch, Grid, Simulator, Zone

_STEP = 0.05


class Point(Simulator):
    """A point starts in the middle of the square [-1, 1]^2 and moves by 0.05 times its action; walls stop it.

    Zones, pictures and the length of a step are ours.
    """

    shape = PolicyShape(2, 2)
    steps = 50
    zones = (Zone("area 1", (0.7, 0.7), 0.2), Zone("area 2", (-0.8, 0.6), 0.1))
    grid = Grid(-1.0, 1.0)
    settings: dict[str, object] = {}  # noqa: RUF012 - nothing can be set

    def start(self, n: int) -> Batch:
        """In the middle."""
        return Batch({"place": np.zeros((2, n))})

    def observe(self, state: Batch) -> np.ndarray:
        """Its place."""
        return state["place"]

    def step(self, state: Batch, actions: np.ndarray) -> None:
        """Move."""
        state["place"] = np.clip(state["place"] + _STEP * actions, -1, 1)

    def descriptor(self, state: Batch) -> np.ndarray:
        """Its place."""
        return state["place"].copy()

    def draw(self, state: Batch) -> np.ndarray:
        """A white disc on black."""
        pictures = canvases(blank(), state["place"].shape[1])
        x, y = (state["place"][0] + 1) * SIZE / 2, (1 - state["place"][1]) * SIZE / 2
        stamp_discs(pictures, x, y, 4.0, (255, 255, 255))
        return pictures
