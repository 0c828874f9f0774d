"""Weightings: how probabilities become the multipliers of candidates. One file each."""

from oche._lazy import attach
from oche.loop.registry import Registry

registry = Registry("weighting", "oche.weightings")
registry.register("scalar", "oche.weightings.scalar:Scalar", "the probabilities themselves (DARTS)")
registry.register("max-w", "oche.weightings.max_w:MaxW", "the leader counts fully, the others by how far they are behind (sharpDARTS)")
registry.register("smooth", "oche.weightings.smooth:Smooth", "perturbed in weight steps, at random or by an adversary (SDARTS)")

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "MaxW": "oche.weightings.max_w:MaxW",
        "Scalar": "oche.weightings.scalar:Scalar",
        "Smooth": "oche.weightings.smooth:Smooth",
    },
)
__all__ += ["registry"]
