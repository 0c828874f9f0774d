"""Records from files come back as they were; what is wrong is named by file, line and field."""

from __future__ import annotations

import json

import pytest
from tests.judge.made_records import runs

from oche import judge
from oche.errors import JudgeError

GOOD = "dataset,method,kind,run,accuracy\nCIFAR10,DARTS,random,0,97.05\nCIFAR10,DARTS,search,0,97.1\n"


def lines(records):
    return "".join(json.dumps(r.to_json()) + "\n" for r in records)


@pytest.mark.parametrize("name", ["runs.jsonl", "runs.ndjson", "runs.json"])
def test_records_come_back(tmp_path, name):
    records = runs("search", [90.5, 91.25]) + runs("random", [88, 89])
    path = tmp_path / name
    path.write_text(json.dumps([r.to_json() for r in records]) if name.endswith(".json") else lines(records) + "\n")
    assert [r.to_json() for r in judge.read(path)] == [r.to_json() for r in records]


def test_one_record_in_a_json_file(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(runs("search", [90])[0].to_json()))
    assert len(judge.read(path)) == 1


def test_csv(tmp_path):
    path = tmp_path / "performance.csv"
    path.write_text(GOOD)
    random, search = judge.read(path)
    assert (random.kind, random.space, random.value, random.search_seed) == ("random", "DARTS", 97.05, None)
    assert (search.kind, search.algorithm, search.task, search.search_seed) == ("search", "DARTS", "CIFAR10", 0)
    assert random.fingerprint == search.fingerprint


def test_csv_with_a_space_shares_one_baseline(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"d,{m},{k},{i},{90 + i + (m == 'b')},s" for m, k in (("a", "search"), ("b", "search"), ("x", "random")) for i in range(4)]
    path.write_text("dataset,method,kind,run,accuracy,space\n" + "\n".join(rows))
    report = judge.report(judge.read(path))
    assert [r.n_r for r in report.rows] == [4, 4]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("97.1", ""), r"performance\.csv line 3, field 'accuracy': got nothing"),
        (GOOD.replace("97.1", "good"), "line 3, field 'accuracy': got 'good'"),
        (GOOD.replace("97.1", "nan"), "line 3, field 'accuracy'.*not finite"),
        (GOOD.replace("search", "found"), "line 3, field 'kind': got 'found'"),
        (GOOD.replace("search,0", "search,first"), "line 3, field 'run': got 'first'"),
        (GOOD.replace(",kind", ""), "line 1.*missing: kind"),
        ("", "line 1"),
        ("dataset,method,kind,run,accuracy\n", "without a record"),
    ],
)
def test_a_bad_table_is_named(tmp_path, text, said):
    path = tmp_path / "performance.csv"
    path.write_text(text)
    with pytest.raises(JudgeError, match=said):
        judge.read(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metrics": {"test": "high"}}, "line 2.*metrics"),
        ({"kind": "guess"}, "line 2.*kind"),
        ({"colour": "red"}, "line 2.*colour"),
        ({"schema": "other/1"}, "line 2.*schema"),
    ],
)
def test_a_bad_record_is_named(tmp_path, change, said):
    good, bad = (r.to_json() for r in runs("search", [90, 91]))
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps(good) + "\n" + json.dumps({**bad, **change}) + "\n")
    with pytest.raises(JudgeError, match=said):
        judge.read(path)


def test_nan_in_json_is_refused(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_text(lines(runs("search", [float("nan")])))
    with pytest.raises(JudgeError, match=r"line 1.*metrics"):
        judge.read(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("runs.db", b"x", r"files that end in \.jsonl"),
        ("gone.json", None, "does not exist"),
        ("runs.jsonl", b"{not json}\n", "line 1: got text that is not JSON"),
        ("runs.json", b"3", "got int"),
        ("runs.jsonl", b"\xff\xfe\x00", "cannot be read"),
        ("runs.jsonl", b"[1]\n", "line 1"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(JudgeError, match=said):
        judge.read(tmp_path / name)
