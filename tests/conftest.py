"""Settings and fixtures shared by all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from oche import files

# Set before torch starts its threads, here and in every process that a test starts: two test workers with two threads each on two
# cores wait for each other most of the time (training tests took four times as long).
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("oche", derandomize=True, max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("oche")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Results are equal bit for bit at equal threads only: no test leaves another number behind."""
    yield
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


def lacking(reason: str) -> None:
    """Skip a test for something that this machine lacks; fail where everything has to be there (`OCHE_TEST_STRICT=1`)."""
    if os.environ.get("OCHE_TEST_STRICT") == "1":
        pytest.fail(f"OCHE_TEST_STRICT=1, but {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def oche_data() -> Path:
    """The folder of real data that `OCHE_DATA` names."""
    folder = files.data_dir()
    if folder is None:
        lacking("OCHE_DATA does not name a folder of data")
        raise AssertionError  # not reached
    return folder


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for one test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("OCHE_CACHE", str(folder))
    return folder
