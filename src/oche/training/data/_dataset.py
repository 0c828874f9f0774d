"""A data set for classification: arrays, labels, and three splits that never overlap.

`train` is for weights, `valid` for architecture parameters and selection, `test` is read once at the end. The object holds raw
values; normalization is part of it, but applied when batches are made. It knows nothing of devices, batches or augmentation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oche.errors import ArgumentError, DataError, unknown
from oche.training.data._split import Indices, balanced_order, cut, sizes_of

SPLITS = ("train", "valid", "test")

#: Seed of every fixed split and order, part of what `cifar10[:5000]` means.
FIXED_SEED = 0


@dataclass(frozen=True, eq=False)
class DataSet:
    """Labeled items in three splits.

    Args:
        name: As it was asked for, for example `cifar10[:5000]`.
        x: Raw inputs, `(n, ...)`, uint8 or float32; images are `(n, channels, height, width)`. An array, or what stands for one by its
            length, shape, type, and items at positions.
        y: Classes, `(n,)`, int64 from 0 to `n_classes` - 1.
        splits: Positions of `train`, `valid` and `test`, disjoint, each in an order whose prefixes are class-balanced.
        class_names: One name per class.
        mean: Per channel (or feature), in the units of `x`, for normalization.
        std: As `mean`.
        origin: Text with which `load` gives this data set again; then only the text is pickled. None for a user's own arrays.

    Raises:
        DataError: the parts do not fit together.
    """

    name: str
    x: NDArray[Any]
    y: NDArray[np.int64]
    splits: Mapping[str, Indices]
    class_names: tuple[str, ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    origin: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise DataError(f"data set {self.name!r}: got {len(self.x)} inputs and {len(self.y)} labels; allowed: equally many")
        if set(self.splits) != set(SPLITS):
            raise DataError(f"data set {self.name!r}: got splits {sorted(self.splits)}; allowed: exactly {', '.join(SPLITS)}")
        check_positions(self.name, self.splits, len(self.y))
        for split in SPLITS:
            if not len(self.splits[split]):
                raise DataError(f"data set {self.name!r}: got no items in split {split!r}; allowed: at least one")

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input, `(channels, height, width)` for images."""
        return tuple(self.x.shape[1:])

    @property
    def sizes(self) -> dict[str, int]:
        """Items of each split."""
        return {split: len(self.splits[split]) for split in SPLITS}

    def indices(self, split: str) -> Indices:
        """Positions of a split, or of several joined by `+`, for example `train+valid`.

        Raises:
            UnknownNameError: no such split.
        """
        names = split.split("+")
        for name in names:
            if name not in SPLITS:
                raise unknown("split", name, SPLITS, "join several with '+'")
        return self.splits[names[0]] if len(names) == 1 else np.concatenate([self.splits[name] for name in dict.fromkeys(names)])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the items of each split in order, 64 hexadecimal digits: equal only for equal content and splits.

        Of images that are decoded when asked for it is over names and sizes of their files.
        """
        total = hashlib.sha256(repr((str(self.x.dtype), self.shape, self.class_names, self.mean, self.std)).encode())
        for split in SPLITS:
            positions = self.splits[split]
            total.update(f"{split}:{len(positions)}".encode())
            for start in range(0, len(positions), 4096):
                part = positions[start : start + 4096]
                identify = getattr(self.x, "identify", None)
                content = identify(part) if identify is not None else np.ascontiguousarray(self.x[part]).tobytes()
                total.update(content)
                total.update(np.ascontiguousarray(self.y[part]).tobytes())
        return total.hexdigest()

    def describe(self) -> dict[str, Any]:
        """What two results must share of the data to be comparable, as JSON values."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "sizes": self.sizes,
            "shape": list(self.shape),
            "classes": self.n_classes,
        }

    def subset(self, n: int) -> DataSet:
        """The first n items of `train` and `valid` together, in proportion to their sizes; `test` stays whole.

        Subsets are class-balanced and nested, split by split: a smaller one lies inside a larger one.

        Raises:
            ArgumentError: n is below 2 or above the items that there are.
        """
        train, valid = (len(self.splits[s]) for s in ("train", "valid"))
        if not 2 <= n <= train + valid:
            raise ArgumentError(f"subset of {self.name!r}: got {n}; allowed: 2 to {train + valid}, the items of train and valid")
        first = min(max((2 * n * train + train + valid) // (2 * (train + valid)), 1), n - 1)
        splits = {**self.splits, "train": self.splits["train"][:first], "valid": self.splits["valid"][: n - first]}
        origin = f"{self.origin}[:{n}]" if self.origin else None
        return replace(self, name=f"{self.name}[:{n}]", splits=splits, origin=origin)

    def share(self, train: float, valid: float | None = None, seed: int = FIXED_SEED) -> DataSet:
        """Two disjoint parts of `train` and `valid` together, each with the classes in the proportions of the whole; `test` stays whole.

        Args:
            train: Share of all these items, above 0, which becomes `train`; without `valid` it is halved.
            valid: Share which becomes `valid`.
            seed: Root of the choice.

        Raises:
            ArgumentError: a part is empty, or together they want more than there is.

        Source: Xu et al. 2020 (PC-DARTS) search ImageNet on 10 percent of each class and validate on 2.5 percent.
        """
        shares = [train] if valid is None else [train, valid]
        if not all(value > 0 for value in shares) or sum(shares) > 1:
            shown = " and ".join(f"{v:.6g}" for v in shares)
            raise ArgumentError(f"share of {self.name!r}: got {shown}; allowed: above 0, together up to 1")
        halves = (train / 2, train / 2) if valid is None else (train, valid)
        made = self.split(*map(float, halves), seed=seed)
        text = ",".join([f"{100 * value:.10g}%" for value in shares] + ([f"seed={seed}"] if seed != FIXED_SEED else []))
        origin = f"{self.origin}[{text}]" if self.origin else None
        return replace(made, name=f"{self.name}[{text}]", origin=origin)

    def split(
        self,
        train: int | float = 0.5,
        valid: int | float = 0.5,
        test: int | float | None = None,
        seed: int | None = FIXED_SEED,
        balanced: bool = True,
    ) -> DataSet:
        """Split anew.

        Args:
            train: Items (an integer) or share (a float) of the pool.
            valid: As `train`.
            test: As `train`; then the pool is everything. None keeps the test split, and the pool is the rest.
            seed: Root of the shuffle. None with `balanced=False` splits by position: the front is `train`.
            balanced: Whether each split gets the classes in the proportions of the pool.

        Raises:
            ArgumentError: a split is empty, or together they want more than the pool.
        """
        wanted = {"train": train, "valid": valid} if test is None else {"train": train, "valid": valid, "test": test}
        pool = np.sort(self.indices("train+valid" if test is None else "train+valid+test"))
        labels = self.y[pool]
        parts = cut(labels, sizes_of(len(pool), wanted), seed, balanced)
        splits = {**self.splits, **{name: pool[part] for name, part in parts.items()}}
        return replace(self, splits=splits, origin=None)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        if self.origin is not None:
            from oche.training.data._load import load

            return load, (self.origin,)
        return _restore, ({name: getattr(self, name) for name in self.__dataclass_fields__},)


def _restore(parts: dict[str, Any]) -> DataSet:
    return DataSet(**parts)


def fixed_splits(y: NDArray[np.int64], sizes: Mapping[str, int | float], pool: Indices | None = None) -> dict[str, Indices]:
    """The fixed class-balanced splits of a named data set.

    Args:
        y: All classes.
        sizes: As `train`, `valid`, `test` of `DataSet.split`.
        pool: Positions to split; None for all.
    """
    positions = np.arange(len(y)) if pool is None else pool
    parts = cut(y[positions], sizes_of(len(positions), sizes), FIXED_SEED, balanced=True)
    return {name: positions[part] for name, part in parts.items()}


def check_positions(name: str, splits: Mapping[str, Indices], n: int) -> None:
    """Refuse splits that share items of a data set, or have positions outside of its n items.

    Raises:
        DataError: they do; the message says how many.
    """
    used = np.concatenate([np.asarray(positions, dtype=np.int64) for positions in splits.values()])
    shared, outside = len(used) - len(np.unique(used)), int(((used < 0) | (used >= n)).sum())
    if shared or outside:
        raise DataError(
            f"data set {name!r}: got splits that share {shared} positions and have {outside} outside of the {n} items; allowed: each item "
            "in at most one split, once"
        )


def fixed_order(y: NDArray[np.int64], positions: Indices) -> Indices:
    """`positions` in the fixed class-balanced order."""
    return positions[balanced_order(y[positions], FIXED_SEED)]


def moments(x: NDArray[Any], positions: Indices) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over the given items; a constant channel gets deviation 1."""
    values = x[positions].astype(np.float64)
    axes = tuple(i for i in range(values.ndim) if i != 1)
    deviation = values.std(axis=axes)
    deviation[deviation == 0] = 1.0
    return tuple(values.mean(axis=axes).tolist()), tuple(deviation.tolist())
