"""HyperCuboid: a grid of hyper-parameters, searched as the best path through it."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "HyperCuboid": "oche.spaces.hypercuboid._builder:HyperCuboid",
        "Lattice": "oche.spaces.hypercuboid._lattice:Lattice",
        "Path": "oche.spaces.hypercuboid._modules:Path",
        "decisions": "oche.spaces.hypercuboid._text:decisions",
        "graph": "oche.spaces.hypercuboid._graph:graph",
        "leanings": "oche.spaces.hypercuboid._stored:leanings",
        "read_weights": "oche.spaces.hypercuboid._stored:read_weights",
        "stored_paths": "oche.spaces.hypercuboid._stored:stored_paths",
        "space": "oche.spaces.hypercuboid._builder:space",
    },
)
