"""Rank studies: do ranks survive another seed, another depth, another budget?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from oche.driver._job import Job
from oche.errors import ArgumentError
from oche.studies._conditions import conditioned
from oche.studies._members import draw, train
from oche.studies._study import Study, named, paired

#: What a study varies, in words, to the setting that holds it.
_SETTINGS = {"depth": "cells", "budget": "epochs"}


def rank_study(
    program: Any,
    task: Any,
    vary: str = "seed",
    values: Sequence[Any] = (0, 1),
    *,
    n: int = 24,
    noise: bool = True,
    seed: int = 0,
    alpha: float = 0.05,
    name: str = "",
    arguments: Mapping[str, Any] | None = None,
    **shared: Any,
) -> Study:
    """Train the same random members under several seeds, depths or budgets, and compare their ranks.

    Args:
        program: As in `oche.search`.
        task: A classification or a tabular task.
        vary: `seed`; `depth`, the argument `cells` of the program; `budget`, the epochs of the recipe or table; or the name of any
            other field of the recipe or argument of the program.
        values: Two or more of them. Seeds are roots of the trainings; the members stay.
        n: Members; with fewer than 24 tau says little (its spread by chance is in the result).
        noise: Where not the seed is varied, train the first condition under a second seed too: without the noise of the seed nobody can say
            whether the condition changed the ranks. Tables have no second seed.
        seed: Root of the draws, of the trainings and of the bootstrap.
        alpha: Level of the intervals.
        name: What the store calls it.
        arguments: Arguments of the program.
        **shared: `store`, `executor`, `workers`, `threads`, `limits`, `progress` as in `oche.baseline`.

    Raises:
        ArgumentError: fewer than two values, one twice, or seeds of a table.
        TrainingError: fewer than 3 members ended under every condition.

    Source: Yang et al. 2020, section 5.
    """
    from oche import judge
    from oche.tasks import Tabular

    job = Job(program, task, None, arguments or {})
    tabular = isinstance(job.task, Tabular)
    _check(vary, values, tabular)
    key = _SETTINGS.get(vary, vary)
    # All conditions are made before any is trained, so that a wrong word costs nothing.
    made = {f"{vary} {v}": (conditioned(job.space, job.task, {} if vary == "seed" else {key: v}), v) for v in values}
    members = draw(job.space, n, seed)
    columns = {c: train(*pair, members, v if vary == "seed" else seed, name, shared) for c, (pair, v) in made.items()}
    second = None
    if noise and vary != "seed" and not tabular:
        first_name, ((space, changed), _) = next(iter(made.items()))
        second = f"{first_name}, another seed"
        columns[second] = train(space, changed, members, seed + 1, name, shared)
    table, kept, notes = paired(columns)
    first = next(iter(columns.values()))
    found = judge.rank_study({c: table[c] for c in made}, vary=vary, alpha=alpha, seed=seed)
    results: list[Any] = [found]
    if second is not None:
        seeds = {c: table[c] for c in (next(iter(made)), second)}
        results.append(judge.rank_study(seeds, vary="seed", alpha=alpha, seed=seed))
        if len(made) == 2:
            results.append(judge.re_ranking({c: table[c] for c in made}, seeds, vary=vary, alpha=alpha, seed=seed))
    elif vary != "seed":
        notes.append("no second seed was trained, so there is no noise ceiling to hold these ranks against" + _why(tabular))
    return Study(
        kind="rank_study",
        title=f"Do ranks survive another {vary}? {job.space.name}, {job.task.name}",
        verdict=tuple(_sentences(results, vary)),
        results=tuple(results),
        values=table,
        members=tuple(named(first[i]) for i in kept),
        records=tuple(r for column in columns.values() for r in column),
        unit=first[0].unit,
        metric=first[0].metric,
        settings={"space": job.space.name, "n": n, "seed": seed, "alpha": alpha, "vary": vary, "values": list(values)},
        warnings=tuple(notes),
    )


def _check(vary: str, values: Sequence[Any], tabular: bool) -> None:
    if len(values) < 2 or len({str(v) for v in values}) < len(values):
        raise ArgumentError(f"rank study of {vary}: got values {list(values)}; allowed: two or more different ones")
    if tabular and vary == "seed":
        raise ArgumentError("rank study of seed: got a tabular task, the same at every seed; allowed: vary='budget', or a classification")
    if vary == "seed" and not all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        raise ArgumentError(f"rank study of seed: got values {list(values)}; allowed: whole numbers")


def _why(tabular: bool) -> str:
    return ": a table holds one value per cell and fidelity" if tabular else ""


def _sentences(results: Sequence[Any], vary: str) -> list[str]:
    said = []
    for pair in results[0].pairs:
        tau = "undefined" if math.isnan(pair.tau) else f"{pair.tau:.2f} [{pair.tau_low:.2f}, {pair.tau_high:.2f}]"
        one = f"{pair.one[:1].upper()}{pair.one[1:]}"
        said.append(f"{one} and {pair.other} agree with Kendall's tau {tau}; a rank moves by up to {pair.largest_shift:g} places.")
    noise = next((r for r in results if getattr(r, "vary", None) == "seed" and hasattr(r, "ceiling")), None)
    if noise is not None:
        ceiling = "undefined" if math.isnan(noise.ceiling) else f"{noise.ceiling:.2f}"
        said.append(f"Noise ceiling: two seeds could agree with tau {ceiling}; by chance alone tau has sd {noise.null_sd:.2f}.")
    said += [f"{vary[:1].upper()}{vary[1:]}: {r.verdict}." for r in results if hasattr(r, "verdict")]
    return said
