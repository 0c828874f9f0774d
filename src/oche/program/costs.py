"""What a member costs before anything is trained: weights, multiply-adds, or any function of it.

Networks are built on torch's meta device, so that counting a member takes neither memory nor arithmetic.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from oche.errors import ArgumentError, OcheError, SpaceError, unknown
from oche.program.dna import DNA
from oche.program.space import Space

_log = logging.getLogger("oche.program")

#: Costs that have a name.
NAMED = ("params", "macs")

#: What a function of a member may be given.
FORMS = ("child", "decisions", "dna")


@dataclass(frozen=True)
class MemberCost:
    """A number for each member of a space.

    Args:
        cost: `params` (number of weights), `macs` (multiply-adds for one input), or a function that gives a number.
        of: What the function gets: `child` (what the program builds; networks lie on the meta device), `decisions` (labels by key),
            or `dna`.
        input_size: Shape of one input without the batch, for `macs`.

    Raises:
        ArgumentError: `macs` without an input size, or something that is neither a name nor a function.
        UnknownNameError: another name.
    """

    cost: str | Callable[[Any], float]
    of: str = "child"
    input_size: Sequence[int] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.cost, str):
            if self.cost not in NAMED:
                raise unknown("cost", self.cost, NAMED, "or give a function of a child")
            if self.cost == "macs" and self.input_size is None:
                raise ArgumentError("cost 'macs': got no input_size; allowed: the shape of one input, for example (3, 32, 32)")
        elif not callable(self.cost):
            raise ArgumentError(f"cost: got {self.cost!r}; allowed: {', '.join(map(repr, NAMED))}, or a function")
        if self.of not in FORMS:
            raise unknown("form of a member", self.of, FORMS)

    def __call__(self, space: Space, dna: DNA) -> Any:
        """The cost of a member, as the function gives it."""
        if self.of != "child" and not isinstance(self.cost, str):
            return self.cost(space.root.decisions(space.lift(dna)) if self.of == "decisions" else space.lift(dna))
        child = light_child(space, dna)
        if not isinstance(self.cost, str):
            return self.cost(child)
        if not hasattr(child, "parameters"):
            raise SpaceError(f"space {space.name!r}: got a child of type {type(child).__name__}; allowed for {self.cost!r}: torch modules")
        if self.cost == "params":
            return sum(p.numel() for p in child.parameters())
        # By name: networks live on the floor above.
        count = importlib.import_module("oche.networks").count
        return count(child, tuple(self.input_size or ())).macs


def light_child(space: Space, dna: DNA) -> Any:
    """A member as cheap as it can be had: on torch's meta device where torch is in use, and decisions left out at their defaults."""
    root, point = space.root, space.lift(dna)
    torch = sys.modules.get("torch")
    if torch is not None:
        try:
            with torch.device("meta"):
                return root.build(point)
        except OcheError:
            raise
        except Exception as error:
            _log.debug("program cannot be built on the meta device (%s); building it on the CPU", error)
    return root.build(point)
