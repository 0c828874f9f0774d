"""Image sets in the parquet layout of the hub: found on disk or downloaded, decoded once, kept as memory-mapped arrays.

Decoding the 60,000 images of CIFAR-10 takes some seconds; afterwards a load takes milliseconds and processes share the pages.
Any number of processes may do this at once: each writes under a temporary name and renames, and all write the same bytes.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oche import files
from oche.errors import DataError, MissingExtraError
from oche.training.data._dataset import DataSet, fixed_order, fixed_splits

_log = logging.getLogger("oche.training.data")

_CIFAR_MEAN = (0.49139968, 0.48215827, 0.44653124)
_CIFAR_STD = (0.24703233, 0.24348505, 0.26158768)

#: Changes whenever decoding would give other bytes.
_LAYOUT = "1"


@dataclass(frozen=True)
class HubImages:
    """Where an image set lies on the hub and how its columns are called.

    Args:
        name: Name here, and of its folder.
        repository: Name on the hub.
        side: Height and width of its images, in pixels.
        image: Column of encoded images, `struct(bytes, path)`.
        label: Column of classes.
        class_names: One name per class.
        mean: Per channel, for pixels from 0 to 1.
        std: As `mean`.
    """

    name: str
    repository: str
    side: int
    image: str
    label: str
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


CIFAR10 = HubImages(
    "cifar10",
    "uoft-cs/cifar10",
    32,
    "img",
    "label",
    ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    _CIFAR_MEAN,
    _CIFAR_STD,
)

# The evaluated papers use the CIFAR-10 constants for CIFAR-100 too.
CIFAR100 = HubImages("cifar100", "uoft-cs/cifar100", 32, "img", "fine_label", tuple(str(i) for i in range(100)), _CIFAR_MEAN, _CIFAR_STD)


def cifar10(path: str | None = None) -> DataSet:
    """CIFAR-10: 25,000 to train, 25,000 to validate, 10,000 to test; 32x32 RGB.

    Args:
        path: Folder with the parquet files, or None to look in `OCHE_DATA`, the cache and then the hub.

    Source: Krizhevsky 2009; halves of the training set as in Liu et al. 2019 (DARTS), here class-balanced.
    """
    return load_images(CIFAR10, path)


def cifar100(path: str | None = None) -> DataSet:
    """CIFAR-100 with its fine labels: 25,000 to train, 25,000 to validate, 10,000 to test; 32x32 RGB.

    Args:
        path: Folder with the parquet files, or None to look in `OCHE_DATA`, the cache and then the hub.

    Source: Krizhevsky 2009.
    """
    return load_images(CIFAR100, path)


def load_images(images: HubImages, path: str | None = None) -> DataSet:
    """Load an image set: `train` and `valid` are fixed halves of its training files, `test` its test files."""
    folder = _find(images, path)
    x, y, n_train = _arrays(images, folder)
    splits = fixed_splits(y, {"train": 0.5, "valid": 0.5}, pool=np.arange(n_train))
    splits["test"] = fixed_order(y, np.arange(n_train, len(y)))
    mean = tuple(255 * m for m in images.mean)
    std = tuple(255 * s for s in images.std)
    return DataSet(images.name, x, y, splits, images.class_names, mean, std, origin=images.name if path is None else None)


def _find(images: HubImages, path: str | None) -> Path:
    if path is not None:
        folder = Path(path).expanduser()
        if not _parquet(folder, "train"):
            raise DataError(f"data set {images.name!r}: got path {path!r}; allowed: a folder with train-*.parquet and test-*.parquet")
        return folder
    data = files.data_dir()
    for folder in (data / images.name if data else None, files.cache_dir() / "data" / images.name):
        if folder is not None and _parquet(folder, "train"):
            return folder
    return _download(images, files.cache_dir() / "data" / images.name)


def _download(images: HubImages, folder: Path) -> Path:
    """Fetch an image set from the hub into `folder`, in the layout in which the hub keeps it."""
    try:
        datasets = importlib.import_module("datasets")
    except ImportError as error:
        missing = MissingExtraError("datasets", "data")
        place = f"train-*.parquet and test-*.parquet in {folder} or in OCHE_DATA/{images.name}"
        missing.msg = f"data set {images.name!r}, not on this machine: to download it needs {missing}; or put {place}"
        raise missing from error
    _log.info("downloading %s from the hub to %s", images.repository, folder)
    # The training part is written last: a folder with it is complete.
    for split in ("test", "train"):
        try:
            part = datasets.load_dataset(images.repository, split=split)
        except Exception as error:  # the client raises errors of many libraries: HTTP, files, its own
            raise DataError(
                f"data set {images.name!r}: the download from {images.repository!r} failed ({error}); allowed: a working connection, "
                f"or train-*.parquet and test-*.parquet in {folder} or in OCHE_DATA/{images.name}"
            ) from error
        with files.atomic(folder / f"{split}-00000-of-00001.parquet") as temporary:
            part.to_parquet(str(temporary))
    return folder


def _arrays(images: HubImages, folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64], int]:
    """Decoded pixels (memory-mapped), classes, and the number of training items, which come first."""
    sources = [(split, file) for split in ("train", "test") for file in _parquet(folder, split)]
    if {split for split, _ in sources} != {"train", "test"}:
        raise DataError(f"data set {images.name!r}: got no test-*.parquet in {folder}; allowed: train and test files")
    key = hashlib.sha256(repr([_LAYOUT, images.name, *((s, f.name, files.file_digest(f)) for s, f in sources)]).encode()).hexdigest()[:16]
    cache = files.cache_dir() / "decoded" / f"{images.name}-{key}"
    paths = [cache / f"{part}.npy" for part in ("y", "n_train", "x")]
    # The pixels are written last: where they are, the rest is.
    if not paths[-1].is_file():
        _log.info("decoding %s once, to %s", images.name, cache)
        parts = [_decode(images, split, file) for split, file in sources]
        n_train = sum(len(y) for (split, _), (_, y) in zip(sources, parts, strict=True) if split == "train")
        y = np.concatenate([y for _, y in parts])
        for path, array in zip(paths, (y, np.array(n_train), np.concatenate([x for x, _ in parts])), strict=True):
            with files.atomic(path) as temporary, temporary.open("wb") as handle:
                np.save(handle, array, allow_pickle=False)
    y, count = (np.load(path, allow_pickle=False) for path in paths[:2])
    return np.load(paths[2], mmap_mode="r", allow_pickle=False), y, int(count)


def _decode(images: HubImages, split: str, file: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "data") from error
    try:
        table = parquet.read_table(file, columns=[images.image, images.label])
        encoded = table.column(images.image).combine_chunks().field("bytes")
        y = table.column(images.label).to_numpy().astype(np.int64)
    except (pyarrow.ArrowException, KeyError, OSError, ValueError) as error:
        raise DataError(
            f"data file {file}: cannot be read as {images.name!r} ({error}); "
            f"allowed: columns {images.image!r} (bytes, path) and {images.label!r}"
        ) from error
    if len(y) and not 0 <= y.min() <= y.max() < len(images.class_names):
        raise DataError(f"data file {file}: got labels {y.min()} to {y.max()}; allowed: 0 to {len(images.class_names) - 1}")
    x = np.empty((len(y), 3, images.side, images.side), dtype=np.uint8)
    for i, item in enumerate(encoded):
        x[i] = _pixels(file, i, item.as_py(), images.side)
    _log.debug("decoded %d images of %s", len(y), split)
    return x, y


def _pixels(file: Path, row: int, encoded: bytes, side: int) -> NDArray[Any]:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise MissingExtraError("pillow", "data") from error
    try:
        pixels = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
    except (UnidentifiedImageError, OSError, TypeError) as error:
        raise DataError(f"data file {file}: row {row} holds no image ({error}); allowed: PNG or JPEG; get the file again") from error
    if pixels.shape != (side, side, 3):
        raise DataError(f"data file {file}: row {row} has shape {pixels.shape}; allowed: {(side, side, 3)}")
    return pixels.transpose(2, 0, 1)


def _parquet(folder: Path, split: str) -> list[Path]:
    return sorted(folder.glob(f"{split}-*.parquet"))
