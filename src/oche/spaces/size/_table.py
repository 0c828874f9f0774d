"""The tabular benchmark of the size space: accuracies of 32,768 networks, looked up instead of trained.

The release of NATS-Bench is a folder of pickled files, which this library does not open. Its own interface answers queries; a file with
one line for each architecture, written from these answers, is what is imported here: columns `arch` (`8:16:32:48:64`) or `index`, and
`<data set>_<valid|test>_<epochs>` in percent. There is no default fidelity. The interface answers for 12 epochs and for a trial drawn at
random unless it is asked otherwise; the published results of this space need 90 epochs and the mean over trials.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oche import files
from oche.errors import ArgumentError, DataError, unknown
from oche.spaces.size._network import from_text, to_text

FILE = "nats-size.csv.gz"

#: Widths of a layer, in the order of the benchmark's index, and layers.
WIDTHS = (8, 16, 24, 32, 40, 48, 56, 64)
LAYERS = 5
ROWS = len(WIDTHS) ** LAYERS

#: Images behind one accuracy, by data set and split: Dong et al. 2021, section 3.
ITEMS = {
    "cifar10": {"valid": 25_000, "test": 10_000},
    "cifar100": {"valid": 5_000, "test": 5_000},
    "imagenet16_120": {"valid": 3_000, "test": 3_000},
}

_COLUMN = re.compile(r"(?P<dataset>.+)_(?P<split>valid|test)_(?P<epochs>\d+)")
_GZIP_MAGIC = b"\x1f\x8b"

#: (data set, epochs, split)
Fidelity = tuple[str, int, str]


class Table:
    """Accuracies of networks of the size space, in percent.

    Args:
        rows: Index of each network that is known, in the benchmark's order.
        columns: For each (data set, epochs, split) the accuracies in the same order.
        source: Where it was read.
    """

    name = "size"

    def __init__(self, rows: Sequence[int], columns: Mapping[Fidelity, NDArray[np.float64]], source: str) -> None:
        self.source = source
        self.rows = tuple(rows)
        self._columns = dict(columns)
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

    @property
    def fidelities(self) -> list[Fidelity]:
        """Every (data set, epochs, split) that can be asked for."""
        return sorted(self._columns)

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
        return float(self._column(dataset, epochs, split)[self._places[row]])

    def values(self, *, dataset: str, epochs: int, split: str) -> NDArray[np.float64]:
        """Accuracies of all networks in index order, `(n,)`, not writable."""
        return self._column(dataset, epochs, split)

    def items(self, *, dataset: str, split: str) -> int | None:
        """Images behind one accuracy, or None where that is not known."""
        return ITEMS.get(_dataset_name(dataset), {}).get(split)

    def best(self, *, dataset: str, epochs: int, split: str) -> tuple[int, str, float]:
        """Index, text form and accuracy of the best network; of equal ones the first."""
        values = self._column(dataset, epochs, split)
        place = int(values.argmax())
        return self.rows[place], to_text(widths_of(self.rows[place])), float(values[place])

    def _column(self, dataset: str, epochs: int, split: str) -> NDArray[np.float64]:
        for name in (str(dataset), _dataset_name(str(dataset))):
            if (name, epochs, split) in self._columns:
                return self._columns[name, epochs, split]
        asked = f"{dataset}, {epochs} epochs, {split}"
        raise unknown("column of table 'size'", asked, [f"{d}, {e} epochs, {s}" for d, e, s in self._columns])


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
    folders = [folder for folder in (files.data_dir(), files.cache_dir() / "data") if folder is not None]
    return next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)


def import_table(path: str | os.PathLike[str]) -> Path:
    """Check a table file (CSV, plain or gzip) and copy it into the user's cache.

    Raises:
        DataError: the file cannot be read or is not the table; nothing is copied then.
    """
    read(path)
    target, text = files.cache_dir() / "data" / FILE, _text(Path(path))
    with files.atomic(target) as temporary, temporary.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
        packed.write(text.encode())
    return target


def read(path: str | os.PathLike[str]) -> Table:
    """Read and check a table file; of a part of the space too.

    Raises:
        DataError: it cannot be read, a column is missing, a number is no accuracy, or a network is there twice.
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
    rows = list(csv.DictReader(io.StringIO(_text(Path(path)))))
    header = [name for name in (rows[0] if rows else {}) if name]
    fidelities = {name: (_dataset_name(m["dataset"]), int(m["epochs"]), m["split"]) for name in header if (m := _COLUMN.fullmatch(name))}
    if not {"index", "arch"} & set(header) or not fidelities:
        raise DataError(f"table file {path}: got columns {header}; allowed: arch or index, and <data set>_<valid|test>_<epochs>")
    by_index: dict[int, Mapping[str, str]] = {}
    for row in rows:
        found = _row_index(path, row)
        if found in by_index:
            raise DataError(f"table file {path}: got network {to_text(widths_of(found))} twice; allowed: the mean over its trials, once")
        by_index[found] = row
    order = sorted(by_index)
    columns = {key: _numbers(path, name, [by_index[i][name] for i in order]) for name, key in fidelities.items()}
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


def _numbers(path: str, name: str, values: Sequence[str]) -> NDArray[np.float64]:
    try:
        array = np.array([float(value) for value in values])
    except (TypeError, ValueError) as error:
        raise DataError(f"table file {path}: got a row of {name!r} that is cut or not a number ({error}); allowed: percent") from error
    # A column that ends at 1 holds fractions: mixed with percent they would be compared in silence.
    if not (np.isfinite(array).all() and array.min() >= 0 and 1 < array.max() <= 100):
        raise DataError(f"table file {path}: got column {name!r} from {array.min()} to {array.max()}; allowed: percent, 0 to 100")
    array.setflags(write=False)
    return array


def _text(file: Path) -> str:
    raw = file.read_bytes()
    return (gzip.decompress(raw) if raw.startswith(_GZIP_MAGIC) else raw).decode("utf-8-sig")


def _dataset_name(name: str) -> str:
    plain = re.sub(r"[-_ ]", "", name).lower()
    # The validation results of CIFAR-10 stand under a name of their own: those networks were trained on one half of the training images.
    return {"imagenet16120": "imagenet16_120", "cifar10valid": "cifar10"}.get(plain, plain)
