"""Shared ranks: does a supernet, or a tree of them, rank members as they rank when each is trained alone, or in a table?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oche import flows, seeds
from oche.driver._job import Job, algorithm_text
from oche.errors import ArgumentError
from oche.loop.workbench import as_factory
from oche.studies._members import draw, train
from oche.studies._study import Study, named, paired


def shared_ranks(
    program: Any,
    task: Any,
    algorithm: Any,
    flow: Any = None,
    *,
    truth: Any = None,
    top: Sequence[float] = (1.0, 0.25),
    n: int = 24,
    n_scored: int = 512,
    budget: Any = None,
    seed: int = 0,
    alpha: float = 0.05,
    name: str = "",
    arguments: Mapping[str, Any] | None = None,
    progress: bool = True,
    **shared: Any,
) -> Study:
    """Train a supernet, score random members with its weights, and compare with what they are worth alone.

    Args:
        program: As in `oche.search`.
        task: What the supernet learns: a classification.
        algorithm: A weight-sharing algorithm.
        flow: `few-shot?...`, whose leaves score the members that they hold; None: one supernet.
        truth: A tabular task, whose values are the truth; None: the members are trained alone by the recipe of `task`.
        top: Shares of the members, best ones in truth, over which tau is taken; see `oche.judge.rank_correlation`.
        n: Members.
        n_scored: Validation images for a score.
        budget: Of the search; None: the algorithm's own plan.
        seed: Root of the search, of the draws, of the trainings and of the bootstrap.
        alpha: Level of the intervals.
        name: What the store calls the trainings.
        arguments: Arguments of the program.
        progress: Show progress bars.
        **shared: `store`, `executor`, `workers`, `threads`, `limits` of the trainings, as in `oche.baseline`. The search itself is run in
            one piece and is not kept.

    Raises:
        ArgumentError: the algorithm trains no supernet.
        TrainingError: fewer than 3 members ended.

    Source: the rank correlation of Zhao et al. 2021 (few-shot NAS), section 4; taus of the truly best are ours.
    """
    from oche import judge

    job = Job(program, task, flow, arguments or {})
    make = as_factory(algorithm)
    search = make() if job.flow.name == "joint" else job.flow.search(make)
    if not hasattr(search, "advance"):
        raise ArgumentError(f"shared ranks: got algorithm {algorithm_text(algorithm)!r}; allowed: algorithms that train a supernet")
    members = draw(job.space, n, seed)
    known = train(job.space, job.task if truth is None else truth, members, seed, name, {**shared, "progress": progress})
    search.setup(job.space, job.task.problem(seeds.derive(seed, "problem")), seed, budget)
    while not search.advance(50).done:
        pass
    scores = [100 * score for score in flows.shared_scores(search, members, n_scored)]
    table, kept, notes = paired({"alone": known})
    found = judge.rank_correlation([scores[i] for i in kept], table["alone"], top=top, alpha=alpha, seed=seed)
    text = algorithm_text(algorithm) + (f" in {flows.text(job.flow)}" if job.flow.name != "joint" else "")
    return Study(
        kind="shared_ranks",
        title=f"Does {text} rank members of {job.space.name} as they rank alone?",
        verdict=(found.verdict[:1].upper() + found.verdict[1:],),
        results=(found,),
        values={"shared weights": [scores[i] for i in kept], **table},
        members=tuple(named(known[i]) for i in kept),
        records=tuple(known),
        unit=known[0].unit,
        metric=known[0].metric,
        settings={"space": job.space.name, "n": n, "seed": seed, "top": list(top), "epochs": search.cost.epochs, "algorithm": text},
        warnings=tuple(notes),
    )
