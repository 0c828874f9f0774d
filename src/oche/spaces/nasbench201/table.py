"""The tabular benchmark NAS-Bench-201: accuracies of all 15,625 cells, looked up instead of trained.

There is no default fidelity: data set, epochs and split are said each time, since 12 epochs and 200 epochs, or `valid` and `test`,
are different questions. Read from `OCHE_DATA`, or from a file that the user imported; columns go by name, never by position.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oche.errors import ArgumentError, DataError
from oche.spaces import _accuracies as accuracies
from oche.spaces._accuracies import Accuracies, Fidelity
from oche.spaces.nasbench201.cells import EDGES, OPS, canonical, from_cell, to_cell

FILE = "nasbench201.csv.gz"
ROWS = len(OPS) ** len(EDGES)


class Table(Accuracies):
    """Accuracies of every cell, in percent.

    Args:
        cells: Cell of each row, in the benchmark's own index order.
        columns: For each (data set, epochs, split) the accuracies in the same order.
        classes: For each row a text that is equal for cells of equal function.
        source: Where it was read.
    """

    name = "nasbench201"

    def __init__(self, cells: Iterable[str], columns: Mapping[Fidelity, NDArray[np.float64]], classes: Iterable[str], source: str) -> None:
        super().__init__(columns, source)
        self.cells = tuple(cells)
        self.classes = tuple(classes)
        self._rows = {cell: i for i, cell in enumerate(self.cells)}

    def __len__(self) -> int:
        return len(self.cells)

    def index(self, cell: str) -> int:
        """Row of a cell.

        Raises:
            ArgumentError: the text is not a cell; the message names the edge.
        """
        row = self._rows.get(cell)
        return row if row is not None else self._rows[to_cell(from_cell(cell))]

    def query(self, cell: str, *, dataset: str, epochs: int, split: str) -> float:
        """Accuracy of one cell in percent, a mean over the trials that the benchmark has.

        Args:
            cell: Text form, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`.
            dataset: `cifar10`, `cifar100` or `imagenet16_120`.
            epochs: For how many epochs the cell was trained.
            split: `valid` or `test`.

        Raises:
            UnknownNameError: the table has no such column; the message lists what exists.
            ArgumentError: the text is not a cell.
        """
        return float(self.values(dataset=dataset, epochs=epochs, split=split)[self.index(cell)])

    def mean(self, *, dataset: str, epochs: int, split: str, unique: bool = False) -> float:
        """Exact mean accuracy of a random member of the space.

        Args:
            dataset: As in `query`.
            epochs: As in `query`.
            split: As in `query`.
            unique: Draw among the 6,466 distinct functions instead of the 15,625 cells.
        """
        values = self.values(dataset=dataset, epochs=epochs, split=split)
        return float(self._by_class(values).mean() if unique else values.mean())

    def sd(self, *, dataset: str, epochs: int, split: str, unique: bool = False) -> float:
        """Standard deviation over the whole population (divided by its size), as in `mean`."""
        values = self.values(dataset=dataset, epochs=epochs, split=split)
        return float(self._by_class(values).std() if unique else values.std())

    def best(self, *, dataset: str, epochs: int, split: str) -> tuple[int, str, float]:
        """Index, cell and accuracy of the best cell; of equal ones the first."""
        values = self.values(dataset=dataset, epochs=epochs, split=split)
        row = int(values.argmax())
        return row, self.cells[row], float(values[row])

    def _by_class(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        _, inverse = np.unique(np.array(self.classes), return_inverse=True)
        return np.bincount(inverse, weights=values) / np.bincount(inverse)


def table() -> Table:
    """The table, from `OCHE_DATA` or the user's cache; parsed once per process.

    Raises:
        DataError: there is no such file, or it is not the table.
    """
    path = find()
    if path is None:
        raise DataError(
            f"table 'nasbench201': got no file; allowed: {FILE} in the folder OCHE_DATA, or an imported one; "
            "run: oche data import nasbench201 FILE"
        )
    return read(path)


def find() -> Path | None:
    """Where the table lies, or None."""
    return accuracies.find(FILE)


def import_table(path: str | os.PathLike[str]) -> Path:
    """Check a table file (CSV, plain or gzip) and copy it into the user's cache.

    Args:
        path: A file with the columns `index`, `arch` and `<data set>_<valid|test>_<epochs>`.

    Returns:
        Where the copy lies.

    Raises:
        DataError: the file cannot be read or is not the table; nothing is copied then.
    """
    read(path)
    return accuracies.keep(path, FILE)


def read(path: str | os.PathLike[str]) -> Table:
    """Read and check a table file.

    Raises:
        DataError: it cannot be read, a column is missing, a number is no accuracy, or the cells are not all 15,625 once.
    """
    return accuracies.read(path, _read)


@lru_cache(maxsize=4)
def _read(path: str, mtime: int, size: int) -> Table:
    # mtime and size are part of the key: a file that was replaced is read again.
    rows = csv.reader(io.StringIO(accuracies.text_of(path)))
    header = next(rows, [])
    fidelities = {header.index(name): key for name, key in accuracies.fidelities(path, header).items()}
    if not {"index", "arch"} <= set(header) or not fidelities:
        raise DataError(f"table file {path}: got columns {header}; allowed: index, arch and <data set>_<valid|test>_<epochs>")
    body = [row for row in rows if row]
    if len(body) != ROWS:
        raise DataError(f"table file {path}: got {len(body)} rows; allowed: {ROWS}, one per cell; get the whole file")
    try:
        body.sort(key=lambda row: int(row[header.index("index")]))
        columns = {key: accuracies.percent(path, header[i], [row[i] for row in body]) for i, key in fidelities.items()}
    except (ValueError, IndexError) as error:
        raise DataError(f"table file {path}: got a row that is cut or not a number ({error}); allowed: one number per column") from error
    return Table(_cells(path, [row[header.index("arch")] for row in body]), columns, _classes(header, body), path)


def _cells(path: str, cells: list[str]) -> list[str]:
    try:
        known = {to_cell(from_cell(cell)) for cell in cells}
    except ArgumentError as error:
        raise DataError(f"table file {path}: {error}") from error
    if len(known) != ROWS or known != set(cells):
        raise DataError(f"table file {path}: got {len(known)} different cells; allowed: each of the {ROWS} once, in the standard text form")
    return cells


def _classes(header: list[str], body: list[list[str]]) -> list[str]:
    if "iso_class" in header:
        column = header.index("iso_class")
        return [row[column] for row in body]
    return [canonical(row[header.index("arch")]) for row in body]
