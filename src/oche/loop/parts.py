"""Weight-sharing searches that are made of parts, each of which can be done in another place.

A search of one supernet is one job after another. A search that is a tree of supernets says which parts are ready, and each of them is a
search of its own: the parts are done side by side, by as many workers as there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from oche.loop.contracts import Budget, Proposal, WeightSharing
from oche.program import Space


@dataclass(frozen=True)
class Part:
    """A piece of a search that can be done alone.

    Args:
        name: Unlike that of any other part of the search.
        settings: All that makes it what it is, as JSON values.
        source: Part from whose end it goes on, or None.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None


class PartSearch(WeightSharing, Protocol):
    """The search of a part, set up with the whole space, the seed and the budget of the whole search.

    Attributes:
        result: JSON values that the whole search needs to know, once the part is done.
    """

    result: Mapping[str, Any]

    def inherit(self, state: Mapping[str, Any]) -> None:
        """Go on from the end state of its source, after `setup`."""
        ...


@runtime_checkable
class TreeSharing(Protocol):
    """A weight-sharing algorithm whose parts can be done side by side.

    Which parts there are is a function of the results that are known, and not of the order in which they came.
    """

    def plan(self, space: Space, sizes: Mapping[str, int], seed: int, budget: Budget | None = None) -> None:
        """Know the first parts.

        Args:
            space: The space.
            sizes: Number of batches of an epoch of each split.
            seed: Root of everything random.
            budget: Of the whole search.
        """
        ...

    @property
    def steps(self) -> int:
        """An estimate of the steps of all parts."""
        ...

    @property
    def over(self) -> bool:
        """Whether all parts are done, and `propose` may be called."""
        ...

    def ready(self) -> list[Part]:
        """Parts that are not done and whose source is, in the order in which one worker does them."""
        ...

    def part(self, part: Part) -> PartSearch:
        """The search of a part, not set up."""
        ...

    def tell(self, name: str, result: Mapping[str, Any]) -> None:
        """A part is done."""
        ...

    def awaited(self, name: str) -> bool:
        """Whether parts that go on from the end of this one are not known yet."""
        ...

    def propose(self, n: int) -> list[Proposal]:
        """The `n` best points, best first, from the results alone."""
        ...
