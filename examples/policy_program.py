"""A policy as a program: how many layers, how wide, which activation and which weights are all choices of one space.

Any algorithm that asks and tells can search it. The environment is a point on a square with two small reward
zones; outside them the reward is minus the distance to the nearer one.

Run: python examples/policy_program.py
In this folder: oche search policy_program.py:SPACE --task 'controller?env=point&shaped=true' -a random --budget trials=120 --seeds 2
"""

from __future__ import annotations

import oche
from oche.diversity import Controller, ControllerTask, PolicyShape

TASK = ControllerTask("point?frames=1", shaped=True)


def controller():
    """A program is whatever it builds; how many weights there are depends on the other choices."""
    layers = oche.oneof([0, 1, 2], name="layers")
    hidden = oche.oneof([3, 5], name="hidden")
    activation = oche.oneof(["tanh", "relu", "sin"], name="activation")
    shape = PolicyShape(TASK.inputs, TASK.outputs, layers, hidden)
    return Controller(shape, [oche.floatv(-3, 3, name=f"w{i}") for i in range(shape.length)], activation)


#: How many weights there are depends on two choices, so the space is compiled by trying them all.
SPACE = oche.Space(controller, collect="exhaustive")


def searched(algorithm, budget=120, seed=0):
    """All trials of one search, and the record that it ended in."""
    runs = oche.search(SPACE, algorithm, TASK, budget=oche.Budget(trials=budget), seeds=[seed], progress=False)
    return runs[0].trials, runs.records[0]


if __name__ == "__main__":
    for algorithm in ("random", "regularized-evolution", "optuna:tpe"):
        trials, record = searched(algorithm)
        best = max(trials, key=lambda t: t.feedback.reward)
        choices = {k: v for k, v in record.decisions.items() if not k.startswith("w")}
        print(f"{algorithm:22s} best {best.feedback.reward:.3f} in {best.feedback.zone or 'no zone'}; {choices}")
