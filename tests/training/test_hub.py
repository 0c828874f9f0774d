"""Image sets in the layout of the hub: small made-up files, and the real CIFAR-10."""

from __future__ import annotations

import io
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from oche.errors import DataError, MissingExtraError
from oche.training import data

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
image = pytest.importorskip("PIL.Image")


def pixels(i: int) -> np.ndarray:
    """A picture that tells its number."""
    return np.full((32, 32, 3), i % 250, dtype=np.uint8)


def png(array: np.ndarray) -> bytes:
    handle = io.BytesIO()
    image.fromarray(array).save(handle, format="PNG")
    return handle.getvalue()


def table(start: int, n: int, label: str = "label", n_classes: int = 10):
    items = [{"bytes": png(pixels(start + i)), "path": f"{start + i}.png"} for i in range(n)]
    return pyarrow.table({"img": items, label: [i % n_classes for i in range(start, start + n)]})


def write(folder: Path, name: str = "cifar10", **layout) -> Path:
    target = folder / name
    target.mkdir(parents=True)
    parquet.write_table(table(0, 30, **layout), target / "train-00000-of-00002.parquet")
    parquet.write_table(table(30, 30, **layout), target / "train-00001-of-00002.parquet")
    parquet.write_table(table(60, 20, **layout), target / "test-00000-of-00001.parquet")
    return target


def check(found: data.DataSet) -> None:
    assert found.sizes == {"train": 30, "valid": 30, "test": 20}
    assert found.shape == (3, 32, 32) and found.x.dtype == np.uint8
    assert set(found.splits["test"].tolist()) == set(range(60, 80))
    for i in (0, 31, 79):
        assert (found.x[i] == i).all() and found.y[i] == i % 10


def test_an_explicit_folder(tmp_path: Path, own_cache: Path):
    folder = write(tmp_path)
    found = data.load("cifar10", path=folder)
    check(found)
    # Not by its name alone: the name would be looked up elsewhere.
    assert found.origin is None


def test_the_folder_of_data_comes_before_the_cache(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path / "shared")
    write(own_cache / "data", label="wrong")
    monkeypatch.setenv("OCHE_DATA", str(tmp_path / "shared"))
    check(data.load("cifar10"))


def test_the_cache_is_looked_into(own_cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OCHE_DATA", raising=False)
    write(own_cache / "data")
    check(data.load("cifar10"))


def test_pictures_are_decoded_once_and_mapped(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch):
    from oche.training.data import _hub

    folder = write(tmp_path)
    first = data.load("cifar10", path=folder)
    assert isinstance(first.x, np.memmap)
    monkeypatch.setattr(_hub, "_decode", lambda *_: pytest.fail("decoded again"))
    again = _hub.cifar10(str(folder))
    assert np.array_equal(again.x, first.x) and again.fingerprint == first.fingerprint
    assert not list(own_cache.rglob("*.tmp"))


def test_changed_files_are_decoded_anew(tmp_path: Path, own_cache: Path):
    from oche.training.data import _hub

    folder = write(tmp_path)
    before = _hub.cifar10(str(folder)).fingerprint
    parquet.write_table(table(100, 20), folder / "test-00000-of-00001.parquet")
    assert _hub.cifar10(str(folder)).fingerprint != before


def test_two_processes_at_once_give_the_same(tmp_path: Path, own_cache: Path):
    folder = write(tmp_path)
    code = f"from oche.training import data; print(data.load('cifar10', path={str(folder)!r}).fingerprint)"
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    prints = [process.communicate(timeout=120)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert prints[0] == prints[1] == data.load("cifar10", path=folder).fingerprint
    assert len(list(own_cache.rglob("x.npy"))) == 1


def test_an_unfinished_cache_is_finished(tmp_path: Path, own_cache: Path):
    from oche.training.data import _hub

    folder = write(tmp_path)
    whole = _hub.cifar10(str(folder)).fingerprint
    next(own_cache.rglob("x.npy")).unlink()
    assert _hub.cifar10(str(folder)).fingerprint == whole


def test_cifar100_has_fine_labels(tmp_path: Path, own_cache: Path):
    found = data.load("cifar100", path=write(tmp_path, "cifar100", label="fine_label", n_classes=100))
    assert found.n_classes == 100 and found.y[42] == 42


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.rename_columns(["picture", "label"]), "cannot be read as 'cifar10'"),
        (lambda t: t.set_column(1, "label", pyarrow.array([10] * len(t))), "got labels 10 to 10; allowed: 0 to 9"),
        (lambda t: pyarrow.table({"img": [{"bytes": b"no", "path": ""}], "label": [0]}), "row 0 holds no image"),
        (lambda t: pyarrow.table({"img": [{"bytes": png(pixels(0)[:8]), "path": ""}], "label": [0]}), "row 0 has shape (8, 32, 3)"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, own_cache: Path, change, message: str):
    folder = write(tmp_path)
    file = folder / "test-00000-of-00001.parquet"
    parquet.write_table(change(parquet.read_table(file)), file)
    with pytest.raises(DataError) as caught:
        data.load("cifar10", path=folder)
    assert message in str(caught.value) and str(file) in str(caught.value)
    assert not list(own_cache.rglob("x.npy"))


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path, own_cache: Path):
    folder = write(tmp_path)
    (folder / "test-00000-of-00001.parquet").write_bytes(b"PAR1 broken")
    with pytest.raises(DataError, match="cannot be read"):
        data.load("cifar10", path=folder)


def test_a_folder_without_the_files_is_refused(tmp_path: Path, own_cache: Path):
    with pytest.raises(DataError, match=r"train-\*.parquet"):
        data.load("cifar10", path=tmp_path)


def test_without_files_and_without_the_client_the_error_names_the_extra(own_cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OCHE_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError) as caught:
        data.load("cifar10[:500]")
    assert "oche[data]" in str(caught.value) and "OCHE_DATA/cifar10" in str(caught.value)


class Part:
    """What the client of the hub gives for one split."""

    def __init__(self, content) -> None:
        self.content = content

    def to_parquet(self, path: str) -> None:
        parquet.write_table(self.content, path)


def test_the_last_resort_is_the_hub_and_it_is_asked_once(own_cache: Path, monkeypatch: pytest.MonkeyPatch):
    from oche.training.data import _hub

    monkeypatch.delenv("OCHE_DATA", raising=False)
    asked = []

    def load_dataset(name: str, split: str) -> Part:
        asked.append((name, split))
        return Part(table(0, 60) if split == "train" else table(60, 20))

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    check(_hub.cifar10())
    check(_hub.cifar10())
    assert asked == [("uoft-cs/cifar10", "test"), ("uoft-cs/cifar10", "train")]


def test_a_failed_download_says_where_to_put_files_and_leaves_nothing(own_cache: Path, monkeypatch: pytest.MonkeyPatch):
    def load_dataset(name: str, split: str) -> Part:
        raise ConnectionError("no route")

    monkeypatch.delenv("OCHE_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    with pytest.raises(DataError, match="no route") as caught:
        data.load("cifar100")
    assert "OCHE_DATA/cifar100" in str(caught.value)
    assert not list(own_cache.rglob("*.parquet"))


# -- the real one -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cifar10(oche_data: Path, tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OCHE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield data.load("cifar10")


def test_real_cifar10_has_its_sizes_and_is_balanced(cifar10: data.DataSet):
    assert cifar10.sizes == {"train": 25_000, "valid": 25_000, "test": 10_000}
    for split, n in cifar10.sizes.items():
        assert np.bincount(cifar10.y[cifar10.splits[split]]).tolist() == [n // 10] * 10
    assert cifar10.class_names[5] == "dog"


def test_real_subsets_are_balanced_and_nested(cifar10: data.DataSet):
    large, small = cifar10.subset(5000), cifar10.subset(2500)
    assert large.sizes == {"train": 2500, "valid": 2500, "test": 10_000}
    assert small.sizes == {"train": 1250, "valid": 1250, "test": 10_000}
    for split in ("train", "valid"):
        assert np.bincount(large.y[large.splits[split]]).tolist() == [250] * 10
        assert set(small.splits[split].tolist()) <= set(large.splits[split].tolist())


def test_the_pixels_have_the_published_mean(cifar10: data.DataSet):
    part = cifar10.x[cifar10.splits["train"][:5000]].astype(np.float64)
    # JPEG copies and a sample: within one gray level in 255.
    assert part.mean(axis=(0, 2, 3)) == pytest.approx(np.array(cifar10.mean), abs=2.0)
    assert part.std(axis=(0, 2, 3)) == pytest.approx(np.array(cifar10.std), abs=2.0)
