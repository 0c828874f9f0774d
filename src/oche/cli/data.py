"""`oche data`: which data sets there are, where they were found, and the import of tables of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oche.cli import _options as option
from oche.cli._output import Output

command = typer.Typer(help="Data sets and tables of results.", no_args_is_help=True)


@command.command("list")
def list_(as_json: option.Json = False, quiet: option.Quiet = False) -> None:
    """List data sets by name, and the tables that were found.

    Example: oche data list
    """
    from oche.spaces import find_tables
    from oche.training.data import registry

    out = Output(as_json, quiet)
    entries = list(registry.entries())
    found = find_tables()
    rows = [("data set", e.name, e.summary) for e in entries]
    rows += [("table", name, str(path or f"not found; run: oche data import {name} FILE")) for name, path in found.items()]
    out.table(("kind", "name", "what"), rows)
    if not out.chatty:
        value = {
            "data": [{"name": e.name, "summary": e.summary} for e in entries],
            "tables": [{"name": name, "path": str(path) if path else None} for name, path in found.items()],
        }
        out.result(value, "\n".join(name for _, name, _ in rows))


@command.command()
def info(
    name: Annotated[str, typer.Argument(help="Data set, e.g. digits, 'cifar10[:5000]' or 'my.csv?target=label'.")],
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Load a data set and say its shape, splits and classes.

    Example: oche data info digits
    """
    from oche.training.data import load

    out = Output(as_json, quiet)
    data = load(name)
    out.table(("split", "items"), list(data.sizes.items()))
    value = {"name": data.name, "shape": list(data.shape), "classes": list(data.class_names), "sizes": dict(data.sizes)}
    out.result(value, f"{data.name}: inputs of shape {'x'.join(map(str, data.shape))}, {data.n_classes} classes")


@command.command("import")
def import_(
    name: Annotated[str, typer.Argument(help="Table: nasbench101 or nasbench201.")],
    file: Annotated[Path, typer.Argument(help="The file as it was released, plain or gzip.")],
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Check a table of results and copy it into the user's cache.

    Example: oche data import nasbench201 nasbench201.csv.gz
    """
    import oche

    out = Output(as_json, quiet)
    where = oche.spaces.import_table(name, file)
    out.result({"name": name, "path": str(where)}, f"imported into {where}")
