"""Guards: what watches a weight-sharing search while it trains, and may stop it before its candidates collapse. One file each.

A plan names them: `darts?guards=skip-limit`, several as a list, `darts?guards=["skip-limit","hessian-eigen%3Fwindow=3"]`.
"""

from oche._lazy import attach
from oche.loop.registry import Registry

registry = Registry("guard", "oche.guards")
registry.register("skip-limit", "oche.algorithms.guards.skip_limit:SkipLimit", "counts skips in the derived cell and stops at so many")
registry.register(
    "hessian-eigen", "oche.algorithms.guards.hessian_eigen:HessianEigen", "stops where the valid loss becomes sharp, and goes back"
)
registry.register("oles", "oche.algorithms.guards.oles:OLES", "freezes candidates whose training no longer serves validation")

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Guard": "oche.algorithms.guards._guard:Guard",
        "HessianEigen": "oche.algorithms.guards.hessian_eigen:HessianEigen",
        "OLES": "oche.algorithms.guards.oles:OLES",
        "SkipLimit": "oche.algorithms.guards.skip_limit:SkipLimit",
    },
)
__all__ += ["registry"]
