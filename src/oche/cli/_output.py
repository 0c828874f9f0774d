"""What commands print: text and tables for people, one JSON document for programs. Progress goes to stderr.

With `--json` stdout holds the document alone; with `--quiet` only lines marked as the result are printed.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer


class Output:
    """Where a command's words go.

    Args:
        as_json: Print one JSON document and nothing else.
        quiet: Print results only.
    """

    def __init__(self, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet

    @property
    def chatty(self) -> bool:
        """Whether text beside the result is wanted."""
        return not (self.as_json or self.quiet)

    def say(self, text: str = "") -> None:
        """A line that helps."""
        if self.chatty:
            typer.echo(text)

    def warn(self, text: str) -> None:
        """A line on stderr, whatever the options say."""
        typer.echo(f"oche: {text}", err=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
        """A table for people."""
        if not self.chatty:
            return
        from rich import box
        from rich.console import Console
        from rich.table import Table

        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*("" if cell is None else str(cell) for cell in row))
        # A pipe has no width: do not fold lines for it.
        Console(width=None if sys.stdout.isatty() else 160, markup=False, highlight=False).print(table, markup=False)

    def result(self, value: Mapping[str, Any], text: str, short: str | None = None) -> None:
        """The command's result: `value` as JSON, else `text`, or `short` if only one line is wanted."""
        if self.as_json:
            typer.echo(json.dumps(value, indent=2, default=_plain, allow_nan=False))
        else:
            typer.echo(short if self.quiet and short is not None else text)


@contextmanager
def telling(name: str, enabled: bool = True) -> Iterator[None]:
    """Print what a logger says at level INFO to stderr, above a progress bar if there is one.

    Args:
        name: Of the logger, such as `oche.algorithms`.
        enabled: False prints nothing.
    """
    if not enabled:
        yield
        return
    logger, handler = logging.getLogger(name), _ToStderr(logging.INFO)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.propagate = False  # else the handler of all of oche would print every line once more
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


class _ToStderr(logging.Handler):
    """Writes to whatever stderr is at the time: a progress bar puts itself in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")


def _plain(value: Any) -> Any:
    """JSON for what the standard encoder does not know: NumPy numbers, paths, JSON-able objects."""
    if hasattr(value, "to_json"):
        return value.to_json()
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return str(value)
