"""The tabular benchmark NAS-Bench-101: accuracies of 423,624 different cells on CIFAR-10, looked up instead of trained.

The release is a TFRecord file with one record per training. `import_table` reads it once and keeps the means over the trainings of a
cell in a small NumPy file. There is no default fidelity: epochs and split are said each time.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import logging
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from oche import files
from oche.errors import ArgumentError, DataError, SkipTrial, unknown
from oche.spaces import _accuracies as accuracies
from oche.spaces.nasbench101.cells import OPS, VERTICES, Graph, from_cell, graph_hash, to_cell
from oche.spaces.nasbench101.records import fields, records

logger = logging.getLogger("oche.spaces")

FILE = "nasbench101.npz"

#: Cells of the whole release.
ROWS = 423_624

DATASET = "cifar10"

#: Images behind one accuracy of one training, by split: Ying et al. 2019, section 2.4.
ITEMS = {"valid": 10_000, "test": 10_000}

_GZIP_MAGIC = b"\x1f\x8b"
# So many hashes of a file are computed again: a file of another layout or order of operations is found out at once.
_CHECKED = 1000

#: (epochs, split)
Fidelity = tuple[int, str]


class Table:
    """Mean accuracies of cells, in percent, by the hash of the release.

    Args:
        hashes: 16 bytes each, `(n, 16)`, in the order of the release.
        graphs: The cell of each, packed by `pack`, `(n, 7)`.
        columns: For each (epochs, split) the accuracies in the same order; NaN where a cell was not trained so.
        params: Number of weights of each network.
        source: Where it was read.
    """

    name = "nasbench101"

    def __init__(
        self,
        hashes: NDArray[np.uint8],
        graphs: NDArray[np.uint32],
        columns: Mapping[Fidelity, NDArray[np.float64]],
        params: NDArray[np.int64],
        source: str,
    ) -> None:
        self.source = source
        self._graphs = graphs
        self._columns = dict(columns)
        self._params = params
        self._rows = {row.tobytes(): i for i, row in enumerate(hashes)}

    def __len__(self) -> int:
        return len(self._graphs)

    @property
    def complete(self) -> bool:
        """Whether it has all 423,624 cells of the release."""
        return len(self) == ROWS

    @property
    def fidelities(self) -> list[Fidelity]:
        """Every (epochs, split) that can be asked for."""
        return sorted(self._columns)

    @property
    def cells(self) -> tuple[str, ...]:
        """Text form of each cell, as the release has it."""
        return tuple(map(self._cell, range(len(self))))

    def index(self, cell: str) -> int:
        """Row of a cell; cells that differ in the order of vertices, or in vertices that are pruned, have the same.

        Raises:
            ArgumentError: the text is not a cell.
            SkipTrial: the cell is invalid.
            DataError: the table, of a part of the release, does not have it.
        """
        name = graph_hash(from_cell(cell))
        row = self._rows.get(bytes.fromhex(name))
        if row is None:
            raise DataError(
                f"table 'nasbench101': got cell {name}, which is not in {self.source}; "
                f"allowed: its {len(self):,} cells; import the whole release"
            )
        return row

    def query(self, cell: str, *, epochs: int, split: str, dataset: str = DATASET) -> float:
        """Accuracy of one cell in percent, the mean over its trainings.

        Args:
            cell: Text form, JSON of `matrix` and `ops`.
            epochs: For how many epochs the cell was trained.
            split: `valid` or `test`.
            dataset: `cifar10`; there is no other.

        Raises:
            UnknownNameError: the table has no such column; the message lists what exists.
            ArgumentError: the text is not a cell.
            SkipTrial: the cell is invalid, so it has no accuracy.
            DataError: the table does not have the cell at these epochs.
        """
        column = self._column(dataset, epochs, split)
        value = float(column[self.index(cell)])
        if np.isnan(value):
            raise DataError(f"table 'nasbench101': got no training of {epochs} epochs for {cell}; allowed: another cell or other epochs")
        return value

    def params(self, cell: str) -> int:
        """Number of weights of the published network of a cell."""
        return int(self._params[self.index(cell)])

    def values(self, *, epochs: int, split: str, dataset: str = DATASET) -> NDArray[np.float64]:
        """Accuracies of all different cells in the order of the release, `(n,)`, not writable.

        Members of the space are not spread evenly over them: a cell of many orders of vertices has many members.
        """
        return self._column(dataset, epochs, split)

    def mean(self, *, epochs: int, split: str, dataset: str = DATASET) -> float:
        """Mean accuracy of the different cells."""
        return float(np.nanmean(self._column(dataset, epochs, split)))

    def sd(self, *, epochs: int, split: str, dataset: str = DATASET) -> float:
        """Standard deviation over the different cells (divided by their number)."""
        return float(np.nanstd(self._column(dataset, epochs, split)))

    def best(self, *, epochs: int, split: str, dataset: str = DATASET) -> tuple[int, str, float]:
        """Row, cell and accuracy of the best cell; of equal ones the first."""
        values = self._column(dataset, epochs, split)
        row = int(np.nanargmax(values))
        return row, self._cell(row), float(values[row])

    def items(self, *, dataset: str, split: str) -> int | None:
        """Images behind the accuracy of one training, or None where that is not known."""
        return ITEMS.get(split) if dataset == DATASET else None

    def _cell(self, row: int) -> str:
        return to_cell(unpack(self._graphs[row].tolist()))

    def _column(self, dataset: str, epochs: int, split: str) -> NDArray[np.float64]:
        found = self._columns.get((epochs, split)) if dataset == DATASET else None
        if found is None:
            asked = f"{dataset}, {epochs} epochs, {split}"
            raise unknown("column of table 'nasbench101'", asked, [f"{DATASET}, {e} epochs, {s}" for e, s in self._columns])
        return found


def pack(graph: Graph) -> list[int]:
    """A cell in seven numbers: vertices, edges above the diagonal row by row as bits, and five operations, 0 where there is none."""
    n = len(graph.ops)
    bits = sum(graph.matrix[i][j] << place for place, (i, j) in enumerate(combinations(range(n), 2)))
    ops = [OPS.index(op) for op in graph.ops[1:-1]]
    return [n, bits, *ops, *[0] * (VERTICES - n)]


def unpack(numbers: Sequence[int]) -> Graph:
    """The inverse of `pack`."""
    n, bits, *ops = numbers
    matrix = [[0] * n for _ in range(n)]
    for place, (i, j) in enumerate(combinations(range(n), 2)):
        matrix[i][j] = bits >> place & 1
    return Graph(tuple(map(tuple, matrix)), ("input", *(OPS[op] for op in ops[: n - 2]), "output"))


def table() -> Table:
    """The table, from `OCHE_DATA` or the user's cache; parsed once per process.

    Raises:
        DataError: it was not imported, or its file cannot be read.
    """
    path = find()
    if path is None:
        raise DataError(
            f"table 'nasbench101': got no file; allowed: {FILE} in the folder OCHE_DATA, or an imported one; "
            "run: oche data import nasbench101 nasbench_only108.tfrecord"
        )
    status = path.stat()
    return _load(str(path.resolve()), status.st_mtime_ns, status.st_size)


def find() -> Path | None:
    """Where the imported table lies, or None."""
    return accuracies.find(FILE)


def import_table(path: str | os.PathLike[str]) -> Path:
    """Read the release and keep its means in the user's cache.

    Args:
        path: `nasbench_only108.tfrecord` or `nasbench_full.tfrecord`, plain or gzip.

    Returns:
        Where the table lies now.

    Raises:
        DataError: the file cannot be read, is damaged, or is not the release; nothing is kept then.
    """
    file = Path(path)
    try:
        with file.open("rb") as raw:
            packed = raw.read(2) == _GZIP_MAGIC
        with cast("BinaryIO", gzip.open(file) if packed else file.open("rb")) as stream:
            arrays = _arrays(stream)
    except (OSError, EOFError) as error:
        raise DataError(
            f"table file: got {str(path)!r}, which cannot be read ({error}); allowed: the TFRecord file, plain or gzip"
        ) from error
    rows = len(arrays["hashes"])
    if rows != ROWS:
        logger.warning("table 'nasbench101': %s has %d of the %d cells of the release", path, rows, ROWS)
    target = files.cache_dir() / "data" / FILE
    with files.atomic(target) as temporary, temporary.open("wb") as written:
        save: Any = np.savez_compressed
        save(written, **arrays)
    return target


@dataclass
class _Sums:
    """Sums over the trainings of each cell, by epochs."""

    rows: dict[str, int] = field(default_factory=dict)
    graphs: list[list[int]] = field(default_factory=list)
    params: list[int] = field(default_factory=list)
    by_epochs: dict[int, dict[int, list[float]]] = field(default_factory=dict)

    def add(self, record: bytes) -> None:
        name, epochs, adjacency, operations, packed = _parts(record)
        row = self.rows.get(name)
        params, valid, test = _metrics(base64.b64decode(packed, validate=True))
        if row is None:
            graph = _graph(adjacency, operations)
            row = self.rows[name] = len(self.rows)
            if row < _CHECKED and graph_hash(graph) != name:
                raise ValueError(f"hash {name} of a graph whose hash is {graph_hash(graph)}")
            bytes.fromhex(name)
            self.graphs.append(pack(graph))
            self.params.append(params)
        sums = self.by_epochs.setdefault(epochs, {}).setdefault(row, [0.0, 0.0, 0])
        sums[0] += valid
        sums[1] += test
        sums[2] += 1


def _arrays(stream: BinaryIO) -> dict[str, NDArray[Any]]:
    sums = _Sums()
    for number, record in enumerate(records(stream)):
        try:
            sums.add(record)
        except (ValueError, TypeError, SkipTrial, ArgumentError, DataError, binascii.Error) as error:
            raise DataError(
                f"record {number}: got one that is not of NAS-Bench-101 ({error}); "
                "allowed: [hash, epochs, adjacency, operations, metrics] as JSON; get nasbench_only108.tfrecord"
            ) from error
    if not sums.rows:
        raise DataError("table file: got no record; allowed: nasbench_only108.tfrecord or nasbench_full.tfrecord")
    n = len(sums.rows)
    names = np.frombuffer(b"".join(map(bytes.fromhex, sums.rows)), np.uint8).reshape(n, 16)
    arrays: dict[str, NDArray[Any]] = {
        "hashes": names,
        "graphs": np.array(sums.graphs, np.uint32),
        "params": np.array(sums.params, np.int64),
    }
    for epochs, found in sorted(sums.by_epochs.items()):
        for place, split in enumerate(ITEMS):
            column = np.full(n, np.nan)
            for row, total in found.items():
                column[row] = 100 * total[place] / total[2]
            arrays[f"{split}_{epochs}"] = column
        runs = np.zeros(n, np.int64)
        runs[list(found)] = [total[2] for total in found.values()]
        arrays[f"runs_{epochs}"] = runs
    return arrays


def _parts(record: bytes) -> tuple[str, int, str, str, str]:
    value = json.loads(record)
    if not isinstance(value, list) or [type(part) for part in value] != [str, int, str, str, str]:
        raise ValueError("other than five parts: text, number, text, text, text")
    return cast("tuple[str, int, str, str, str]", tuple(value))


def _graph(adjacency: str, operations: str) -> Graph:
    ops = tuple(operations.split(","))
    n = len(ops)
    if len(adjacency) != n * n:
        raise ValueError(f"{len(adjacency)} entries of a matrix for {n} operations")
    return Graph(tuple(tuple(int(v) for v in adjacency[i * n : i * n + n]) for i in range(n)), ops)


def _metrics(message: bytes) -> tuple[int, float, float]:
    """Weights, accuracy on valid and on test after the last epoch, as fractions."""
    params, evaluations = None, []
    for number, value in fields(message):
        if number == 1 and isinstance(value, bytes):
            evaluations.append(value)
        elif number == 2 and isinstance(value, int):
            params = value
    # Before training, after half of it, after all of it.
    if params is None or len(evaluations) != 3:
        raise ValueError(f"{len(evaluations)} evaluations and {params} parameters instead of 3 and a number")
    last = dict(fields(evaluations[-1]))
    valid, test = last.get(4), last.get(5)
    if not (isinstance(valid, float) and isinstance(test, float) and 0 <= valid <= 1 and 0 <= test <= 1):
        raise ValueError(f"accuracies {valid} and {test} instead of fractions")
    return params, valid, test


@lru_cache(maxsize=2)
def _load(path: str, mtime: int, size: int) -> Table:
    # mtime and size are part of the key: a file that was replaced is read again.
    try:
        with np.load(path, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        columns = {}
        for name, array in arrays.items():
            split, _, epochs = name.partition("_")
            if split in ITEMS:
                array.setflags(write=False)
                columns[int(epochs), split] = array
        return Table(arrays["hashes"], arrays["graphs"], columns, arrays["params"], path)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"table file: got {path!r}, which cannot be read ({error}); allowed: an imported one; import it again") from error
