"""Folders of images, one folder for each class, decoded when a batch asks for them: a set may be larger than memory.

    DIR/train/CLASS/*.jpg  DIR/val/CLASS/*.jpg      `val` is the test split, `train` and `valid` are cut from `train`
    DIR/CLASS/*.jpg                                 all three splits are cut from it

An image set of the hub is written out once as such a folder, so both go through the same code.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oche.errors import ArgumentError, DataError, MissingExtraError
from oche.training._augment import box
from oche.training.data._dataset import DataSet, fixed_order, fixed_splits
from oche.training.data._own import DEFAULT_SPLIT

#: Files with these endings are images; others are left alone.
ENDINGS = (".jpeg", ".jpg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff")

# Mean and deviation of ImageNet's pixels, per channel from 0 to 1, as every published recipe has them.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# For a score the shorter side is resized to 256/224 of the wanted one, and the middle is taken.
_MARGIN = 256 / 224

# Below so many images, starting processes to decode them takes longer than decoding.
_FEW = 5000


class ImageFiles:
    """Image files as if they were an array `(n, 3, side, side)` of uint8: what is asked for is read and decoded.

    Args:
        root: Folder.
        names: Path of each image below it.
        sizes: Bytes of each file.
        side: Height and width that images are brought to, in pixels.
        workers: Processes that decode; 0: the process that asks.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, root: Path, names: Sequence[str], sizes: Sequence[int], side: int, workers: int) -> None:
        self.root, self.names, self.sizes, self.side, self.workers = root, names, sizes, side, workers

    def __len__(self) -> int:
        return len(self.names)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """`(n, 3, side, side)`."""
        return len(self.names), 3, self.side, self.side

    def __getitem__(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The middle of some images."""
        return self._stack([self._middle(self._open(int(i))) for i in np.asarray(positions)])

    def cropped(self, positions: NDArray[np.int64], draws: NDArray[np.float64]) -> NDArray[np.uint8]:
        """A random part of some images, see `oche.training._augment.box`; cut out of the whole image before it is resized.

        Args:
            positions: Which images.
            draws: For each of them.
        """
        found = []
        for i, numbers in zip(positions, draws, strict=True):
            image = self._open(int(i))
            top, left, h, w = box(image.height, image.width, numbers)
            found.append(self._resized(image, (left, top, left + w, top + h)))
        return self._stack(found)

    def identify(self, positions: NDArray[np.int64]) -> bytes:
        """What tells these images from others without reading them: names and numbers of bytes."""
        return "".join(f"{self.names[i]}:{self.sizes[i]}\n" for i in positions).encode("utf-8", "surrogateescape")

    def _open(self, i: int) -> Any:
        from PIL import Image, UnidentifiedImageError

        path = self.root / self.names[i]
        try:
            with Image.open(path) as image:
                return image.convert("RGB")
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
            raise DataError(f"image {str(path)!r}: cannot be read ({error}); allowed: an image; mend the file or take it out") from error

    def _middle(self, image: Any) -> Any:
        edge = min(image.width, image.height) / _MARGIN
        if min(image.width, image.height) <= self.side:
            edge = min(image.width, image.height)  # a small image is not cut to be blown up
        left, top = (image.width - edge) / 2, (image.height - edge) / 2
        return self._resized(image, (left, top, left + edge, top + edge))

    def _resized(self, image: Any, part: tuple[float, float, float, float]) -> Any:
        from PIL import Image

        return image.resize((self.side, self.side), Image.Resampling.BILINEAR, box=part)

    def _stack(self, images: list[Any]) -> NDArray[np.uint8]:
        if not images:
            return np.empty((0, 3, self.side, self.side), np.uint8)
        return np.stack([np.asarray(image) for image in images]).transpose(0, 3, 1, 2).copy()


def images(path: str, size: int = 224, workers: int | None = None, name: str | None = None) -> DataSet:
    """A folder of class folders, or of the hub's parquet files, decoded when asked for.

    With folders `train` and `val` (or `test`), `train` is cut into fixed class-balanced halves `train` and `valid`, and the other one is
    `test`. Without them all images are cut, 40 percent to train, 40 to validate, 20 to test. Classes are the names of the folders in
    sorted order. Pixels are normalized by the mean and deviation of ImageNet.

    Args:
        path: Folder.
        size: Height and width that images are brought to, in pixels: for training as the recipe's augmentation says, else the
            middle of the image.
        workers: Processes that decode. None: none for fewer than 5,000 images, else one per processor of this rank, at most 8.
        name: For messages and records; by default the name of the folder.

    Raises:
        DataError: the folder is no such folder.
        MissingExtraError: pillow is not installed.
    """
    folder = Path(path).expanduser()
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ArgumentError(f"images, size: got {size!r}; allowed: a number of pixels from 1")
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 0):
        raise ArgumentError(f"images, workers: got {workers!r}; allowed: a whole number from 0")
    if not folder.is_dir():
        raise DataError(f"images: got {path!r}, which is no folder; allowed: a folder of class folders, or with train/ and val/ of them")
    _check_pillow()
    if any(folder.glob("train-*.parquet")):
        from oche.training.data._hub_images import unpacked

        folder = unpacked(folder)
    shown = name or f"images:{Path(path).expanduser().resolve().name}"
    classes, files, sizes, y, n_train = _scan(folder)
    if n_train is None:
        splits = fixed_splits(y, DEFAULT_SPLIT)
    else:
        splits = fixed_splits(y, {"train": 0.5, "valid": 0.5}, pool=np.arange(n_train))
        splits["test"] = fixed_order(y, np.arange(n_train, len(y)))
    if workers is None:
        workers = 0 if len(y) < _FEW else _processors()
    x: Any = ImageFiles(folder, files, sizes, size, workers)
    mean, std = tuple(255 * m for m in _MEAN), tuple(255 * s for s in _STD)
    settings = {"size": size, "workers": workers, **({"name": name} if name is not None else {})}
    origin = f"images:{Path(path).expanduser().resolve()}?" + "&".join(f"{key}={value}" for key, value in settings.items())
    return DataSet(shown, x, y, splits, classes, mean, std, origin=origin)


def _scan(folder: Path) -> tuple[tuple[str, ...], list[str], list[int], NDArray[np.int64], int | None]:
    """Classes, paths below the folder, sizes, class of each image, and how many lie in `train` (None without a `train`)."""
    parts = [part for part in ("train", "val", "valid", "test") if (folder / part).is_dir()]
    if "train" in parts:
        others = parts[1:]
        if len(others) != 1:
            shown = ", ".join(["train", *others])
            raise DataError(f"images: got {str(folder)!r} with {shown}; allowed: train, and one of val and test")
        roots = ["train", others[0]]
    else:
        roots = [""]
    classes = tuple(sorted(entry.name for entry in os.scandir(folder / roots[0]) if entry.is_dir() and not entry.name.startswith(".")))
    if len(classes) < 2:
        raise DataError(f"images: got {len(classes)} class folders in {str(folder / roots[0])!r}; allowed: at least 2")
    for root in roots[1:]:
        found = {entry.name for entry in os.scandir(folder / root) if entry.is_dir() and not entry.name.startswith(".")}
        if found != set(classes):
            odd = sorted(found ^ set(classes))
            raise DataError(f"images: got {odd[0]!r} in one of {roots[0]!r} and {root!r} only; allowed: the same class folders in both")
    names: list[str] = []
    sizes: list[int] = []
    labels: list[int] = []
    n_train = None
    for root in roots:
        for label, kind in enumerate(classes):
            for name, size in _files(folder, os.path.join(root, kind)):
                names.append(name)
                sizes.append(size)
                labels.append(label)
        n_train = len(names) if n_train is None else n_train
    y = np.array(labels, dtype=np.int64)
    missing = set(range(len(classes))) - set(y.tolist())
    if missing:
        raise DataError(f"images: got no image in class {classes[min(missing)]!r}; allowed: at least one; endings {', '.join(ENDINGS)}")
    return classes, names, sizes, y, n_train if len(roots) > 1 else None


def _files(root: Path, below: str) -> Iterator[tuple[str, int]]:
    with os.scandir(root / below) as entries:
        found = [(entry.name, entry.stat().st_size) for entry in entries if entry.name.lower().endswith(ENDINGS) and entry.is_file()]
    return ((os.path.join(below, name), size) for name, size in sorted(found))


def _processors() -> int:
    # The ranks of one machine share its processors.
    ranks = int(os.environ.get("LOCAL_WORLD_SIZE") or 1)
    return max(1, min(8, (os.cpu_count() or 1) // ranks))


def _check_pillow() -> None:
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("pillow", "data") from error
