"""NAS-Bench-101: the cell space as a program, its cells in text form, and its table of trained accuracies."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "EDGES": "oche.spaces.nasbench101.cells:EDGES",
        "Graph": "oche.spaces.nasbench101.cells:Graph",
        "KEYS": "oche.spaces.nasbench101.cells:KEYS",
        "MOST_EDGES": "oche.spaces.nasbench101.cells:MOST_EDGES",
        "NasBench101": "oche.spaces.nasbench101.network:NasBench101",
        "OPS": "oche.spaces.nasbench101.cells:OPS",
        "VERTICES": "oche.spaces.nasbench101.cells:VERTICES",
        "decisions": "oche.spaces.nasbench101.cells:decisions",
        "from_cell": "oche.spaces.nasbench101.cells:from_cell",
        "from_decisions": "oche.spaces.nasbench101.cells:from_decisions",
        "graph_hash": "oche.spaces.nasbench101.cells:graph_hash",
        "is_valid": "oche.spaces.nasbench101.cells:is_valid",
        "to_cell": "oche.spaces.nasbench101.cells:to_cell",
        "vertex_channels": "oche.spaces.nasbench101.cells:vertex_channels",
    },
)
