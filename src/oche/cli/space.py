"""`oche space`: what choices a program has, how many programs it can become, and what visiting them would cost."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer

from oche.cli import _compose as compose
from oche.cli import _options as option
from oche.cli._output import Output


def command(
    program: option.Program,
    data: option.DataText = None,
    recipe: option.RecipeText = None,
    sample: Annotated[int, typer.Option("--sample", help="Also show this many random members.", min=0)] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random members.", min=0)] = 0,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Show a program's choices, its size, and, with --data, the estimated cost of training a member.

    Example: oche space net.py:Net --data digits --sample 3
    """
    from oche.cli._program import load_space

    out = Output(as_json, quiet)
    space, source = load_space(program)
    task = compose.task(None, data, recipe) if data is not None else None
    points = [_point(p) for p in space.points]
    members = [space.decisions(space.sample(seed + i)) for i in range(sample)]
    value: dict[str, Any] = {
        "program": source.text,
        "name": space.name,
        "size": None if math.isinf(space.size) else space.size,
        "fingerprint": space.fingerprint,
        "points": points,
        "members": members,
    }
    out.table(("choice", "kind", "candidates"), [(p["key"], p["kind"], p["values"]) for p in points])
    for member in members:
        out.say("member: " + ", ".join(f"{k}={v}" for k, v in member.items()))
    said = f"{space.name}: {len(points)} decisions, {size_text(space.size)} programs"
    if task is not None:
        value["cost"] = cost = _cost(space, task, seed)
        said += (
            f"; one member ({cost['params']:,} weights) trains in {cost['seconds']:.3g} s, 40 trials in about {_time(40 * cost['seconds'])}"
        )
    out.result(value, said)


def size_text(size: float) -> str:
    """A size for people."""
    return "infinitely many" if math.isinf(size) else f"{size:,}"


def _point(point: Any) -> dict[str, Any]:
    numeric = point.kind in ("float", "int")
    values = f"{point.lo:g} to {point.hi:g} ({point.scale})" if numeric else ", ".join(point.labels)
    return {"key": point.key, "kind": point.kind, "values": values, "n": None if numeric else point.n}


def _cost(space: Any, task: Any, seed: int) -> dict[str, Any]:
    """Seconds and weights of one random member, by training it once for the task's search signal."""
    child = task.child(space, space.sample(seed), seed)
    feedback = task.evaluate(child, seed)
    params = sum(p.numel() for p in child.parameters()) if hasattr(child, "parameters") else 0
    return {"seconds": feedback.cost.seconds, "params": params, "metrics": dict(feedback.metrics)}


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
