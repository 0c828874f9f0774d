"""The contract of executors.

Example:
    >>> class TestMine(ExecutorContract):
    ...     def make_executor(self, workers=1, limits=None, threads=1):
    ...         return Mine(workers, limits, threads)
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from oche.errors import ArgumentError, TrainingError
from oche.loop.executors.base import Executor, Limits, Outcome


class Target:
    """Does what a message says; a message is (verb, argument)."""

    def __init__(self) -> None:
        self.prepared = 0
        self.calls = 0

    def prepare(self) -> None:
        """Count."""
        self.prepared += 1

    def __call__(self, message: tuple[str, Any]) -> Any:
        """Do one verb."""
        self.calls += 1
        verb, argument = message
        return getattr(self, f"do_{verb}")(argument)

    def do_square(self, n: int) -> int:
        """A result."""
        return n * n

    def do_state(self, _: None) -> tuple[int, int]:
        """What this copy of the target has been through."""
        return self.prepared, self.calls

    def do_raise(self, text: str) -> None:
        """An error of this library, which must come back as itself."""
        raise TrainingError(text)

    def do_lock(self, _: None) -> Any:
        """A result that cannot be sent."""
        return threading.Lock()

    def do_print(self, text: str) -> str:
        """Output of the user's program, which must not disturb anything."""
        print(text)
        return text

    def do_sleep(self, seconds: float) -> float:
        """Take long."""
        time.sleep(seconds)
        return seconds

    def do_fill(self, n_bytes: int) -> int:
        """Take memory, and touch it."""
        return int(bytearray(n_bytes)[n_bytes // 2]) + n_bytes

    def do_pid(self, _: None) -> int:
        """Where it runs."""
        return os.getpid()

    def do_die(self, _: None) -> None:
        """End the worker."""
        os.kill(os.getpid(), signal.SIGKILL)

    def do_die_once(self, path: str) -> str:
        """End the worker at the first attempt."""
        mark = Path(path)
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "second attempt"

    def do_threads(self, _: None) -> str | None:
        """Threads that a library would start with."""
        return os.environ.get("OMP_NUM_THREADS")


class ExecutorContract:
    """Inherit, and override `make_executor`. `separate` says whether work is done outside this process, and limits are kept."""

    separate = True

    def make_executor(self, workers: int = 1, limits: Limits | None = None, threads: int = 1) -> Executor:
        """A new executor, not started."""
        raise TypeError(f"{type(self).__name__}: override make_executor")

    def _do(self, verb: str, argument: Any = None, **kwargs: Any) -> Outcome:
        with self.make_executor(**kwargs) as executor:
            executor.start(Target())
            executor.submit(5, (verb, argument))
            ticket, outcome = executor.next()
        assert ticket == 5
        return outcome

    def test_results_come_back_with_their_tickets(self) -> None:
        """Every message is answered once."""
        with self.make_executor(workers=2) as executor:
            executor.start(Target())
            got: dict[int, int] = {}
            todo = list(range(12))
            while len(got) < 12:
                while todo and executor.free:
                    number = todo.pop(0)
                    executor.submit(number, ("square", number))
                ticket, outcome = executor.next()
                assert ticket not in got
                got[ticket] = outcome.value
        assert got == {n: n * n for n in range(12)}

    def test_the_target_is_prepared_once_and_lives_on(self) -> None:
        """State that a target keeps between messages stays in its worker."""
        with self.make_executor() as executor:
            executor.start(Target())
            for _ in range(2):
                executor.submit(0, ("square", 2))
                executor.next()
            executor.submit(0, ("state", None))
            assert executor.next()[1].value == (1, 3)

    def test_an_error_is_a_failure_that_carries_it(self) -> None:
        """The exception's class and text survive, and the executor works on."""
        with self.make_executor() as executor:
            executor.start(Target())
            executor.submit(0, ("raise", "loss: got nan at step 7"))
            failure = executor.next()[1].failure
            assert failure is not None
            assert failure.kind == "error"
            assert failure.reason == "TrainingError: loss: got nan at step 7"
            assert isinstance(failure.exception, TrainingError)
            executor.submit(1, ("square", 3))
            assert executor.next()[1].value == 9

    def test_time_is_measured(self) -> None:
        """Wall-clock time includes sleeping, processor time does not."""
        outcome = self._do("sleep", 0.2)
        assert 0.2 <= outcome.seconds < 2
        assert outcome.cpu_seconds < 0.15

    def test_output_of_the_program_does_no_harm(self) -> None:
        """A print in the user's code is not taken for an answer."""
        assert self._do("print", "garbage\n" * 50).value == "garbage\n" * 50

    def test_threads_are_set(self) -> None:
        """Libraries that load later see the number."""
        assert self._do("threads", threads=3).value == "3"

    def test_it_can_be_started_again_after_close(self) -> None:
        """One executor serves several searches."""
        executor = self.make_executor()
        for _ in range(2):
            executor.start(Target())
            executor.submit(0, ("state", None))
            assert executor.next()[1].value[1] == 1
            executor.close()

    def test_limits_are_kept_or_refused(self) -> None:
        """A process of its own can be limited; this one cannot."""
        if not self.separate:
            with pytest.raises(ArgumentError, match="limits"):
                self.make_executor(limits=Limits(seconds=1))
            return
        limits = Limits(seconds=1.0, memory_bytes=200_000_000)
        with self.make_executor(limits=limits) as executor:
            executor.start(Target())
            answers = {}
            for verb, argument in (("sleep", 30), ("fill", 50_000_000), ("fill", 600_000_000), ("square", 4)):
                executor.submit(0, (verb, argument))
                answers[verb, argument] = executor.next()[1]
            executor.submit(0, ("sleep", 1.5), limited=False)
            unlimited = executor.next()[1]
        late, small, large, after = answers.values()
        assert late.failure is not None
        assert late.failure.kind == "deadline"
        assert 1.0 <= late.seconds < 5
        assert small.value == 50_000_000
        assert large.failure is not None
        assert large.failure.kind == "memory"
        assert after.value == 16
        assert unlimited.value == 1.5

    def test_a_lost_worker_is_replaced_and_its_work_done_again(self, tmp_path: Path) -> None:
        """A kill from outside changes no result; work that kills its worker each time is a failure."""
        if not self.separate:
            return
        with self.make_executor() as executor:
            executor.start(Target())
            executor.submit(0, ("die_once", str(tmp_path / "mark")))
            assert executor.next()[1].value == "second attempt"
            executor.submit(1, ("die", None))
            failure = executor.next()[1].failure
            assert failure is not None
            assert failure.kind == "died"
            executor.submit(2, ("square", 5))
            assert executor.next()[1].value == 25

    def test_what_cannot_be_sent_is_said(self) -> None:
        """A result that does not pickle is a failure; a target that does not is refused."""
        if not self.separate:
            return
        failure = self._do("lock").failure
        assert failure is not None
        assert "cannot be sent" in failure.reason
        target = Target()
        target.lock = threading.Lock()  # type: ignore[attr-defined]
        executor = self.make_executor()
        with pytest.raises(ArgumentError, match="cannot be sent"):
            executor.start(target)
        executor.close()

    def test_workers_are_other_processes_that_end_with_close(self) -> None:
        """Nothing is left running."""
        if not self.separate:
            return
        pid = self._do("pid").value
        assert pid != os.getpid()
        for _ in range(100):
            if not _alive(pid):
                return
            time.sleep(0.05)
        raise AssertionError(f"worker {pid} still runs")


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
