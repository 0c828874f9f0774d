"""What is written is what is read, on every kind of store; a bad place is said in clear words and loses nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oche.errors import ArgumentError, MissingExtraError, ResumeError, StoreError, UnknownNameError
from oche.store import BaseStore, Record, RunRow, Store, as_store, read_records
from oche.store.rows import CheckpointRow, MeasureRow, ProposalRow, TrialRow
from oche.store.store import run_id


def _row(seed: int = 1, **kwargs: Any) -> RunRow:
    return RunRow(
        id=run_id("identity", seed),
        identity="identity",
        name="try",
        kind="asktell",
        seed=seed,
        settings={"b": [1, None], "a": "x"},
        **kwargs,
    )


def _record(**kwargs: Any) -> Record:
    values: dict[str, Any] = {"kind": "search", "algorithm": "random", "space": "s", "fingerprint": "f", "task": "t"}
    return Record(**{**values, "protocol": {"epochs": 12}, "metric": "test", "metrics": {"test": 91.25, "n": 3}, **kwargs})


_PROPOSAL = ProposalRow(0, "[0,null,0.1]", 2, 0, '{"why":"é"}')
_TRIALS = [
    TrialRow(
        0,
        0,
        "search",
        0,
        "done",
        reward=0.1 + 0.2,
        zone="north",
        metrics='{"valid":1e-300}',
        cost='{"trials":1}',
        more='{"objectives":[1.0,2.0]}',
    ),
    TrialRow(0, 1, "search", None, "failed", reason="ValueError: ü\nline"),
]


def test_everything_comes_back_exactly(any_store: BaseStore) -> None:
    seed = 2**63 - 1
    log = any_store.open_run(_row(seed, budget={"trials": 5, "seconds": 0.1}))
    log.asked(_PROPOSAL)
    for row in _TRIALS:
        log.finished(row)
    log.measured(MeasureRow(0, 1, 2.5, '{"loss":0.5}'))
    log.recorded(_record().to_json())
    log.checkpointed(CheckpointRow(5, "advance", "x/step-5.pt", "ab" * 32, '{"done":false}'))
    log.snapshot = lambda: {"members": [[0, None, 0.1], 0.30000000000000004]}
    log.close(status="done")
    saved = any_store.load(run_id("identity", seed))
    assert saved is not None
    assert saved.run.seed == seed
    assert saved.run.settings == {"b": [1, None], "a": "x"}
    assert saved.run.budget == {"trials": 5, "seconds": 0.1}
    assert (saved.run.status, saved.run.owner, saved.run.asked, saved.run.told) == ("done", "", 1, 1)
    assert saved.run.state == '{"members":[[0,null,0.1],0.30000000000000004]}'
    assert (saved.run.state_asked, saved.run.state_told) == (1, 1)
    assert saved.proposals == [_PROPOSAL]
    assert saved.trials == _TRIALS
    assert saved.trials[0].reward == 0.30000000000000004
    assert saved.measures == [MeasureRow(0, 1, 2.5, '{"loss":0.5}')]
    assert saved.checkpoints == [CheckpointRow(5, "advance", "x/step-5.pt", "ab" * 32, '{"done":false}')]
    assert [Record.from_json(r).content_hash() for r in saved.records] == [_record().content_hash()]


def test_a_trial_that_is_told_later_gets_its_place(any_store: BaseStore) -> None:
    log = any_store.open_run(_row())
    log.asked(_PROPOSAL)
    first, second = (TrialRow(0, i, "search", None, "done", reward=1.0) for i in range(2))
    log.finished(second)
    log.flush()
    log.finished(first)
    log.told(first, 0)
    log.told(second, 1)
    log.close()
    saved = any_store.load(_row().id)
    assert saved is not None
    assert sorted((t.replicate, t.told) for t in saved.trials) == [(0, 0), (1, 1)]


def test_a_run_is_found_by_identity_seed_name_and_prefix(any_store: BaseStore) -> None:
    for seed in (1, 2):
        any_store.open_run(_row(seed)).close()
    assert [r.seed for r in any_store.runs("try")] == [1, 2]
    assert any_store.runs("other") == []
    assert any_store.find(run_id("identity", 2)[:9]).seed == 2
    with pytest.raises(UnknownNameError, match="several runs"):
        any_store.find("try")
    with pytest.raises(UnknownNameError, match="no run"):
        any_store.find("nothing")
    assert any_store.load("nothing") is None


def test_opening_a_run_again_keeps_its_first_budget(any_store: BaseStore) -> None:
    any_store.open_run(_row(budget={"trials": 5}, limit={"trials": 5})).close(status="done")
    log = any_store.open_run(_row(budget={"trials": 9}, limit={"trials": 9}))
    assert log.saved.run.budget == {"trials": 5}
    assert log.run.status == "running"
    log.close()
    saved = any_store.load(_row().id)
    assert saved is not None
    assert saved.run.limit == {"trials": 9}


@pytest.mark.parametrize("change", [{"parallel": 2}, {"order": "arrival"}, {"threads": 4}, {"kind": "weight-sharing"}])
def test_a_run_is_not_continued_in_another_way(any_store: BaseStore, change: dict[str, Any]) -> None:
    any_store.open_run(_row()).close()
    values = {**vars(_row()), **change}
    with pytest.raises(ResumeError, match=next(iter(change))):
        any_store.open_run(RunRow(**values))


def test_resume_can_be_refused(any_store: BaseStore) -> None:
    any_store.open_run(_row(), resume=False).close()
    with pytest.raises(ResumeError, match="resume=False"):
        any_store.open_run(_row(), resume=False)


def test_records_can_be_exported_and_read_again(any_store: BaseStore, tmp_path: Path) -> None:
    log = any_store.open_run(_row())
    log.recorded(_record(run=_row().id, search_seed=3, dna=[0, None, 2.5]).to_json())
    log.close()
    any_store.add_records([_record(kind="random", run="elsewhere")])
    assert any_store.export(tmp_path / "a.jsonl") == 2
    assert any_store.export(tmp_path / "b.jsonl", run=_row().id) == 1
    again = read_records(tmp_path / "a.jsonl")
    assert [r.content_hash() for r in again] == [r.content_hash() for r in any_store.records()]
    assert [r.to_json() for r in read_records(tmp_path / "b.jsonl")] == [r.to_json() for r in any_store.records(_row().id)]


def test_two_writers_of_one_run_do_not_mix(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db") as one, Store(tmp_path / "a.db") as two:
        first, second = one.open_run(_row()), two.open_run(_row())
        for log in (first, second):
            log.asked(_PROPOSAL)
        first.flush()
        with pytest.raises(StoreError, match="another process works on the same run"):
            second.flush()


def test_rows_wait_for_their_group_and_state_for_its_size() -> None:
    store = Store.memory()
    log = store.open_run(_row(), group_seconds=1000)
    states = []

    def state() -> dict[str, str]:
        states.append(log.run.told)
        return {"large": "x" * 3 * 16_384}

    log.snapshot = state
    for i in range(12):
        log.asked(ProposalRow(i, "[0]", 1, i))
        log.finished(TrialRow(i, 0, "search", i, "done", reward=0.0))
        log.maybe_flush()
        saved = store.load(log.run.id)
        assert saved is not None
        assert saved.trials == []
    log.flush()
    for i in range(12, 24):
        log.asked(ProposalRow(i, "[0]", 1, i))
        log.finished(TrialRow(i, 0, "search", i, "done", reward=0.0))
        log.flush()
    # 48 KB are written with every third tell only; what lies between is replayed.
    assert states == [12, 15, 18, 21, 24]


def test_sqlite_is_in_wal_mode_with_a_version(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Store(path) as store:
        store.open_run(_row()).close()
        with sqlite3.connect(path) as raw:
            assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert dict(raw.execute("SELECT key, value FROM meta")) == {"application": "oche", "schema_version": "2"}
            assert {n for (n,) in raw.execute("SELECT name FROM sqlite_master WHERE type='table'")} == {
                "meta", "run", "proposal", "trial", "measure", "checkpoint", "sample", "record"
            }  # fmt: skip
        raw.close()
        with store.database.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1


def test_a_reader_reads_while_a_writer_writes(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db") as writer, Store(tmp_path / "a.db") as reader:
        writer.open_run(_row()).flush()
        with writer.database.writing() as connection:
            connection.exec_driver_sql("UPDATE run SET status = 'done'")
            assert [r.status for r in reader.runs()] == ["running"]
        assert [r.status for r in reader.runs()] == ["done"]


# -- places that are no store -----------------------------------------------------------------------------------------------


def test_a_text_file_is_not_ours_and_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes, longer than sixteen bytes")
    with pytest.raises(StoreError, match=r"not an oche store.*choose another name"):
        Store(path).runs()
    assert path.read_text() == "my notes, longer than sixteen bytes"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("table", ["notes (x)", "meta (key, value)", "meta (id)"])
def test_a_database_of_another_program_is_not_ours(tmp_path: Path, table: str) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as raw:
        raw.execute(f"CREATE TABLE {table}")
    raw.close()
    with pytest.raises(StoreError, match="not an oche store"):
        Store(path).open_run(_row())
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT count(*) FROM sqlite_master WHERE type='table'").fetchone() == (1,)
    raw.close()


def test_a_postgres_database_of_another_program_is_not_ours(postgres: str) -> None:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE TABLE notes (x int)")
    with pytest.raises(StoreError, match="not an oche store"):
        Store(postgres).runs()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Store(path) as store:
        store.runs()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    raw.close()
    with pytest.raises(StoreError, match="schema version 99; allowed: up to 2"):
        Store(path).runs()


def test_a_damaged_store_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Store(path) as store:
        store.open_run(_row()).close()
    data = bytearray(path.read_bytes())
    data[100:8192] = os.urandom(8092)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        Store(path).runs()


@pytest.mark.parametrize(
    ("url", "words"),
    [("", "''"), ("mysql://host/db", "postgresql://"), (".", "folder"), ("postgresql://nobody@127.0.0.1:9/x", "127.0.0.1")],
)
def test_a_bad_place_is_said(url: str, words: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises((StoreError, ArgumentError), match=words):
        Store(url).runs()


def test_a_password_is_not_printed() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError) as caught:
        Store("postgresql://me:secret@127.0.0.1:9/x").runs()
    assert "secret" not in str(caught.value)


def test_a_missing_driver_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"oche\[postgres\]"):
        Store("postgresql://me@127.0.0.1:9/x").runs()


def test_a_user_may_pass_a_path_a_store_or_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db")
    assert as_store(store) is store
    assert as_store(None) is None
    opened = as_store(tmp_path / "b.db")
    assert isinstance(opened, Store)
    assert not (tmp_path / "b.db").exists()
    assert as_store("sqlite:///x.db").url == "x.db"  # type: ignore[union-attr]


# -- disks ------------------------------------------------------------------------------------------------------------------

_FULL = """
    import resource, sys
    from oche.errors import StoreError
    from oche.store import RunRow, Store
    from oche.store.rows import ProposalRow, TrialRow

    store = Store(sys.argv[1])
    log = store.open_run(RunRow(id="r", identity="i", name="n", kind="asktell", seed=0), group_seconds=0)
    # Files may not grow beyond this: the system's answer is that of a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    kept = 0
    try:
        for i in range(100_000):
            log.asked(ProposalRow(i, "[0]", 1, i))
            log.finished(TrialRow(i, 0, "search", i, "done", reward=1.0, reason="x" * 500))
            log.flush()
            kept += 1
    except StoreError as error:
        print(kept)
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    # There is room again: what was held back gets written.
    log.close()
"""


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_FULL), str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    kept, message = done.stdout.strip().splitlines()
    assert 10 < int(kept) < 100_000
    assert "full or failing disk" in message
    assert "free space and run the same command" in message
    assert "1 ended trials" in message
    with Store(path) as store:
        saved = store.load("r")
    assert saved is not None
    assert [t.proposal for t in saved.trials] == list(range(int(kept) + 1))


def test_a_read_only_store_can_be_read_and_not_written() -> None:
    # Not pytest's folder: only its owner may enter that one, and root has to become somebody else to have no rights.
    folder = Path(tempfile.mkdtemp(prefix="oche-"))
    path = folder / "a.db"
    with Store(path) as store:
        store.open_run(_row()).close()
    code = """
        import os, sys
        from oche.errors import StoreError
        from oche.store import RunRow, Store
        with Store(sys.argv[1] + ".other") as other:
            other.runs()  # Everything is imported before the rights are given up.
        if os.geteuid() == 0:
            os.setgid(65534); os.setuid(65534)
        store = Store(sys.argv[1])
        print(len(store.runs()))
        try:
            store.open_run(RunRow(id="r", identity="i", name="n", kind="asktell", seed=0))
        except StoreError as error:
            print(error)
        try:
            new = Store(os.path.join(os.path.dirname(sys.argv[1]), "new.db"))
            new.open_run(RunRow(id="r", identity="i", name="n", kind="asktell", seed=0))
        except StoreError as error:
            print(error)
    """
    path.chmod(0o444)
    folder.chmod(0o755 if os.geteuid() == 0 else 0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), str(path)], capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr
    count, existing, new = done.stdout.strip().splitlines()
    assert count == "1"
    assert "read-only" in existing
    assert "read-only" in new


# -- records ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "oche.record/2"}, "schema"),
        ({"kind": "guess"}, "random_search"),
        ({"surprise": 1}, "'surprise'"),
        ({"metrics": {"test": float("nan")}}, "metrics.test"),
        ({"metrics": {"test": "91"}}, "metrics.test"),
        ({"dna": [0, True]}, "dna.1"),
        ({"search_seed": 1.5}, "search_seed"),
        ({"metric": None}, "'metric'"),
    ],
)
def test_a_bad_record_is_refused_by_field(change: dict[str, Any], words: str) -> None:
    with pytest.raises(StoreError, match=words):
        Record.from_json({**_record().to_json(), **change})


def test_a_record_with_a_missing_field_is_refused() -> None:
    value = _record().to_json()
    del value["protocol"]
    with pytest.raises(StoreError, match="'protocol'"):
        Record.from_json(value)


def test_a_bad_line_of_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("\n{broken\n")
    with pytest.raises(StoreError, match="line 2"):
        read_records(path)
    path.write_text('{"schema": "x"}\n')
    with pytest.raises(StoreError, match="line 1"):
        read_records(path)
    with pytest.raises(StoreError, match="cannot be read"):
        read_records(tmp_path / "none.jsonl")


_NUMBERS = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))


@given(
    metrics=st.dictionaries(st.text(max_size=5), _NUMBERS, max_size=3),
    dna=st.none() | st.lists(st.none() | _NUMBERS, max_size=4),
    seed=st.none() | st.integers(0, 2**63),
    curve=st.lists(st.tuples(_NUMBERS, _NUMBERS), max_size=3),
)
def test_a_record_survives_json_with_its_hash(metrics: dict, dna: Any, seed: Any, curve: Any) -> None:
    import json

    record = _record(metrics=metrics, dna=dna, search_seed=seed, curves={"valid": curve}, settings={"k": [1, 2.0]})
    again = Record.from_json(json.loads(json.dumps(record.to_json())))
    assert again.content_hash() == record.content_hash()
    assert again.id == record.id
