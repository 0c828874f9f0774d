"""Runs, trials, records and checkpoints in a SQL database: what happened, apart from what was searched."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Record": "oche.store.record:Record",
    },
)
