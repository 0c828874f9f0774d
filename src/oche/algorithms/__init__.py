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
registry.register("evolution", "oche.algorithms.evolution:Evolution", "any operators for reproduction and population update")
registry.register("hill-climbing", "oche.algorithms.evolution:hill_climbing", "mutate the best point so far, in batches")
registry.register("nsga2", "oche.algorithms.nsga2:nsga2", "several objectives: fronts, crowding, crossover and mutation")
registry.register(
    "pareto-local-search",
    "oche.algorithms.pareto_local_search:ParetoLocalSearch",
    "several objectives: change one decision of a point of the front",
)
registry.register("dedup", "oche.algorithms.dedup:Dedup", "another algorithm without duplicates: 'dedup?inner=regularized-evolution'")
registry.register("reinforce", "oche.algorithms.reinforce:Reinforce", "logits for every decision, moved by the advantage; cost targets")
registry.register("cma-es", "oche.algorithms.cma_es:CMAES", "numbers only: a normal distribution that follows good points")
registry.register("stax", "oche.diversity._stax:Stax", "policies: novelty and surprise in a learned space, emitters for rewards")
registry.register("stax-untrained", "oche.diversity._stax:Stax", "the same with an autoencoder that is never trained", train=False)
registry.register("taxons", "oche.diversity._stax:Stax", "policies: novelty and surprise in a learned space", emitters=False)
registry.register("serene", "oche.diversity._stax:Stax", "policies: novelty of given descriptors, emitters for rewards", descriptor="given")
registry.register(
    "novelty-search", "oche.diversity._stax:Stax", "policies: novelty of given descriptors", descriptor="given", emitters=False
)
registry.register(
    "novelty-nsga2",
    "oche.diversity._stax:Stax",
    "policies: fronts of novelty and reward",
    descriptor="given",
    emitters=False,
    selection="novelty-reward",
)
registry.register(
    "nslc",
    "oche.diversity._stax:Stax",
    "policies: fronts of novelty and local competition",
    descriptor="given",
    emitters=False,
    selection="novelty-local",
)
registry.register("map-elites", "oche.diversity._map_elites:MapElites", "policies: the best of every cell of a grid, mutated")
registry.register("cma-me", "oche.diversity._cma_me:CMAME", "policies: normal distributions that fill and improve a grid")
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
        "CMAES": "oche.algorithms.cma_es:CMAES",
        "Dedup": "oche.algorithms.dedup:Dedup",
        "Evolution": "oche.algorithms.evolution:Evolution",
        "OneShot": "oche.algorithms.one_shot:OneShot",
        "ParetoFront": "oche.loop.pareto:ParetoFront",
        "ParetoLocalSearch": "oche.algorithms.pareto_local_search:ParetoLocalSearch",
        "Plan": "oche.algorithms.one_shot_plan:Plan",
        "Random": "oche.algorithms.random:Random",
        "RegularizedEvolution": "oche.algorithms.regularized_evolution:RegularizedEvolution",
        "Reinforce": "oche.algorithms.reinforce:Reinforce",
        "Sweep": "oche.algorithms.sweep:Sweep",
        "crowding_distance": "oche.loop.pareto:crowding_distance",
        "hypervolume": "oche.loop.pareto:hypervolume",
        "non_dominated_sort": "oche.loop.pareto:non_dominated_sort",
        "operators": "oche.algorithms.operators",
        "pareto_front": "oche.loop.pareto:pareto_front",
    },
)
__all__ = ["get", "names", "registry", *_lazy_names]  # noqa: PLE0604 - the rest is a list of names
