"""A user's own data: arrays or tensors, a torch data set, a CSV or NPZ file."""

from __future__ import annotations

import csv
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oche.errors import DataError
from oche.training.data._dataset import DataSet, check_positions, fixed_order, fixed_splits, moments

#: Shares of train, valid and test where the user says nothing.
DEFAULT_SPLIT = {"train": 0.4, "valid": 0.4, "test": 0.2}


def from_arrays(
    x: ArrayLike,
    y: ArrayLike,
    name: str = "arrays",
    splits: Mapping[str, int | float | Sequence[int] | NDArray[np.int64]] | None = None,
    class_names: Sequence[str] | None = None,
) -> DataSet:
    """Make a data set of arrays or tensors.

    Args:
        x: Inputs, `(n, ...)`; images as `(n, channels, height, width)` or gray `(n, height, width)`. uint8 is kept, other numbers
            become float32.
        y: Classes, `(n,)`, numbers or text. They are numbered in sorted order.
        name: For messages and records.
        splits: For `train`, `valid` and `test` either a size, a share, or the positions. Default: 40, 40 and 20 percent.
        class_names: Names in the sorted order of the classes; by default the classes as text.

    Raises:
        DataError: lengths differ, a value is not finite, or there are fewer than two classes.
    """
    inputs = _inputs(x, name)
    labels = np.asarray(y)
    if labels.ndim != 1 or len(labels) != len(inputs):
        raise DataError(f"data set {name!r}: got labels of shape {labels.shape} for {len(inputs)} inputs; allowed: one class per input")
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise DataError(f"data set {name!r}: got {len(classes)} class; allowed: at least 2")
    names = tuple(str(c) for c in (classes if class_names is None else class_names))
    if len(names) != len(classes):
        raise DataError(f"data set {name!r}: got {len(names)} class names for {len(classes)} classes; allowed: one each")
    codes = codes.astype(np.int64)
    parts = _splits(name, codes, splits or DEFAULT_SPLIT)
    mean, std = moments(inputs, parts["train"])
    return DataSet(name, inputs, codes, parts, names, mean, std)


def from_dataset(dataset: Any, name: str = "dataset", splits: Mapping[str, Any] | None = None) -> DataSet:
    """Make a data set of a `torch.utils.data.Dataset` (or any sequence) of pairs (input, class).

    Every item is read once, so random transforms must be left out. Images may be tensors `(channels, height, width)` or pictures
    of Pillow.

    Raises:
        DataError: an item is not such a pair, or shapes differ.
    """
    inputs, labels = [], []
    for i in range(len(dataset)):
        try:
            item, label = dataset[i]
        except (TypeError, ValueError) as error:
            raise DataError(f"data set {name!r}: item {i} is not a pair; allowed: (input, class)") from error
        inputs.append(_item(item))
        labels.append(label.item() if hasattr(label, "item") else label)
        if inputs[-1].shape != inputs[0].shape:
            raise DataError(f"data set {name!r}: item {i} has shape {inputs[-1].shape}; allowed: {inputs[0].shape}, that of item 0")
    if not inputs:
        raise DataError(f"data set {name!r}: got no items; allowed: at least one per split and class")
    return from_arrays(np.stack(inputs), np.asarray(labels), name, splits)


def from_csv(
    path: str | os.PathLike[str],
    target: str | None = None,
    shape: Sequence[int] | None = None,
    splits: Mapping[str, Any] | None = None,
) -> DataSet:
    """Read a CSV file with a header: numbers, and one column of classes.

    Args:
        path: The file, UTF-8, comma-separated.
        target: Name of the column of classes; by default the last one.
        shape: Shape of one input, for example `(1, 8, 8)`; by default a row of features.
        splits: As for `from_arrays`.

    Raises:
        DataError: the file cannot be read, a column is missing, a cell is not a number.
    """
    file = Path(path)
    try:
        with file.open(newline="", encoding="utf-8") as handle:
            header, *rows = [row for row in csv.reader(handle) if row] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"CSV file: got {str(path)!r}, which cannot be read ({error}); allowed: comma-separated UTF-8 text") from error
    column = len(header) - 1 if target is None else _column(file, header, target)
    features = [i for i in range(len(header)) if i != column]
    values = np.empty((len(rows), len(features)), dtype=np.float32)
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise DataError(f"CSV file {file}: line {number + 2} has {len(row)} cells; allowed: {len(header)}, as in the header")
        for j, i in enumerate(features):
            values[number, j] = _number(file, number + 2, header[i], row[i])
    inputs = values if shape is None else _shaped(file, values, shape)
    return from_arrays(inputs, np.array([row[column] for row in rows]), file.stem, splits)


def from_npz(path: str | os.PathLike[str], splits: Mapping[str, Any] | None = None) -> DataSet:
    """Read a NumPy archive with the arrays `x` and `y`, and optionally positions `train`, `valid`, `test`.

    Raises:
        DataError: it cannot be read, or an array is missing. Pickled objects are refused.
    """
    file = Path(path)
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"NPZ file: got {str(path)!r}, which cannot be read ({error}); allowed: plain arrays x and y") from error
    if not {"x", "y"} <= set(arrays):
        raise DataError(f"NPZ file {file}: got arrays {sorted(arrays)}; allowed: x, y, and optionally train, valid, test")
    given = {split: arrays[split] for split in DEFAULT_SPLIT if split in arrays}
    return from_arrays(arrays["x"], arrays["y"], file.stem, splits or given or None)


def _inputs(x: ArrayLike, name: str) -> NDArray[Any]:
    array = np.asarray(x)
    if array.ndim < 2:
        raise DataError(f"data set {name!r}: got inputs of shape {array.shape}; allowed: (n, ...) with at least one feature")
    if array.dtype.kind not in "uifb":
        raise DataError(f"data set {name!r}: got inputs of type {array.dtype}; allowed: numbers")
    if array.dtype != np.uint8:
        array = array.astype(np.float32)
        if not np.isfinite(array).all():
            raise DataError(f"data set {name!r}: got inputs that are not finite; allowed: finite numbers; fill or drop them first")
    return array[:, None] if array.ndim == 3 else array


def _item(item: Any) -> NDArray[Any]:
    picture = hasattr(item, "getbands")
    array = np.asarray(item)
    return array.transpose(2, 0, 1) if picture and array.ndim == 3 else array


def _splits(data_set: str, y: NDArray[np.int64], wanted: Mapping[str, Any]) -> dict[str, NDArray[np.int64]]:
    if all(isinstance(value, (int, float)) for value in wanted.values()):
        return fixed_splits(y, wanted)
    check_positions(data_set, wanted, len(y))
    return {name: fixed_order(y, np.asarray(value, dtype=np.int64)) for name, value in wanted.items()}


def _column(file: Path, header: list[str], target: str) -> int:
    if target not in header:
        raise DataError(f"CSV file {file}: got target {target!r}; allowed: {', '.join(header)}")
    return header.index(target)


def _number(file: Path, line: int, column: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"CSV file {file}: line {line}, column {column!r}: got {text!r}; allowed: a number") from error


def _shaped(file: Path, values: NDArray[np.float32], shape: Sequence[int]) -> NDArray[np.float32]:
    try:
        return values.reshape(len(values), *shape)
    except ValueError as error:
        raise DataError(
            f"CSV file {file}: got shape {tuple(shape)} for {values.shape[1]} features; allowed: one with as many values"
        ) from error
