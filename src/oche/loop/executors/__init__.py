"""Where work is done: in this process, in worker processes, or in a Ray cluster. All give the same results."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Executor": "oche.loop.executors.base:Executor",
        "Failure": "oche.loop.executors.base:Failure",
        "Limits": "oche.loop.executors.base:Limits",
        "Outcome": "oche.loop.executors.base:Outcome",
        "Processes": "oche.loop.executors.processes:Processes",
        "Ray": "oche.loop.executors.ray:Ray",
        "Serial": "oche.loop.executors.serial:Serial",
        "make": "oche.loop.executors.base:make",
    },
)
