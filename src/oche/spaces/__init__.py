"""Ready-made spaces, networks of given architectures, and tabular benchmarks. Knows no algorithm."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "HyperCuboid": "oche.spaces.hypercuboid._builder:HyperCuboid",
        "darts": "oche.spaces.darts",
        "find_tables": "oche.spaces._registry:find_tables",
        "get": "oche.spaces._registry:get",
        "hypercuboid": "oche.spaces.hypercuboid",
        "import_table": "oche.spaces._registry:import_table",
        "mobilenetv2": "oche.spaces.mobilenetv2",
        "mobilenetv3": "oche.spaces.mobilenetv3",
        "names": "oche.spaces._registry:names",
        "nasbench101": "oche.spaces.nasbench101",
        "nasbench201": "oche.spaces.nasbench201",
        "network": "oche.spaces._registry:network",
        "networks": "oche.spaces._registry:networks",
        "size": "oche.spaces.size",
        "prunable": "oche.spaces.prunable",
        "registry": "oche.spaces._registry:registry",
        "table": "oche.spaces._registry:table",
        "tables": "oche.spaces._registry:tables",
    },
)
