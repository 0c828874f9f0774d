"""Search algorithms: one per file, looked up by name. They see a space and feedback, never a program or a task."""

from __future__ import annotations

from typing import Any

from oche._lazy import attach
from oche.loop.registry import Registry

registry = Registry("algorithm", "oche.algorithms")
registry.register("random", "oche.algorithms.random:Random", "independent random points")
registry.register("sweep", "oche.algorithms.sweep:Sweep", "every point once, in canonical order")
registry.register(
    "regularized-evolution",
    "oche.algorithms.regularized_evolution:RegularizedEvolution",
    "mutate the best of a random few; the oldest leave",
)
registry.register("darts", "oche.algorithms.weight_sharing:darts", "supernet, mixture of all candidates, first-order gradients")
registry.register("darts-2nd", "oche.algorithms.weight_sharing:darts_second", "the same with gradients one virtual weight step ahead")
registry.register("pc-darts", "oche.algorithms.weight_sharing:pc_darts", "supernet, mixture on 1/K of the channels, edge weights, warm-up")
registry.register("rsps", "oche.algorithms.weight_sharing:rsps", "supernet, random paths; the best of many points by shared weights")
registry.register("one-shot", "oche.algorithms.weight_sharing:one_shot", "supernet with any mixer, scheme and weighting")


def get(text: str, **overrides: Any) -> Any:
    """Make the algorithm that `text` names, for example `regularized-evolution?population=20`.

    Raises:
        UnknownNameError: no such algorithm or setting; the nearest one is suggested.
        ArgumentError: a setting has a value that is not allowed.
    """
    return registry.get(text, **overrides)


def names() -> list[str]:
    """All names, sorted."""
    return registry.names()


__getattr__, __dir__, _lazy_names = attach(
    __name__,
    {
        "OneShot": "oche.algorithms.one_shot:OneShot",
        "Plan": "oche.algorithms.one_shot_plan:Plan",
        "Random": "oche.algorithms.random:Random",
        "RegularizedEvolution": "oche.algorithms.regularized_evolution:RegularizedEvolution",
        "Sweep": "oche.algorithms.sweep:Sweep",
    },
)
__all__ = ["get", "names", "registry", *_lazy_names]  # noqa: PLE0604 - the rest is a list of names
