"""Evolution as operators that can be put together: selectors, recombinators, mutators, schedules, and an algebra over them.

An operator maps a list of members to a list of members. Tournament of ten, then a mutation: `Random(10) >> Top(1) >> Mutate()`.
"""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Average": "oche.algorithms.operators._recombinators:Average",
        "Bottom": "oche.algorithms.operators._selectors:Bottom",
        "Constant": "oche.algorithms.operators._schedules:Constant",
        "Context": "oche.algorithms.operators._base:Context",
        "Cosine": "oche.algorithms.operators._schedules:Cosine",
        "Cycle": "oche.algorithms.operators._permutations:Cycle",
        "Cyclic": "oche.algorithms.operators._schedules:Cyclic",
        "Exponential": "oche.algorithms.operators._schedules:Exponential",
        "First": "oche.algorithms.operators._selectors:First",
        "Gaussian": "oche.algorithms.operators._mutators:Gaussian",
        "Identity": "oche.algorithms.operators._base:Identity",
        "KPoint": "oche.algorithms.operators._recombinators:KPoint",
        "Last": "oche.algorithms.operators._selectors:Last",
        "Linear": "oche.algorithms.operators._schedules:Linear",
        "Member": "oche.algorithms.operators._base:Member",
        "Mutate": "oche.algorithms.operators._mutators:Mutate",
        "Nondominated": "oche.algorithms.operators._selectors:Nondominated",
        "Operator": "oche.algorithms.operators._base:Operator",
        "Order": "oche.algorithms.operators._permutations:Order",
        "PMX": "oche.algorithms.operators._permutations:PMX",
        "Proportional": "oche.algorithms.operators._selectors:Proportional",
        "Random": "oche.algorithms.operators._selectors:Random",
        "RandomBetween": "oche.algorithms.operators._schedules:RandomBetween",
        "Recall": "oche.algorithms.operators._base:Recall",
        "Remember": "oche.algorithms.operators._base:Remember",
        "Sample": "oche.algorithms.operators._selectors:Sample",
        "SampleParents": "oche.algorithms.operators._recombinators:SampleParents",
        "Segmented": "oche.algorithms.operators._recombinators:Segmented",
        "Stepwise": "oche.algorithms.operators._schedules:Stepwise",
        "Swap": "oche.algorithms.operators._mutators:Swap",
        "Uniform": "oche.algorithms.operators._recombinators:Uniform",
        "Top": "oche.algorithms.operators._selectors:Top",
        "WeightedAverage": "oche.algorithms.operators._recombinators:WeightedAverage",
        "recalled": "oche.algorithms.operators._base:recalled",
    },
)
