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

from oche.errors import OcheError, SkipTrial, SpaceError, unknown
from oche.program.resolver import Collect
from oche.program.spec import Decision, Pick, unify, walk

_log = logging.getLogger("oche.program")


#: How programs are run to find their decisions.
COLLECT = ("alternatives", "exhaustive")

#: `exhaustive` gives up after so many runs of a program.
MOST_RUNS = 4096


def discover(
    program: Any, arguments: Mapping[str, Any], plain: bool, fixed: Mapping[str, Any], collect: str = "alternatives"
) -> tuple[Decision, ...]:
    """All decisions of a program, unified.

    Args:
        program: A class or function (plain), or a container or node with choices (tree).
        arguments: Keyword arguments of a plain program.
        plain: Which of the two it is.
        fixed: Decisions that are taken already.
        collect: `alternatives` runs a program once for each other candidate of each value that it was given, the rest at defaults.
            `exhaustive` runs it for every combination of them.

    Raises:
        SpaceError: choices contradict each other, hold themselves without end, or have too many combinations.
    """
    if collect not in COLLECT:
        raise unknown("way to collect", collect, COLLECT)
    if collect == "exhaustive":
        return unify(_exhaust(_Runs(program, arguments, plain, fixed), {}))
    return unify(_explore(program, arguments, plain, fixed, {}))


class _Runs:
    """Runs a program with some of its values forced, and counts."""

    def __init__(self, program: Any, arguments: Mapping[str, Any], plain: bool, fixed: Mapping[str, Any]) -> None:
        self.program, self.arguments, self.plain, self.fixed = program, arguments, plain, fixed
        self.count = 0

    def __call__(self, forced: Mapping[str, int]) -> Collect:
        self.count += 1
        if self.count > MOST_RUNS:
            raise SpaceError(
                f"collect='exhaustive': got more than {MOST_RUNS} combinations of {', '.join(map(repr, list(forced)[:6]))}; "
                f"allowed: {MOST_RUNS} runs of the program; nest choices by a callable, or use fewer plain values"
            )
        return _collect(self.program, self.arguments, self.plain, self.fixed, forced)


def _exhaust(run: _Runs, forced: Mapping[str, int]) -> list[Decision]:
    """Decisions under every combination of the values that are not forced: the first open one is tried out, then those behind it."""
    base = run(forced)
    first = next((location for location in base.value_choices if location not in forced), None)
    if first is None:
        return base.decisions
    under = [_exhaust(run, {**forced, first: j}) for j in range(base.value_choices[first])]
    return _condition(under[0], first, under, deep=True)


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
                _run(collector, program, arguments, plain)
            return collector
        except OcheError:
            raise
        except Exception as error:
            # Programs that read numbers out of tensors while they are built cannot run on the meta device.
            _log.debug("program cannot run on the meta device (%s); running it on the CPU", error)
    collector = Collect(fixed, forced)
    _run(collector, program, arguments, plain)
    return collector


def _run(collector: Collect, program: Any, arguments: Mapping[str, Any], plain: bool) -> None:
    # A program that finds itself invalid has met its choices all the same.
    with contextlib.suppress(SkipTrial):
        collector.run(program, arguments, plain)


def _condition(decisions: list[Decision], location: str, under: list[list[Decision]], deep: bool = False) -> list[Decision]:
    """Move decisions that are not met under every candidate of the choice at `location` inside those candidates.

    With `deep` (every combination was run) a decision also moves if what it holds is not the same under every candidate.
    """
    shapes = [{d.key: _shape(d, location) if deep else None for d in unify(found)} for found in under]
    # What stands under every candidate with the same things inside does not depend on it.
    everywhere = {key for key, shape in shapes[0].items() if all(key in other and other[key] == shape for other in shapes)}
    owner = next((d for d in decisions if d.location == location), None)
    if all(set(found) == everywhere for found in shapes):
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


def _shape(decision: Decision, location: str) -> Any:
    """What a decision and those inside it look like; the choice at `location` itself always looks the same."""
    if not isinstance(decision, Pick):
        return decision.signature()
    inside = None if decision.location == location else [[[_shape(d, location) for d in b] for b in slot] for slot in decision.slots]
    return (decision.signature(), inside) if inside is None or any(any(slot) for slot in inside) else decision.signature()
