"""`search` and `baseline`: the only place that knows programs, algorithms, tasks, flows, budgets, stores and executors at once.

It joins them and keeps nothing of its own: runs live in the loop, records in the store.
"""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Found": "oche.driver._runs:Found",
        "HandMade": "oche.driver._members:HandMade",
        "Runs": "oche.driver._runs:Runs",
        "baseline": "oche.driver._search:baseline",
        "environment": "oche.driver._records:environment",
        "search": "oche.driver._search:search",
    },
)
