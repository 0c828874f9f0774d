"""A choice between numbers of channels that says so: the rest of the program does not depend on what is chosen.

`oneof([8, 16])` gives a program a plain number, and control flow might depend on it, so the program is run once for each candidate when its
space is compiled. A network of 160 widths would be run a thousand times. A width that is declared as one costs no run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oche.errors import ArgumentError
from oche.program.choice import OneOf
from oche.program.resolver import Collect, Defaults, Site, current


def elastic_width(widths: Sequence[int] | Mapping[str, int], name: str | None = None) -> int:
    """Choose a number of channels; in a supernet all of them share the weights of the largest.

    Args:
        widths: Numbers of channels that differ, the smallest first; or by label, where several may be equal.
        name: Key of the decision, as in `oche.oneof`. Equal names are one decision: that is how axes are tied.

    Returns:
        A whole number: what the present search says, or the largest width outside of any. Which choices the program makes must not depend
        on it.

    Raises:
        ArgumentError: no widths, or they are not whole numbers above zero that rise; names the site.
    """
    return (current() or Defaults()).resolve(WidthChoice(widths, name))


class WidthChoice(OneOf):
    """One of several widths.

    Args:
        widths, name: As in `elastic_width`.
    """

    def __init__(self, widths: Sequence[int] | Mapping[str, int], name: str | None = None) -> None:
        labeled = isinstance(widths, Mapping)
        found = dict(widths) if labeled else {str(width): width for width in widths}
        sizes = list(found.values()) if labeled else list(widths)
        whole = all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in sizes)
        if not sizes or not whole or sizes != sorted(sizes) or (not labeled and len(set(sizes)) < len(sizes)):
            raise ArgumentError(f"width {name!r}: got {sizes}; allowed: whole numbers above 0, each larger than the one before")
        super().__init__(name, found)

    @property
    def default(self) -> str:
        """The largest width: what nobody searches is whole."""
        return self.labels[-1]

    def collect(self, collector: Collect, site: Site, plain: bool) -> Any:
        """One pick, and the largest width for an undecided program."""
        decisions, _ = super().collect(collector, site, False)
        return decisions, self.candidates[self.default]
