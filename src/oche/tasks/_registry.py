"""Names to tasks."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

from oche.errors import ArgumentError
from oche.loop.registry import Registry, parse

registry = Registry("task", "oche.tasks")
registry.register("classification", "oche.tasks._classification:classification", "train each child on a data set; accuracy in percent")
registry.register("tabular", "oche.tasks._tabular:tabular", "look each child up in a tabular benchmark")
registry.register("controller", "oche.diversity._controller:controller_task", "let each child control an environment")


def names() -> list[str]:
    """Names of all registered tasks."""
    return registry.names()


def get(text: str, **overrides: Any) -> Any:
    """The task that `text` names, for example `classification?data=digits`, or `...&objectives=valid:max,params:min`.

    Raises:
        UnknownNameError: no such task or setting; the nearest one is suggested.
    """
    name, given = parse(text)
    named = {**given, **overrides}.pop("objectives", None)
    settings = {key: value for key, value in {**given, **overrides}.items() if key != "objectives"}
    made = registry.get(name, **settings)
    if named is None:
        return made
    from oche.tasks._objectives import objectives

    return objectives(made, str(named))


def keeping(task: Any, folder: str | os.PathLike[str]) -> Any:
    """The same task, which keeps the networks of its final trainings in a folder; a task that trains none, as it is."""
    if not hasattr(task, "keep"):
        return task
    if hasattr(task, "objectives"):
        return type(task)(keeping(task.task, folder), task.objectives)
    made = copy.copy(task)
    made.keep = str(Path(folder).absolute())
    return made


def as_task(value: Any) -> Any:
    """A task from its text form, from a function of a child, or as it is.

    Raises:
        ArgumentError: the value is none of these.
    """
    if isinstance(value, str):
        return get(value)
    if hasattr(value, "evaluate") and hasattr(value, "report"):
        return value
    if callable(value):
        from oche.tasks._function import function

        return function(value)
    raise ArgumentError(f"task: got {value!r}; allowed: a task, its name, or a function of a child; see 'oche list tasks'")
