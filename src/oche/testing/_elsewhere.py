"""One other process for all tests of a session that compare themselves with another process."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from functools import cache
from typing import Any

from oche.loop.executors.processes import Processes


class _Caller:
    """Calls the functions that it gets, with torch loaded first."""

    def prepare(self) -> None:
        """Import torch before the number of threads is set."""
        import torch  # noqa: F401

    def __call__(self, message: Callable[[], Any]) -> Any:
        return message()


@cache
def _process() -> Processes:
    executor = Processes(1)
    executor.start(_Caller())
    atexit.register(executor.close)
    return executor


def elsewhere(function: Callable[[], Any]) -> Any:
    """What `function` returns in another process, with another hash seed, other imports before and used global generators.

    The process is started once: to load torch takes longer than most searches of the contracts.

    Raises:
        AssertionError: it raised.
    """
    executor = _process()
    executor.submit(0, function)
    _, outcome = executor.next()
    assert outcome.failure is None, outcome.failure
    return outcome.value
