"""Find the decisions of a program by running it.

One run is enough where a program only puts modules in place. Where a choice gave the program a plain value, control flow may depend
on it: the program then runs once more for each other candidate, and decisions that are met under some candidates only become
conditional on it. Runs happen on torch's meta device (no memory, no arithmetic), and on the CPU if a program cannot run there.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from oche.errors import OcheError, SpaceError
from oche.program.resolver import Collect
from oche.program.spec import Decision, Pick, unify, walk

_log = logging.getLogger("oche.program")


def discover(program: Any, arguments: Mapping[str, Any], plain: bool, fixed: Mapping[str, Any]) -> tuple[Decision, ...]:
    """All decisions of a program, unified.

    Args:
        program: A class or function (plain), or a container or node with choices (tree).
        arguments: Keyword arguments of a plain program.
        plain: Which of the two it is.
        fixed: Decisions that are taken already.
    """
    return unify(_explore(program, arguments, plain, fixed, {}))


def _explore(
    program: Any, arguments: Mapping[str, Any], plain: bool, fixed: Mapping[str, Any], forced: Mapping[str, int]
) -> list[Decision]:
    base = _collect(program, arguments, plain, fixed, forced)
    decisions = base.decisions
    for location, n in base.value_choices.items():
        if location in forced:
            continue
        under = [
            decisions if j == 0 else _explore(program, arguments, plain, fixed, {**_pinned(base, forced), location: j}) for j in range(n)
        ]
        decisions = _condition(decisions, location, under)
    return decisions


def _pinned(base: Collect, forced: Mapping[str, int]) -> dict[str, int]:
    """All value choices of the base run at their defaults: alternatives are tried one at a time."""
    return {**dict.fromkeys(base.value_choices, 0), **forced}


def _collect(program: Any, arguments: Mapping[str, Any], plain: bool, fixed: Mapping[str, Any], forced: Mapping[str, int]) -> Collect:
    torch = sys.modules.get("torch")
    if plain and torch is not None:
        collector = Collect(fixed, forced)
        try:
            with torch.device("meta"):
                collector.run(program, arguments, plain)
            return collector
        except OcheError:
            raise
        except Exception as error:
            # Programs that read numbers out of tensors while they are built cannot run on the meta device.
            _log.debug("program cannot run on the meta device (%s); running it on the CPU", error)
    collector = Collect(fixed, forced)
    with contextlib.nullcontext():
        collector.run(program, arguments, plain)
    return collector


def _condition(decisions: list[Decision], location: str, under: list[list[Decision]]) -> list[Decision]:
    """Move decisions that are not met under every candidate of the choice at `location` inside those candidates."""
    keys = [{d.key for d in unify(found)} for found in under]
    everywhere = set.intersection(*keys)
    owner = next((d for d in decisions if d.location == location), None)
    if all(k == everywhere for k in keys):
        return decisions
    if not isinstance(owner, Pick):
        raise SpaceError(f"choice {location!r}: got control flow that depends on it; allowed: on a oneof; name it and nest by a callable")
    branches = []
    for j, found in enumerate(under):
        extra = [d for d in unify(found) if d.key not in everywhere and d.key != owner.key]
        clash = next((d for d in extra if not d.named), None)
        if clash is not None:
            raise SpaceError(
                f"choice {clash.location!r}: got a choice without a name under a condition on {location!r}; "
                "allowed: named choices there; add name='...'"
            )
        branches.append((*owner.slots[0][j], *extra))
    inside = {d.key for branch in branches for d in walk(branch)}
    kept = [d for d in decisions if d.key in everywhere or d.key not in inside]
    return [replace(d, slots=(tuple(branches),)) if isinstance(d, Pick) and d.location == location else d for d in kept]
