"""Two of Gymnasium's own environments as policy searches: its pictures are what STAX learns from, the true place only measures it.

Gymnasium draws with pygame, which comes with `pip install 'oche[diversity]'`.

Run: python examples/gymnasium_tasks.py
In this folder: oche diversity stax --env gymnasium_tasks.py:mountain_car --budget 2000 --seeds 2 --out out/
"""

from __future__ import annotations

import oche
from oche.diversity import Grid, GymTask

GRID = Grid(0.0, 1.0, cells=20)


def mountain_car(frames=2, steps=200):
    """Actions cost, so rewards are rare: only who reaches the flag has more than 0. Measured by place and speed at the end."""
    return GymTask(
        "MountainCarContinuous-v0",
        steps=steps,
        frames=frames,
        descriptor=lambda place, info: ((place[0] + 1.2) / 1.8, (place[1] + 0.07) / 0.14),
        grid=GRID,
        zone=lambda total, place, info: "flag" if place[0] >= 0.45 else None,
        zones=("flag",),
    )


def pendulum(frames=2, steps=100):
    """Rewards are costs, never above 0. Measured by where the tip ends; its zone is near the top, at rest."""
    return GymTask(
        "Pendulum-v1",
        steps=steps,
        frames=frames,
        descriptor=lambda seen, info: ((seen[0] + 1) / 2, (seen[1] + 1) / 2),
        grid=GRID,
        zone=lambda total, seen, info: "upright" if seen[0] > 0.9 and abs(seen[2]) < 1 else None,
        zones=("upright",),
    )


if __name__ == "__main__":
    for make in (mountain_car, pendulum):
        task = make()
        for algorithm in ("stax?population=10&chunk=50&epochs=2", "random"):
            record = oche.search(task.space, algorithm, task, budget=oche.Budget(trials=200), progress=False).records[0]
            found = {name: round(record.metrics[name], 3) for name in ("coverage", "zones_found")}
            print(f"{task.name}, {algorithm.partition('?')[0]}: {found}")
