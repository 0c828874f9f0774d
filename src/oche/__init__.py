"""Search any program with choices in it, with any algorithm, and know whether it beat random.

Everything here loads at first use: importing this package imports neither torch nor any other large library.
"""

from oche._lazy import attach

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Budget": "oche.loop.contracts:Budget",
        "Choice": "oche.program:Choice",
        "DNA": "oche.program:DNA",
        "Feedback": "oche.loop.contracts:Feedback",
        "Node": "oche.program:Node",
        "Proposal": "oche.loop.contracts:Proposal",
        "Record": "oche.store.record:Record",
        "Space": "oche.program:Space",
        "algorithms": "oche.algorithms",
        "baseline": "oche.driver:baseline",
        "errors": "oche.errors",
        "floatv": "oche.program:floatv",
        "flows": "oche.flows",
        "intv": "oche.program:intv",
        "judge": "oche.judge",
        "loop": "oche.loop",
        "manyof": "oche.program:manyof",
        "mixers": "oche.mixers",
        "networks": "oche.networks",
        "oneof": "oche.program:oneof",
        "permutate": "oche.program:permutate",
        "program": "oche.program",
        "repeat": "oche.program:repeat",
        "sample": "oche.loop.sample:sample",
        "schemes": "oche.schemes",
        "search": "oche.driver:search",
        "seeds": "oche.seeds",
        "spaces": "oche.spaces",
        "store": "oche.store",
        "supernet": "oche.supernets:supernet",
        "supernets": "oche.supernets",
        "symbolic": "oche.program:symbolic",
        "tasks": "oche.tasks",
        "testing": "oche.testing",
        "training": "oche.training",
        "weightings": "oche.weightings",
    },
)
