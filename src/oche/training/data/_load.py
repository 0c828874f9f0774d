"""Names to data sets: `digits`, `cifar10[:5000]`, `my.csv?target=label`.

A named set is looked for at an explicit path, in `OCHE_DATA`, in the user's cache, and last on the hub. Within a process the same
text gives the same object.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from oche.errors import DataError
from oche.files import canonical_json
from oche.loop.registry import Registry, parse
from oche.training.data._dataset import DataSet
from oche.training.data._own import from_csv, from_npz

registry = Registry("data set", "oche.data")
registry.register("digits", "oche.training.data._digits:digits", "1,797 handwritten digits, 8x8 gray, no download")
registry.register("cifar10", "oche.training.data._hub:cifar10", "60,000 small photographs in 10 classes, 32x32 RGB")
registry.register("images", "oche.training.data._images:images", "images:DIR, a folder of class folders, decoded when asked for")
registry.register("hub", "oche.training.data._hub_images:hub", "hub:OWNER/NAME, any image set of the hub, decoded when asked for")
registry.register("cifar100", "oche.training.data._hub:cifar100", "60,000 small photographs in 100 classes, 32x32 RGB")
registry.register("cifar10.1", "oche.training.data._cifar10_1:cifar10_1", "CIFAR-10, tested on the 2,000 images of CIFAR-10.1")

_FILES: dict[str, Callable[..., DataSet]] = {".csv": from_csv, ".npz": from_npz}
_SUBSET = re.compile(r"(?P<base>.*)\[:(?P<n>\d+)\]", re.DOTALL)
_PERCENT = r"\d+(?:\.\d+)?"
_SHARE = re.compile(rf"(?P<base>.*)\[(?P<train>{_PERCENT})%(?:,(?P<valid>{_PERCENT})%)?(?:,seed=(?P<seed>\d+))?\]", re.DOTALL)
# Loaders whose path may stand behind a colon.
_PLACED = ("images", "hub")


def names() -> list[str]:
    """Names of all registered data sets."""
    return registry.names()


def load(name: str | os.PathLike[str] | DataSet, **settings: Any) -> DataSet:
    """Load a data set.

    Args:
        name: A registered name or a `.csv` or `.npz` file, with settings after `?`, and optionally `[:n]` for its first n items
            in a fixed class-balanced order, or `[10%,2.5%]` for so much of each class to train and to validate, disjoint (`[10%]` is
            halved; `[10%,2.5%,seed=1]` is another choice). `images:DIR` is a folder of class folders. A `DataSet` is returned as it is.
        **settings: What the loader takes, for example `path` (folder of the files of a named set) or `target` (of a CSV file).

    Raises:
        UnknownNameError: no such data set; the nearest name is suggested.
        DataError: its files are missing or damaged.
        MissingExtraError: a package that it needs is not installed.

    Example:
        >>> load("digits[:100]").sizes
        {'train': 50, 'valid': 50, 'test': 597}
    """
    if isinstance(name, DataSet):
        return name
    text = os.fspath(name)
    subset = _SUBSET.fullmatch(text)
    if subset:
        return load(subset["base"], **settings).subset(int(subset["n"]))
    share = _SHARE.fullmatch(text)
    if share:
        whole = load(share["base"], **settings)
        return whole.share(float(share["train"]) / 100, float(share["valid"]) / 100 if share["valid"] else None, int(share["seed"] or 0))
    base, given = parse(text)
    kind, colon, place = base.partition(":")
    if colon and kind in _PLACED:
        base, given["path"] = kind, place
    given.update({key: os.fspath(value) if isinstance(value, os.PathLike) else value for key, value in settings.items()})
    reader = _FILES.get(Path(base).suffix.lower())
    if reader is not None:
        if not Path(base).is_file():
            raise DataError(f"data file: got {base!r}, which does not exist; allowed: a {', '.join(_FILES)} file")
        return reader(base, **given)
    return _named(registry.entry(base).name, canonical_json(given), os.environ.get("OCHE_DATA"), os.environ.get("OCHE_CACHE"))


@lru_cache(maxsize=8)
def _named(name: str, settings: str, data: str | None, cache: str | None) -> DataSet:
    # Where files are looked for is part of the key, so that a changed environment is seen.
    return registry.get(name, **json.loads(settings))
