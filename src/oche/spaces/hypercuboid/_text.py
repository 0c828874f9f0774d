"""A path in text form, written and read: what records hold and reports draw.

Path(states=[4, 8, 16], steps=['4->4 sep_conv_3x3', '4->8 max_pool_3x3'], levels=['block 1 stride 1', 'block 1 stride 2'])
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from oche.errors import ArgumentError


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


def _texts(text: str) -> list[str]:
    """A list of texts that is written out; nothing if it is none."""
    try:
        found: object = ast.literal_eval(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [str(one) for one in found] if isinstance(found, list) else []
