"""A path in text form, written and read: what records hold and reports draw.

Path(states=[4, 8, 16], steps=['4->4 sep_conv_3x3', '4->8 max_pool_3x3'], levels=['block 1 stride 1', 'block 1 stride 2'])
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from oche.errors import ArgumentError
from oche.program import Space


def path_text(states: Sequence[str], decisions: Mapping[str, Any], levels: Sequence[str]) -> str:
    """The path of some decisions.

    Args:
        states: All states of the grid.
        decisions: By level.
        levels: In order.
    """
    steps: list[str] = []
    for level in levels:
        label = str(decisions[level])
        if steps:
            label = f"{steps[-1].partition('->')[2].partition(' ')[0]}->{label}"
        steps.append(label)
    return f"Path(states=[{', '.join(states)}], steps={steps!r}, levels={list(levels)!r})"


def read_path(text: str) -> tuple[list[str], dict[str, str]]:
    """States of the grid, and decisions by level; the inverse of `path_text`.

    Raises:
        ArgumentError: it is no such text.
    """
    example = "allowed: Path(states=[4, 8], steps=['4->8 sep_conv_3x3', ...], levels=['block 1 stride 1', ...])"
    head, _, rest = text.strip().partition("], steps=")
    steps, _, levels = rest.removesuffix(")").partition(", levels=")
    made, named = _texts(steps), _texts(levels)
    if not head.startswith("Path(states=[") or not made or len(made) != len(named) or not all("->" in step for step in made):
        raise ArgumentError(f"path: got {text[:80]!r}; {example}")
    states = head.removeprefix("Path(states=[").split(", ")
    decisions = {level: step if i == 0 else step.partition("->")[2] for i, (level, step) in enumerate(zip(named, made, strict=True))}
    return states, decisions


def decisions(space: Space, text: str) -> dict[str, str]:
    """Decisions of a path in text form, for a cuboid that has it.

    Args:
        space: The cuboid.
        text: As `path_text` writes it, and as records and `best.json` hold it under `arch`.

    Raises:
        ArgumentError: it is no path, or one of another grid.
    """
    states, found = read_path(text)
    offered, levels = list(getattr(space.program, "states", ())), list(getattr(space.program, "level_strides", ()))
    if states != offered or list(found) != levels:
        raise ArgumentError(
            f"path: got states {', '.join(states)} and {len(found)} levels; allowed in space {space.name!r}: states "
            f"{', '.join(offered) or '(none, it has no paths)'} and {len(levels)} levels; give the cuboid the path comes from"
        )
    return found


def _texts(text: str) -> list[str]:
    """A list of texts that is written out; nothing if it is none."""
    try:
        found: object = ast.literal_eval(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [str(one) for one in found] if isinstance(found, list) else []
