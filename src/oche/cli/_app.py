"""The Typer app: which command lies in which file, and how each error leaves the process.

An `OcheError` is the user's to mend: one line on stderr, no traceback. Anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from oche import __version__, ranks
from oche.errors import MissingFeedback, OcheError, TrainingError

#: Exit codes.
FAILED, USAGE, INTERRUPTED = 1, 2, 130

# Errors of work that was asked for rightly; every other `OcheError` is a wrong question.
_FAILURES = (TrainingError, MissingFeedback)

#: Command to the module under `oche.cli` that holds it as `command`, in the order of the help page.
COMMANDS = {
    "demo": "demo",
    "init": "init",
    "search": "search",
    "baseline": "baseline",
    "judge": "judge",
    "diversity": "diversity",
    "study": "study",
    "synthesize": "synthesize",
    "child": "child",
    "space": "space",
    "grade": "grade",
    "runs": "runs",
    "data": "data",
    "list": "list_",
    "doctor": "doctor",
}

_HELP = """Search any program with choices in it, with any algorithm, and know whether it beat random.

First steps: oche demo --quick; oche init; oche search net.py:Net --algorithm pc-darts --data digits --seeds 5 --out out/
"""


def build() -> typer.Typer:
    """The app with all its commands."""
    app = typer.Typer(name="oche", no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback(help=_HELP)(_root)
    for name, module in COMMANDS.items():
        found = importlib.import_module(f"oche.cli.{module}")
        if isinstance(found.command, typer.Typer):
            _guard_group(found.command)
            app.add_typer(found.command, name=name)
        else:
            app.command(name)(guard(found.command))
    return app


def run(arguments: list[str] | None = None) -> None:
    """Parse and run; leaves the process."""
    logging.basicConfig(format="oche: %(message)s", level=logging.WARNING)
    try:
        words = sys.argv[1:] if arguments is None else arguments
        with ranks.joined() as here:
            if here:
                build()(args=words, prog_name="oche", obj={"words": words})
    except BrokenPipeError:
        # The reader (head, less) went away: not an error, but nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)


def guard(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with errors of the user turned into a message and an exit code."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except OcheError as error:
            from oche.loop.interrupt import Interrupted

            typer.echo(f"oche: {error}", err=True)
            raise typer.Exit(INTERRUPTED if isinstance(error, Interrupted) else FAILED if isinstance(error, _FAILURES) else USAGE) from None
        except KeyboardInterrupt:
            typer.echo("oche: interrupted; with --store, the same command continues where it stopped", err=True)
            raise typer.Exit(INTERRUPTED) from None

    return guarded


def _guard_group(group: typer.Typer) -> None:
    for registered in group.registered_commands:
        if registered.callback is not None:
            registered.callback = guard(registered.callback)
    # A group that does something without a subcommand.
    if group.registered_callback is not None and group.registered_callback.callback is not None:
        group.registered_callback.callback = guard(group.registered_callback.callback)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"oche {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_version)] = False,
) -> None:
    """The help page of the app comes from `_HELP`."""
