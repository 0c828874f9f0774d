"""Names to spaces, to networks of a given architecture, and to tabular benchmarks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oche.errors import unknown
from oche.loop.registry import Registry, canonical, load

if TYPE_CHECKING:
    from torch import nn

    from oche.program import Space

registry = Registry("space", "oche.spaces")
registry.register(
    "nasbench101", "oche.spaces.nasbench101.network:space", "image cells that are graphs of up to seven vertices, 509,607,936 points"
)
registry.register("nasbench201", "oche.spaces.nasbench201.network:space", "image cells of six edges with five operations, 15,625 points")

registry.register(
    "nats-topology", "oche.spaces.nasbench201.network:nats_topology", "the topology space of NATS-Bench: the cells of nasbench201"
)

registry.register(
    "darts", "oche.spaces.darts.network:space", "normal and reduction cells of 14 edges with eight operations, 1.08e18 points"
)
registry.register("s1", "oche.spaces.darts.network:s1", "DARTS cells with two operations for each edge")
registry.register("s2", "oche.spaces.darts.network:s2", "DARTS cells with skip and separable convolution")
registry.register("s3", "oche.spaces.darts.network:s3", "DARTS cells with none, skip and separable convolution")
registry.register("s4", "oche.spaces.darts.network:s4", "DARTS cells with noise and separable convolution")
registry.register("s5", "oche.spaces.darts.network:s5", "DARTS cells with the seven operations beside none")
registry.register("darts-ssc", "oche.spaces.darts.network:darts_ssc", "DARTS cells whose convolutions all have two layers (sharpDARTS)")
registry.register("sharpdarts", "oche.spaces.darts.network:sharpdarts", "cells of nine operations of 3x3 (sharpDARTS), 9.12e18 points")
registry.register("sharperdarts", "oche.spaces.darts.network:sharperdarts", "cells of twelve operations (sharpDARTS)")

registry.register("hypercuboid", "oche.spaces.hypercuboid._builder:space", "paths through a grid of widths and operations, 3,888 points")

registry.register("proxylessnas", "oche.spaces.mobilenetv2.network:space", "MobileNetV2 with a choice in each of 21 blocks, 2.2e17 points")
registry.register("ofa", "oche.spaces.mobilenetv3.network:space", "MobileNetV3 of elastic depth, kernels and expansions, 2.2e19 points")

registry.register("size", "oche.spaces.size._network:space", "five widths of eight values, 32,768 points: the size space of NATS-Bench")

registry.register(
    "preresnet", "oche.spaces.prunable._networks:preresnet", "PreResNet-164 and others of depth 9 n + 2: a width for each norm"
)
registry.register("resnet18", "oche.spaces.prunable._networks:resnet18", "ResNet-18: a width inside of each of eight blocks")
registry.register("mobilenetv2", "oche.spaces.prunable._networks:mobilenetv2", "MobileNetV2: widths of 20 groups of tied channels")
registry.register("vgg16", "oche.spaces.prunable._networks:vgg16", "VGG-16 with norms: a width for each of 13 convolutions")

#: Builders of a network from its architecture in text form.
networks = Registry("network", "oche.networks")
networks.register("nasbench101", "oche.spaces.nasbench101.network:network", "from a cell as JSON of matrix and ops")
networks.register("nasbench201", "oche.spaces.nasbench201.network:network", "from a cell |op~0|+|op~0|op~1|+|op~0|op~1|op~2|")

networks.register("nats-topology", "oche.spaces.nasbench201.network:network", "as nasbench201")

networks.register("darts", "oche.spaces.darts.network:network", "from a genotype, by name or as Genotype(normal=[...], ...)")
networks.register("darts-imagenet", "oche.spaces.darts.network:imagenet_network", "the same with the published size for ImageNet")
networks.register("sharpdarts", "oche.spaces.darts.network:sharp_network", "from a genotype of sharp separable convolutions")
networks.register(
    "sharpdarts-imagenet", "oche.spaces.darts.network:sharp_imagenet_network", "the same with the published size for ImageNet"
)

networks.register("proxylessnas", "oche.spaces.mobilenetv2.network:network", "from the operation of each block, 3x3_MBConv3, ...")
networks.register("ofa", "oche.spaces.mobilenetv3.network:network", "from kernel and expansion of each block, k3e6 k5e4 | ...")

networks.register("size", "oche.spaces.size._network:network", "from widths, 8:16:32:48:64")

#: Benchmarks that are looked up instead of trained.
tables = Registry("table", "oche.tables")
tables.register("nasbench101", "oche.spaces.nasbench101.table:table", "accuracies of 423,624 cells on CIFAR-10")
tables.register("nasbench201", "oche.spaces.nasbench201.table:table", "accuracies of all 15,625 cells on three data sets")

tables.register("nats-topology", "oche.spaces.nasbench201.table:table", "as nasbench201: the cells are the same")

tables.register("size", "oche.spaces.size._table:table", "accuracies of 32,768 networks of the size space on three data sets")

#: Modules of tables with their own file: `find` and `import_table`.
_MODULES = {
    "nasbench201": "oche.spaces.nasbench201.table",
    "nasbench101": "oche.spaces.nasbench101.table",
    "size": "oche.spaces.size._table",
}
_FILE_OF = {"nats-topology": "nasbench201"}


def names() -> list[str]:
    """Names of all registered spaces."""
    return registry.names()


def get(name: str, **arguments: Any) -> Space:
    """A registered space.

    Args:
        name: Its name, with arguments of its program after `?` such as `nasbench201?channels=8&cells=1`.
        **arguments: More arguments of its program.

    Raises:
        UnknownNameError: no such space; the nearest name is suggested.
    """
    return registry.get(name, **arguments)


def network(name: str, **arguments: Any) -> nn.Module:
    """The network of one architecture, with fresh weights.

    Args:
        name: Name of its space.
        **arguments: The architecture in text form (`cell` for `nasbench101` and `nasbench201`), `seed`, and arguments of the program.

    Raises:
        UnknownNameError: no such network.
        ArgumentError: the architecture cannot be read.
    """
    return networks.get(name, **arguments)


def table(name: str) -> Any:
    """A tabular benchmark, parsed once per process.

    Raises:
        UnknownNameError: no such table.
        DataError: its file is neither in `OCHE_DATA` nor imported.
    """
    return tables.get(name)


def import_table(name: str, path: str | os.PathLike[str]) -> Path:
    """Check a file of a tabular benchmark and keep a copy in the user's cache, where `table` finds it.

    Raises:
        UnknownNameError: no such table.
        DataError: the file is not that table; nothing is kept then.
    """
    return _of(name, "import_table")(path)


def find_tables() -> dict[str, Path | None]:
    """Where the file of each tabular benchmark lies, by name; None where there is none."""
    return {name: load(f"{module}:find")() for name, module in _MODULES.items()}


def _of(name: str, function: str) -> Any:
    known = {canonical(key): module for key, module in _MODULES.items()}
    known |= {canonical(key): _MODULES[owner] for key, owner in _FILE_OF.items()}
    if canonical(name) not in known:
        raise unknown("table", name, [*_MODULES, *_FILE_OF])
    return load(f"{known[canonical(name)]}:{function}")
