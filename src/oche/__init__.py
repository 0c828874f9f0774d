"""Search any program with choices in it, with any algorithm, and know whether it beat random.

Everything here loads at first use: importing this package imports neither torch nor any other large library.
"""

from typing import TYPE_CHECKING

from oche._lazy import attach

# For type checkers and editors; at run time the names below load at first use.
if TYPE_CHECKING:
    from oche import algorithms as algorithms
    from oche import diversity as diversity
    from oche import errors as errors
    from oche import flows as flows
    from oche import judge as judge
    from oche import loop as loop
    from oche import mixers as mixers
    from oche import networks as networks
    from oche import program as program
    from oche import rejection as rejection
    from oche import schemes as schemes
    from oche import seeds as seeds
    from oche import spaces as spaces
    from oche import store as store
    from oche import studies as studies
    from oche import supernets as supernets
    from oche import tasks as tasks
    from oche import testing as testing
    from oche import training as training
    from oche import weightings as weightings
    from oche.driver._search import baseline as baseline
    from oche.driver._search import search as search
    from oche.loop.contracts import Budget as Budget
    from oche.loop.contracts import Feedback as Feedback
    from oche.loop.contracts import Proposal as Proposal
    from oche.loop.sampling import sample as sample
    from oche.program import DNA as DNA
    from oche.program import Choice as Choice
    from oche.program import Node as Node
    from oche.program import Partial as Partial
    from oche.program import Space as Space
    from oche.program import custom as custom
    from oche.program import derived as derived
    from oche.program import detour as detour
    from oche.program import evolve as evolve
    from oche.program import floatv as floatv
    from oche.program import intv as intv
    from oche.program import manyof as manyof
    from oche.program import oneof as oneof
    from oche.program import patch as patch
    from oche.program import patcher as patcher
    from oche.program import permutate as permutate
    from oche.program import recursive as recursive
    from oche.program import ref as ref
    from oche.program import repeat as repeat
    from oche.program import symbolic as symbolic
    from oche.program import wrap as wrap
    from oche.store.record import Record as Record
    from oche.supernets.build import supernet as supernet

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
        "custom": "oche.program:custom",
        "diversity": "oche.diversity",
        "errors": "oche.errors",
        "evolve": "oche.program:evolve",
        "floatv": "oche.program:floatv",
        "flows": "oche.flows",
        "intv": "oche.program:intv",
        "judge": "oche.judge",
        "loop": "oche.loop",
        "manyof": "oche.program:manyof",
        "mixers": "oche.mixers",
        "networks": "oche.networks",
        "oneof": "oche.program:oneof",
        "Partial": "oche.program:Partial",
        "derived": "oche.program:derived",
        "detour": "oche.program:detour",
        "patch": "oche.program:patch",
        "patcher": "oche.program:patcher",
        "ref": "oche.program:ref",
        "wrap": "oche.program:wrap",
        "permutate": "oche.program:permutate",
        "program": "oche.program",
        "rejection": "oche.rejection",
        "recursive": "oche.program:recursive",
        "repeat": "oche.program:repeat",
        "sample": "oche.loop.sampling:sample",
        "schemes": "oche.schemes",
        "search": "oche.driver:search",
        "seeds": "oche.seeds",
        "spaces": "oche.spaces",
        "store": "oche.store",
        "studies": "oche.studies",
        "supernet": "oche.supernets.build:supernet",
        "supernets": "oche.supernets",
        "symbolic": "oche.program:symbolic",
        "tasks": "oche.tasks",
        "testing": "oche.testing",
        "training": "oche.training",
        "weightings": "oche.weightings",
    },
)
