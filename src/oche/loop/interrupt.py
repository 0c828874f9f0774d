"""Ctrl-C: once finishes what runs and stops cleanly, twice stops at once."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from oche.errors import OcheError

logger = logging.getLogger("oche.loop")


class Interrupted(OcheError):
    """The user stopped a search with Ctrl-C; the message says what was kept and how to go on."""


class Interrupt:
    """Whether Ctrl-C was pressed.

    Attributes:
        requested: It was, once: start nothing new.
    """

    def __init__(self) -> None:
        self.requested = False
        self._at_once = False
        self._working = False

    def press(self) -> None:
        """Ctrl-C was pressed.

        Raises:
            KeyboardInterrupt: for the second time, inside `working`.
        """
        if not self.requested:
            self.requested = True
            logger.warning("Ctrl-C: finishing the running trials; press it again to stop at once")
            return
        self._at_once = True
        if self._working:
            raise KeyboardInterrupt

    @contextmanager
    def working(self) -> Iterator[None]:
        """A block that may be cut off anywhere. Outside of it the loop keeps its books, which it always finishes."""
        self._working = True
        try:
            if self._at_once:
                raise KeyboardInterrupt
            yield
        finally:
            self._working = False


@contextmanager
def interrupts() -> Iterator[Interrupt]:
    """Catch the first Ctrl-C inside the block; the second one raises KeyboardInterrupt from `Interrupt.working`.

    Does nothing in a thread other than the main one: Python delivers signals to the main thread only.
    """
    state = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield state
        return
    previous: Any = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: FrameType | None) -> None:
        state.press()

    signal.signal(signal.SIGINT, handle)
    try:
        yield state
    finally:
        signal.signal(signal.SIGINT, previous)
