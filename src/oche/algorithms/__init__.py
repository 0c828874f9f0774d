"""Search algorithms: one per file, looked up by name. They see a space and feedback, never a program or a task."""

from __future__ import annotations

from typing import Any

from oche._lazy import attach
from oche.loop.registry import Registry

registry = Registry("algorithm", "oche.algorithms")
registry.register("random", "oche.algorithms.random:Random", "independent random points")
registry.register("sweep", "oche.algorithms.sweep:Sweep", "every point once, in canonical order")
registry.register("uniform-width", "oche.algorithms.uniform_share:UniformShare", "every choice at the same share of its candidates")
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
registry.register(
    "successive-halving",
    "oche.algorithms.successive_halving:SuccessiveHalving",
    "many points for a few epochs, the best 1/eta for longer: 'successive-halving?min=1&eta=3'",
)
registry.register("hyperband", "oche.algorithms.hyperband:Hyperband", "brackets of successive halving: 'hyperband?max=81&eta=3'")
registry.register(
    "asha", "oche.algorithms.asha:ASHA", "successive halving without waiting; any source of points: 'asha?inner=regularized-evolution'"
)
registry.register("cma-es", "oche.algorithms.cma_es:CMAES", "numbers only: a normal distribution that follows good points")
for _name, _summary in (
    ("tpe", "Optuna: densities of good and of other points; 'optuna:tpe?multivariate=true'"),
    ("gp", "Optuna: a Gaussian process"),
    ("cmaes", "Optuna: CMA-ES for numbers, independent suggestions for the rest"),
    ("nsgaii", "Optuna: NSGA-II, several objectives"),
    ("nsgaiii", "Optuna: NSGA-III, several objectives"),
    ("random", "Optuna: independent random points"),
    ("qmc", "Optuna: a quasi-random sequence"),
):
    registry.register(f"optuna:{_name}", "oche.algorithms.optuna_sampler:OptunaSampler", _summary, sampler=_name)
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
registry.register("darts-minus", "oche.algorithms.weight_sharing:darts_minus", "DARTS beside a skip that fades away")
registry.register("fairdarts", "oche.algorithms.weight_sharing:fairdarts", "supernet, a gate of its own for each candidate")
registry.register("sdarts", "oche.algorithms.weight_sharing:sdarts", "DARTS with weights trained under perturbed mixtures")
registry.register("snas", "oche.algorithms.weight_sharing:snas", "supernet, relaxed samples, one loss for weights and logits")
registry.register("rarts", "oche.algorithms.weight_sharing:rarts", "DARTS with two coupled copies of the weights, first derivatives only")
registry.register("rsps", "oche.algorithms.weight_sharing_paths:rsps", "supernet, random paths; the best of many points by shared weights")
registry.register("spos", "oche.algorithms.weight_sharing_paths:spos", "supernet, random paths; evolution by shared weights")
registry.register("fairnas", "oche.algorithms.weight_sharing_paths:fairnas", "supernet, every candidate once a step; evolution")
registry.register(
    "setn", "oche.algorithms.weight_sharing_paths:setn", "supernet, random paths, logits as in DARTS; the best of probable points"
)
registry.register("enas", "oche.algorithms.weight_sharing_paths:enas", "supernet, paths of a controller that learns from their scores")
registry.register("gdas", "oche.algorithms.weight_sharing_paths:gdas", "supernet, one Gumbel sample a step, straight through")
registry.register("reinmax", "oche.algorithms.weight_sharing_paths:reinmax", "supernet, one sample a step, gradients of second order")
registry.register("proxylessnas", "oche.algorithms.weight_sharing_paths:proxylessnas", "supernet, one sample a step behind binary gates")
registry.register("p-darts", "oche.algorithms.weight_sharing_stages:p_darts", "supernets in stages, deeper and over fewer candidates")
registry.register("drnas", "oche.algorithms.weight_sharing_stages:drnas", "Dirichlet mixtures in stages, wider and over fewer candidates")
registry.register("darts-pt", "oche.algorithms.weight_sharing_stages:darts_pt", "DARTS; candidates are kept whose removal costs most")
registry.register("ofa", "oche.algorithms.weight_sharing_stages:ofa", "largest network first, then all kernels, depths and widths")
registry.register("sandwich", "oche.algorithms.weight_sharing_stages:sandwich", "largest, smallest and random paths in every step")
registry.register("slimming", "oche.algorithms.slimming:slimming", "widths: the widest network, trained; small scales of norms go")
registry.register("l1-pruning", "oche.algorithms.slimming:l1_pruning", "widths: the widest network, trained; small filters go")
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
        "ASHA": "oche.algorithms.asha:ASHA",
        "CMAES": "oche.algorithms.cma_es:CMAES",
        "CostTerm": "oche.algorithms.one_shot_cost:CostTerm",
        "Dedup": "oche.algorithms.dedup:Dedup",
        "Evolution": "oche.algorithms.evolution:Evolution",
        "Hyperband": "oche.algorithms.hyperband:Hyperband",
        "OneShot": "oche.algorithms.one_shot:OneShot",
        "OptunaSampler": "oche.algorithms.optuna_sampler:OptunaSampler",
        "ParetoFront": "oche._pareto:ParetoFront",
        "ParetoLocalSearch": "oche.algorithms.pareto_local_search:ParetoLocalSearch",
        "Perturbation": "oche.algorithms.perturbation:Perturbation",
        "Plan": "oche.algorithms.one_shot_plan:Plan",
        "Random": "oche.algorithms.random:Random",
        "RegularizedEvolution": "oche.algorithms.regularized_evolution:RegularizedEvolution",
        "Reinforce": "oche.algorithms.reinforce:Reinforce",
        "Limit": "oche.algorithms.staged:Limit",
        "Stage": "oche.algorithms.staged:Stage",
        "Staged": "oche.algorithms.staged:Staged",
        "SuccessiveHalving": "oche.algorithms.successive_halving:SuccessiveHalving",
        "Slimming": "oche.algorithms.slimming:Slimming",
        "Sweep": "oche.algorithms.sweep:Sweep",
        "UniformShare": "oche.algorithms.uniform_share:UniformShare",
        "crowding_distance": "oche._pareto:crowding_distance",
        "export_studies": "oche.algorithms.optuna_studies:export_studies",
        "guards": "oche.algorithms.guards",
        "hypervolume": "oche._pareto:hypervolume",
        "non_dominated_sort": "oche._pareto:non_dominated_sort",
        "operators": "oche.algorithms.operators",
        "pareto_front": "oche._pareto:pareto_front",
    },
)
__all__ = ["get", "names", "registry", *_lazy_names]  # noqa: PLE0604 - the rest is a list of names
