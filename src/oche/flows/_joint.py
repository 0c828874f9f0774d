"""One search over all decisions at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oche.loop.contracts import AskTell


class Joint:
    """The whole space is searched by one algorithm.

    Source: Peng et al. 2020 (PyGlove), the joint flow.
    """

    name = "joint"
    settings: dict[str, Any] = {}  # noqa: RUF012 - nothing can be set

    def search(self, make: Callable[[], AskTell]) -> AskTell:
        """The algorithm itself."""
        return make()
