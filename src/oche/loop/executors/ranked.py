"""Work on all ranks of a launcher: rank 0 runs the search and hands every message to the others, which do it at the same time.

So the loop, the store and every file belong to rank 0, and the work itself does not know how it came to be called on several ranks:
batches are shared out and gradients averaged below, see `oche.ranks`.
"""

from __future__ import annotations

import logging
import signal
import sys
from typing import Any

import cloudpickle

from oche import ranks
from oche.errors import TrainingError
from oche.loop.executors.base import Outcome, Target
from oche.loop.executors.serial import Serial

logger = logging.getLogger("oche.loop")


class Ranked(Serial):
    """As `Serial`, on every rank. To be used on rank 0, inside of `oche.ranks.joined`."""

    def start(self, target: Target) -> None:
        """Load `target` on every rank."""
        ranks.send(("start", self._threads, cloudpickle.dumps(target)))
        super().start(target)

    def next(self) -> tuple[int, Outcome]:
        """Do the work, together with the others.

        Raises:
            Exception: what the work raised, if it may have stopped at another place than on the other ranks.
        """
        assert self._waiting is not None
        ranks.send(("do", cloudpickle.dumps(self._waiting[1])))
        try:
            with ranks.together():
                ticket, outcome = super().next()
        except BaseException:  # Ctrl-C in the middle of the work
            ranks.give_up()
            raise
        if _apart(outcome):
            ranks.give_up()
            assert outcome.failure is not None
            raise outcome.failure.exception or RuntimeError(outcome.failure.reason)
        return ticket, outcome


def follow() -> None:
    """Do what rank 0 does until it ends.

    Raises:
        SystemExit: the work failed here; the launcher then ends the other ranks.
    """
    # Ctrl-C reaches every rank; rank 0 finishes its message and says when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pool: Serial | None = None
    try:
        while (message := ranks.send(None)) is not None:
            kind, *rest = message
            if kind == "start":
                threads, target = rest
                pool = pool or Serial(threads=threads)
                pool.start(cloudpickle.loads(target))
                continue
            assert pool is not None
            pool.submit(0, cloudpickle.loads(rest[0]))
            _, outcome = pool.next()
            if _apart(outcome):
                _leave(outcome)
    finally:
        if pool is not None:
            pool.close()


def _apart(outcome: Outcome) -> bool:
    """Whether a failure may be one of this rank alone. A loss that is not finite is found by all, since it is averaged first."""
    return outcome.failure is not None and not isinstance(outcome.failure.exception, TrainingError)


def _leave(outcome: Outcome) -> Any:
    assert outcome.failure is not None
    ranks.give_up()
    logger.error("rank %d: %s", ranks.rank(), outcome.failure.reason)
    logger.info("%s", outcome.failure.trace)
    sys.exit(1)
