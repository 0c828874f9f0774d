"""HyperCuboid: a grid of hyper-parameters, searched as the best path through it."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "HyperCuboid": "oche.spaces.hypercuboid._builder:HyperCuboid",
        "Lattice": "oche.spaces.hypercuboid._lattice:Lattice",
        "Path": "oche.spaces.hypercuboid._modules:Path",
        "graph": "oche.spaces.hypercuboid._graph:graph",
        "space": "oche.spaces.hypercuboid._builder:space",
    },
)
