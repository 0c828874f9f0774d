"""The ladder: the same random members under a growing protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oche.driver._job import Job
from oche.errors import ArgumentError
from oche.judge._numbers import points_unit
from oche.studies._conditions import conditioned
from oche.studies._members import draw, train
from oche.studies._study import Study, named, paired

#: Name of the first rung, the protocol as the task has it.
BASE = "base"


def ladder(
    program: Any,
    task: Any,
    rungs: Mapping[str, Mapping[str, Any]],
    *,
    n: int = 8,
    cumulative: bool = True,
    seed: int = 0,
    alpha: float = 0.05,
    name: str = "",
    arguments: Mapping[str, Any] | None = None,
    **shared: Any,
) -> Study:
    """Train the same random members under one protocol after the other, and weigh the protocol against the architecture.

    Args:
        program: As in `oche.search`.
        task: A classification or a tabular task; its protocol is the first rung, `base`.
        rungs: Name to changes, in order: fields of the recipe (`{"label_smoothing": 0.1}`), a whole `recipe` as text
            (`digits?epochs=2`), arguments of the program (`{"channels": 16}`); for tables `epochs`, `split`, `dataset`.
        n: Members.
        cumulative: Each rung adds to the one before; False: each changes the base alone.
        seed: Root of the draws, of the trainings (a member has the same seed on every rung) and of the bootstrap.
        alpha: Level of the intervals.
        name: What the store calls it.
        arguments: Arguments of the program.
        **shared: `store`, `executor`, `workers`, `threads`, `limits`, `progress` as in `oche.baseline`.

    Raises:
        ArgumentError: no rungs, or one called `base`; nothing was trained then.
        TrainingError: fewer than 3 members ended on every rung.

    Source: Yang et al. 2020, section 4.
    """
    from oche import judge

    if not rungs or BASE in rungs:
        raise ArgumentError(f"ladder rungs: got {list(rungs)}; allowed: one or more changes of the protocol, none called {BASE!r}")
    job = Job(program, task, None, arguments or {})
    changes, settings = {BASE: {}}, {}
    for rung, change in rungs.items():
        settings = {**settings, **change} if cumulative else dict(change)
        changes[rung] = settings
    # All rungs are made before any is trained, so that a wrong word costs nothing.
    made = {rung: conditioned(job.space, job.task, change) for rung, change in changes.items()}
    members = draw(job.space, n, seed)
    columns = {rung: train(space, changed, members, seed, name, shared) for rung, (space, changed) in made.items()}
    values, kept, notes = paired(columns)
    first = columns[BASE][0]
    found = judge.ladder(values, alpha=alpha, seed=seed, unit=first.unit)
    return Study(
        kind="ladder",
        title=f"What is the training protocol worth? {job.space.name}, {job.task.name}",
        verdict=(found.verdict, *(_gained(rung, points_unit(found.unit), cumulative) for rung in found.rungs[1:])),
        results=(found,),
        values=values,
        members=tuple(named(columns[BASE][i]) for i in kept),
        records=tuple(r for column in columns.values() for r in column),
        unit=first.unit,
        metric=first.metric,
        settings={"space": job.space.name, "n": n, "seed": seed, "alpha": alpha, "cumulative": cumulative, "rungs": changes},
        warnings=tuple(notes),
    )


def _gained(rung: Any, unit: str, cumulative: bool) -> str:
    gain, before = (rung.over_previous, "the rung before") if cumulative else (rung.over_base, "the base")
    apart = "" if gain.low > 0 or gain.high < 0 else ", not distinguishable from nothing"
    return f"{rung.name}: {gain.mean:+.2f} {unit} [{gain.low:+.2f}, {gain.high:+.2f}] over {before}{apart}."
