"""Searches in seconds: NAS-Bench-201 as a table, the signal after 12 epochs, the result after 200, the exact population as baseline.

Needs the table: in the folder OCHE_DATA, or `oche data import nasbench201 FILE` once.
Run: python examples/table.py
"""

from __future__ import annotations

import oche


def main(trials=100, seeds=10):
    """Search, and return the report."""
    space = oche.spaces.get("nasbench201")
    task = oche.tasks.tabular("nasbench201", dataset="cifar10", search=("valid", 12), report=("test", 200))
    budget = oche.Budget(trials=trials)
    population = oche.baseline(space, task, n="all")
    random_search = oche.search(space, "random", task, budget=budget, seeds=seeds)
    evolution = oche.search(space, "regularized-evolution", task, budget=budget, seeds=seeds)
    return oche.judge.report(evolution, baseline=population, random_search=random_search)


if __name__ == "__main__":
    print(main())
