"""Skip limit: the number of skips in what would be derived now, and an end of the search when there are too many.

Source: Liang et al. 2019 (DARTS+): stop at two skips in the normal cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oche.algorithms.guards._guard import Guard, Watched
from oche.errors import ArgumentError


class SkipLimit(Guard):
    """Count a label among the derived decisions after every epoch.

    Args:
        limit: Number at which the training ends; None: it is only counted.
        label: The label.
        where: Part of the keys that are counted; if no key has it, all are.
    """

    def __init__(self, limit: int | None = 2, label: str = "skip_connect", where: str = "normal") -> None:
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
            raise ArgumentError(f"skip limit: got {limit!r}; allowed: a whole number from 1, or null to count only")
        self.limit, self.label, self.where = limit, label, where
        self.counts: list[int] = []

    def after_epoch(self, watched: Watched) -> tuple[bool, float]:
        """Count."""
        decisions = watched.net.space.decisions(watched.net.derive())
        keys = [key for key in decisions if self.where in key] or list(decisions)
        self.counts.append(sum(decisions[key] == self.label for key in keys))
        return watched.arch_moves and self.limit is not None and self.counts[-1] >= self.limit, 0.0

    def metrics(self) -> dict[str, float]:
        """The latest number."""
        return {"skips": float(self.counts[-1])} if self.counts else {}

    def state(self) -> dict[str, Any]:
        """All numbers."""
        return {"counts": list(self.counts)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue."""
        self.counts = [int(n) for n in state["counts"]]
