"""`oche list`: everything that has a name."""

from __future__ import annotations

from typing import Annotated

import typer

from oche.cli import _options as option
from oche.cli._output import Output
from oche.errors import unknown

#: Plural noun to the registry that holds it.
REGISTRIES = {
    "algorithms": "oche.algorithms:registry",
    "spaces": "oche.spaces:registry",
    "environments": "oche.diversity:registry",
    "tasks": "oche.tasks:registry",
    "data": "oche.training.data:registry",
    "tables": "oche.spaces:tables",
    "mixers": "oche.mixers:registry",
    "schemes": "oche.schemes:registry",
    "weightings": "oche.weightings:registry",
    "flows": "oche.flows:registry",
    "policies": "oche.loop.stopping:registry",
    "allocations": "oche.rejection:allocations",
    "samplers": "oche.rejection:samplers",
    "graders": "oche.rejection.graders:registry",
}


def command(
    what: Annotated[str | None, typer.Argument(help=f"One of: {', '.join(REGISTRIES)}; all if absent.", metavar="[NOUN]")] = None,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """List everything registered, with one line of help each.

    Example: oche list algorithms
    """
    from oche.loop.registry import canonical, load

    out = Output(as_json, quiet)
    nouns = {canonical(noun): noun for noun in REGISTRIES}
    if what is not None and canonical(what) not in nouns:
        raise unknown("noun", what, REGISTRIES)
    chosen = [nouns[canonical(what)]] if what else list(REGISTRIES)
    found = {noun: list(load(REGISTRIES[noun]).entries()) for noun in chosen}
    rows = [(noun, e.name, e.summary) for noun in chosen for e in found[noun]]
    out.table(("noun", "name", "what it is"), rows)
    if not out.chatty:
        value = {noun: [{"name": e.name, "summary": e.summary, "settings": dict(e.settings)} for e in found[noun]] for noun in chosen}
        out.result(value, "\n".join(name for _, name, _ in rows))
