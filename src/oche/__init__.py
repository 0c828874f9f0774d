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
        "errors": "oche.errors",
        "floatv": "oche.program:floatv",
        "intv": "oche.program:intv",
        "manyof": "oche.program:manyof",
        "oneof": "oche.program:oneof",
        "permutate": "oche.program:permutate",
        "repeat": "oche.program:repeat",
        "seeds": "oche.seeds",
        "symbolic": "oche.program:symbolic",
    },
)
