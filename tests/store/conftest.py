"""A PostgreSQL server of the tests' own, where one is installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import lacking


def _as_postgres() -> list[str]:
    """How a command is run: initdb refuses to work as root."""
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a fresh server in a temporary folder, stopped at the end."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        lacking("PostgreSQL is not installed (no initdb in /usr/lib/postgresql/*/bin or on the path)")
    folder = found[-1].parent if found else Path(on_path or "").parent
    try:
        import psycopg  # noqa: F401
    except ImportError:
        lacking("psycopg is not installed")
    # Not below pytest's folder, which other users may not enter; short, since a socket's path has a limit.
    root = Path(tempfile.mkdtemp(prefix="oche-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(root, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = root / "data"

    def call(*command: object) -> None:
        done = subprocess.run([*_as_postgres(), *map(str, command)], cwd=root, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr + done.stdout

    call(folder / "initdb", "-D", data, "-U", "oche", "-A", "trust", "--no-sync", "-E", "UTF8")
    options = f"-p {port} -h 127.0.0.1 -k {root} -c fsync=off"
    call(folder / "pg_ctl", "-D", data, "-l", root / "log", "-w", "-o", options, "start")
    try:
        yield f"postgresql://oche@127.0.0.1:{port}/postgres"
    finally:
        call(folder / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def postgres(postgres_url: str) -> str:
    """URL of an empty database."""
    import psycopg

    name = f"test_{os.urandom(6).hex()}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    return postgres_url.rpartition("/")[0] + "/" + name


@pytest.fixture(params=["sqlite", "memory", "postgres"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[object]:
    """A store of each kind."""
    from oche.store import Store

    if request.param == "memory":
        store: object = Store.memory()
    elif request.param == "sqlite":
        store = Store(tmp_path / "runs.db")
    else:
        store = Store(request.getfixturevalue("postgres"), files=tmp_path / "files")
    yield store
    store.close()  # type: ignore[attr-defined]
