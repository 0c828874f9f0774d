"""The one loop that runs every search: several runs over one pool of workers.

The run that is behind is served first, so that the seeds of a search fill the workers that one seed alone would leave idle.
The engine knows neither algorithms nor tasks; a run gives work and takes outcomes.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from oche.errors import StoreError
from oche.loop.asktell_run import AskTellRun
from oche.loop.executors.base import Executor, Target
from oche.loop.interrupt import Interrupt, Interrupted, interrupts
from oche.loop.progress_bar import Update, progress
from oche.loop.run import Run, Work
from oche.loop.weight_sharing_run import WeightSharingRun

logger = logging.getLogger("oche.loop")


class Engine:
    """Runs runs.

    Args:
        runs: The runs; those that are done already are left alone.
        executor: Where work is done; started and closed here.
        target: What answers the messages, usually a `Workbench`.
        title: Text before the progress bar.
        quiet: Show no progress bar.

    Example:
        >>> Engine(runs, Serial(), Workbench(space, task)).run()
    """

    def __init__(self, runs: Sequence[Run], executor: Executor, target: Target, *, title: str = "search", quiet: bool = False) -> None:
        self.runs = list(runs)
        self.executor = executor
        self.target = target
        self.title = title
        self.quiet = quiet
        #: Seconds in which workers did nothing because every run waited for its own tells.
        self.idle_seconds = 0.0
        self._running: dict[int, tuple[Run, Work]] = {}
        self._tickets = 0
        self._idle_since: float | None = None

    def run(self) -> list[Run]:
        """Bring all runs to their end.

        Raises:
            Interrupted: Ctrl-C; everything that ended is stored.
            StoreError: the store cannot be written; the message says what is kept.
        """
        if all(r.done for r in self.runs):
            return self.runs
        self._running.clear()
        try:
            with (
                tempfile.TemporaryDirectory(prefix="oche-", ignore_cleanup_errors=True) as scratch,
                interrupts() as interrupt,
                self.executor,
            ):
                self._give_folders(Path(scratch))
                self.executor.start(self.target)
                with progress(self.title, not self.quiet) as update:
                    self._loop(interrupt, update)
        except BaseException as error:
            if not isinstance(error, (KeyboardInterrupt, StoreError)):
                # An algorithm that raised may be half-way through an ask or a tell: its state is not written, but replayed.
                for run in self.runs:
                    run.log.snapshot = None
            self._let_go(quietly=isinstance(error, StoreError))
            raise
        if not all(r.done for r in self.runs):
            self._let_go(quietly=False)
            raise Interrupted(self._farewell())
        return self.runs

    def _give_folders(self, scratch: Path) -> None:
        for run in self.runs:
            if isinstance(run, AskTellRun) and run.watcher.needs_folder and run.watcher.folder is None and not run.done:
                # Evaluations that others go on from leave files, in whatever process they are.
                run.watcher.folder = scratch / run.id
                run.watcher.folder.mkdir()
        for run in self.runs:
            # One worker that never ends keeps what it needs alive.
            if self.executor.name == "serial" and not getattr(run, "needs_folder", False):
                continue
            if isinstance(run, WeightSharingRun) and run.directory is None and not run.done:
                run.directory = scratch / run.id
                run.directory.mkdir()

    def _loop(self, interrupt: Interrupt, update: Update) -> None:
        while True:
            if not interrupt.requested:
                self._fill()
            if not self._running:
                return
            with interrupt.working():
                ticket, outcome = self.executor.next()
            run, work = self._running.pop(ticket)
            run.receive(work, outcome)
            if not run.done:
                run.log.maybe_flush()
            if not self.quiet:
                update(sum(r.share for r in self.runs) / len(self.runs), self._note(run))

    def _note(self, run: Run) -> str:
        parts = [f"{sum(r.done for r in self.runs)} of {len(self.runs)} runs"] if len(self.runs) > 1 or not run.note else []
        return " · ".join([*parts, *([run.note] if run.note else [])])

    def _fill(self) -> None:
        """Give work to every free worker, lowest priority number first."""
        while self.executor.free > 0:
            found = self._next_work()
            now = time.monotonic()
            if self._idle_since is not None:
                self.idle_seconds += now - self._idle_since
                self._idle_since = None
            if found is None:
                if self._running:
                    self._idle_since = now
                return
            self._tickets += 1
            self._running[self._tickets] = found
            self.executor.submit(self._tickets, found[1].message, limited=found[1].limited)

    def _next_work(self) -> tuple[Run, Work] | None:
        # sorted() is stable: of equal runs the first goes first.
        for run in sorted((r for r in self.runs if not r.done), key=lambda r: r.priority) if len(self.runs) > 1 else self.runs:
            work = run.next_work()
            if work is not None:
                return run, work
        return None

    def _let_go(self, quietly: bool) -> None:
        """Write what is there and give the runs free for another process."""
        for run in self.runs:
            if run.done:
                continue
            if quietly:
                with suppress(StoreError):
                    run.log.close()
            else:
                run.log.close()

    def _farewell(self) -> str:
        ended = sum(r.done for r in self.runs)
        trials = sum(r.log.run.told for r in self.runs)
        steps = sum(r.step for r in self.runs if isinstance(r, WeightSharingRun))
        parts = [f"{ended} of {len(self.runs)} runs ended"]
        if trials:
            parts.append(f"{trials} trials")
        if steps:
            parts.append(f"{steps} steps")
        where = next((r.log.where for r in self.runs if r.log.where), None)
        done = ", ".join(parts)
        if where is None:
            return f"interrupted: got Ctrl-C after {done}; nothing is kept without a store; give one to be able to go on"
        return f"interrupted: got Ctrl-C after {done}; all of it is kept in {where}; run the same command again to go on"
