"""Search algorithms by name. Knows no task and no space."""

from oche._lazy import attach
from oche.loop.registry import Registry

registry = Registry("algorithm", "oche.algorithms")
registry.register("darts", "oche.algorithms.weight_sharing:darts", "mixture of all candidates, first-order gradients")
registry.register("darts-2nd", "oche.algorithms.weight_sharing:darts_second", "the same, one virtual weight step ahead")
registry.register("pc-darts", "oche.algorithms.weight_sharing:pc_darts", "mixture on 1/K of the channels, edge weights, warm-up")
registry.register("rsps", "oche.algorithms.weight_sharing:rsps", "random paths; the best of many by shared weights")
registry.register("one-shot", "oche.algorithms.weight_sharing:one_shot", "any mixer, scheme and weighting")

get = registry.get
names = registry.names

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "OneShot": "oche.algorithms.one_shot:OneShot",
        "Plan": "oche.algorithms.one_shot_plan:Plan",
    },
)
__all__ += ["get", "names", "registry"]
