"""The connection: SQLite in WAL mode or PostgreSQL, transactions, and the database's errors in the user's words.

SQLite writers start with `BEGIN IMMEDIATE`: two writers then wait for each other instead of failing half-way. With
`synchronous=NORMAL` in WAL mode a killed process loses nothing that was committed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc

from oche.errors import MissingExtraError, StoreError
from oche.store import schema

_BUSY_SECONDS = 30
_MAGIC = b"SQLite format 3\x00"


class Database:
    """One open database.

    Args:
        url: Path of a SQLite file, or a SQLAlchemy URL.

    Raises:
        StoreError: the file is not a store, is a newer one, or cannot be opened.
        MissingExtraError: the driver for PostgreSQL is not installed.
    """

    def __init__(self, url: str) -> None:
        self.label = url if "://" not in url else sa.make_url(url).render_as_string(hide_password=True)
        self.sqlite = "://" not in url
        self.read_only = False
        self.engine = self._open_file(Path(url)) if self.sqlite else self._open_server(url)
        try:
            with self.translated():
                self._check_schema()
        except BaseException:
            self.engine.dispose()
            raise

    def _open_file(self, path: Path) -> sa.Engine:
        try:
            exists = self._look(path)
        except OSError as error:
            raise StoreError(
                f"store: got {str(path)!r}, which cannot be reached ({error.strerror}); allowed: a place where you may read and write"
            ) from error
        self.read_only = exists and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
        mode = "?uri=true"
        if self.read_only:
            # A reader makes files beside the database, unless a writer left them; without the right to, it is read as immutable.
            left = path.with_name(path.name + "-wal").exists()
            mode = "?mode=ro&uri=true" if left else "?mode=ro&immutable=1&uri=true"
        engine = sa.create_engine(
            f"sqlite:///file:{_quoted(path)}{mode}", connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}
        )
        event.listen(engine, "connect", self._on_connect)
        event.listen(engine, "begin", _on_begin)
        return engine

    def _look(self, path: Path) -> bool:
        """Whether there is a database; makes the folder of a new one."""
        if path.is_dir():
            raise StoreError(f"store: got the folder {str(path)!r}; allowed: a file; add a name, for example {str(path / 'runs.db')!r}")
        if not (path.exists() and path.stat().st_size > 0):
            path.parent.mkdir(parents=True, exist_ok=True)
            return False
        with path.open("rb") as handle:
            if handle.read(len(_MAGIC)) != _MAGIC:
                raise _not_ours(self.label)
        return True

    def _open_server(self, url: str) -> sa.Engine:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "postgresql" and "+" not in parsed.drivername:
            parsed = parsed.set(drivername="postgresql+psycopg")
        elif parsed.get_backend_name() != "postgresql":
            raise StoreError(f"store: got {self.label!r}; allowed: a file path or a postgresql:// URL")
        try:
            return sa.create_engine(parsed)
        except ImportError as error:
            raise MissingExtraError("psycopg", "postgres") from error

    def _on_connect(self, connection: Any, _: Any) -> None:
        # The driver's own transaction handling is switched off: `_on_begin` says when and how a transaction starts.
        connection.isolation_level = None
        cursor = connection.cursor()
        if not self.read_only:
            cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    def _check_schema(self) -> None:
        with self.engine.connect() as connection:
            tables = set(sa.inspect(connection).get_table_names())
            if "meta" in tables:
                found = self._version(connection)
                if found is None:
                    raise _not_ours(self.label)
                if found > schema.VERSION:
                    raise StoreError(
                        f"store {self.label}: got schema version {found}; allowed: up to {schema.VERSION}; "
                        "it was written by a newer oche, upgrade this one"
                    )
                if found < schema.VERSION and not self.read_only:
                    self._upgrade()
                return
        if tables:
            raise _not_ours(self.label)
        self._create()

    def _version(self, connection: sa.Connection) -> int | None:
        columns = {c["name"] for c in sa.inspect(connection).get_columns("meta")}
        if columns != {"key", "value"}:
            return None
        rows = {row[0]: row[1] for row in connection.execute(sa.select(schema.meta.c.key, schema.meta.c.value))}
        if rows.get("application") != schema.APPLICATION:
            return None
        return int(rows["schema_version"])

    def _create(self) -> None:
        with self.writing() as connection:
            if not self.sqlite:
                # Two first starts at once: the second waits, then finds the tables.
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(81520)"))
            schema.metadata.create_all(connection)
            if not connection.execute(sa.select(schema.meta)).first():
                values = [("application", schema.APPLICATION), ("schema_version", str(schema.VERSION))]
                connection.execute(schema.meta.insert(), [{"key": k, "value": v} for k, v in values])

    def _upgrade(self) -> None:
        """Add the tables that an older version did not have; nothing that it wrote is changed."""
        with self.writing() as connection:
            schema.metadata.create_all(connection)
            key = schema.meta.c.key == "schema_version"
            connection.execute(schema.meta.update().where(key).values(value=str(schema.VERSION)))

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection whose reads see one moment."""
        with self.translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A connection in one write transaction, committed if the block ends well."""
        if self.read_only:
            raise StoreError(
                f"store {self.label}: got a read-only file; allowed: a writable file in a writable folder; nothing was written"
            )
        with self.translated(), self.engine.connect().execution_options(oche_write=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the driver's errors into `StoreError` with what to do."""
        try:
            yield
        except exc.DBAPIError as error:
            raise StoreError(f"store {self.label}: {_explain(str(error.orig))}") from error

    def close(self) -> None:
        """Close all connections; SQLite then folds its WAL file into the main one."""
        self.engine.dispose()


def _on_begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("oche_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _quoted(path: Path) -> str:
    # A URI file name: '?' and '#' would end the path, '%' would start an escape.
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _not_ours(label: str) -> StoreError:
    return StoreError(f"store: got {label!r}, which is not an oche store; allowed: a new file or one that oche made; choose another name")


def _explain(text: str) -> str:
    low = text.lower()
    if "disk is full" in low or "disk i/o" in low or "no space left" in low:
        return f"got a full or failing disk ({text}); everything committed before is kept; free space and run the same command to go on"
    if "readonly" in low or "read-only" in low or "unable to open" in low:
        return f"got a read-only place ({text}); allowed: a writable file in a writable folder; everything committed before is kept"
    if "locked" in low:
        return f"got a lock held by another process for over {_BUSY_SECONDS} s ({text}); stop the other process or choose another store"
    if "not a database" in low or "malformed" in low:
        return f"got a file that is not an oche store or is damaged ({text}); choose another name, or restore a copy"
    if "unique" in low or "duplicate key" in low:
        return f"got a row that is there already ({text.splitlines()[0]}); another process works on the same run; stop one of the two"
    return f"got an error of the database ({text.strip()})"
