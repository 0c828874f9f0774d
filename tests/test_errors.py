"""Errors say what was given, what is allowed, and what to do."""

from __future__ import annotations

import pytest

from oche import errors


def test_an_unknown_name_suggests_the_nearest_one():
    error = errors.unknown("algorithm", "dart", ["darts", "pc-darts", "random"], "see 'oche list algorithms'")
    assert str(error) == (
        "unknown algorithm: got 'dart'; allowed: 'darts', 'pc-darts', 'random'; did you mean 'darts'?; see 'oche list algorithms'"
    )
    assert isinstance(error, KeyError)


def test_case_and_dashes_do_not_count():
    assert errors.nearest("PC_DART", ["pc-darts", "random"]) == "pc-darts"
    assert errors.nearest("zzzz", ["pc-darts"]) is None


def test_all_errors_have_one_base():
    found = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
    assert len(found) > 15
    assert all(issubclass(e, errors.OcheError) for e in found)


def test_a_missing_extra_names_the_command():
    with pytest.raises(ImportError, match=r"pip install 'oche\[ray\]'"):
        raise errors.MissingExtraError("ray", "ray")
