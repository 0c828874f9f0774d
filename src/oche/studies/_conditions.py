"""A condition of a study: the task and the space with some settings of the training protocol or of the program changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from oche.errors import ArgumentError, unknown
from oche.program import Space

#: What a table can be read at instead of what its task says.
_TABLE = ("dataset", "epochs", "split")


def conditioned(space: Space, task: Any, changes: Mapping[str, Any]) -> tuple[Space, Any]:
    """Space and task under some changes.

    Args:
        space: Where members come from.
        task: A classification, whose recipe is changed; or a tabular task, read at other epochs, split or data set.
        changes: Fields of the recipe, `recipe` itself as text, or arguments of the program such as `cells`, `channels`, `drop_path`.

    Raises:
        ArgumentError: the task has no protocol to change.
        UnknownNameError: no such field; the nearest is suggested.
        SpaceError: an argument changes the choices of the program, so that its members would be others.
    """
    from oche.tasks import Classification, Tabular

    if isinstance(task, Tabular):
        return space, _read_at(task, changes)
    if not isinstance(task, Classification):
        if not changes:
            return space, task
        raise ArgumentError(
            f"study: got task {getattr(task, 'name', task)!r} with changes {dict(changes)}; allowed: a classification, or a tabular task"
        )
    from oche import training

    recipe = task.recipe if "recipe" not in changes else training.recipe(changes["recipe"])
    known = {f.name for f in fields(recipe)} - {"name"}
    of_recipe = {k: v for k, v in changes.items() if k in known}
    of_program = {k: v for k, v in changes.items() if k not in known and k != "recipe"}
    for key in of_program:
        if not space.plain or key not in parameters(space):
            raise unknown("setting of a study", key, [*sorted(known), "recipe", *(parameters(space) if space.plain else ())])
    if of_recipe:
        recipe = recipe.derive(**of_recipe)
    final = {k: v for k, v in task.final.items() if k not in of_program}
    made = Classification(task.data, recipe, task.search_recipe, final, task.device, task.keep)
    return (space.with_arguments(**of_program) if of_program else space), made


def parameters(space: Space) -> list[str]:
    """Names of the arguments that the program takes."""
    import inspect

    if not callable(space.program):
        return []
    return [p.name for p in inspect.signature(space.program).parameters.values() if p.kind is not p.VAR_KEYWORD]


def _read_at(task: Any, changes: Mapping[str, Any]) -> Any:
    for key in changes:
        if key not in _TABLE:
            raise unknown("setting of a study on a table", key, _TABLE)
    split, epochs = task.reported
    at = (changes.get("split", split), changes.get("epochs", epochs))
    return type(task)(task.space_name, changes.get("dataset", task.dataset), task.search, at)
