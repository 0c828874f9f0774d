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
registry.register(
    "single-level",
    "oche.schemes.single_level:SingleLevel",
    "both groups descend one loss over both splits, or with lam=0 over the training split (SNAS)",
)
registry.register("mixed-level", "oche.schemes.mixed_level:MixedLevel", "arch descends both losses at the present weights (MiLeNAS)")
registry.register(
    "rarts", "oche.schemes.rarts:RARTS", "two coupled copies of the weights, one for each half of the data; first derivatives only"
)
registry.register(
    "value-penalty", "oche.schemes.value_penalty:ValuePenalty", "two copies, one penalized: the bilevel problem by first derivatives"
)

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Adam": "oche.schemes.rules:Adam",
        "BilevelProblem": "oche.schemes.problem:BilevelProblem",
        "FirstOrder": "oche.schemes.first_order:FirstOrder",
        "MixedLevel": "oche.schemes.mixed_level:MixedLevel",
        "RARTS": "oche.schemes.rarts:RARTS",
        "Scheme": "oche.schemes.base:Scheme",
        "SchemeState": "oche.schemes.base:SchemeState",
        "SecondOrder": "oche.schemes.second_order:SecondOrder",
        "Sgd": "oche.schemes.rules:Sgd",
        "SingleLevel": "oche.schemes.single_level:SingleLevel",
        "StepRecord": "oche.schemes.base:StepRecord",
        "ValuePenalty": "oche.schemes.value_penalty:ValuePenalty",
    },
)
__all__ += ["registry"]
