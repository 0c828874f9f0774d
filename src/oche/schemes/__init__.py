"""Bilevel schemes: in which order, and by which rule, weights and architecture parameters take their steps.

A scheme sees two losses and two groups of tensors; it knows no network, no space and no mixer.
"""

from oche._lazy import attach
from oche.loop.registry import Registry

registry = Registry("scheme", "oche.schemes")
registry.register(
    "first-order", "oche.schemes.first_order:FirstOrder", "gradient of the validation loss at the present weights (DARTS, first order)"
)
registry.register(
    "second-order",
    "oche.schemes.second_order:SecondOrder",
    "the same one virtual weight step ahead, by finite differences (DARTS, second order)",
)
registry.register("single-level", "oche.schemes.single_level:SingleLevel", "weights and arch descend one training loss together (SNAS)")

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Adam": "oche.schemes.rules:Adam",
        "BilevelProblem": "oche.schemes.problem:BilevelProblem",
        "FirstOrder": "oche.schemes.first_order:FirstOrder",
        "Scheme": "oche.schemes.base:Scheme",
        "SchemeState": "oche.schemes.base:SchemeState",
        "SecondOrder": "oche.schemes.second_order:SecondOrder",
        "Sgd": "oche.schemes.rules:Sgd",
        "SingleLevel": "oche.schemes.single_level:SingleLevel",
        "StepRecord": "oche.schemes.base:StepRecord",
    },
)
__all__ += ["registry"]
