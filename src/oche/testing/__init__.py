"""Contract suites that other packages may import: inherit a class, say how your thing is made, run pytest.

Each suite asserts what the loop relies on: legal decisions only, same seed same history (in another process too), stopped and
resumed equals never stopped, no more spent than the budget, state that survives being stored, clear errors.
"""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AskTellContract": "oche.testing.asktell:AskTellContract",
        "ExecutorContract": "oche.testing.executor:ExecutorContract",
        "TaskContract": "oche.testing.task:TaskContract",
        "WeightSharingContract": "oche.testing.weight_sharing:WeightSharingContract",
    },
)
