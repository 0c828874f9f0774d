"""Comparisons in worker processes of the loop, each with a hard deadline: only the guilty worker is killed.

A thin use of the executor that also runs trials; what is added is the translation of its failures into outcomes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from oche.errors import ArgumentError
from oche.rejection.graders._grade import Grade, GradeOutcome, Work

if TYPE_CHECKING:
    from oche.loop.executors.base import Outcome
    from oche.loop.executors.processes import Processes
    from oche.rejection.graders._grade import Grader


class Comparison:
    """What a worker does with one piece of work."""

    def __init__(self, grader: Grader) -> None:
        self.grader = grader

    def prepare(self) -> None:
        """Import what comparisons need, so that limits count from there."""
        self.grader.prepare()

    def __call__(self, work: Work) -> Grade:
        return self.grader.slow(work.answer, work.facts)


class Pool:
    """Worker processes for one grader, started when the first comparison needs one.

    Args:
        timeout: Seconds per comparison.
        workers: Processes.
        memory_mb: Megabytes per comparison beyond what a worker holds after loading; None, or not Linux: no limit.
    """

    def __init__(self, timeout: float, workers: int, memory_mb: int | None) -> None:
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout < 1e6:
            raise ArgumentError(f"timeout: got {timeout!r}; allowed: seconds above 0")
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise ArgumentError(f"workers: got {workers!r}; allowed: a whole number above 0")
        if memory_mb is not None and (isinstance(memory_mb, bool) or not isinstance(memory_mb, int) or memory_mb < 1):
            raise ArgumentError(f"memory_mb: got {memory_mb!r}; allowed: megabytes above 0, or None for no limit")
        self.timeout, self.workers, self.memory_mb = float(timeout), workers, memory_mb
        self._executor: Processes | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        # Processes and locks belong to one process.
        return {"timeout": self.timeout, "workers": self.workers, "memory_mb": self.memory_mb}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)

    def run(self, grader: Grader, waiting: Mapping[int, Work]) -> Iterator[tuple[int, Grade]]:
        """Compare everything in `waiting`; gives (key, grade) in the order of completion."""
        if not waiting:
            return
        with self._lock:
            executor = self._started(grader)
            left = iter(waiting.items())
            running = 0
            try:
                while True:
                    while executor.free and (item := next(left, None)) is not None:
                        executor.submit(*item)
                        running += 1
                    if not running:
                        return
                    key, outcome = executor.next()
                    running -= 1
                    yield key, _grade(outcome, waiting[key])
            finally:
                if running:
                    # Cut off in the middle: what still runs would answer the next call.
                    self.close()

    def _started(self, grader: Grader) -> Processes:
        if self._executor is None:
            import sys

            from oche.loop.executors.base import Limits
            from oche.loop.executors.processes import Processes

            memory = self.memory_mb * 2**20 if self.memory_mb is not None and sys.platform == "linux" else None
            executor = Processes(self.workers, Limits(self.timeout, memory))
            executor.start(Comparison(grader))
            self._executor = executor
        return self._executor

    def close(self) -> None:
        """Stop the processes."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.close()


def _grade(outcome: Outcome, work: Work) -> Grade:
    failure = outcome.failure
    if failure is None:
        return replace(outcome.value, seconds=outcome.seconds)
    late = failure.kind == "deadline"
    return Grade(GradeOutcome.TIMED_OUT if late else GradeOutcome.UNPARSABLE, work.answer, failure.reason, outcome.seconds)
