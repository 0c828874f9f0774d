"""One search over all decisions at once."""

from __future__ import annotations

from oche.program import Space


class Joint:
    """The whole space is searched by one algorithm.

    Source: Peng et al. 2020 (PyGlove), the joint flow.
    """

    name = "joint"

    def space(self, space: Space) -> Space:
        """What the algorithm searches."""
        return space
