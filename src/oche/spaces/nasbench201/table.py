"""The tabular benchmark NAS-Bench-201: accuracies of all 15,625 cells, looked up instead of trained.

There is no default fidelity: data set, epochs and split are said each time, since 12 epochs and 200 epochs, or `valid` and `test`,
are different questions. Read from `OCHE_DATA`, or from a file that the user imported; columns go by name, never by position.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oche import files
from oche.errors import ArgumentError, DataError, unknown
from oche.spaces.nasbench201.cells import EDGES, OPS, canonical, from_cell, to_cell

FILE = "nasbench201.csv.gz"
ROWS = len(OPS) ** len(EDGES)

_COLUMN = re.compile(r"(?P<dataset>.+)_(?P<split>valid|test)_(?P<epochs>\d+)")
_GZIP_MAGIC = b"\x1f\x8b"

#: Images behind one accuracy, by data set and split: Dong and Yang 2020, section 2.2.
ITEMS = {
    "cifar10": {"valid": 25_000, "test": 10_000},
    "cifar100": {"valid": 5_000, "test": 5_000},
    "imagenet16_120": {"valid": 3_000, "test": 3_000},
}

#: (data set, epochs, split)
Fidelity = tuple[str, int, str]


class Table:
    """Accuracies of every cell, in percent.

    Args:
        cells: Cell of each row, in the benchmark's own index order.
        columns: For each (data set, epochs, split) the accuracies in the same order.
        classes: For each row a text that is equal for cells of equal function.
        source: Where it was read.
    """

    name = "nasbench201"

    def __init__(self, cells: Iterable[str], columns: Mapping[Fidelity, NDArray[np.float64]], classes: Iterable[str], source: str) -> None:
        self.cells = tuple(cells)
        self.classes = tuple(classes)
        self.source = source
        self._columns = dict(columns)
        self._rows = {cell: i for i, cell in enumerate(self.cells)}

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def fidelities(self) -> list[Fidelity]:
        """Every (data set, epochs, split) that can be asked for."""
        return sorted(self._columns)

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
        return float(self._column(dataset, epochs, split)[self.index(cell)])

    def values(self, *, dataset: str, epochs: int, split: str) -> NDArray[np.float64]:
        """Accuracies of all cells in index order, `(15625,)`, not writable."""
        return self._column(dataset, epochs, split)

    def mean(self, *, dataset: str, epochs: int, split: str, unique: bool = False) -> float:
        """Exact mean accuracy of a random member of the space.

        Args:
            dataset: As in `query`.
            epochs: As in `query`.
            split: As in `query`.
            unique: Draw among the 6,466 distinct functions instead of the 15,625 cells.
        """
        values = self._column(dataset, epochs, split)
        return float(self._by_class(values).mean() if unique else values.mean())

    def sd(self, *, dataset: str, epochs: int, split: str, unique: bool = False) -> float:
        """Standard deviation over the whole population (divided by its size), as in `mean`."""
        values = self._column(dataset, epochs, split)
        return float(self._by_class(values).std() if unique else values.std())

    def items(self, *, dataset: str, split: str) -> int | None:
        """Images behind one accuracy, or None where that is not known."""
        return ITEMS.get(_dataset_name(dataset), {}).get(split)

    def best(self, *, dataset: str, epochs: int, split: str) -> tuple[int, str, float]:
        """Index, cell and accuracy of the best cell; of equal ones the first."""
        values = self._column(dataset, epochs, split)
        row = int(values.argmax())
        return row, self.cells[row], float(values[row])

    def _column(self, dataset: str, epochs: int, split: str) -> NDArray[np.float64]:
        found = self._columns.get((dataset, epochs, split))
        if found is not None:
            return found
        found = self._columns.get((_dataset_name(str(dataset)), epochs, split))
        if found is not None:
            return found
        asked = f"{dataset}, {epochs} epochs, {split}"
        raise unknown("column of table 'nasbench201'", asked, [f"{d}, {e} epochs, {s}" for d, e, s in self._columns])

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
    folders = [folder for folder in (files.data_dir(), files.cache_dir() / "data") if folder is not None]
    return next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)


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
    target = files.cache_dir() / "data" / FILE
    with files.atomic(target) as temporary:
        if _is_gzip(Path(path)):
            shutil.copyfile(path, temporary)
        else:
            # No name and no time in the header: the same table gives the same bytes.
            with Path(path).open("rb") as source, temporary.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
                shutil.copyfileobj(source, packed)
    return target


def read(path: str | os.PathLike[str]) -> Table:
    """Read and check a table file.

    Raises:
        DataError: it cannot be read, a column is missing, a number is no accuracy, or the cells are not all 15,625 once.
    """
    file = Path(path)
    try:
        status = file.stat()
        return _read(str(file.resolve()), status.st_mtime_ns, status.st_size)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"table file: got {str(path)!r}, which cannot be read ({error}); allowed: the CSV file, plain or gzip") from error


@lru_cache(maxsize=4)
def _read(path: str, mtime: int, size: int) -> Table:
    # mtime and size are part of the key: a file that was replaced is read again.
    file = Path(path)
    text = (gzip.decompress(file.read_bytes()) if _is_gzip(file) else file.read_bytes()).decode("utf-8")
    rows = csv.reader(io.StringIO(text))
    header = next(rows, [])
    fidelities = {i: _fidelity(match) for i, name in enumerate(header) if (match := _COLUMN.fullmatch(name))}
    if not {"index", "arch"} <= set(header) or not fidelities:
        raise DataError(f"table file {path}: got columns {header}; allowed: index, arch and <data set>_<valid|test>_<epochs>")
    body = [row for row in rows if row]
    if len(body) != ROWS:
        raise DataError(f"table file {path}: got {len(body)} rows; allowed: {ROWS}, one per cell; get the whole file")
    try:
        body.sort(key=lambda row: int(row[header.index("index")]))
        columns = {fidelity: _numbers(path, header[i], [float(row[i]) for row in body]) for i, fidelity in fidelities.items()}
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


def _numbers(path: str, name: str, values: list[float]) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    # A column that ends at 1 holds fractions: mixed with percent they would be compared in silence.
    if not (np.isfinite(array).all() and array.min() >= 0 and 1 < array.max() <= 100):
        raise DataError(
            f"table file {path}: got column {name!r} from {array.min()} to {array.max()}; allowed: accuracies in percent, 0 to 100"
        )
    array.setflags(write=False)
    return array


def _fidelity(match: re.Match[str]) -> Fidelity:
    return _dataset_name(match["dataset"]), int(match["epochs"]), match["split"]


def _dataset_name(name: str) -> str:
    plain = re.sub(r"[-_ ]", "", name).lower()
    return "imagenet16_120" if plain == "imagenet16120" else plain


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(2) == _GZIP_MAGIC
