"""The one progress bar: what is done, with the time left. Silent where nobody looks (not a terminal, or switched off)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# A bar for work that ends within two seconds would only flicker; redrawing more often than this costs time.
_START_SECONDS = 2.0
_REDRAW_SECONDS = 0.1

#: `update(share, note)`: the share in [0, 1] that is done, and a short text.
Update = Callable[[float, str], None]


@contextmanager
def progress(title: str, enabled: bool = True) -> Iterator[Update]:
    """Show a bar on standard error while the block runs.

    Args:
        title: Text before the bar.
        enabled: False shows nothing.

    Yields:
        `update(share, note)`.
    """
    if not enabled:
        yield _silent
        return
    import sys

    if not (hasattr(sys.stderr, "isatty") and sys.stderr.isatty()):
        yield _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn())
    bar = Progress(
        *columns, TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=Console(stderr=True), transient=True
    )
    task = bar.add_task(title, total=1.0, note="")
    begun = last = time.monotonic()
    started = False

    def update(share: float, note: str = "") -> None:
        nonlocal last, started
        now = time.monotonic()
        if now - last < _REDRAW_SECONDS:
            return
        last = now
        if not started and now - begun >= _START_SECONDS:
            started = True
            bar.start()
        bar.update(task, completed=share, note=note)

    try:
        yield update
    finally:
        if started:
            bar.stop()


def _silent(share: float, note: str = "") -> None:
    """Show nothing."""
