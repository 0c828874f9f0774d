"""`oche space`: what choices a program has, how many programs it can become, and what visiting them would cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import typer

from oche.cli import _compose as compose
from oche.cli import _options as option
from oche.cli._output import Output
from oche.errors import ArgumentError


def command(
    program: option.Program,
    channels: option.Channels = None,
    cells: option.Cells = None,
    data: option.DataText = None,
    recipe: option.RecipeText = None,
    sample: Annotated[int, typer.Option("--sample", help="Also show this many random members.", min=0)] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random members.", min=0)] = 0,
    stratify: Annotated[
        str | None, typer.Option("--stratify", help="Spread the members over a cost: params, or file.py:function of a child.")
    ] = None,
    bins: Annotated[int, typer.Option("--bins", help="Bins of the spread.", min=1)] = 20,
    scale: Annotated[str, typer.Option("--scale", help="Bins of equal ratio (log) or width (linear).")] = "log",
    max_params: option.MaxParams = None,
    where: option.Where = None,
    collect: Annotated[str, typer.Option("--collect", help="How choices under control flow are found: alternatives or exhaustive.")] = (
        "alternatives"
    ),
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Show a program's choices, its size, and, with --data, the estimated cost of training a member.

    Example: oche space net.py:Net --data digits --sample 3
    """
    from oche.cli._program import load_space, sized
    from oche.tasks import fitted

    out = Output(as_json, quiet)
    if stratify is not None and (max_params is not None or where is not None):
        raise ArgumentError("--stratify: got it with --max-params or --where; allowed: one of them")
    space, source = load_space(sized(program, channels=channels, cells=cells), collect)
    task = compose.task(None, data, recipe) if data is not None else None
    if task is not None:
        space = fitted(space, task)
    points = [_point(p) for p in space.points]
    drawn, costs = _members(space, sample, seed, stratify, bins, scale, compose.constraint(max_params, None, where, task))
    members = [space.decisions(dna) for dna in drawn]
    value: dict[str, Any] = {
        "program": source.text,
        "name": space.name,
        # Numbers of more than 4,300 digits cannot be written as text.
        "size": space.size if isinstance(space.size, int) and space.size < 10**4000 else None,
        "log10_size": math.log10(space.size) if isinstance(space.size, int) else None,
        "fingerprint": space.fingerprint,
        "points": points,
        "members": members,
        **({"costs": costs} if stratify is not None else {}),
    }
    out.table(("choice", "kind", "candidates"), [(p["key"], p["kind"], p["values"]) for p in points])
    for i, member in enumerate(members):
        cost = f" ({costs[i]:,.6g} {stratify})" if stratify is not None else ""
        out.say(f"member{cost}: " + ", ".join(f"{k}={v}" for k, v in member.items()))
    said = f"{space.name}: {len(points)} decisions, {size_text(space.size)} programs"
    if task is not None:
        value["cost"] = cost = _cost(space, task, seed)
        said += (
            f"; one member ({cost['params']:,} weights) trains in {cost['seconds']:.3g} s, 40 trials in about {_time(40 * cost['seconds'])}"
        )
    out.result(value, said)


def size_text(size: float) -> str:
    """A size for people."""
    from oche.program.counting import size_text as text

    return text(size)


def _members(space: Any, n: int, seed: int, cost: str | None, bins: int, scale: str, constraint: Any) -> tuple[list[Any], list[float]]:
    """Random members, spread over a cost if one is named, and what each costs."""
    if cost is not None and n:
        from oche.cli._program import load_program
        from oche.program import stratify

        strata = stratify(space, load_program(cost)[0] if ".py" in cost else cost, n=n, bins=bins, scale=scale, seed=seed)
        return list(strata.members), list(strata.costs)
    if constraint is not None and n:
        import oche

        return [feedback.dna for feedback in _told(oche.sample(space, "random", n=n, seed=seed, constraint=constraint))], []
    return [space.sample(seed + i) for i in range(n)], []


def _told(loop: Iterable[tuple[Any, Any]]) -> Iterator[Any]:
    for _, feedback in loop:
        yield feedback
        feedback.skip()


def _point(point: Any) -> dict[str, Any]:
    if point.kind == "text":
        return {"key": point.key, "kind": point.kind, "values": f"text ({point.choice})", "n": None}
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
