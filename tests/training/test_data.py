"""Splits, named sets, subsets and a user's own data."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oche.errors import ArgumentError, DataError, UnknownNameError
from oche.training import data
from oche.training.data._split import balanced_order, cut

labels = st.lists(st.integers(0, 4), min_size=6, max_size=200).map(lambda values: np.array(values, dtype=np.int64))


def spread(y: np.ndarray, n_classes: int) -> int:
    counts = np.bincount(y, minlength=n_classes)
    return int(counts.max() - counts.min())


# -- splitting --------------------------------------------------------------------------------------------------------------


@given(labels, st.integers(0, 5))
def test_the_balanced_order_is_an_order_whose_prefixes_take_classes_in_turn(y: np.ndarray, seed: int):
    order = balanced_order(y, seed)
    assert sorted(order) == list(range(len(y)))
    totals = np.bincount(y)
    for n in range(len(y)):
        counts = np.bincount(y[order[:n]], minlength=len(totals))
        # A class lags behind the fullest one only if it has no more items.
        lag = counts.max() - counts
        assert all(behind <= 1 or counts[c] == totals[c] for c, behind in enumerate(lag))


@given(labels, st.integers(0, 5), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2))
def test_splits_are_disjoint_of_the_wanted_size_and_share_each_class(y: np.ndarray, seed: int, a: int, b: int, rest: int):
    n = len(y)
    sizes = {"train": n * a // (a + b + rest), "valid": n * b // (a + b + rest)}
    parts = cut(y, sizes, seed, balanced=True)
    assert {name: len(part) for name, part in parts.items()} == sizes
    together = np.concatenate(list(parts.values()))
    assert len(set(together.tolist())) == len(together)
    for name, part in parts.items():
        for c in np.unique(y):
            expected = sizes[name] * (y == c).sum() / n
            assert abs((y[part] == c).sum() - expected) < 2


@given(labels)
def test_splitting_is_a_function_of_labels_and_seed(y: np.ndarray):
    sizes = {"train": len(y) // 2, "valid": len(y) // 3}
    first, again = cut(y, sizes, 1, True), cut(y.copy(), sizes, 1, True)
    assert all(np.array_equal(first[name], again[name]) for name in sizes)


def toy(n: int = 60, n_classes: int = 3) -> data.DataSet:
    rng = np.random.default_rng(0)
    return data.from_arrays(rng.normal(size=(n, 2, 4, 4)), np.arange(n) % n_classes, name="toy")


def test_splitting_anew_keeps_the_test_split_unless_it_is_named():
    before = toy()
    halves = before.split(train=0.5, valid=0.5)
    assert halves.sizes == {"train": 24, "valid": 24, "test": 12}
    assert np.array_equal(halves.splits["test"], before.splits["test"])
    counts = before.split(train=10, valid=5, test=20, seed=7)
    assert counts.sizes == {"train": 10, "valid": 5, "test": 20}
    assert not np.array_equal(counts.splits["train"], before.split(train=10, valid=5, test=20, seed=8).splits["train"])


def test_splitting_by_position_takes_the_front():
    by_position = toy().split(train=20, valid=30, test=10, seed=None, balanced=False)
    assert by_position.splits["train"].tolist() == list(range(20))
    assert by_position.splits["test"].tolist() == list(range(50, 60))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"train": 0}, "split 'train': got 0"),
        ({"train": 0.001, "valid": 0.5}, "split 'train': got 0.001"),
        ({"train": 40, "valid": 40}, "together 80 items"),
        ({"train": 0.5, "valid": 0.5, "seed": None}, "seed=None with balanced=True"),
    ],
)
def test_impossible_splits_are_refused(wanted: dict[str, object], message: str):
    with pytest.raises(ArgumentError) as caught:
        toy().split(**wanted)
    assert message in str(caught.value)


def test_overlapping_or_missing_splits_are_refused():
    x, y = np.zeros((6, 2)), [0, 1] * 3
    with pytest.raises(DataError, match="share 1 positions and have 0 outside of the 6 items"):
        data.from_arrays(x, y, splits={"train": [0, 1], "valid": [1, 2], "test": [3]})
    with pytest.raises(DataError, match="share 0 positions and have 2 outside"):
        data.from_arrays(x, y, splits={"train": [0, 1], "valid": [-1, 2], "test": [6]})
    with pytest.raises(DataError, match="no items in split 'valid'"):
        data.from_arrays(x, y, splits={"train": [0, 1], "valid": [], "test": [3]})
    with pytest.raises(DataError, match="got splits"):
        data.from_arrays(x, y, splits={"train": [0, 1], "test": [3]})


# -- digits -----------------------------------------------------------------------------------------------------------------


def test_digits_need_no_download_and_have_three_balanced_splits():
    digits = data.load("digits")
    assert digits.sizes == {"train": 600, "valid": 600, "test": 597}
    assert (digits.shape, digits.n_classes, digits.x.dtype) == ((1, 8, 8), 10, np.float32)
    assert sorted(np.concatenate(list(digits.splits.values())).tolist()) == list(range(1_797))
    for split in digits.splits.values():
        assert spread(digits.y[split], 10) <= 4


def test_digits_are_those_of_scikit_learn_read_from_its_file_or_through_it(monkeypatch):
    from sklearn.datasets import load_digits

    from oche.training.data._digits import digits as read_digits

    pixels, classes = load_digits(return_X_y=True)
    digits = data.load("digits")
    assert np.array_equal(digits.x.reshape(1_797, 64), pixels) and np.array_equal(digits.y, classes)
    monkeypatch.setattr("oche.training.data._digits.importlib.util.find_spec", lambda name: None)
    assert read_digits().fingerprint == digits.fingerprint


def test_the_split_of_digits_is_pinned():
    # Another split would make old records incomparable: change it only with a new name.
    assert data.load("digits").fingerprint == "85d83b7dbaa56be42e429da4ec19ce8408fd90dac1e82efd53621b7c7f92a51c"


@given(st.integers(2, 1200), st.integers(2, 1200))
def test_subsets_are_nested_balanced_and_of_the_named_size(a: int, b: int):
    digits = data.load("digits")
    small, large = digits.subset(min(a, b)), digits.subset(max(a, b))
    assert sum(small.sizes[s] for s in ("train", "valid")) == min(a, b)
    assert small.sizes["test"] == 597
    for split in ("train", "valid"):
        assert set(small.splits[split].tolist()) <= set(large.splits[split].tolist())
        assert spread(small.y[small.splits[split]], 10) <= max(1, len(small.splits[split]) - 560)
    assert abs(small.sizes["train"] - small.sizes["valid"]) <= 1


def test_a_subset_is_loaded_by_its_name():
    named = data.load("digits[:100]")
    assert named.name == "digits[:100]"
    assert named.fingerprint == data.load("digits").subset(100).fingerprint
    assert named.fingerprint != data.load("digits[:101]").fingerprint


@pytest.mark.parametrize("n", [0, 1, 1201])
def test_impossible_subsets_are_refused(n: int):
    with pytest.raises(ArgumentError, match="allowed: 2 to 1200"):
        data.load(f"digits[:{n}]")


def test_a_named_set_travels_as_its_name():
    subset = data.load("digits[:100]")
    packed = pickle.dumps(subset)
    assert len(packed) < 200
    assert pickle.loads(packed).fingerprint == subset.fingerprint
    again = pickle.loads(pickle.dumps(toy()))
    assert again.fingerprint == toy().fingerprint


def test_several_splits_join():
    digits = data.load("digits")
    assert len(digits.indices("train+valid")) == 1200
    with pytest.raises(UnknownNameError, match="did you mean 'valid'"):
        digits.indices("train+vaild")


def test_describe_is_what_two_results_must_share():
    description = data.load("digits[:50]").describe()
    assert description["sizes"] == {"train": 25, "valid": 25, "test": 597}
    assert (description["name"], description["classes"], description["shape"]) == ("digits[:50]", 10, [1, 8, 8])


def test_the_fingerprint_sees_content_and_order():
    base = toy()
    changed = data.from_arrays(base.x.copy(), base.y, "toy")
    assert changed.fingerprint == base.fingerprint
    changed.x[base.splits["train"][0]] += 1
    assert data.from_arrays(changed.x, base.y, "toy").fingerprint != base.fingerprint
    assert base.split(seed=1).fingerprint != base.split(seed=2).fingerprint


# -- by name ----------------------------------------------------------------------------------------------------------------


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'digits'"):
        data.load("digit")
    with pytest.raises(UnknownNameError, match="did you mean 'cifar10'"):
        data.load("CIFRA-10[:500]")


def test_names_are_read_in_any_spelling_and_once():
    assert data.load("Digits") is data.load("digits")
    assert {"digits", "cifar10", "cifar100"} <= set(data.names())
    ready = toy()
    assert data.load(ready) is ready


# -- a user's own -----------------------------------------------------------------------------------------------------------


def test_own_arrays_of_any_labels():
    x = np.arange(40, dtype=np.uint8).reshape(10, 2, 2)
    made = data.from_arrays(x, ["dog", "cat"] * 5, name="pets", splits={"train": 4, "valid": 4, "test": 2})
    assert made.shape == (1, 2, 2) and made.x.dtype == np.uint8
    assert made.class_names == ("cat", "dog")
    assert made.y.tolist() == [1, 0] * 5
    assert made.sizes == {"train": 4, "valid": 4, "test": 2}
    assert np.bincount(made.y[made.splits["train"]]).tolist() == [2, 2]


def test_normalization_comes_from_the_training_split_alone():
    x = np.zeros((6, 2), dtype=np.float32)
    x[:2] = [[1, 5], [3, 5]]
    x[2:] = 100
    made = data.from_arrays(x, [0, 1] * 3, splits={"train": [0, 1], "valid": [2, 3], "test": [4, 5]})
    assert made.mean == (2.0, 5.0)
    assert made.std == (1.0, 1.0)


def test_positions_may_be_given_and_tensors_too():
    made = data.from_arrays(torch.ones(6, 3), torch.tensor([0, 1] * 3), splits={"train": [5, 4], "valid": [0, 1], "test": [2, 3]})
    assert set(made.splits["train"].tolist()) == {4, 5}
    assert made.x.dtype == np.float32


class Pairs(torch.utils.data.Dataset):
    def __init__(self, items: list) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int):
        return self.items[index]


def test_a_torch_data_set_of_tensors():
    made = data.from_dataset(Pairs([(torch.full((3, 2, 2), float(i)), torch.tensor(i % 2)) for i in range(10)]), name="mine")
    assert made.shape == (3, 2, 2) and made.n_classes == 2
    assert made.x[7].max() == 7


def test_a_torch_data_set_of_pictures():
    image = pytest.importorskip("PIL.Image")
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    made = data.from_dataset(Pairs([(image.fromarray(pixels), i % 2) for i in range(10)]))
    assert made.shape == (3, 2, 4)
    assert np.array_equal(made.x[0], pixels.transpose(2, 0, 1))


def test_a_torch_data_set_with_a_fault_names_the_item():
    with pytest.raises(DataError, match="item 1 has shape"):
        data.from_dataset(Pairs([(torch.ones(2, 2), 0), (torch.ones(3, 2), 1)]))
    with pytest.raises(DataError, match="item 0 is not a pair"):
        data.from_dataset(Pairs([(1, 2, 3)]))
    with pytest.raises(DataError, match="no items"):
        data.from_dataset(Pairs([]))


def test_a_csv_file(tmp_path: Path):
    file = tmp_path / "flowers.csv"
    file.write_text("kind,a,b\n" + "".join(f"{'xy'[i % 2]},{i},{i * 0.5}\n" for i in range(20)))
    made = data.load(f"{file}?target=kind")
    assert (made.name, made.shape, made.class_names) == ("flowers", (2,), ("x", "y"))
    assert made.x[3].tolist() == [3.0, 1.5]
    assert made.sizes == {"train": 8, "valid": 8, "test": 4}
    assert data.load(f"{file}?target=kind[:6]").sizes == {"train": 3, "valid": 3, "test": 4}
    shaped = data.load(file, target="kind", shape=[1, 1, 2])
    assert shaped.shape == (1, 1, 2)


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("a,b\n1,x\n2\n", {}, "line 3 has 1 cells"),
        ("a,b\n1,x\nred,y\n", {}, "line 3, column 'a': got 'red'"),
        ("a,b\n1,x\n2,y\n", {"target": "c"}, "got target 'c'; allowed: a, b"),
        ("a,b\n1,x\n2,y\n", {"shape": [2, 2]}, "got shape (2, 2) for 1 features"),
        ("a,b\n1,x\n2,x\n", {}, "got 1 class"),
        ("a,b\n1,x\ninf,y\n", {}, "not finite"),
    ],
)
def test_a_damaged_csv_file_names_the_place(tmp_path: Path, text: str, settings: dict[str, object], message: str):
    file = tmp_path / "bad.csv"
    file.write_text(text)
    with pytest.raises(DataError) as caught:
        data.load(file, **settings)
    assert message in str(caught.value)


def test_files_that_are_absent_or_foreign(tmp_path: Path):
    with pytest.raises(DataError, match="does not exist"):
        data.load(tmp_path / "absent.csv")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="cannot be read"):
        data.load(binary)
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK not really")
    with pytest.raises(DataError, match="cannot be read"):
        data.load(broken)


def test_an_npz_file_with_positions(tmp_path: Path):
    file = tmp_path / "mine.npz"
    np.savez(file, x=np.ones((6, 2)), y=np.array([0, 1] * 3), train=[0, 1], valid=[2, 3], test=[4, 5])
    assert set(data.load(file).splits["valid"].tolist()) == {2, 3}


def test_an_npz_file_with_pickled_objects_is_refused(tmp_path: Path):
    file = tmp_path / "mine.npz"
    np.savez(file, x=np.array([{"a": 1}], dtype=object), y=np.array([0]))
    with pytest.raises(DataError, match="cannot be read"):
        data.load(file)
