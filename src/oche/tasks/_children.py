"""What a task needs to know of a program beyond its space: three optional hooks that a program may declare.

`arguments_for(shape, classes)` gives the arguments with which the program fits a data set; `final_arguments()` those in which a network
that is trained at the end differs from the one that was searched; `architecture(decisions)` gives the text form of a point. All are plain
static methods of the program; nothing else of it is looked at.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from oche.program import DNA, Space


def fitting_arguments(program: Any, shape: Sequence[int], classes: int) -> dict[str, Any]:
    """Arguments with which `program` fits inputs of `shape` and `classes` classes.

    The program's own `arguments_for` decides if there is one; else arguments named `in_channels` and `classes` are filled in.
    """
    hook = getattr(program, "arguments_for", None)
    if hook is not None:
        return dict(hook(tuple(shape), classes))
    try:
        names = inspect.signature(program).parameters
    except (TypeError, ValueError):
        return {}
    offered = {"in_channels": shape[0] if shape else 1, "classes": classes}
    return {name: value for name, value in offered.items() if name in names}


def final_arguments(space: Space, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Arguments of final trainings: the program's own `final_arguments`, less those that its user gave, then `given`.

    Args:
        space: The space.
        given: What the user wants of final trainings.
    """
    hook = getattr(space.program, "final_arguments", None)
    return {**(merged(space, hook()) if hook is not None else {}), **(given or {})}


def architecture(space: Space, dna: DNA) -> str:
    """The text form of a point: the program's own, else its decisions as `key=label`."""
    decisions = space.decisions(dna)
    hook = getattr(space.program, "architecture", None)
    if hook is not None:
        return str(hook({**space.fixed, **decisions}))
    return ", ".join(f"{key}={_label(value)}" for key, value in decisions.items())


def _label(value: Any) -> str:
    if isinstance(value, tuple):
        return "+".join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def merged(space: Space, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`arguments` without those that the space's program was given by its user."""
    return {name: value for name, value in arguments.items() if name not in space.arguments}


def fitted(space: Space, task: Any) -> Space:
    """The space whose program fits the data of a task; the same one if the task knows of no such arguments.

    Args:
        space: The space.
        task: A task; only its optional `arguments(space)` is looked at.
    """
    missing = task.arguments(space) if hasattr(task, "arguments") else {}
    return space.with_arguments(**missing) if missing else space
