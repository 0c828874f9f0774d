"""A point of a space, as a flat tuple of numbers (and text, where a gene is the user's own).

One entry per decision point of the space, in the space's own order; None where the point is inactive. A DNA knows nothing of the
program; `Space` gives it meaning.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from oche.errors import DNAError

Gene = int | float | str | None

_KINDS = frozenset((int, float, str, type(None)))


class DNA:
    """A point of a space.

    Args:
        flat: One gene per decision point: the index of the candidate, a number, text, or None where inactive.
        fingerprint: Fingerprint of the space it was made for; checked by every space that it is given to. None is not checked.

    Raises:
        DNAError: a gene is neither a number, text nor None; booleans are refused.

    Example:
        >>> DNA((0, None, 2)).to_json()
        '[0, null, 2]'
    """

    __slots__ = ("fingerprint", "flat")

    flat: tuple[Gene, ...]
    fingerprint: str | None

    def __init__(self, flat: Iterable[Gene], fingerprint: str | None = None) -> None:
        genes = tuple(flat)
        if not _KINDS.issuperset(map(type, genes)):
            for i, gene in enumerate(genes):
                if isinstance(gene, bool) or not isinstance(gene, (int, float, str, type(None))):
                    raise DNAError(f"gene {i}: got {gene!r}; allowed: a number, text of a user's gene, or None at an inactive point")
        object.__setattr__(self, "flat", genes)
        object.__setattr__(self, "fingerprint", fingerprint)

    @classmethod
    def trusted(cls, flat: tuple[Gene, ...], fingerprint: str | None) -> DNA:
        """A DNA whose genes are known to be legal; spaces use it in their inner loops."""
        made = object.__new__(cls)
        object.__setattr__(made, "flat", flat)
        object.__setattr__(made, "fingerprint", fingerprint)
        return made

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a DNA cannot be changed; make a new one")

    def __reduce__(self) -> tuple[Any, ...]:
        return (DNA.trusted, (self.flat, self.fingerprint))

    def __eq__(self, other: object) -> bool:
        return self.flat == other.flat if isinstance(other, DNA) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.flat)

    def __len__(self) -> int:
        return len(self.flat)

    def __repr__(self) -> str:
        return f"DNA({self.flat!r})"

    def to_json(self) -> str:
        """JSON text: the flat list, or an object with `space` and `flat` if the space is known."""
        genes = list(self.flat)
        return json.dumps(genes if self.fingerprint is None else {"space": self.fingerprint, "flat": genes})

    @classmethod
    def from_json(cls, text: str) -> DNA:
        """The inverse of `to_json`.

        Raises:
            DNAError: the text is not JSON of that form.
        """
        try:
            value = json.loads(text)
        except (json.JSONDecodeError, TypeError) as error:
            raise DNAError(f"DNA text: got {text!r}; allowed: JSON such as [0, null, 2]") from error
        if isinstance(value, dict) and isinstance(value.get("flat"), list):
            return cls(value["flat"], value.get("space"))
        if isinstance(value, list):
            return cls(value)
        raise DNAError(f'DNA text: got {text!r}; allowed: a JSON list, or {{"space": ..., "flat": [...]}}')
