"""NAS-Bench-201: the cell space as a program, its cells in text form, and its table of trained accuracies."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "EDGES": "oche.spaces.nasbench201.cells:EDGES",
        "KEYS": "oche.spaces.nasbench201.cells:KEYS",
        "OPS": "oche.spaces.nasbench201.cells:OPS",
        "NasBench201": "oche.spaces.nasbench201.network:NasBench201",
        "canonical": "oche.spaces.nasbench201.cells:canonical",
        "decisions": "oche.spaces.nasbench201.cells:decisions",
        "from_cell": "oche.spaces.nasbench201.cells:from_cell",
        "is_connected": "oche.spaces.nasbench201.cells:is_connected",
        "to_cell": "oche.spaces.nasbench201.cells:to_cell",
    },
)
