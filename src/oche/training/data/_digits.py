"""`digits`: 1,797 handwritten digits of 8x8 gray pixels, which come with scikit-learn."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from oche.training.data._dataset import DataSet, fixed_splits, moments


def digits() -> DataSet:
    """600 to train, 600 to validate, 597 to test; pixels 0 to 16.

    A third each, so that one test item is worth 0.17 points: on a small data set the test split limits what can be told apart.

    Source: UCI optical recognition of handwritten digits, test part, as in scikit-learn; the split is ours.
    """
    pixels, classes = _read()
    x = np.asarray(pixels, dtype=np.float32).reshape(-1, 1, 8, 8)
    y = np.asarray(classes, dtype=np.int64)
    splits = fixed_splits(y, {"train": 600, "valid": 600, "test": 597})
    mean, std = moments(x, splits["train"])
    return DataSet("digits", x, y, splits, tuple(str(d) for d in range(10)), mean, std, origin="digits")


def _read() -> tuple[np.ndarray, np.ndarray]:
    """Pixels, `(1797, 64)`, and classes.

    The file is read where it lies: the import of scikit-learn takes about as long as that of torch, and every worker would pay for it.
    """
    found = importlib.util.find_spec("sklearn")
    for folder in (found.submodule_search_locations if found else None) or ():
        path = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if path.exists():
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                rows = np.loadtxt(lines, delimiter=",")
            return rows[:, :-1], rows[:, -1]
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    return bunch.data, bunch.target
