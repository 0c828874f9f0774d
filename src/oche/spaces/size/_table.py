"""The tabular benchmark of the size space: accuracies of 32,768 networks, looked up instead of trained.

The release of NATS-Bench is a folder of pickled files, which this library does not open. Its own interface answers queries; a file with
one line for each architecture, written from these answers, is what is imported here: columns `arch` (`8:16:32:48:64`) or `index`, and
`<data set>_<valid|test>_<epochs>` in percent. There is no default fidelity. The interface answers for 12 epochs and for a trial drawn at
random unless it is asked otherwise; the published results of this space need 90 epochs and the mean over trials.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oche.errors import ArgumentError, DataError
from oche.spaces import _accuracies as accuracies
from oche.spaces._accuracies import Accuracies, Fidelity
from oche.spaces.size._network import from_text, to_text

FILE = "nats-size.csv.gz"

#: Widths of a layer, in the order of the benchmark's index, and layers.
WIDTHS = (8, 16, 24, 32, 40, 48, 56, 64)
LAYERS = 5
ROWS = len(WIDTHS) ** LAYERS


class Table(Accuracies):
    """Accuracies of networks of the size space, in percent.

    Args:
        rows: Index of each network that is known, in the benchmark's order.
        columns: For each (data set, epochs, split) the accuracies in the same order.
        source: Where it was read.
    """

    name = "size"

    def __init__(self, rows: Sequence[int], columns: Mapping[Fidelity, NDArray[np.float64]], source: str) -> None:
        super().__init__(columns, source)
        self.rows = tuple(rows)
        self._places = {row: i for i, row in enumerate(self.rows)}

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def complete(self) -> bool:
        """Whether it has all 32,768 networks."""
        return len(self) == ROWS

    @property
    def cells(self) -> tuple[str, ...]:
        """Text form of each network."""
        return tuple(to_text(widths_of(row)) for row in self.rows)

    def query(self, cell: str, *, dataset: str, epochs: int, split: str) -> float:
        """Accuracy of one network in percent.

        Args:
            cell: Text form, `8:16:32:48:64`.
            dataset: `cifar10`, `cifar100` or `imagenet16_120`.
            epochs: For how many epochs it was trained.
            split: `valid` or `test`.

        Raises:
            UnknownNameError: the table has no such column; the message lists what exists.
            ArgumentError: the text is no network of the space.
            DataError: the table, of a part of the release, does not have it.
        """
        row = index_of(cell)
        if row not in self._places:
            raise DataError(f"table 'size': got {cell!r}, which is not in {self.source}; allowed: its {len(self):,} networks")
        return float(self.values(dataset=dataset, epochs=epochs, split=split)[self._places[row]])

    def best(self, *, dataset: str, epochs: int, split: str) -> tuple[int, str, float]:
        """Index, text form and accuracy of the best network; of equal ones the first."""
        values = self.values(dataset=dataset, epochs=epochs, split=split)
        place = int(values.argmax())
        return self.rows[place], to_text(widths_of(self.rows[place])), float(values[place])


def index_of(cell: str) -> int:
    """Index of a network: its widths as digits to base 8, the first one the most significant.

    Raises:
        ArgumentError: the text is no network of the space.
    """
    widths = from_text(cell)
    if len(widths) != LAYERS or not set(widths) <= set(WIDTHS):
        raise ArgumentError(f"size space: got {cell!r}; allowed: {LAYERS} of {', '.join(map(str, WIDTHS))} with ':' between")
    index = 0
    for width in widths:
        index = index * len(WIDTHS) + WIDTHS.index(width)
    return index


def widths_of(index: int) -> tuple[int, ...]:
    """The inverse of `index_of`."""
    digits = [index // len(WIDTHS) ** place % len(WIDTHS) for place in reversed(range(LAYERS))]
    return tuple(WIDTHS[digit] for digit in digits)


def table() -> Table:
    """The table, from `OCHE_DATA` or the user's cache; parsed once per process.

    Raises:
        DataError: there is no such file, or it is not the table.
    """
    path = find()
    if path is None:
        raise DataError(
            f"table 'size': got no file; allowed: {FILE} in the folder OCHE_DATA, or an imported one; run: oche data import size FILE"
        )
    return read(path)


def find() -> Path | None:
    """Where the table lies, or None."""
    return accuracies.find(FILE)


def import_table(path: str | os.PathLike[str]) -> Path:
    """Check a table file (CSV, plain or gzip) and copy it into the user's cache.

    Raises:
        DataError: the file cannot be read or is not the table; nothing is copied then.
    """
    read(path)
    return accuracies.keep(path, FILE)


def read(path: str | os.PathLike[str]) -> Table:
    """Read and check a table file; of a part of the space too.

    Raises:
        DataError: it cannot be read, a column is missing, a number is no accuracy, or a network is there twice.
    """
    return accuracies.read(path, _read)


@lru_cache(maxsize=4)
def _read(path: str, mtime: int, size: int) -> Table:
    # mtime and size are part of the key: a file that was replaced is read again.
    rows = list(csv.DictReader(io.StringIO(accuracies.text_of(path))))
    header = [name for name in (rows[0] if rows else {}) if name]
    fidelities = accuracies.fidelities(path, header)
    if not {"index", "arch"} & set(header) or not fidelities:
        raise DataError(f"table file {path}: got columns {header}; allowed: arch or index, and <data set>_<valid|test>_<epochs>")
    by_index: dict[int, Mapping[str, str]] = {}
    for row in rows:
        found = _row_index(path, row)
        if found in by_index:
            raise DataError(f"table file {path}: got network {to_text(widths_of(found))} twice; allowed: the mean over its trials, once")
        by_index[found] = row
    order = sorted(by_index)
    columns = {key: accuracies.percent(path, name, [by_index[i][name] for i in order]) for name, key in fidelities.items()}
    return Table(order, columns, path)


def _row_index(path: str, row: Mapping[str, str]) -> int:
    try:
        given = int(row["index"]) if row.get("index") else None
        found = index_of(row["arch"]) if row.get("arch") else given
    except (ArgumentError, ValueError) as error:
        raise DataError(f"table file {path}: {error}") from error
    if found is None or not 0 <= found < ROWS or (given is not None and given != found):
        raise DataError(f"table file {path}: got index {given} with arch {row.get('arch')!r}; allowed: one network, 0 to {ROWS - 1}")
    return found
