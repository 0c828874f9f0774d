"""Who stays in a population: by novelty, surprise, reward, or fronts of two of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from oche._pareto import best_of_fronts
from oche.errors import unknown

#: Name to what it looks at; two criteria are weighed by fronts, `coin` throws for one of two.
SELECTIONS = {
    "pareto": ("novelty", "surprise"),
    "coin": ("novelty", "surprise"),
    "novelty": ("novelty",),
    "surprise": ("surprise",),
    "novelty-reward": ("novelty", "reward"),
    "novelty-local": ("novelty", "local"),
}


def selection_rule(name: str) -> str:
    """The name of a rule in its own spelling.

    Raises:
        UnknownNameError: another name.
    """
    key = name.replace("_", "-").lower()
    if key not in SELECTIONS:
        raise unknown("selection", name, SELECTIONS)
    return key


def pool_crowding(values: Any) -> np.ndarray:
    """Crowding distance of the points of one front `(n, m)` whose objectives were divided by their range over the whole pool.

    Source: Deb et al. 2002 (NSGA-II), with the authors' range over the pool and by rank, where the STAX repository takes list places.

    Example:
        >>> pool_crowding([(0, 4), (1, 2), (4, 0)]).tolist()
        [inf, 8.0, inf]
    """
    found = np.asarray(values, dtype=np.float64)
    distance = np.zeros(len(found))
    for column in found.T:
        order = np.argsort(column, kind="stable")
        distance[order[[0, -1]]] = np.inf
        distance[order[1:-1]] += column[order[2:]] - column[order[:-2]]
    return distance


def best_by_fronts(objectives: Any, n: int) -> list[int]:
    """The n best points: whole fronts first, of the last one its least crowded points.

    Args:
        objectives: `(points, objectives)`, all maximized.
        n: How many.
    """
    values = np.asarray(objectives, dtype=np.float64)
    span = np.ptp(values, axis=0) if len(values) else np.ones(values.shape[1])
    return best_of_fronts(values / np.where(span > 0, span, 1.0), n, pool_crowding)


def best_by(values: Any, n: int) -> list[int]:
    """The n largest, of equal ones the first."""
    return np.argsort(-np.asarray(values, dtype=np.float64), kind="stable")[:n].tolist()
