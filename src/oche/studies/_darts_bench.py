"""The DARTS bench suite: wide, deep and single-cell supernets, three operation sets, nine recipes; one size for search and final net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oche.errors import ArgumentError
from oche.networks import DARTS_OPS
from oche.studies._bench_network import BenchNetwork
from oche.studies._grids import space_grid
from oche.studies._study import Study

#: Supernets by size of the suite. The published ones are for 32x32 images; the small ones keep what they differ in, at processor scale.
SUPERNETS: dict[str, dict[str, dict[str, int]]] = {
    "published": {
        "wide": {"channels": 18, "cells": 4, "nodes": 4},
        "deep": {"channels": 7, "cells": 18, "nodes": 4},
        "single-cell": {"channels": 26, "cells": 1, "nodes": 8},
    },
    "small": {
        "wide": {"channels": 8, "cells": 3, "nodes": 2},
        "deep": {"channels": 4, "cells": 6, "nodes": 2},
        "single-cell": {"channels": 8, "cells": 1, "nodes": 4},
    },
}
#: Operation sets: the eight of DARTS, the same without skip, the same with a skip beside every edge.
OPERATIONS: dict[str, Any] = {
    "regular": None,
    "no-skip": [op for op in DARTS_OPS if op not in ("skip_connect", "none")],
    "all-skip": {"skip_beside": True},
}
#: Recipes of the final training, weight decay fastest.
RECIPES = {f"lr {lr:g}, wd {wd:g}": {"lr": lr, "weight_decay": wd} for lr in (0.025, 0.1, 0.01) for wd in (1e-4, 3e-4, 1e-3)}


def darts_bench(
    task: Any,
    algorithms: Sequence[Any] = ("darts", "pc-darts", "gdas"),
    *,
    size: str = "small",
    supernets: Sequence[str] | None = None,
    operations: Sequence[str] | None = None,
    recipes: Mapping[str, Mapping[str, Any]] | None = None,
    runs: int = 5,
    **settings: Any,
) -> Study:
    """Run the suite, or a part of it, with random arms in every cell.

    Args:
        task: A classification; its recipe is the base of the nine.
        algorithms: As in `space_grid`.
        size: `small` or `published`.
        supernets: Which of `wide`, `deep`, `single-cell`; all by default.
        operations: Which of `regular`, `no-skip`, `all-skip`; all by default.
        recipes: Name to fields of the recipe; the nine of the suite by default.
        runs: Searches of each algorithm in each cell.
        **settings: As in `space_grid`.

    Raises:
        ArgumentError: there is no such size, supernet or operation set.
    """
    if size not in SUPERNETS:
        raise ArgumentError(f"bench size: got {size!r}; allowed: {', '.join(map(repr, SUPERNETS))}")
    chosen = _part("bench supernets", supernets, SUPERNETS[size])
    return space_grid(
        BenchNetwork,
        task,
        algorithms,
        variants=chosen,
        operations=_part("bench operations", operations, OPERATIONS),
        recipes=recipes or RECIPES,
        runs=runs,
        **settings,
    )


def _part(what: str, names: Sequence[str] | None, known: Mapping[str, Any]) -> dict[str, Any]:
    if names is None:
        return dict(known)
    if not names or any(n not in known for n in names):
        raise ArgumentError(f"{what}: got {list(names)}; allowed: {', '.join(map(repr, known))}")
    return {name: known[name] for name in names}
