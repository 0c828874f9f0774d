"""Members that were chosen beforehand, as an algorithm: what a baseline of given members asks instead of drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oche.errors import ArgumentError
from oche.loop.contracts import Budget, Feedback, Proposal
from oche.program import DNA, Space


class Members:
    """Proposes the given points in their order, once, and learns nothing.

    Args:
        points: Points of the space that it is set up on.
    """

    #: Ends by itself.
    finite = True

    def __init__(self, points: Sequence[DNA]) -> None:
        self.points = list(points)
        self._asked = 0

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        return {"members": [list(dna.flat) for dna in self.points]}

    def setup(self, space: Space, rng: Any, budget: Budget | None = None) -> None:
        """Start on `space`."""
        self._asked = 0

    def ask(self, n: int) -> list[Proposal]:
        """The next `n` points, fewer at the end."""
        first = self._asked
        self._asked = min(len(self.points), first + n)
        return [Proposal(i, self.points[i]) for i in range(first, self._asked)]

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Nothing to learn."""

    def learn(self, dna: DNA, feedback: Feedback) -> None:
        """A trial that was not asked for changes nothing."""

    def state(self) -> dict[str, Any]:
        """The number of asks."""
        return {"asked": self._asked}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        self._asked = int(state["asked"])


class HandMade(Members):
    """Proposes the one point that a program's author wrote down, by the program's method `hand_made`.

    Args:
        space: A space whose program has such a method; it gives decisions by key.

    Raises:
        ArgumentError: it has none.
    """

    name = "hand-made"

    def __init__(self, space: Space) -> None:
        make = getattr(space.program, "hand_made", None)
        if make is None:
            raise ArgumentError(
                f"hand-made: got program {space.name!r}, which has none; allowed: programs with a method hand_made(), decisions by key"
            )
        super().__init__([space.encode_decisions(make())])

    @property
    def settings(self) -> dict[str, Any]:
        """The point."""
        return {"point": "-".join(map(str, self.points[0].flat))}


def as_members(points: Sequence[DNA | Sequence[Any]], space: Space) -> list[DNA]:
    """Points as DNA of `space`.

    Raises:
        ArgumentError: fewer than two, or one twice.
        SpaceError: one is not of this space.
    """
    found = [DNA(tuple(p.flat if isinstance(p, DNA) else p), space.fingerprint) for p in points]
    for dna in found:
        space.decisions(dna)
    if len(found) < 2 or len({dna.flat for dna in found}) < len(found):
        raise ArgumentError(f"baseline members: got {len(found)} points; allowed: two or more different ones")
    return found
