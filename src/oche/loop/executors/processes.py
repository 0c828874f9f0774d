"""Worker processes on this machine: fresh interpreters, each with the target loaded once.

No fork (torch's threads do not survive it) and no spawn (it would run the user's script again). A worker that misses the
deadline is killed and replaced; a worker that ends by itself is replaced and its message tried again, since the cause may lie
outside (a kill); a message that ends two workers more is a failure.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from oche.errors import ArgumentError, OcheError
from oche.loop import worker as protocol
from oche.loop.executors.base import Executor, Failure, Limits, Outcome, Target, check_counts
from oche.loop.threads import environment

logger = logging.getLogger("oche.loop.executors")

_ATTEMPTS = 3


@dataclass
class _Job:
    ticket: int
    data: bytes
    limited: bool
    attempts: int = 1
    started: float = 0.0


class _Worker:
    """One process and the thread that reads its answers."""

    def __init__(self, setup: bytes, threads: int, inbox: queue.SimpleQueue[tuple[_Worker, bytes | None]]) -> None:
        self.ready = False
        self.job: _Job | None = None
        self.process = subprocess.Popen(
            [sys.executable, "-m", "oche.loop.worker", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # So that `-m oche.loop.worker` is found also where oche was put on the path by the script itself.
            env={**os.environ, **environment(threads), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            # Ctrl-C of the terminal goes to the parent only.
            start_new_session=True,
        )
        self._send(setup)
        threading.Thread(target=self._read, args=(inbox,), daemon=True).start()

    def _read(self, inbox: queue.SimpleQueue[tuple[_Worker, bytes | None]]) -> None:
        assert self.process.stdout is not None
        while True:
            try:
                data = protocol.read_message(self.process.stdout)  # type: ignore[arg-type]
            except (OSError, ValueError):
                data = None
            inbox.put((self, data))
            if data is None:
                return

    def _send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        try:
            protocol.write_message(self.process.stdin, data)  # type: ignore[arg-type]
        except (BrokenPipeError, OSError):
            # The reading thread sees the end of the process and says so.
            logger.debug("worker %d has ended", self.process.pid)

    def give(self, job: _Job) -> None:
        self.job = job
        job.started = time.monotonic()
        self._send(job.data)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    logger.debug("worker %d: pipe was broken", self.process.pid)


class Processes(Executor):
    """Runs messages in `workers` processes.

    Args:
        workers: Number of processes.
        limits: Per trial. A limit of memory needs Linux.
        threads: Threads of torch and NumPy in each.
    """

    name = "processes"

    def __init__(self, workers: int = 1, limits: Limits | None = None, threads: int = 1) -> None:
        check_counts(workers, threads)
        self.workers = workers
        self.limits = limits or Limits()
        if self.limits.memory_bytes is not None and sys.platform != "linux":
            raise ArgumentError(
                f"limits: got memory_bytes={self.limits.memory_bytes} on {sys.platform}; allowed: on Linux only; use seconds"
            )
        self._threads = threads
        self._setup = b""
        self._pool: list[_Worker] = []
        self._waiting: deque[_Job] = deque()
        self._inbox: queue.SimpleQueue[tuple[_Worker, bytes | None]] = queue.SimpleQueue()

    def start(self, target: Target) -> None:
        """Start the processes and load `target` in them.

        Raises:
            ArgumentError: the target cannot be pickled, or cannot be loaded in a worker.
        """
        self.close()
        import cloudpickle

        try:
            data = cloudpickle.dumps(target)
        except Exception as error:
            raise ArgumentError(
                f"executor 'processes': got a program or task that cannot be sent to a worker ({type(error).__name__}: {error}); "
                "allowed: what cloudpickle can carry; make open files and locks inside it, or use executor 'serial'"
            ) from error
        self._setup = pickle.dumps(
            {"path": list(sys.path), "target": data, "threads": self._threads, "memory_bytes": self.limits.memory_bytes}
        )
        self._inbox = queue.SimpleQueue()
        self._pool = [self._worker() for _ in range(self.workers)]
        while not all(w.ready for w in self._pool):
            self._receive(self._inbox.get())

    def _worker(self) -> _Worker:
        return _Worker(self._setup, self._threads, self._inbox)

    @property
    def free(self) -> int:
        """Workers without a message."""
        return self.workers - len(self._waiting) - sum(w.job is not None for w in self._pool)

    def submit(self, ticket: int, message: Any, limited: bool = True) -> None:
        """Hand over one message to an idle worker."""
        if self.free < 1:
            raise RuntimeError("submit: no worker is free")
        import cloudpickle

        self._waiting.append(_Job(ticket, cloudpickle.dumps((message, limited)), limited))
        self._assign()

    def _assign(self) -> None:
        for worker in self._pool:
            if not self._waiting:
                return
            if worker.ready and worker.job is None:
                worker.give(self._waiting.popleft())

    def next(self) -> tuple[int, Outcome]:
        """Wait for the next outcome; kill what misses its deadline."""
        if not self._waiting and all(w.job is None for w in self._pool):
            raise RuntimeError("next: nothing was submitted")
        while True:
            late = self._late()
            if late is not None:
                return late
            try:
                item = self._inbox.get(timeout=self._patience())
            except queue.Empty:
                continue
            done = self._receive(item)
            if done is not None:
                return done

    def _patience(self) -> float | None:
        if self.limits.seconds is None:
            return None
        ends = [w.job.started + self.limits.seconds for w in self._pool if w.job is not None and w.job.limited]
        return max(0.0, min(ends) - time.monotonic()) + 0.001 if ends else None

    def _late(self) -> tuple[int, Outcome] | None:
        if self.limits.seconds is None:
            return None
        for worker in self._pool:
            job = worker.job
            if job is None or not job.limited or time.monotonic() - job.started < self.limits.seconds:
                continue
            self._replace(worker)
            reason = f"took longer than {self.limits.seconds:g} s and was stopped"
            return job.ticket, Outcome(None, Failure("deadline", reason), time.monotonic() - job.started)
        return None

    def _receive(self, item: tuple[_Worker, bytes | None]) -> tuple[int, Outcome] | None:
        worker, data = item
        if worker not in self._pool:
            return None
        if data is None:
            return self._died(worker)
        outcome: Outcome = pickle.loads(data)
        if not worker.ready:
            if outcome.failure is not None:
                self._refuse(outcome.failure)
            worker.ready = True
            self._assign()
            return None
        job, worker.job = worker.job, None
        self._assign()
        assert job is not None
        return job.ticket, outcome

    def _refuse(self, failure: Failure) -> None:
        self.close()
        if isinstance(failure.exception, OcheError):
            raise failure.exception
        raise ArgumentError(
            f"executor {self.name!r}: got a program or task that cannot be loaded in a worker ({failure.reason}); "
            "allowed: what a fresh interpreter can import; put it into a module, or use executor 'serial'"
        )

    def _died(self, worker: _Worker) -> tuple[int, Outcome] | None:
        job = worker.job
        how = _how(worker.process.wait())
        if not worker.ready:
            self._refuse(Failure("died", f"the worker process ended while loading ({how})"))
        self._replace(worker)
        if job is None:
            return None
        seconds = time.monotonic() - job.started
        if job.attempts < _ATTEMPTS:
            logger.warning("a worker process ended (%s); its trial is done again", how)
            job.attempts += 1
            self._waiting.appendleft(job)
            return None
        return job.ticket, Outcome(None, Failure("died", f"the worker process ended ({how}) in each of {_ATTEMPTS} attempts"), seconds)

    def _replace(self, worker: _Worker) -> None:
        worker.stop()
        self._pool[self._pool.index(worker)] = self._worker()

    def close(self) -> None:
        """Kill all workers."""
        pool, self._pool = self._pool, []
        self._waiting.clear()
        for worker in pool:
            worker.stop()

    def __del__(self) -> None:
        for worker in getattr(self, "_pool", []):
            worker.stop()


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
