"""CIFAR-10.1 from files of the published layout, small ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.training.test_hub import write

from oche.errors import DataError
from oche.training import data


def published(folder: Path, n: int = 20, version: str = "v6") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    x = np.repeat(np.arange(200, 200 + n, dtype=np.uint8), 32 * 32 * 3).reshape(n, 32, 32, 3)
    x[0, 5, 7] = (1, 2, 3)
    np.save(folder / f"cifar10.1_{version}_data.npy", x)
    np.save(folder / f"cifar10.1_{version}_labels.npy", np.arange(n, dtype=np.int32) % 10)
    return folder


def test_only_the_test_split_differs_from_cifar10(tmp_path: Path, own_cache: Path, monkeypatch):
    write(tmp_path)
    published(tmp_path / "cifar10.1")
    monkeypatch.setenv("OCHE_DATA", str(tmp_path))
    found, base = data.load("cifar10.1"), data.load("cifar10")
    assert found.name == found.origin == "cifar10.1" and found.sizes == {"train": 30, "valid": 30, "test": 20}
    for split in ("train", "valid"):
        assert np.array_equal(found.x[found.splits[split]], base.x[base.splits[split]])
        assert np.array_equal(found.y[found.splits[split]], base.y[base.splits[split]])
    test = found.splits["test"]
    assert sorted(found.x[test].max((1, 2, 3)).tolist()) == list(range(200, 220)) and sorted(found.y[test] % 10) == sorted([*range(10)] * 2)
    # Channels go first.
    first = next(i for i in test if found.x[i].min() == 1)
    assert found.x[first][:, 5, 7].tolist() == [1, 2, 3] and found.y[first] == 0
    assert (found.class_names, found.mean, found.std) == (base.class_names, base.mean, base.std)
    assert data.load("cifar10.1[:20]").sizes == {"train": 10, "valid": 10, "test": 20}


def test_the_other_version_and_explicit_folders(tmp_path: Path, own_cache: Path):
    base, folder = write(tmp_path), published(tmp_path / "new", 21, "v4")
    found = data.load("cifar10.1", path=folder, version="v4", cifar10=base)
    assert found.sizes["test"] == 21 and found.origin is None and found.name == "cifar10.1?version=v4"
    with pytest.raises(DataError, match="version: got 'v5'"):
        data.load("cifar10.1", path=folder, version="v5")


def test_missing_and_other_files_are_named(tmp_path: Path, own_cache: Path):
    base = write(tmp_path)
    with pytest.raises(DataError, match=r"cifar10.1_v6_data.npy and cifar10.1_v6_labels.npy"):
        data.load("cifar10.1", path=tmp_path, cifar10=base)
    folder = published(tmp_path / "new")
    np.save(folder / "cifar10.1_v6_labels.npy", np.full(20, 10))
    with pytest.raises(DataError, match="classes from 0 to 9"):
        data.load("cifar10.1", path=folder, cifar10=base)
    (folder / "cifar10.1_v6_labels.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match="cannot be read"):
        data.load("cifar10.1", path=folder, cifar10=base)
