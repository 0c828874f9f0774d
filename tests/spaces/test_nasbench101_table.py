"""The importer of NAS-Bench-101 on small files of the released layout, and searches that look cells up in what it made."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import run_oche
from tests.spaces.made_nasbench101 import crc32c, frame, graph, masked, record, write

import oche
from oche import spaces
from oche.errors import DataError, SkipTrial, UnknownNameError
from oche.spaces.nasbench101 import OPS, from_cell, graph_hash, is_valid, to_cell
from oche.spaces.nasbench101.records import fields, masked_crcs, records

ONE = graph([(0, 1), (1, 2)], [OPS[0]])
TWO = graph([(0, 1), (1, 2), (0, 2)], [OPS[2]])
FIVE = graph([(0, 1), (0, 2), (0, 3), (0, 5), (3, 4), (1, 6), (2, 6), (4, 6), (5, 6)], [OPS[1], OPS[0], OPS[0], OPS[0], OPS[2]])
RECORDS = [
    record(ONE, 108, 0.90, 0.89, 5_000_000),
    record(TWO, 108, 0.80, 0.79),
    record(ONE, 108, 0.93, 0.92, 5_000_000),
    record(FIVE, 108, 0.95, 0.94, 2_694_282),
    record(ONE, 108, 0.90, 0.89, 5_000_000),
    record(TWO, 12, 0.50, 0.49),
]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OCHE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OCHE_DATA", raising=False)
    return tmp_path


@pytest.fixture
def table(cache: Path):
    spaces.import_table("nasbench101", write(cache / "small.tfrecord", RECORDS))
    return spaces.table("nasbench101")


def test_the_checksum_is_crc_32c():
    assert crc32c(b"123456789") == 0xE3069283
    items = [b"123456789", b"", b"a", bytes(range(256)), b"a" * 40]
    assert [int(crc).to_bytes(4, "little") for crc in masked_crcs(items)] == [masked(item) for item in items]


def test_records_come_in_order_over_more_than_one_batch(tmp_path: Path):
    items = [str(i).encode() * (i % 7) for i in range(5000)]
    with write(tmp_path / "x", items).open("rb") as stream:
        assert list(records(stream)) == items


def test_fields_of_every_wire_type():
    message = b"\x08\x96\x01" + b"\x12\x03abc" + b"\x19" + np.float64(2.5).tobytes() + b"\x25" + np.float32(0.5).tobytes()
    assert list(fields(message)) == [(1, 150), (2, b"abc"), (3, 2.5), (4, 0.5)]
    for bad in (b"\x08", b"\x12\x05abc", b"\x19\x00", b"\x0b", b"\x08" + b"\xff" * 11):
        with pytest.raises(DataError, match="protocol buffer"):
            list(fields(bad))


def test_means_over_trainings_in_percent(table):
    assert (len(table), table.complete, table.fidelities) == (3, False, [(12, "test"), (12, "valid"), (108, "test"), (108, "valid")])
    assert table.query(to_cell(ONE), epochs=108, split="valid") == pytest.approx(91)
    assert table.query(to_cell(ONE), epochs=108, split="test") == pytest.approx(90)
    assert table.query(to_cell(TWO), epochs=12, split="test") == pytest.approx(49)
    assert table.params(to_cell(FIVE)) == 2_694_282
    assert table.best(epochs=108, split="test") == (2, to_cell(FIVE), pytest.approx(94))
    assert table.mean(epochs=108, split="valid") == pytest.approx((91 + 80 + 95) / 3)
    assert table.cells == tuple(map(to_cell, (ONE, TWO, FIVE)))
    assert [table.items(dataset=d, split="test") for d in ("cifar10", "cifar100")] == [10_000, None]


def test_a_cell_is_found_whatever_the_order_of_its_vertices(table):
    swapped = graph([(0, 2), (0, 1), (0, 3), (0, 5), (3, 4), (1, 6), (2, 6), (4, 6), (5, 6)], [OPS[0], OPS[1], OPS[0], OPS[0], OPS[2]])
    assert swapped != FIVE
    assert table.query(to_cell(swapped), epochs=108, split="valid") == pytest.approx(95)
    # A vertex that leads nowhere is not part of the cell.
    assert table.query(to_cell(graph([(0, 1), (1, 3), (1, 2)], [OPS[0], OPS[2]])), epochs=108, split="valid") == pytest.approx(91)


def test_there_is_no_default_fidelity_and_none_is_made_up(table):
    with pytest.raises(TypeError):
        table.query(to_cell(ONE))
    with pytest.raises(UnknownNameError, match="36 epochs"):
        table.query(to_cell(ONE), epochs=36, split="valid")
    with pytest.raises(UnknownNameError, match="cifar100"):
        table.query(to_cell(ONE), epochs=108, split="valid", dataset="cifar100")
    with pytest.raises(DataError, match="no training of 12 epochs"):
        table.query(to_cell(ONE), epochs=12, split="valid")
    with pytest.raises(DataError, match="not in"):
        table.query(to_cell(graph([(0, 1)], [])), epochs=108, split="valid")
    with pytest.raises(SkipTrial, match="no path"):
        table.query(to_cell(graph([(0, 1)], [OPS[0]])), epochs=108, split="valid")


def test_without_a_file_the_error_says_what_to_run(cache: Path):
    with pytest.raises(DataError, match="oche data import nasbench101"):
        spaces.table("nasbench101")


def test_a_packed_file_gives_the_same_table(cache: Path, table):
    packed = cache / "small.tfrecord.gz"
    packed.write_bytes(gzip.compress((cache / "small.tfrecord").read_bytes()))
    target = spaces.import_table("nasbench101", packed)
    assert spaces.find_tables()["nasbench101"] == target
    assert spaces.table("nasbench101").query(to_cell(ONE), epochs=108, split="test") == pytest.approx(90)


@pytest.mark.parametrize("place", [0, 9, 40, -1])
def test_one_flipped_bit_is_found(cache: Path, place: int):
    data = bytearray(b"".join(map(frame, RECORDS)))
    data[place] ^= 1
    (cache / "damaged").write_bytes(data)
    with pytest.raises(DataError, match=r"record \d: got"):
        spaces.import_table("nasbench101", cache / "damaged")
    assert spaces.find_tables()["nasbench101"] is None


@pytest.mark.parametrize("cut", [5, 20, -2])
def test_a_cut_file_is_refused(cache: Path, cut: int):
    (cache / "cut").write_bytes(b"".join(map(frame, RECORDS))[:cut])
    with pytest.raises(DataError, match="end of the file"):
        spaces.import_table("nasbench101", cache / "cut")


def _changed(place: int, value: object) -> bytes:
    parts = json.loads(RECORDS[0])
    parts[place] = value
    return json.dumps(parts).encode()


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (b"{}", "five parts"),
        (b"\xff", "record 0"),
        (_changed(0, graph_hash(TWO)), "whose hash is"),
        (_changed(1, "108"), "five parts"),
        (_changed(2, "0101"), "4 entries"),
        (_changed(3, "input,conv5x5,output"), "unknown operation"),
        (_changed(4, "!!"), "record 0"),
        (_changed(4, "CAE="), "0 evaluations"),
        (record(ONE, 108, 90.0, 0.9), "instead of fractions"),
    ],
)
def test_records_of_another_kind_are_refused(cache: Path, bad: bytes, says: str):
    with pytest.raises(DataError, match=says):
        spaces.import_table("nasbench101", write(cache / "bad", [bad]))


def test_an_empty_file_is_refused(cache: Path):
    with pytest.raises(DataError, match="no record"):
        spaces.import_table("nasbench101", write(cache / "empty", []))
    with pytest.raises(DataError, match="cannot be read"):
        spaces.import_table("nasbench101", cache / "nowhere")


def test_a_tabular_search_skips_invalid_cells(cache: Path):
    """The table holds every valid cell among the proposals, found out by a first pass that records them."""
    space = spaces.get("nasbench101")
    seen: dict[str, bytes] = {}

    def note(cell: str) -> float:
        pruned = from_cell(cell).pruned()
        value = int(graph_hash(pruned)[:6], 16) / 16**6
        seen.setdefault(graph_hash(pruned), record(pruned, 108, value, value / 2))
        return 100 * value

    first = oche.search(space, "regularized-evolution", _Recording(note), budget=oche.Budget(trials=60), seeds=1)[0]
    spaces.import_table("nasbench101", write(cache / "seen.tfrecord", seen.values()))
    task = oche.tasks.tabular("nasbench101", dataset="cifar10", search=("valid", 108), report=("test", 108))
    run = oche.search(space, "regularized-evolution", task, budget=oche.Budget(trials=60), seeds=1)[0]
    assert [t.dna for t in run.trials] == [t.dna for t in first.trials]
    statuses = Counter(t.feedback.status for t in run.trials)
    assert set(statuses) == {"done", "skipped"}
    for trial in run.trials:
        valid = is_valid(space.decisions(trial.dna))
        assert trial.feedback.status == ("done" if valid else "skipped")
        assert (trial.feedback.reward is not None) == valid
    assert run.records[0].value == pytest.approx(run.pick.feedback.reward / 2)


class _Recording:
    """A task that scores cells in text form by a function."""

    name, metric, direction, unit, n_report = "recording", "value", "max", "%", None

    def __init__(self, score):
        self.score = score

    def describe(self):
        return {"task": self.name, "metric": {"name": self.metric, "direction": self.direction, "unit": self.unit}}

    def child(self, space, dna, seed, final=False):
        return oche.tasks.architecture(space, dna)

    def evaluate(self, child, seed):
        return self.score(child)

    def report(self, child, seed):
        return oche.Feedback(reward=self.score(child), metrics={self.metric: self.score(child)})


def test_the_command_line_imports_and_lists_it(cache: Path):
    file, env = write(cache / "small.tfrecord", RECORDS), {"OCHE_CACHE": str(cache / "cache"), "OCHE_DATA": ""}
    done = run_oche("data", "import", "NAS-Bench-101", str(file), "--json", cwd=cache, env=env)
    assert done.returncode == 0, done.stderr
    path = json.loads(done.stdout)["path"]
    listed = run_oche("data", "list", "--json", cwd=cache, env=env)
    assert {"name": "nasbench101", "path": path} in json.loads(listed.stdout)["tables"]
    file.write_bytes(file.read_bytes()[:-1])
    done = run_oche("data", "import", "nasbench101", str(file), cwd=cache, env=env)
    assert done.returncode != 0
    assert "end of the file" in done.stderr
    assert "Traceback" not in done.stderr
