"""The grid: methods in every cell of supernet variant, operation set and recipe, with random members in each, and what each is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import oche
from oche import seeds as streams
from oche.driver._job import Job, algorithm_text
from oche.errors import ArgumentError, TrainingError, unknown
from oche.program import DNA, Space
from oche.studies._conditions import conditioned, parameters
from oche.studies._spaces import variant_of
from oche.studies._study import Study

#: Names of the factors, and of the arm of random members.
FACTORS = ("variant", "operations", "recipe")
RANDOM = "random"
_PATIENCE = 1000


def space_grid(
    program: Any,
    task: Any,
    algorithms: Sequence[Any],
    *,
    variants: Mapping[str, Any] | None = None,
    operations: Mapping[str, Any] | None = None,
    recipes: Mapping[str, Mapping[str, Any]] | None = None,
    runs: int = 5,
    budget: Any = None,
    seed: int = 0,
    alpha: float = 0.05,
    name: str = "",
    arguments: Mapping[str, Any] | None = None,
    **shared: Any,
) -> Study:
    """Search and draw at random in every cell of a grid, train all that was found alike, and divide the variance.

    Searches are made once per variant and operation set, by the search recipe of the task. What they found is trained under every recipe,
    in blocks: run `i` of all methods and random member `i` have one root of their trainings.

    Args:
        program: As in `oche.search`.
        task: A classification.
        algorithms: Settings texts of searches, such as `darts` or `pc-darts?k=2`; `random` is added as the arm of random members.
        variants: Name to arguments of the program (`{"cells": 6}`); one called `as is` by default.
        operations: Name to a sequence of labels that stay, to arguments of the program, or to None for all; `all` by default.
        recipes: Name to fields of the recipe of the final training; `as is` by default.
        runs: Searches of every algorithm, and random members, in every cell.
        budget: Of every search. None: the algorithm's own plan.
        seed: Root of everything; search `i` has the seed `seed + i`.
        alpha: Level of the intervals and, with Holm's correction over all comparisons, of the verdicts.
        name: What the store calls it.
        arguments: Arguments of the program.
        **shared: `store`, `executor`, `workers`, `threads`, `limits`, `progress` as in `oche.baseline`.

    Raises:
        ArgumentError: no algorithm, one twice, or a task that trains no networks; nothing was trained then.
        TrainingError: fewer than 2 runs of an arm ended.

    Source: the DARTS bench suite, which crosses three supernets, three operation sets and nine recipes; random arms, shares of variance
    and tests are ours.
    """
    from oche import judge
    from oche.tasks import Classification

    texts = [algorithm_text(a) for a in algorithms]
    if not texts or len(set(texts)) < len(texts) or RANDOM in texts:
        raise ArgumentError(f"grid algorithms: got {texts}; allowed: one or more different searches; random members are added to them")
    if isinstance(runs, bool) or not isinstance(runs, int) or runs < 2:
        raise ArgumentError(f"grid runs: got {runs!r}; allowed: a whole number from 2")
    job = Job(program, task, None, arguments or {})
    if not isinstance(job.task, Classification):
        raise ArgumentError(f"grid: got task {job.task.name!r}; allowed: a classification, whose recipe and searches can differ")
    for algorithm in algorithms:
        if isinstance(algorithm, str):
            oche.algorithms.get(algorithm)
    given = (variants or {"as is": {}}, operations or {"all": None}, recipes or {"as is": {}})
    # All cells are made before anything is trained, so that a wrong word costs nothing.
    spaces = {(v, o): _space(job, v, dict(given[0][v]), o, given[1][o]) for v, o in product(given[0], given[1])}
    made = {(v, o, r): conditioned(spaces[v, o], job.task, given[2][r]) for v, o, r in product(*given)}
    records: dict[tuple[str, ...], list[Any]] = {(*cell, arm): [] for cell in made for arm in (*texts, RANDOM)}
    for place, space in spaces.items():
        found = {
            text: _searched(space, job.task, algorithm, runs, budget, seed, f"{name} {'/'.join(place)} {text}", shared)
            for text, algorithm in zip(texts, algorithms, strict=True)
        }
        for recipe in given[2]:
            cell = (*place, recipe)
            for i in range(runs):
                block = {text: found[text][i] for text in texts}
                for arm, record in _trained(*made[cell], block, seed, i, f"{name} {'/'.join(cell)}", shared).items():
                    records[*cell, arm].append(record)
    return _study(job, judge, records, given, runs, seed, alpha)


def _space(job: Job, variant: str, changes: Mapping[str, Any], operations: str, kept: Any) -> Space:
    """The space of a supernet variant with an operation set; every cell searches a space of its own, so its choices may be others."""
    made = _compiled(job, changes, f"{job.space.name}, {variant}, {operations}")
    if kept is None:
        return made
    if isinstance(kept, Mapping):
        return _compiled(Job(made, job.task, None, {}), kept, made.name)
    restricted = variant_of(Job(made, job.task, None, {}), operations, kept)[0]
    restricted.name = made.name
    return restricted


def _compiled(job: Job, changes: Mapping[str, Any], name: str) -> Space:
    """The program with other arguments, compiled anew."""
    space = job.space
    known = parameters(space) if space.plain else []
    for key in changes:
        if key not in known:
            raise unknown("argument of a grid's program", key, known)
    made = Space(space.program, **{**space.arguments, **changes}) if changes else space.restrict({})
    made.name = name
    return made


def _searched(
    space: Space, task: Any, algorithm: Any, runs: int, budget: Any, seed: int, name: str, shared: Mapping[str, Any]
) -> list[tuple[DNA | None, Any]]:
    """Pick and record of one search per run; the picks are trained by the grid, so the search's own final training is cut to one epoch."""
    short = task.recipe.derive(epochs=1, warmup_epochs=0)
    cut = type(task)(task.data, short, task.search_recipe, task.final, task.device)
    found = oche.search(space, algorithm, cut, budget=budget, seeds=[seed + i for i in range(runs)], name=name.strip(), **shared)
    return [(run.pick.dna if run.pick is not None else None, run.records[0]) for run in found]


def _trained(
    space: Space, task: Any, found: Mapping[str, tuple[DNA | None, Any]], seed: int, number: int, name: str, shared: Mapping[str, Any]
) -> dict[str, Any]:
    """The records of one block: what each search found and a random member, trained from one root."""
    picks = {text: dna for text, (dna, _) in found.items() if dna is not None}
    member = _member(space, [dna.flat for dna in picks.values()], seed, number)
    # One network alone is no baseline; `_member` sees to it that there are two.
    different = list({dna.flat: dna for dna in (member, *picks.values())}.values())
    trained = oche.baseline(space, task, members=different, seed=seed + number, name=f"{name} run {number}".strip(), **shared)
    by_dna = {different[r.settings["member"]].flat: r for r in trained.records}
    records = {RANDOM: by_dna[member.flat]}
    for text, dna in picks.items():
        search, final = found[text][1], by_dna[dna.flat]
        records[text] = replace(
            final, kind="search", algorithm=text, search_seed=search.search_seed, budget=search.budget,
            cost={"search": search.cost.get("search", {}), **{k: v for k, v in final.cost.items() if k != "search"}}, id="",
        )  # fmt: skip
    return records


def _member(space: Space, taken: Sequence[tuple[Any, ...]], seed: int, number: int) -> DNA:
    """Random member `number`; another draw where all that was found is this one, so that there are two networks to train."""
    rng = streams.generator(seed, "study", "grid", number)
    dna = space.sample(rng)
    for _ in range(_PATIENCE):
        if set(taken) != {dna.flat}:
            return dna
        dna = space.sample(rng)
    raise ArgumentError(f"grid: got a space {space.name!r} of one member; allowed: two or more")


def _study(job: Job, judge: Any, records: Mapping[tuple[str, ...], list[Any]], given: Any, runs: int, seed: int, alpha: float) -> Study:
    values = {key: [r.value for r in found if r.status == "done"] for key, found in records.items()}
    notes = [f"{runs - len(v)} of {runs} runs of {' / '.join(key)} failed" for key, v in values.items() if len(v) < runs]
    if short := [" / ".join(key) for key, v in values.items() if len(v) < 2]:
        raise TrainingError(f"grid: got fewer than 2 runs that ended of {', '.join(short[:5])}; {'; '.join(notes[:5])}")
    first = next(r for found in records.values() for r in found if r.status == "done")
    found = judge.grid(values, FACTORS, random=RANDOM, alpha=alpha, seed=seed, unit=first.unit, direction=first.direction)
    return Study(
        kind="space_grid",
        title=f"What are method, recipe and space worth? {job.space.name}, {job.task.name}",
        verdict=found.verdict,
        results=(found,),
        values={" / ".join(key): v for key, v in values.items()},
        members=(),
        records=tuple(r for column in records.values() for r in column),
        unit=first.unit,
        metric=first.metric,
        settings={
            "space": job.space.name,
            "runs": runs,
            "seed": seed,
            "alpha": alpha,
            "variants": {k: dict(v) for k, v in given[0].items()},
            "operations": {k: v if v is None or isinstance(v, Mapping) else list(v) for k, v in given[1].items()},
            "recipes": {k: dict(v) for k, v in given[2].items()},
            "search_cost": _spent(records),
        },
        warnings=tuple(notes),
    )


def _spent(records: Mapping[tuple[str, ...], list[Any]]) -> dict[str, dict[str, float]]:
    """Mean search cost of a run by algorithm, in every unit that all its runs count; each search is counted once per recipe alike."""
    spent = {}
    for arm in dict.fromkeys(key[-1] for key in records):
        costs = [r.cost.get("search", {}) for key, found in records.items() if key[-1] == arm for r in found]
        units = [u for u in (costs[0] if costs else {}) if all(u in c for c in costs)]
        spent[arm] = {u: math.fsum(c[u] for c in costs) / len(costs) for u in units}
    return spent
