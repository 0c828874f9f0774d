"""The tabular benchmark: published numbers from the real file, and checks of files on small changes of it."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from math import comb
from pathlib import Path

import numpy as np
import pytest

from oche import spaces
from oche.errors import ArgumentError, DataError, UnknownNameError
from oche.spaces.nasbench201 import canonical, from_cell
from oche.spaces.nasbench201 import table as tables

DATASETS = ("cifar10", "cifar100", "imagenet16_120")
ALL_SKIP = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
ALL_NONE = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


@pytest.fixture
def table(oche_data: Path):
    if not (oche_data / tables.FILE).is_file():
        pytest.fail(f"OCHE_DATA has no {tables.FILE}")
    return spaces.table("nasbench201")


def expected_best(values: np.ndarray, signal: np.ndarray, n: int) -> float:
    """Mean of the value that has the largest signal among n distinct uniform draws, in closed form."""
    order = np.argsort(signal, kind="stable")
    total = comb(len(values), n)
    return sum(comb(rank, n - 1) / total * values[i] for rank, i in enumerate(order.tolist()) if rank >= n - 1)


def test_all_cells_are_there_and_6466_differ_in_function(table):
    assert len(table) == 15_625
    assert len(set(table.classes)) == 6_466


def test_our_canonical_text_is_the_published_one_row_by_row(table):
    assert [canonical(cell) for cell in table.cells] == list(table.classes)


@pytest.mark.parametrize(
    ("dataset", "index", "value"), [("cifar10", 6111, 94.3733), ("cifar100", 9930, 73.5133), ("imagenet16_120", 857, 47.3111)]
)
def test_published_optima(table, dataset: str, index: int, value: float):
    assert table.best(dataset=dataset, epochs=200, split="test") == (index, table.cells[index], value)


@pytest.mark.parametrize(("cell", "index", "values"), [(ALL_SKIP, 1835, (54.2967, 15.6067, 16.3222)), (ALL_NONE, 1651, (10, 1, 0.8333))])
def test_rows_of_two_simple_cells(table, cell: str, index: int, values: tuple[float, ...]):
    assert table.index(cell) == index
    assert tuple(table.query(cell, dataset=d, epochs=200, split="test") for d in DATASETS) == values


def test_means_and_deviations_over_the_space(table):
    rows = [(87.063, 12.935), (61.406, 12.172), (33.586, 9.512)]
    unique = [(89.762, 5.784), (64.139, 8.125), (36.221, 7.588)]
    for dataset, (mean, sd), (mean_unique, sd_unique) in zip(DATASETS, rows, unique, strict=True):
        at = {"dataset": dataset, "epochs": 200, "split": "test"}
        assert table.mean(**at) == pytest.approx(mean, abs=5e-4)
        assert table.sd(**at) == pytest.approx(sd, abs=1e-3)
        assert table.mean(**at, unique=True) == pytest.approx(mean_unique, abs=5e-4)
        # The published one divides by n - 1.
        assert table.sd(**at, unique=True) == pytest.approx(sd_unique, abs=1.1e-3)


def test_expected_best_of_ten_random_cells(table):
    test = table.values(dataset="cifar10", epochs=200, split="test")
    valid = table.values(dataset="cifar10", epochs=12, split="valid")
    assert expected_best(test, test, 10) == pytest.approx(93.0952, abs=1e-4)
    assert expected_best(test, valid, 10) == pytest.approx(92.578, abs=1e-3)
    assert expected_best(test, test, 1) == pytest.approx(table.mean(dataset="cifar10", epochs=200, split="test"))


def test_twelve_epochs_are_not_two_hundred(table):
    assert table.values(dataset="cifar10", epochs=12, split="test").max() == 89.16


def test_values_are_in_index_order_and_cannot_be_changed(table):
    values = table.values(dataset="cifar100", epochs=12, split="valid")
    assert values.shape == (15_625,)
    assert values[777] == table.query(table.cells[777], dataset="cifar100", epochs=12, split="valid")
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 0


def test_data_set_names_are_read_in_any_spelling(table):
    at = {"epochs": 200, "split": "test"}
    assert table.query(ALL_SKIP, dataset="ImageNet16-120", **at) == table.query(ALL_SKIP, dataset="imagenet16_120", **at)
    assert table.query(ALL_SKIP, dataset="CIFAR-10", **at) == 54.2967


def test_there_is_no_default_fidelity(table):
    with pytest.raises(TypeError):
        table.query(ALL_SKIP)
    with pytest.raises(TypeError):
        table.query(ALL_SKIP, dataset="cifar10", epochs=200)


@pytest.mark.parametrize("wrong", [{"dataset": "svhn"}, {"epochs": 90}, {"split": "train"}, {"epochs": 200, "split": "valid"}])
def test_an_unknown_column_lists_what_exists(table, wrong: dict[str, object]):
    asked = {"dataset": "cifar10", "epochs": 200, "split": "test", **wrong}
    with pytest.raises(UnknownNameError) as caught:
        table.query(ALL_SKIP, **asked)
    for d, e, s in table.fidelities:
        assert f"{d}, {e} epochs, {s}" in str(caught.value)


def test_a_malformed_cell_is_named(table):
    with pytest.raises(ArgumentError, match="edge 4: unknown operation 'conv9'"):
        table.query(ALL_SKIP.replace("+|skip_connect~0|skip_connect~1|skip_connect~2|", "+|conv9~0|none~1|none~2|"), dataset="cifar10",
                    epochs=200, split="test")  # fmt: skip


def test_the_file_is_parsed_once(table):
    assert spaces.table("nasbench201") is table


def test_without_a_file_the_error_says_how_to_get_one(own_cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OCHE_DATA", raising=False)
    with pytest.raises(DataError, match="oche data import nasbench201 FILE"):
        spaces.table("NAS-Bench-201")


def made(change: Callable[[list[dict[str, str]]], list[dict[str, str]]] = lambda rows: rows) -> str:
    """A table of made-up numbers with every cell, in an order of its own."""
    import itertools

    from oche.spaces.nasbench201 import OPS, to_cell

    rows = [
        {"toy_test_3": f"{i % 1000 / 10:.4f}", "arch": to_cell(ops), "note": "x", "index": str(i)}
        for i, ops in enumerate(itertools.product(OPS, repeat=6))
    ]
    rows = change(rows[::-1])
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize("packed", [False, True])
def test_an_imported_file_is_found_and_read_by_column_names(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch, packed: bool):
    monkeypatch.delenv("OCHE_DATA", raising=False)
    file = tmp_path / "mine"
    file.write_bytes(gzip.compress(made().encode()) if packed else made().encode())
    copy = spaces.import_table("nasbench201", file)
    assert copy.is_relative_to(own_cache)
    file.unlink()
    table = spaces.table("nasbench201")
    assert table.fidelities == [("toy", 3, "test")]
    assert table.cells[0] == ALL_NONE and table.query(table.cells[1234], dataset="toy", epochs=3, split="test") == 23.4
    assert len(set(table.classes)) == 6_466


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[1:], "got 15624 rows"),
        (lambda rows: [{**rows[1]}, *rows[1:]], "got 15624 different cells"),
        (lambda rows: [{**rows[0], "arch": "|conv9~0|"}, *rows[1:]], "groups"),
        (lambda rows: [{**rows[0], "toy_test_3": "nan"}, *rows[1:]], "allowed: accuracies in percent"),
        (lambda rows: [{**rows[0], "toy_test_3": "high"}, *rows[1:]], "not a number"),
        (lambda rows: [{**r, "toy_test_3": str(float(r["toy_test_3"]) / 100)} for r in rows], "allowed: accuracies in percent"),
        (lambda rows: [{"arch": r["arch"], "toy_test_3": "1"} for r in rows], "got columns"),
    ],
)
def test_a_damaged_file_is_refused_and_not_kept(tmp_path: Path, own_cache: Path, change, message: str):
    file = tmp_path / "mine.csv"
    file.write_text(made(change))
    with pytest.raises(DataError) as caught:
        spaces.import_table("nasbench201", file)
    assert message in str(caught.value)
    assert not list(own_cache.rglob("*.gz"))


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b broken", b"\x1f\x8b" + bytes(50), b"\xff\xfe\x00"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes):
    file = tmp_path / "mine.csv"
    file.write_bytes(content)
    with pytest.raises(DataError, match="table file"):
        spaces.import_table("nasbench201", file)
    with pytest.raises(DataError, match="cannot be read"):
        spaces.import_table("nasbench201", tmp_path / "absent")


def test_an_unknown_table_is_named():
    with pytest.raises(UnknownNameError, match="did you mean 'nasbench201'"):
        spaces.import_table("nasbench301", "x")
    with pytest.raises(UnknownNameError, match="nasbench201"):
        spaces.table("nasbench999")


def test_every_cell_of_the_table_is_a_cell(table):
    assert all(len(from_cell(cell)) == 6 for cell in table.cells)
