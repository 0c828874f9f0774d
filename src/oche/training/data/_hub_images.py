"""Any image set of the hub, in its parquet layout, written out once as a folder of class folders.

Files are read group of rows by group of rows, and images are copied as they are encoded: neither memory nor quality is at stake. It takes
as much room on the disk again as the parquet files.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
from pathlib import Path
from typing import Any

from oche import files
from oche.errors import DataError, MissingExtraError
from oche.training.data._dataset import DataSet

_log = logging.getLogger("oche.training.data")

#: Written last into a folder that is complete.
_DONE = "complete.json"

_IMAGES, _LABELS = ("image", "img"), ("label", "fine_label", "labels")


def hub(path: str, size: int = 224, workers: int | None = None) -> DataSet:
    """An image set of the hub by its name there, for example `ILSVRC/imagenet-1k`.

    Its parquet files are looked for in `OCHE_DATA/NAME` and in the cache, where NAME is the part after the slash, and downloaded if they
    are in neither. Images are written out once as files; then all is as for `images`.

    Args:
        path: `owner/name`.
        size: As for `images`.
        workers: As for `images`.

    Raises:
        DataError: there is no such set, or it has no columns of images and classes.
        MissingExtraError: a package that it needs is not installed.
    """
    from oche.training.data._images import images

    name = path.rpartition("/")[2]
    data = files.data_dir()
    places = [folder for folder in (data / name if data else None, files.cache_dir() / "data" / name) if folder is not None]
    found = next((folder for folder in places if any(folder.glob("train-*.parquet"))), None)
    return images(str(found or _download(path, places[-1])), size, workers, name=f"hub:{path}")


def unpacked(folder: Path) -> Path:
    """The images of parquet files `train-*` and `validation-*` or `test-*` as a folder of class folders, in the cache.

    Raises:
        DataError: they cannot be read, or hold no images and classes.
        MissingExtraError: pyarrow is not installed.
    """
    parts = {"train": sorted(folder.glob("train-*.parquet"))}
    second = sorted(folder.glob("validation-*.parquet")) or sorted(folder.glob("test-*.parquet"))
    if second:
        parts["val"] = second
    key = hashlib.sha256(repr([(f.name, f.stat().st_size) for listed in parts.values() for f in listed] + [str(folder)]).encode())
    target = files.cache_dir() / "unpacked" / f"{folder.name}-{key.hexdigest()[:16]}"
    if (target / _DONE).is_file():
        return target if second else target / "train"
    _log.info("writing the images of %s out once, to %s", folder, target)
    count = 0
    for split, listed in parts.items():
        for number, file in enumerate(listed):
            count += _unpack(file, target / split, number)
    files.write_text(target / _DONE, json.dumps({"images": count}))
    return target if second else target / "train"


def _unpack(file: Path, target: Path, number: int) -> int:
    """Write the images of one file; how many there were. A second time, or a second process, writes the same files."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "data") from error
    try:
        opened = parquet.ParquetFile(file)
        names = opened.schema_arrow.names
        image, label = (next((n for n in wanted if n in names), None) for wanted in (_IMAGES, _LABELS))
        if image is None or label is None:
            raise DataError(f"data file {file}: got columns {', '.join(names)}; allowed: one of {_IMAGES} and one of {_LABELS}")
        classes = _class_names(opened.schema_arrow.metadata, label)
        row = 0
        for batch in opened.iter_batches(batch_size=256, columns=[image, label]):
            for item, code in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
                folder = target / (classes[code] if classes else f"{code:05d}")
                folder.mkdir(parents=True, exist_ok=True)
                path = folder / f"{number:05d}-{row:07d}{_ending(item['bytes'])}"
                if not (path.is_file() and path.stat().st_size == len(item["bytes"])):
                    path.write_bytes(item["bytes"])
                row += 1
    except (pyarrow.ArrowException, OSError, TypeError, KeyError, IndexError) as error:
        raise DataError(f"data file {file}: cannot be read as images with classes ({error}); allowed: the hub's own layout") from error
    return row


def _class_names(metadata: dict[bytes, bytes] | None, label: str) -> list[str]:
    """Names of the classes, numbered so that their sorted order is the hub's; none if the file says none."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        found = features[label]["names"]
    except (KeyError, ValueError, TypeError):
        return []
    return [f"{i:05d}-{str(name).split(',')[0].strip().replace('/', '-')}" for i, name in enumerate(found)]


def _ending(content: bytes) -> str:
    return ".png" if content.startswith(b"\x89PNG") else ".jpg"


def _download(repository: str, folder: Path) -> Path:
    try:
        datasets: Any = importlib.import_module("datasets")
    except ImportError as error:
        missing = MissingExtraError("datasets", "data")
        said = f"not on this machine: to download it needs {missing}; or put its parquet files in {folder}"
        missing.msg = f"data set 'hub:{repository}', {said}"
        raise missing from error
    _log.info("downloading %s from the hub to %s", repository, folder)
    try:
        found = datasets.load_dataset(repository)
        # The training part is written last: a folder with it is complete.
        for split in sorted(found, key=lambda split: split == "train"):
            with files.atomic(folder / f"{split}-00000-of-00001.parquet") as temporary:
                found[split].to_parquet(str(temporary))
    except Exception as error:  # the client raises errors of many libraries: HTTP, files, its own
        raise DataError(
            f"data set 'hub:{repository}': the download failed ({error}); allowed: a working connection, or its parquet files in {folder}"
        ) from error
    return folder
