"""What turns a child into feedback: a trained network, a table, a function. Knows no algorithm."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Benchmarked": "oche.tasks._benchmarked:Benchmarked",
        "Classification": "oche.tasks._classification:Classification",
        "Function": "oche.tasks._function:Function",
        "Objectives": "oche.tasks._objectives:Objectives",
        "Tabular": "oche.tasks._tabular:Tabular",
        "architecture": "oche.tasks._children:architecture",
        "as_task": "oche.tasks._registry:as_task",
        "benchmarked": "oche.tasks._benchmarked:benchmarked",
        "classification": "oche.tasks._classification:classification",
        "final_arguments": "oche.tasks._children:final_arguments",
        "fitted": "oche.tasks._children:fitted",
        "function": "oche.tasks._function:function",
        "get": "oche.tasks._registry:get",
        "keeping": "oche.tasks._registry:keeping",
        "names": "oche.tasks._registry:names",
        "objectives": "oche.tasks._objectives:objectives",
        "registry": "oche.tasks._registry:registry",
        "tabular": "oche.tasks._tabular:tabular",
    },
)
