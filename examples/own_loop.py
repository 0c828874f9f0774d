"""A search in which you evaluate yourself: any function as a program, any number as a reward.

Run: python examples/own_loop.py
"""

from __future__ import annotations

import oche


def schedule():
    """A learning-rate schedule: a program is whatever it builds."""
    return {
        "warm_up": oche.intv(0, 10),
        "rate": oche.floatv(0.001, 1.0, scale="log"),
        "shape": oche.oneof(["cosine", "linear", "constant"]),
    }


def reward(found):
    """Stands for an experiment of yours; larger is better."""
    bonus = {"cosine": 0.3, "linear": 0.2, "constant": 0.0}[found["shape"]]
    return bonus - abs(found["rate"] - 0.1) - 0.02 * abs(found["warm_up"] - 4)


def best_of(algorithm, n=200, seed=0):
    space = oche.Space(schedule)
    seen = []
    for found, feedback in oche.sample(space, algorithm, n=n, seed=seed):
        feedback(reward(found))
        seen.append((reward(found), found))
    return max(seen, key=lambda pair: pair[0])


if __name__ == "__main__":
    for algorithm in ("random", "regularized-evolution"):
        value, found = best_of(algorithm)
        print(f"{algorithm:24s} {value:.4f}  {found}")
