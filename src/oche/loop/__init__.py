"""Proposals, trials, feedback, budgets and executors: the one loop that runs every search."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AskTell": "oche.loop.contracts:AskTell",
        "Budget": "oche.loop.contracts:Budget",
        "Cost": "oche.loop.contracts:Cost",
        "Feedback": "oche.loop.contracts:Feedback",
        "Problem": "oche.loop.contracts:Problem",
        "Progress": "oche.loop.contracts:Progress",
        "Proposal": "oche.loop.contracts:Proposal",
        "Registry": "oche.loop.registry:Registry",
        "Task": "oche.loop.contracts:Task",
        "WeightSharing": "oche.loop.contracts:WeightSharing",
    },
)
