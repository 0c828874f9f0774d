"""Files that are whole or not there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oche import files


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a" / "x.txt"
    files.write_text(target, "old")

    def fail_half_way():
        with files.atomic(target) as temporary:
            temporary.write_text("new")
            raise RuntimeError("half")

    with pytest.raises(RuntimeError, match="half"):
        fail_half_way()
    assert target.read_text() == "old"
    assert [p.name for p in target.parent.iterdir()] == ["x.txt"]


def test_written_files_have_ordinary_permissions(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("x")
    files.write_text(tmp_path / "ours", "x")
    assert (tmp_path / "ours").stat().st_mode == plain.stat().st_mode
    plain.chmod(0o640)
    files.write_text(plain, "y")
    assert plain.stat().st_mode & 0o777 == 0o640


def test_folders_come_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("OCHE_DATA", str(tmp_path))
    monkeypatch.setenv("OCHE_CACHE", str(tmp_path / "cache"))
    assert files.data_dir() == tmp_path
    assert files.cache_dir() == tmp_path / "cache"
    assert files.cache_dir().is_dir()
    monkeypatch.setenv("OCHE_DATA", str(tmp_path / "missing"))
    assert files.data_dir() is None


@given(st.dictionaries(st.text(max_size=4), st.integers(), max_size=5))
def test_a_digest_does_not_depend_on_the_order_of_keys(value):
    backwards = dict(reversed(list(value.items())))
    assert files.digest(value) == files.digest(backwards)
    assert len(files.digest(value)) == 64


def test_a_file_digest_is_the_known_one(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert files.file_digest(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
