"""Mixers: how the candidates of a choice are drawn and mixed in a forward pass. One file each; a mixer knows no space."""

from oche._lazy import attach
from oche.loop.registry import Registry

registry = Registry("mixer", "oche.mixers")
registry.register("softmax", "oche.mixers.softmax:Softmax", "all candidates, weighted by a softmax of their logits (DARTS)")
registry.register(
    "partial-channels",
    "oche.mixers.partial_channels:PartialChannels",
    "1/K of the channels through another mixer, the rest pass by (PC-DARTS)",
)
registry.register("uniform-path", "oche.mixers.uniform_path:UniformPath", "one candidate a step, all alike (RSPS, SPOS)")

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "PartialChannels": "oche.mixers.partial_channels:PartialChannels",
        "Softmax": "oche.mixers.softmax:Softmax",
        "UniformPath": "oche.mixers.uniform_path:UniformPath",
    },
)
__all__ += ["registry"]
