"""Which resolver a program runs under, in this thread or task."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oche.program.resolver import Resolver

running: ContextVar[Resolver | None] = ContextVar("oche_resolver", default=None)


def current() -> Resolver | None:
    """The resolver under which the program runs in this thread or task, or None."""
    return running.get()
