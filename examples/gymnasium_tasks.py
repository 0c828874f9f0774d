"""Two of Gymnasium's own environments as policy searches: pictures are what STAX learns from, the true place only measures it.

Gymnasium draws with pygame (`pip install 'gymnasium[classic-control]'`). Where that is not installed, a few lines here draw instead.

Run: python examples/gymnasium_tasks.py
In this folder: oche diversity stax --env gymnasium_tasks.py:mountain_car --budget 2000 --seeds 2 --out out/
"""

from __future__ import annotations

import importlib.util

import numpy as np

import oche
from oche.diversity import Grid, GymTask

HAS_PYGAME = importlib.util.find_spec("pygame") is not None
UP, MIDDLE = (np.indices((64, 64))[i] for i in (0, 1))


def disc(picture, x, y, radius, color):
    """Color the pixels of a disc; x and y in [0, 1], y upward."""
    picture[(MIDDLE + 0.5 - 64 * x) ** 2 + (UP + 0.5 - 64 * (1 - y)) ** 2 <= radius**2] = color


def draw_car(env):
    """The car on its hill."""
    picture = np.zeros((64, 64, 3), np.uint8)
    place = env.min_position + (np.arange(64) + 0.5) / 64 * (env.max_position - env.min_position)
    height = np.sin(3 * place) * 0.45 + 0.55
    picture[0.8 * height[None] > 1 - (UP + 0.5) / 64] = (70, 70, 70)
    x = float(env.state[0])
    disc(picture, (x - env.min_position) / (env.max_position - env.min_position), 0.8 * (np.sin(3 * x) * 0.45 + 0.55), 3, (86, 156, 230))
    return picture


def draw_pendulum(env):
    """The rod of the pendulum, upright at angle 0."""
    picture = np.zeros((64, 64, 3), np.uint8)
    for part in np.linspace(0, 0.4, 24):
        disc(picture, 0.5 - part * np.sin(env.state[0]), 0.5 + part * np.cos(env.state[0]), 2, (220, 90, 60))
    return picture


def mountain_car(frames=2, steps=200):
    """Actions cost, so rewards are rare: only who reaches the flag has more than 0. Measured by place and speed at the end."""
    return GymTask(
        "MountainCarContinuous-v0",
        steps=steps,
        frames=frames,
        descriptor=lambda place, info: ((place[0] + 1.2) / 1.8, (place[1] + 0.07) / 0.14),
        grid=Grid(0.0, 1.0, cells=20),
        zone=lambda total, place, info: "flag" if place[0] >= 0.45 else None,
        zones=("flag",),
        draw=None if HAS_PYGAME else draw_car,
    )


def pendulum(frames=2, steps=100):
    """Rewards are costs, never above 0. Measured by where the tip ends; its zone is near the top, at rest."""
    return GymTask(
        "Pendulum-v1",
        steps=steps,
        frames=frames,
        descriptor=lambda seen, info: ((seen[0] + 1) / 2, (seen[1] + 1) / 2),
        grid=Grid(0.0, 1.0, cells=20),
        zone=lambda total, seen, info: "upright" if seen[0] > 0.9 and abs(seen[2]) < 1 else None,
        zones=("upright",),
        draw=None if HAS_PYGAME else draw_pendulum,
    )


if __name__ == "__main__":
    for make in (mountain_car, pendulum):
        task = make()
        for algorithm in ("stax?population=10&chunk=50&epochs=2", "random"):
            record = oche.search(task.space, algorithm, task, budget=oche.Budget(trials=200), progress=False).records[0]
            found = {name: round(record.metrics[name], 3) for name in ("coverage", "zones_found")}
            print(f"{task.name}, {algorithm.partition('?')[0]}: {found}")
