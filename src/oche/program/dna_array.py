"""Many points of one space in few bytes: a column per decision point instead of an object per gene.

Points of 20 choices take 40 bytes each, where 20 genes in a tuple of objects take several hundred.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import overload

import numpy as np

from oche.errors import DNAError
from oche.program.dna import DNA, Gene
from oche.program.space import Space

#: Marks an inactive point among the whole numbers.
_INACTIVE = np.iinfo(np.int16).min


class DNAArray:
    """A list of points of one space, kept as numbers in columns.

    Candidates and small whole numbers are int16, larger ones int64, floats are float64, text stays text. What comes out is a DNA
    equal to the one that went in.

    Args:
        space: The space.
        points: Points of it; each is checked.

    Example:
        >>> from oche.program import Space, oneof
        >>> space = Space([oneof([1, 2, 3]) for _ in range(20)])
        >>> array = DNAArray(space, (space.sample(i) for i in range(1000)))
        >>> array[7] == space.sample(7), array.nbytes / len(array) < 100
        (True, True)
    """

    def __init__(self, space: Space, points: Iterable[DNA] = ()) -> None:
        self.space = space
        self._floats = [i for i, p in enumerate(space.points) if p.kind == "float"]
        self._texts = [i for i, p in enumerate(space.points) if p.kind == "text"]
        other = {*self._floats, *self._texts}
        self._ints = [i for i, p in enumerate(space.points) if i not in other]
        kept = [space.points[i] for i in self._ints]
        small = all(p.n < 2**15 if p.kind == "categorical" else max(abs(p.lo), abs(p.hi)) < 2**15 for p in kept)
        self._int_rows = np.empty((0, len(self._ints)), np.int16 if small else np.int64)
        self._float_rows = np.empty((0, len(self._floats)), np.float64)
        self._text_rows: list[tuple[str | None, ...]] = []
        self._inactive = _INACTIVE if small else int(np.iinfo(np.int64).min)
        self._length = 0
        self.extend(points)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> DNA: ...

    @overload
    def __getitem__(self, index: slice) -> list[DNA]: ...

    def __getitem__(self, index: int | slice) -> DNA | list[DNA]:
        if isinstance(index, slice):
            return [self._get(i) for i in range(*index.indices(self._length))]
        return self._get(self._place(index))

    def __setitem__(self, index: int, dna: DNA) -> None:
        self._put(self._place(index), dna)

    def __iter__(self) -> Iterator[DNA]:
        return (self._get(i) for i in range(self._length))

    def append(self, dna: DNA) -> None:
        """Add a point at the end."""
        if self._length == len(self._int_rows):
            self._reserve(max(16, self._length + self._length // 2))
        self._put(self._length, dna)
        self._length += 1

    def extend(self, points: Iterable[DNA]) -> None:
        """Add points at the end."""
        for dna in points:
            self.append(dna)
        self._reserve(self._length)

    @property
    def genes(self) -> np.ndarray:
        """The columns of candidates and whole numbers, `(n, columns)`, read only; the smallest number of its type marks None."""
        view = self._int_rows[: self._length]
        view.flags.writeable = False
        return view

    @property
    def numbers(self) -> np.ndarray:
        """The columns of floats, `(n, columns)`, read only; nan marks None."""
        view = self._float_rows[: self._length]
        view.flags.writeable = False
        return view

    @property
    def nbytes(self) -> int:
        """Bytes of all columns, text not counted."""
        return self._int_rows.nbytes + self._float_rows.nbytes

    def _place(self, index: int) -> int:
        place = index + self._length if index < 0 else index
        if not 0 <= place < self._length:
            raise IndexError(f"index: got {index}; allowed: below {self._length}, the number of points")
        return place

    def _reserve(self, rows: int) -> None:
        for name in ("_int_rows", "_float_rows"):
            old = getattr(self, name)
            grown = np.empty((rows, old.shape[1]), old.dtype)
            grown[: self._length] = old[: self._length]
            setattr(self, name, grown)

    def _put(self, place: int, dna: DNA) -> None:
        self.space.validate(dna)
        flat = dna.flat
        self._int_rows[place] = [self._inactive if (gene := flat[i]) is None else gene for i in self._ints]
        if self._floats:
            self._float_rows[place] = [np.nan if (gene := flat[i]) is None else gene for i in self._floats]
        if self._texts:
            text = tuple(_as_text(flat[i]) for i in self._texts)
            if place == len(self._text_rows):
                self._text_rows.append(text)
            else:
                self._text_rows[place] = text

    def _get(self, place: int) -> DNA:
        row = self._int_rows[place].tolist()
        if not self._floats and not self._texts:
            inactive = self._inactive
            return DNA.trusted(tuple([None if g == inactive else g for g in row]), self.space.fingerprint)
        flat: list[Gene] = [None] * len(self.space.points)
        for i, gene in zip(self._ints, row, strict=True):
            flat[i] = None if gene == self._inactive else gene
        for i, number in zip(self._floats, self._float_rows[place].tolist(), strict=True):
            flat[i] = None if number != number else number
        if self._texts:
            for i, text in zip(self._texts, self._text_rows[place], strict=True):
                flat[i] = text
        return DNA.trusted(tuple(flat), self.space.fingerprint)

    def __repr__(self) -> str:
        return f"DNAArray({self._length} points of {self.space.name}, {self.nbytes:,} bytes)"


def _as_text(gene: Gene) -> str | None:
    if gene is not None and not isinstance(gene, str):
        raise DNAError(f"gene: got {gene!r}; allowed: text")
    return gene
