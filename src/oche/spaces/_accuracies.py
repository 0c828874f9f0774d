"""What tables of accuracies share: columns by (data set, epochs, split), files of text, and where they lie.

Columns are named `<data set>_<valid|test>_<epochs>` and hold percent. There is no default fidelity: data set, epochs and split are said
each time.
"""

from __future__ import annotations

import csv
import gzip
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from oche import files
from oche.errors import DataError, unknown

#: Images behind one accuracy, by data set and split: Dong and Yang 2020, section 2.2; Dong et al. 2021, section 3.
ITEMS = {
    "cifar10": {"valid": 25_000, "test": 10_000},
    "cifar100": {"valid": 5_000, "test": 5_000},
    "imagenet16_120": {"valid": 3_000, "test": 3_000},
}

#: (data set, epochs, split)
Fidelity = tuple[str, int, str]

_COLUMN = re.compile(r"(?P<dataset>.+)_(?P<split>valid|test)_(?P<epochs>\d+)")
_GZIP_MAGIC = b"\x1f\x8b"
# Data sets that go by several names, without marks and in small letters. The validation results of CIFAR-10 stand under a name of their own
# in the releases: those networks were trained on one half of the training images.
_NAMES = {"imagenet16120": "imagenet16_120", "cifar10valid": "cifar10"}

_Table = TypeVar("_Table")


class Accuracies:
    """Base of tables: the columns.

    Args:
        columns: For each (data set, epochs, split) the accuracies of all rows in percent, `(n,)`.
        source: Where they were read.
    """

    name: str

    def __init__(self, columns: Mapping[Fidelity, NDArray[np.float64]], source: str) -> None:
        self.source = source
        self._columns = dict(columns)

    @property
    def fidelities(self) -> list[Fidelity]:
        """Every (data set, epochs, split) that can be asked for."""
        return sorted(self._columns)

    def values(self, *, dataset: str, epochs: int, split: str) -> NDArray[np.float64]:
        """Accuracies of all rows in index order, `(n,)`, not writable.

        Raises:
            UnknownNameError: the table has no such column; the message lists what exists.
        """
        for name in (str(dataset), dataset_name(str(dataset))):
            if (name, epochs, split) in self._columns:
                return self._columns[name, epochs, split]
        asked = f"{dataset}, {epochs} epochs, {split}"
        raise unknown(f"column of table {self.name!r}", asked, [f"{d}, {e} epochs, {s}" for d, e, s in self._columns])

    def items(self, *, dataset: str, split: str) -> int | None:
        """Images behind one accuracy, or None where that is not known."""
        return ITEMS.get(dataset_name(dataset), {}).get(split)


def dataset_name(name: str) -> str:
    """The name of a data set as columns have it."""
    plain = re.sub(r"[-_ ]", "", name).lower()
    return _NAMES.get(plain, plain)


def fidelities(path: str, header: Sequence[str]) -> dict[str, Fidelity]:
    """What the columns of a file hold that are accuracies, by their names.

    Raises:
        DataError: two hold the same.
    """
    found: dict[str, Fidelity] = {}
    for name in header:
        match = _COLUMN.fullmatch(name)
        if match is None:
            continue
        key = (dataset_name(match["dataset"]), int(match["epochs"]), match["split"])
        if key in found.values():
            raise DataError(f"table file {path}: got column {name!r} and another one of {key}; allowed: one for each; drop one of them")
        found[name] = key
    return found


def percent(path: str, name: str, values: Sequence[str]) -> NDArray[np.float64]:
    """A column of accuracies, not writable.

    Raises:
        DataError: something is no number, or no accuracy in percent.
    """
    try:
        array = np.array([float(value) for value in values], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"table file {path}: got a row of {name!r} that is cut or not a number ({error}); allowed: one number per column"
        ) from error
    # A column that ends at 1 holds fractions: mixed with percent they would be compared in silence.
    if not (np.isfinite(array).all() and array.min() >= 0 and 1 < array.max() <= 100):
        raise DataError(
            f"table file {path}: got column {name!r} from {array.min()} to {array.max()}; allowed: accuracies in percent, 0 to 100"
        )
    array.setflags(write=False)
    return array


def find(file: str) -> Path | None:
    """Where a table lies, in `OCHE_DATA` or the user's cache, or None."""
    folders = [folder for folder in (files.data_dir(), files.cache_dir() / "data") if folder is not None]
    return next((folder / file for folder in folders if (folder / file).is_file()), None)


def text_of(path: str | os.PathLike[str]) -> str:
    """The text of a file, plain or gzip."""
    raw = Path(path).read_bytes()
    return (gzip.decompress(raw) if raw.startswith(_GZIP_MAGIC) else raw).decode("utf-8-sig")


def keep(path: str | os.PathLike[str], file: str) -> Path:
    """Copy a table file into the user's cache, packed; equal tables give equal bytes."""
    target, text = files.cache_dir() / "data" / file, text_of(path)
    # No name and no time in the header.
    with files.atomic(target) as temporary, temporary.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
        packed.write(text.encode())
    return target


def read(path: str | os.PathLike[str], parse: Callable[[str, int, int], _Table]) -> _Table:
    """Read a table file.

    Args:
        path: The file.
        parse: Called with the path, the time of the last change and the size, so that it may keep what it read until the file is another.

    Raises:
        DataError: it cannot be read, or `parse` says that it is not the table.
    """
    file = Path(path)
    try:
        status = file.stat()
        return parse(str(file.resolve()), status.st_mtime_ns, status.st_size)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"table file: got {str(path)!r}, which cannot be read ({error}); allowed: the CSV file, plain or gzip") from error
