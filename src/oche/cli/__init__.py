"""The command line: one Typer app, one thin file per command. Commands parse, call the public API and print; they compute nothing."""

from __future__ import annotations

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 0 ok, 1 the work failed, 2 bad usage, 130 interrupted.

    Args:
        arguments: Words after `oche`; those of the process if None.
    """
    from oche.cli._app import run

    run(arguments)
