"""Work in this process, one message after the other."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from oche.errors import ArgumentError
from oche.loop.executors.base import Executor, Limits, Outcome, Target, check_counts, perform
from oche.loop.threads import limited_threads


class Serial(Executor):
    """Runs each message inside `next`.

    Args:
        limits: Must be empty: a process cannot stop itself reliably.
        threads: Threads of torch and of NumPy's libraries between `start` and `close`.

    Raises:
        ArgumentError: a limit is given.
    """

    name = "serial"
    workers = 1

    def __init__(self, limits: Limits | None = None, threads: int = 1) -> None:
        check_counts(1, threads)
        if limits:
            raise ArgumentError(f"limits: got {limits} with executor 'serial'; allowed: no limits there; use executor 'processes' or 'ray'")
        self._threads = threads
        self._target: Target | None = None
        self._waiting: tuple[int, Any] | None = None
        self._stack = ExitStack()

    def start(self, target: Target) -> None:
        """Use `target` for the messages that follow."""
        self.close()
        prepare = getattr(target, "prepare", None)
        if prepare is not None:
            prepare()
        self._stack.enter_context(limited_threads(self._threads))
        self._target = target

    @property
    def free(self) -> int:
        """1 unless a message waits."""
        return 0 if self._waiting is not None else 1

    def submit(self, ticket: int, message: Any, limited: bool = True) -> None:
        """Keep the message until `next`."""
        if self._waiting is not None:
            raise RuntimeError("submit: a message is waiting already")
        self._waiting = (ticket, message)

    def next(self) -> tuple[int, Outcome]:
        """Do the work."""
        if self._target is None or self._waiting is None:
            raise RuntimeError("next: nothing was submitted")
        ticket, message = self._waiting
        self._waiting = None
        return ticket, perform(self._target, message)

    def close(self) -> None:
        """Put the numbers of threads back."""
        self._stack.close()
        self._target = None
        self._waiting = None
