"""The log of one run: rows are gathered and written in one transaction every 50 ms.

The state of an algorithm is part of the same transaction as the trials behind it, so a kill leaves a state and a log that fit.
A state that is large is written less often; the trials after it are replayed from the log.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from oche.errors import StoreError
from oche.store.rows import Batch, CheckpointRow, MeasureRow, ProposalRow, RunRow, SampleRow, Saved, TrialRow

GROUP_SECONDS = 0.05
# A state of this many bytes is written with every transaction; one of n times as many, after n tells more.
_STATE_BYTES = 16_384


class Writer(Protocol):
    """What a log writes to."""

    url: str

    def write(self, run: str, batch: Batch) -> None:
        """Write `batch` in one transaction."""

    def samples(self, pool: str, query: int | None = None, end: int | None = None) -> Iterator[SampleRow]:
        """Samples of a pool."""
        ...

    def sample_counts(self, pool: str) -> dict[int, int]:
        """One more than the largest sample number, by query."""
        ...


class RunLog:
    """Writes what happens in one run.

    Args:
        writer: The store.
        saved: What the store held when the run was opened; it stays as it was, `run` is the row as it is now.
        group_seconds: Rows are kept back for at most this long, counted at each new row.
    """

    keeps = True

    def __init__(self, writer: Writer, saved: Saved, group_seconds: float = GROUP_SECONDS) -> None:
        self.saved = saved
        self.run = replace(saved.run)
        self.snapshot: Callable[[], Mapping[str, Any] | None] | None = None
        self._writer = writer
        self._group_seconds = group_seconds
        self._batch = Batch()
        self._last = time.monotonic()
        self._state_due = 0

    @property
    def where(self) -> str:
        """The store that is written to."""
        return self._writer.url

    def asked(self, row: ProposalRow | None) -> None:
        """A proposal was made."""
        assert row is not None
        self._batch.proposals.append(row)
        self.run.asked += 1

    def count(self) -> None:
        """Only `NullLog` counts without rows."""
        raise TypeError("count: got a log that keeps rows; allowed: NullLog")

    def finished(self, row: TrialRow) -> None:
        """An evaluation ended; the algorithm may or may not know it yet (`row.told`)."""
        self._batch.trials[row.proposal, row.replicate, row.phase] = row
        if row.told is not None:
            self.run.told += 1

    def told(self, row: TrialRow, position: int) -> None:
        """The algorithm was told of an evaluation that had ended before."""
        row.told = position
        self.run.told += 1
        if (row.proposal, row.replicate, row.phase) not in self._batch.trials:
            self._batch.told.append((row.proposal, row.replicate, row.phase, position))

    def measured(self, row: MeasureRow) -> None:
        """A trial reported intermediate numbers."""
        self._batch.measures.append(row)

    def sampled(self, pool: str, rows: Sequence[SampleRow]) -> None:
        """Samples were drawn; they are written in the same transaction as the trial that comes with them."""
        self._batch.samples += rows
        self._batch.pool = pool

    def samples(self, pool: str, query: int, end: int) -> tuple[SampleRow, ...]:
        """The samples below `end` that the pool holds of one query, those not yet written included."""
        if self._batch.samples:
            self.flush()
        return tuple(self._writer.samples(pool, query, end))

    def sample_counts(self, pool: str) -> dict[int, int]:
        """What the pool holds: one more than the largest sample number, by query."""
        return self._writer.sample_counts(pool)

    def checkpointed(self, row: CheckpointRow) -> None:
        """A checkpoint file exists and is complete. Written at once."""
        self._batch.checkpoints.append(row)
        self.flush()

    def recorded(self, record: Mapping[str, Any]) -> None:
        """A record was made (JSON form)."""
        self._batch.records.append(record)

    def update(self, **columns: Any) -> None:
        """Change columns of the run's own row."""
        for name, value in columns.items():
            setattr(self.run, name, value)
        self._batch.run.update(columns)

    def maybe_flush(self) -> None:
        """Write if the last transaction is long enough ago."""
        if time.monotonic() - self._last >= self._group_seconds:
            self.flush()

    def flush(self) -> None:
        """Write everything that is not written yet, in one transaction.

        Raises:
            StoreError: it cannot be written; the rows are kept, so a later flush may still succeed.
        """
        batch = self._batch
        if not batch:
            self._last = time.monotonic()
            return
        batch.run.update(asked=self.run.asked, told=self.run.told, updated=time.time())
        if self.snapshot is not None and self.run.told >= self._state_due:
            self._add_state(batch)
        try:
            self._writer.write(self.run.id, batch)
        except StoreError as error:
            raise StoreError(
                f"{error} (run {self.run.id}: {len(batch.trials)} ended trials of {self.run.told} are not in the store)"
            ) from error
        self._batch = Batch()
        self._last = time.monotonic()

    def _add_state(self, batch: Batch) -> None:
        assert self.snapshot is not None
        state = self.snapshot()
        if state is None:
            return
        text = json.dumps(state, separators=(",", ":"), allow_nan=False)
        self._state_due = self.run.told + len(text) // _STATE_BYTES
        batch.run.update(state=text, state_told=self.run.told, state_asked=self.run.asked)

    def close(self, **columns: Any) -> None:
        """Write the rest and give up the ownership of the run."""
        self.update(owner="", **columns)
        self.flush()


class NullLog:
    """A log that keeps the run's row and forgets the rest: for runs without a store."""

    where = ""
    #: Whether rows are wanted; making them takes a third of the time of a trial that does nothing.
    keeps = False

    def __init__(self, run: RunRow) -> None:
        self.run = run
        self.saved = Saved(replace(run))
        self.snapshot: Callable[[], Mapping[str, Any] | None] | None = None

    def asked(self, row: ProposalRow | None) -> None:
        """Count it."""
        self.run.asked += 1

    def count(self) -> None:
        """Count an ended trial."""
        self.run.told += 1

    def finished(self, row: TrialRow) -> None:
        """Count it."""
        if row.told is not None:
            self.run.told += 1

    def told(self, row: TrialRow, position: int) -> None:
        """Count it."""
        row.told = position
        self.run.told += 1

    def measured(self, row: MeasureRow) -> None:
        """Forget it."""

    def sampled(self, pool: str, rows: Sequence[SampleRow]) -> None:
        """Forget them."""

    def samples(self, pool: str, query: int, end: int) -> tuple[SampleRow, ...]:
        """None are kept."""
        return ()

    def sample_counts(self, pool: str) -> dict[int, int]:
        """None are kept."""
        return {}

    def checkpointed(self, row: CheckpointRow) -> None:
        """Forget it."""

    def recorded(self, record: Mapping[str, Any]) -> None:
        """Forget it."""

    def update(self, **columns: Any) -> None:
        """Change columns of the run's own row."""
        for name, value in columns.items():
            setattr(self.run, name, value)

    def maybe_flush(self) -> None:
        """Nothing to write."""

    def flush(self) -> None:
        """Nothing to write."""

    def close(self, **columns: Any) -> None:
        """Set the last columns."""
        self.update(owner="", **columns)
