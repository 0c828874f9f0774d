"""CIFAR-10.1: a second test set for CIFAR-10, collected anew by the rules of the first one.

Its files are arrays, `cifar10.1_v6_data.npy` of images `(2000, 32, 32, 3)` and `cifar10.1_v6_labels.npy` of classes, with 2,021 images in
version 4. What is trained on comes from CIFAR-10, so a search or a training with this data set differs in the test split alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oche import files
from oche.errors import DataError
from oche.training.data._dataset import DataSet, fixed_order
from oche.training.data._hub import CIFAR10, load_images

#: Published versions: 6 is the one whose classes are balanced, and the one that papers report.
VERSIONS = ("v6", "v4")


def cifar10_1(path: str | None = None, version: str = "v6", cifar10: str | None = None) -> DataSet:
    """Train and valid of CIFAR-10, tested on CIFAR-10.1.

    Args:
        path: Folder with the two files; None: `cifar10.1` in `OCHE_DATA` or in the cache.
        version: One of `VERSIONS`.
        cifar10: Folder of CIFAR-10, as in `cifar10`.

    Raises:
        DataError: a file is missing, or not of this layout.

    Source: Recht et al. 2018, "Do CIFAR-10 classifiers generalize to CIFAR-10?".
    """
    if version not in VERSIONS:
        raise DataError(f"data set 'cifar10.1', version: got {version!r}; allowed: {', '.join(repr(v) for v in VERSIONS)}")
    folder = _find(path, version)
    base = load_images(CIFAR10, cifar10)
    x, y = _read(folder, version)
    kept = np.concatenate([base.splits["train"], base.splits["valid"]])
    n = len(kept)
    splits = {"train": np.arange(len(base.splits["train"])), "valid": np.arange(len(base.splits["train"]), n)}
    whole_y = np.concatenate([base.y[kept], y])
    splits["test"] = fixed_order(whole_y, np.arange(n, n + len(y)))
    name = "cifar10.1" if version == "v6" else f"cifar10.1?version={version}"
    pixels = np.concatenate([base.x[kept], x])
    return DataSet(
        name, pixels, whole_y, splits, base.class_names, base.mean, base.std, origin=name if path is None and cifar10 is None else None
    )


def _find(path: str | None, version: str) -> Path:
    data = files.data_dir()
    places = [Path(path).expanduser()] if path is not None else [files.cache_dir() / "data" / "cifar10.1"]
    if path is None and data is not None:
        places.insert(0, data / "cifar10.1")
    for folder in places:
        if all(_file(folder, version, part).is_file() for part in ("data", "labels")):
            return folder
    raise DataError(
        f"data set 'cifar10.1': got no {_file(places[0], version, 'data').name} and {_file(places[0], version, 'labels').name} in "
        f"{', '.join(str(p) for p in places)}; allowed: the two files of its authors; put them there, or give path="
    )


def _file(folder: Path, version: str, part: str) -> Path:
    return folder / f"cifar10.1_{version}_{part}.npy"


def _read(folder: Path, version: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    arrays = []
    for part in ("data", "labels"):
        try:
            arrays.append(np.load(_file(folder, version, part), allow_pickle=False))
        except (OSError, ValueError, EOFError) as error:
            raise DataError(
                f"data file {_file(folder, version, part)}: cannot be read ({error}); allowed: an array of its authors"
            ) from error
    x, y = arrays
    right = x.ndim == 4 and x.shape[1:] == (32, 32, 3) and x.dtype == np.uint8 and y.shape == x.shape[:1] and y.dtype.kind in "iu"
    if not right or not len(y) or not 0 <= y.min() <= y.max() < len(CIFAR10.class_names):
        raise DataError(
            f"data set 'cifar10.1' in {folder}: got images {x.dtype}{x.shape} and classes {y.dtype}{y.shape}; allowed: uint8 images "
            "(n, 32, 32, 3) and n classes from 0 to 9"
        )
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)), y.astype(np.int64)
