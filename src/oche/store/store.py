"""The store: open or find a run, write its log, read it again, export it.

`Store` is a SQL database, opened at first use; `MemoryStore` has the same methods and no database. Neither knows what is
searched: it takes and gives rows (`rows.py`) and records.
"""

from __future__ import annotations

import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oche.errors import ArgumentError, ResumeError, StoreError, UnknownNameError
from oche.files import cache_dir, canonical_json, digest
from oche.store import owner
from oche.store.log import GROUP_SECONDS, RunLog
from oche.store.record import Record
from oche.store.rows import Batch, CheckpointRow, MeasureRow, ProposalRow, RunRow, SampleRow, Saved, TrialRow

if TYPE_CHECKING:
    from oche.store.database import Database

_JSON_COLUMNS = ("settings", "budget", "limit")


def run_id(identity: str, seed: int) -> str:
    """Identity of a run in every store, 16 hexadecimal digits."""
    return digest([identity, seed])[:16]


class BaseStore(ABC):
    """What both kinds of store share: finding runs, resuming, records."""

    url: str
    files: Path | None

    def open_run(self, run: RunRow, resume: bool = True, group_seconds: float = GROUP_SECONDS) -> RunLog:
        """Start `run`, or go on with the run of the same id if the store has one.

        Args:
            run: The run as it would start now.
            resume: False refuses a run that is there already.
            group_seconds: See `RunLog`.

        Returns:
            A log whose `saved` holds everything that happened before. `saved.run.budget` is that of the first start.

        Raises:
            ResumeError: the run is there and `resume` is False, or it cannot be continued with these settings.
            StoreError: another living process executes it, or the store cannot be written.
        """
        saved = self.load(run.id)
        if saved is None:
            now = time.time()
            fresh = replace(run, owner=owner.me(), created=now, updated=now)
            self.insert_run(fresh)
            return RunLog(self, Saved(fresh), group_seconds)
        if not resume:
            raise ResumeError(f"{_title(run)}: got resume=False; allowed: True, the store has it; use another store or name")
        owner.check_free(saved.run.owner, run.id)
        for key in ("kind", "parallel", "order", "threads"):
            if getattr(saved.run, key) != getattr(run, key):
                raise ResumeError(f"{_title(run)}: got {key}={getattr(run, key)!r}; allowed: {getattr(saved.run, key)!r}, as at its start")
        log = RunLog(self, saved, group_seconds)
        if saved.run.status == "running" or dict(saved.run.limit) != dict(run.limit):
            log.update(owner=owner.me(), limit=dict(run.limit), status="running", reason="")
            log.flush()
        return log

    def find(self, text: str) -> RunRow:
        """The run whose id starts with `text`, or the only one of that name.

        Raises:
            UnknownNameError: no run, or several.
        """
        rows = self.runs()
        hits = [r for r in rows if r.id.startswith(text)] or [r for r in rows if r.name == text]
        if len(hits) == 1:
            return hits[0]
        listed = ", ".join(r.id for r in (hits or rows)[:10]) or "the store is empty"
        raise UnknownNameError(
            f"run: got {text!r}, {'several runs' if hits else 'no run'} of that id or name; allowed: {listed}; see 'oche runs list'"
        )

    def export(self, path: str | os.PathLike[str], run: str | None = None) -> int:
        """Write all records, or those of one run, as JSON lines.

        Returns:
            The number of records.
        """
        from oche.files import write_text

        records = self.records(run)
        write_text(path, "".join(canonical_json(r.to_json()) + "\n" for r in records))
        return len(records)

    def checkpoint_dir(self, run: str) -> Path:
        """The folder of a run's checkpoint files, created if needed."""
        if self.files is None:
            raise StoreError("store: got no folder for checkpoint files; allowed: a store with one")
        folder = self.files / run
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"store {self.url}: cannot make {str(folder)!r} ({error.strerror}); allowed: a writable folder") from error
        return folder

    # What a kind of store provides -------------------------------------------------------------------------------------

    @abstractmethod
    def load(self, run: str) -> Saved | None:
        """Everything of one run, or None."""

    @abstractmethod
    def insert_run(self, run: RunRow) -> None:
        """Add a new run."""

    @abstractmethod
    def write(self, run: str, batch: Batch) -> None:
        """Write `batch` in one transaction."""

    @abstractmethod
    def runs(self, name: str | None = None) -> list[RunRow]:
        """All runs, or those called `name`, in the order of their first start."""

    @abstractmethod
    def records(self, run: str | None = None) -> list[Record]:
        """All records, or those of one run, in the order of writing."""

    @abstractmethod
    def samples(self, pool: str, query: int | None = None, end: int | None = None) -> Iterator[SampleRow]:
        """Samples of a pool by query and number: all, or those of one query with numbers below `end`."""

    @abstractmethod
    def sample_counts(self, pool: str) -> dict[int, int]:
        """One more than the largest sample number, by query."""

    @abstractmethod
    def close(self) -> None:
        """Release files and connections."""

    def __enter__(self) -> BaseStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Store(BaseStore):
    """Runs, trials, records and checkpoints in a database.

    Args:
        url: Path of a SQLite file (made at first use) or a `postgresql://` URL.
        files: Folder of checkpoint files; by default `<file>.files` beside a SQLite file, or a folder in the user's cache.

    Example:
        >>> store = Store("runs.db")
        >>> [run.name for run in store.runs()]
        []
    """

    def __init__(self, url: str | os.PathLike[str], files: str | os.PathLike[str] | None = None) -> None:
        self.url = os.fspath(url)
        if self.url.startswith("sqlite:///"):
            self.url = self.url.removeprefix("sqlite:///")
        if not self.url:
            raise ArgumentError("store: got ''; allowed: a file path or a postgresql:// URL")
        if files is not None:
            self.files = Path(files)
        elif "://" in self.url:
            self.files = cache_dir() / "stores" / digest(self.url)[:16]
        else:
            self.files = Path(self.url + ".files")
        self._database: Database | None = None

    @staticmethod
    def memory() -> MemoryStore:
        """A store that lives as long as this process."""
        return MemoryStore()

    @property
    def database(self) -> Database:
        """The connection, opened at first use."""
        if self._database is None:
            from oche.store.database import Database

            self._database = Database(self.url)
        return self._database

    def load(self, run: str) -> Saved | None:
        """Everything of one run, or None."""
        from oche.store import schema as s

        with self.database.reading() as connection:
            rows = connection.execute(s.run.select().where(s.run.c.id == run)).mappings().all()
            if not rows:
                return None

            def read(table: Any, order: Sequence[Any]) -> list[dict[str, Any]]:
                found = connection.execute(table.select().where(table.c.run == run).order_by(*order)).mappings()
                return [{k: v for k, v in row.items() if k not in ("run", "number")} for row in found]

            return Saved(
                run=_to_run(rows[0]),
                proposals=[ProposalRow(**r) for r in read(s.proposal, [s.proposal.c.id])],
                trials=[TrialRow(**r) for r in read(s.trial, [s.trial.c.proposal, s.trial.c.replicate])],
                measures=[MeasureRow(**r) for r in read(s.measure, [s.measure.c.number])],
                checkpoints=[CheckpointRow(**r) for r in read(s.checkpoint, [s.checkpoint.c.step])],
                records=[json.loads(r["content"]) for r in read(s.record, [s.record.c.number])],
            )

    def insert_run(self, run: RunRow) -> None:
        """Add a new run."""
        from oche.store import schema as s

        with self.database.writing() as connection:
            connection.execute(s.run.insert(), [_from_run(asdict(run))])

    def write(self, run: str, batch: Batch) -> None:
        """Write `batch` in one transaction."""
        with self.database.writing() as connection:
            _write(connection, run, batch)

    def runs(self, name: str | None = None) -> list[RunRow]:
        """All runs, or those called `name`, in the order of their first start."""
        from oche.store import schema as s

        query = s.run.select().order_by(s.run.c.created, s.run.c.id)
        if name is not None:
            query = query.where(s.run.c.name == name)
        with self.database.reading() as connection:
            return [_to_run(row) for row in connection.execute(query).mappings()]

    def records(self, run: str | None = None) -> list[Record]:
        """All records, or those of one run, in the order of writing."""
        from oche.store import schema as s

        query = s.record.select().order_by(s.record.c.number)
        if run is not None:
            query = query.where(s.record.c.run == run)
        with self.database.reading() as connection:
            return [Record.from_json(json.loads(row["content"])) for row in connection.execute(query).mappings()]

    def samples(self, pool: str, query: int | None = None, end: int | None = None) -> Iterator[SampleRow]:
        """Samples of a pool by query and number: all, or those of one query with numbers below `end`."""
        from oche.store import schema as s

        t = s.sample.c
        wanted = s.sample.select().with_only_columns(*(t[name] for name in SampleRow._fields)).where(t.pool == pool)
        if query is not None:
            wanted = wanted.where(t.query == query)
        if end is not None:
            wanted = wanted.where(t.number < end)
        wanted = wanted.order_by(t.query, t.number)
        # The result is closed as well: a reader that stops early leaves no open cursor behind.
        with self.database.reading() as connection, connection.execution_options(yield_per=10_000).execute(wanted) as found:
            for row in found:
                yield SampleRow(*row)

    def sample_counts(self, pool: str) -> dict[int, int]:
        """One more than the largest sample number, by query."""
        import sqlalchemy as sa

        from oche.store import schema as s

        t = s.sample.c
        wanted = sa.select(t.query, sa.func.max(t.number) + 1).where(t.pool == pool).group_by(t.query)
        with self.database.reading() as connection:
            return {query: count for query, count in connection.execute(wanted)}

    def add_records(self, records: Iterable[Record]) -> None:
        """Add records that were made elsewhere, for example read from an export."""
        from oche.store import schema as s

        rows = [_record_row(r.run, r.to_json()) for r in records]
        if rows:
            with self.database.writing() as connection:
                connection.execute(s.record.insert(), rows)

    def close(self) -> None:
        """Close the connection; a later use opens it again."""
        if self._database is not None:
            self._database.close()
            self._database = None


class MemoryStore(BaseStore):
    """A store without a database: as fast as lists. Checkpoint files, if any, lie in a temporary folder until `close`."""

    def __init__(self) -> None:
        self.url = "memory"
        self._runs: dict[str, Saved] = {}
        self._samples: dict[str, dict[int, list[SampleRow]]] = {}
        self._loose: list[Record] = []
        self._folder: Any = None

    @property
    def files(self) -> Path:  # type: ignore[override]
        """A temporary folder, made at first use."""
        if self._folder is None:
            import tempfile

            self._folder = tempfile.TemporaryDirectory(prefix="oche-", ignore_cleanup_errors=True)
        return Path(self._folder.name)

    def load(self, run: str) -> Saved | None:
        """A copy of everything of one run, or None."""
        return deepcopy(self._runs.get(run))

    def insert_run(self, run: RunRow) -> None:
        """Add a new run."""
        self._runs[run.id] = Saved(replace(run))

    def write(self, run: str, batch: Batch) -> None:
        """Add the rows of `batch`."""
        saved = self._runs[run]
        saved.proposals += batch.proposals
        saved.trials += batch.trials.values()
        if batch.told:
            by_key = {(t.proposal, t.replicate, t.phase): t for t in saved.trials}
            for proposal, replicate, phase, position in batch.told:
                by_key[proposal, replicate, phase].told = position
        saved.measures += batch.measures
        saved.checkpoints += batch.checkpoints
        saved.records += batch.records
        pool = self._samples.setdefault(batch.pool, {}) if batch.samples else {}
        for row in batch.samples:
            pool.setdefault(row.query, []).append(row)
        for name, value in batch.run.items():
            setattr(saved.run, name, value)

    def samples(self, pool: str, query: int | None = None, end: int | None = None) -> Iterator[SampleRow]:
        """Samples of a pool by query and number: all, or those of one query with numbers below `end`."""
        found = self._samples.get(pool, {})
        for one in sorted(found) if query is None else [query]:
            yield from sorted(r for r in found.get(one, ()) if end is None or r.number < end)

    def sample_counts(self, pool: str) -> dict[int, int]:
        """One more than the largest sample number, by query."""
        return {query: max(r.number for r in rows) + 1 for query, rows in self._samples.get(pool, {}).items()}

    def runs(self, name: str | None = None) -> list[RunRow]:
        """All runs, or those called `name`, in the order of their first start."""
        return [replace(s.run) for s in self._runs.values() if name is None or s.run.name == name]

    def records(self, run: str | None = None) -> list[Record]:
        """All records, or those of one run, in the order of writing."""
        found = [Record.from_json(r) for key, s in self._runs.items() if run in (None, key) for r in s.records]
        return found + [r for r in self._loose if run in (None, r.run)]

    def add_records(self, records: Iterable[Record]) -> None:
        """Add records that were made elsewhere."""
        self._loose += records

    def close(self) -> None:
        """Remove the temporary folder."""
        if self._folder is not None:
            with suppress(OSError):
                self._folder.cleanup()
            self._folder = None


def as_store(value: str | os.PathLike[str] | BaseStore | None) -> BaseStore | None:
    """A store for what a user passes: a store, a path, a URL, or None."""
    return value if value is None or isinstance(value, BaseStore) else Store(value)


def read_records(path: str | os.PathLike[str]) -> list[Record]:
    """Records from a file of JSON lines.

    Raises:
        StoreError: a line is not a record; the message names the line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"records: got {os.fspath(path)!r}, which cannot be read ({error}); allowed: a file of JSON lines") from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(Record.from_json(json.loads(line)))
        except json.JSONDecodeError as error:
            raise StoreError(
                f"records: got line {number} of {os.fspath(path)!r}, which is not JSON; allowed: one JSON object per line"
            ) from error
        except StoreError as error:
            raise StoreError(f"line {number} of {os.fspath(path)!r}: {error}") from error
    return found


def _title(run: RunRow) -> str:
    return f"run {run.id} ({run.name!r}, seed {run.seed})"


def _to_run(row: Any) -> RunRow:
    values = dict(row)
    for name in _JSON_COLUMNS:
        values[name] = json.loads(values[name])
    values["seed"] = int(values["seed"])
    return RunRow(**values)


def _from_run(values: dict[str, Any]) -> dict[str, Any]:
    return {k: canonical_json(v) if k in _JSON_COLUMNS else str(v) if k == "seed" else v for k, v in values.items()}


def _record_row(run: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return {"run": run, "id": content["id"], "kind": content["kind"], "content": canonical_json(content), "created": time.time()}


def _insert_samples(paramstyle: str) -> str:
    # Plain tuples: a third of the time of the statement that would be compiled from dictionaries.
    columns = ("pool", *SampleRow._fields)
    quoted = ", ".join(f'"{name}"' for name in columns)
    mark = "?" if paramstyle == "qmark" else "%s"
    return f"INSERT INTO sample ({quoted}) VALUES ({', '.join([mark] * len(columns))})"


def _write(connection: Any, run: str, batch: Batch) -> None:
    from oche.store import schema as s

    for table, rows in (
        (s.proposal, batch.proposals),
        (s.trial, batch.trials.values()),
        (s.measure, batch.measures),
        (s.checkpoint, batch.checkpoints),
    ):
        if rows:
            connection.execute(table.insert(), [{**vars(row), "run": run} for row in rows])
    if batch.samples:
        connection.exec_driver_sql(_insert_samples(connection.dialect.paramstyle), [(batch.pool, *row) for row in batch.samples])
    for proposal, replicate, phase, position in batch.told:
        key = (s.trial.c.run == run) & (s.trial.c.proposal == proposal) & (s.trial.c.replicate == replicate) & (s.trial.c.phase == phase)
        connection.execute(s.trial.update().where(key).values(told=position))
    if batch.records:
        connection.execute(s.record.insert(), [_record_row(run, r) for r in batch.records])
    if batch.run:
        connection.execute(s.run.update().where(s.run.c.id == run).values(**_from_run(dict(batch.run))))
