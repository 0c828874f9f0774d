"""What every executor does: take messages for one target, give back outcomes. It knows nothing of searches.

A target is any callable `message -> result` that cloudpickle can carry. If it has a method `prepare()`, that is called once in
each process before the first message; imports and loading belong there, since memory limits count from what is held after it.
"""

from __future__ import annotations

import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from oche import ranks
from oche.errors import ArgumentError

Target = Callable[[Any], Any]


@dataclass(frozen=True)
class Limits:
    """What one trial may use.

    Args:
        seconds: Wall-clock seconds; a worker that takes longer is killed and replaced.
        memory_bytes: Memory beyond what the worker holds after loading the program.
    """

    seconds: float | None = None
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        for name in ("seconds", "memory_bytes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ArgumentError(f"limits: got {name}={value!r}; allowed: a number above 0, or None for no limit")

    def __bool__(self) -> bool:
        return self.seconds is not None or self.memory_bytes is not None


@dataclass(frozen=True)
class Failure:
    """Why a message gave no result.

    Args:
        kind: `error` (the target raised), `deadline`, `memory`, or `died` (the worker process ended).
        reason: One line.
        exception: What was raised, if it could be carried over.
        trace: Traceback text of the worker.
    """

    kind: str
    reason: str
    exception: BaseException | None = None
    trace: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came back for one message: a value or a failure, and the time that the work took, waiting excluded."""

    value: Any = None
    failure: Failure | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0


class Executor(ABC):
    """A pool of `workers` that each work on one message at a time.

    Life: `start` once per target, then `submit` while `free` is above 0 and `next`, then `close`. After `close` it may be
    started again.
    """

    name: str
    workers: int

    @abstractmethod
    def start(self, target: Target) -> None:
        """Load `target` in every worker.

        Raises:
            ArgumentError: the target cannot be sent, or a limit cannot be kept here.
        """

    @property
    @abstractmethod
    def free(self) -> int:
        """How many more messages may be submitted now."""

    @abstractmethod
    def submit(self, ticket: int, message: Any, limited: bool = True) -> None:
        """Hand over one message.

        Args:
            ticket: Number that comes back with the outcome; of the caller's choice.
            message: What the target is called with.
            limited: Whether the limits hold for this message.
        """

    @abstractmethod
    def next(self) -> tuple[int, Outcome]:
        """Wait for the next outcome, in the order of completion."""

    @abstractmethod
    def close(self) -> None:
        """Stop all workers. Unfinished messages are dropped."""

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def perform(target: Target, message: Any) -> Outcome:
    """Call `target`, measure it, and turn an exception into a failure."""
    wall, cpu = time.perf_counter(), time.process_time()
    value: Any = None
    failure: Failure | None = None
    try:
        value = target(message)
    except MemoryError as error:
        failure = failed(error, "memory")
    except Exception as error:
        failure = failed(error, "memory" if _is_allocation(error) else "error")
    return Outcome(value, failure, time.perf_counter() - wall, time.process_time() - cpu)


def failed(error: BaseException, kind: str) -> Failure:
    """A failure that carries `error`."""
    text = plain_text(str(error)).strip().splitlines()
    reason = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
    # The frames of the executor itself say nothing to the user; the traceback as text is kept for the log.
    trace = plain_text("".join(traceback.format_exception(error)))
    return Failure(kind, reason, error, trace)


def plain_text(text: str) -> str:
    """Text that every log and database takes: PostgreSQL knows no NUL, and nothing that writes UTF-8 knows lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _is_allocation(error: Exception) -> bool:
    # torch reports a failed allocation on the CPU as a RuntimeError.
    return isinstance(error, RuntimeError) and ("can't allocate memory" in str(error) or "out of memory" in str(error).lower())


def make(
    executor: str | Executor, workers: int | None = None, limits: Limits | None = None, threads: int = 1, address: str | None = None
) -> Executor:
    """The executor of a name, or `executor` itself.

    Args:
        executor: `serial`, `processes` or `ray`.
        workers: Worker processes; by default one per processor, at most 8.
        limits: Per trial.
        threads: Threads per worker.
        address: Address of a Ray cluster; None starts a local one.
    """
    if isinstance(executor, Executor):
        return executor
    import os

    from oche.loop.registry import canonical

    limits = limits or Limits()
    count = workers if workers is not None else min(8, os.cpu_count() or 1)
    name = canonical(executor)
    if ranks.joint() and name != "serial":
        raise ArgumentError(f"executor: got {executor!r} on {ranks.launched()} ranks; allowed there: 'serial', which works on all of them")
    if name == "serial":
        from oche.loop.executors.ranked import Ranked
        from oche.loop.executors.serial import Serial

        return (Ranked if ranks.joint() else Serial)(limits, threads)
    if name == "processes":
        from oche.loop.executors.processes import Processes

        return Processes(count, limits, threads)
    if name == "ray":
        from oche.loop.executors.ray import Ray

        return Ray(count, limits, threads, address)
    from oche.errors import unknown

    raise unknown("executor", executor, ["serial", "processes", "ray"])


def check_counts(workers: int, threads: int) -> None:
    """Refuse counts that are not whole numbers above 0."""
    for name, value in (("workers", workers), ("threads", threads)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ArgumentError(f"{name}: got {value!r}; allowed: a whole number above 0")
