"""Space studies: what the space itself is worth, by its random members."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oche.driver._job import Job
from oche.errors import ArgumentError, TrainingError
from oche.studies._conditions import conditioned
from oche.studies._members import train
from oche.studies._study import Study


def space_study(
    program: Any,
    task: Any,
    variants: Mapping[str, Any],
    *,
    n: int = 8,
    seed: int = 0,
    alpha: float = 0.05,
    name: str = "",
    arguments: Mapping[str, Any] | None = None,
    **shared: Any,
) -> Study:
    """Train random members of a space and of variants of it alike, and compare the averages.

    Args:
        program: As in `oche.search`; its random members are the first group, `whole`.
        task: A classification or a tabular task.
        variants: Name to a variant. A sequence of labels: an operation set; every choice that has any of them keeps these alone. A mapping:
            arguments of the program for a macro variant (`{"cells": 2}`), or labels per choice under `restrict`. A space or program: as is.
        n: Random members of each, drawn afresh for each.
        seed: Root of the draws, trainings and permutations.
        alpha: Level of the intervals and, with Holm's correction over the variants, of the verdict.
        name: What the store calls it.
        arguments: Arguments of the program.
        **shared: `store`, `executor`, `workers`, `threads`, `limits`, `progress` as in `oche.baseline`.

    Raises:
        ArgumentError: no variants, one called `whole`, or labels that no choice has.
        TrainingError: fewer than 2 members of a variant ended.

    Source: Yang et al. 2020, section 5.
    """
    from oche import judge

    if not variants or "whole" in variants:
        raise ArgumentError(f"space variants: got {list(variants)}; allowed: one or more variants, none called 'whole'")
    if isinstance(n, bool) or not isinstance(n, int) or n < 2:
        raise ArgumentError(f"study members: got {n!r}; allowed: a whole number from 2")
    job = Job(program, task, None, arguments or {})
    made = {"whole": (job.space, job.task)}
    made |= {key: variant_of(job, key, value) for key, value in variants.items()}
    columns = {}
    for i, (key, (space, changed)) in enumerate(made.items()):
        # Of independent draws: a seed of its own for each.
        columns[key] = train(space, changed, n, seed + 1000 * i, f"{name} {key}".strip(), shared)
    values = {key: [r.value for r in column if r.status == "done"] for key, column in columns.items()}
    notes = [f"{n - len(v)} of {n} members of {key} failed" for key, v in values.items() if len(v) < n]
    if short := [key for key, v in values.items() if len(v) < 2]:
        raise TrainingError(f"space study: got fewer than 2 members that ended of {', '.join(short)}; {'; '.join(notes)}")
    first = columns["whole"][0]
    found = [judge.space_study(values[key], values["whole"], alpha=alpha, seed=seed, unit=first.unit) for key in variants]
    adjusted = [float(p) for p in judge.holm([s.row.p for s in found])]
    return Study(
        kind="space_study",
        title=f"What is the space worth? {job.space.name}, {job.task.name}",
        verdict=tuple(_sentence(key, s.row, p, alpha) for key, s, p in zip(variants, found, adjusted, strict=True)),
        results=tuple(found),
        values=values,
        members=(),
        records=tuple(r for column in columns.values() for r in column),
        unit=first.unit,
        metric=first.metric,
        settings={"space": job.space.name, "n": n, "seed": seed, "alpha": alpha, "variants": list(variants), "p_adjusted": adjusted},
        warnings=tuple(notes),
    )


def variant_of(job: Job, name: str, value: Any) -> tuple[Any, Any]:
    """Space and task of a variant: arguments of the program, labels that stay, or a space."""
    if isinstance(value, Mapping):
        changes = {k: v for k, v in value.items() if k != "restrict"}
        space, task = conditioned(job.space, job.task, changes)
        return (space.restrict(value["restrict"]) if "restrict" in value else space), task
    if isinstance(value, (list, tuple)):
        return job.space.restrict(_operations(job.space, name, value)), job.task
    other = Job(value, job.task, None, {})
    return other.space, other.task


def _operations(space: Any, name: str, labels: Any) -> dict[str, list[str]]:
    """The labels that stay, by choice: of each choice that has any of these."""
    known: dict[str, None] = {}
    kept: dict[str, list[str]] = {}
    for point in space.points:
        known |= dict.fromkeys(point.labels)
        stay = [label for label in point.labels if label in labels]
        if stay:
            kept[point.key] = stay
    if missing := [label for label in labels if label not in known]:
        raise ArgumentError(f"variant {name!r}: got operations {missing}; allowed: {', '.join(map(str, known))}")
    return kept


def _sentence(name: str, row: Any, p: float, alpha: float) -> str:
    apart = p < alpha and (row.difference_low > 0 or row.difference_high < 0)
    word = ("better than" if row.difference > 0 else "worse than") if apart else "not distinguishable from"
    return (
        f"Random members of {name} are {word} those of the whole space: {row.difference:+.2f} {row.mde_unit} "
        f"[{row.difference_low:+.2f}, {row.difference_high:+.2f}], p {p:.2g} after Holm; "
        f"{row.n_m} against {row.n_r} members would show a difference of {row.mde:.2g} {row.mde_unit}."
    )
