"""Runs, trials, records and checkpoints in a SQL database: what happened, apart from what was searched."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "BaseStore": "oche.store.store:BaseStore",
        "MemoryStore": "oche.store.store:MemoryStore",
        "Record": "oche.store.record:Record",
        "RunRow": "oche.store.rows:RunRow",
        "Store": "oche.store.store:Store",
        "as_store": "oche.store.store:as_store",
        "read_records": "oche.store.store:read_records",
    },
)
