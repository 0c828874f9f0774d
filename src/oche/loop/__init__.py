"""Proposals, trials, feedback, budgets and executors: the one loop that runs every search."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AskTell": "oche.loop.contracts:AskTell",
        "AskTellRun": "oche.loop.asktell_run:AskTellRun",
        "Budget": "oche.loop.contracts:Budget",
        "Constrained": "oche.loop.constraints:Constrained",
        "Constraint": "oche.loop.constraints:Constraint",
        "Cost": "oche.loop.contracts:Cost",
        "DrawItem": "oche.loop.contracts:DrawItem",
        "Engine": "oche.loop.engine:Engine",
        "Executor": "oche.loop.executors.base:Executor",
        "Feedback": "oche.loop.contracts:Feedback",
        "Interrupted": "oche.loop.interrupt:Interrupted",
        "Limits": "oche.loop.executors.base:Limits",
        "Plan": "oche.loop.run:Plan",
        "Problem": "oche.loop.contracts:Problem",
        "Progress": "oche.loop.contracts:Progress",
        "Proposal": "oche.loop.contracts:Proposal",
        "Registry": "oche.loop.registry:Registry",
        "Run": "oche.loop.run:Run",
        "SamplingTask": "oche.loop.contracts:SamplingTask",
        "Task": "oche.loop.contracts:Task",
        "Trial": "oche.loop.run:Trial",
        "WeightSharing": "oche.loop.contracts:WeightSharing",
        "WeightSharingRun": "oche.loop.weight_sharing_run:WeightSharingRun",
        "Workbench": "oche.loop.workbench:Workbench",
        "constrained": "oche.loop.constraints:constrained",
        "make_executor": "oche.loop.executors.base:make",
        "progress": "oche.loop.progress_bar:progress",
        "sample": "oche.loop.sampling:sample",
    },
)
