"""`search` and `baseline`.

Whatever the algorithm, a search of networks ends in one final training of its pick, by the recipe that random members of the same space
are trained by.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from oche import algorithms, ranks
from oche.driver._equal_cost import Price
from oche.driver._job import Job, algorithm_text
from oche.driver._members import Members, as_members
from oche.driver._records import population, recorder
from oche.driver._runs import Runs
from oche.errors import ArgumentError, ResumeError
from oche.loop import AskTellRun, Engine, Plan, SampleRun, TreeRun, WeightSharingRun, Workbench, make_executor
from oche.loop.constraints import constrained
from oche.loop.contracts import Budget
from oche.loop.priors import as_prior
from oche.loop.stopping import as_policy
from oche.loop.warm_start import known_trials
from oche.loop.watcher import Watcher, check_reports
from oche.loop.workbench import as_factory
from oche.program import Space
from oche.store import as_store
from oche.store.store import BaseStore


def search(
    program: Any,
    algorithm: Any,
    task: Any,
    flow: Any = None,
    budget: Budget | None = None,
    seeds: int | Sequence[int] = 1,
    store: str | os.PathLike[str] | BaseStore | None = None,
    executor: Any = "serial",
    parallel: int | None = None,
    *,
    workers: int | None = None,
    threads: int = 1,
    limits: Any = None,
    order: str = "ask",
    name: str = "",
    progress: bool = True,
    constraint: Any = None,
    warm_start: Any = None,
    prior: Any = None,
    early_stopping: Any = None,
    **arguments: Any,
) -> Runs:
    """Search a program with choices, once per seed.

    Args:
        program: A class, function, node or container with choices; a `Space`; or the name of a ready-made space.
        algorithm: Settings text such as `pc-darts?k=4`, or an algorithm.
        task: A task, its text form, or a function of a child whose result is maximized.
        flow: How decisions are divided between searches, for example `factorized?outer=^op`; None: one search over all of them.
        budget: What each run may spend. None: the algorithm's own plan, if it has one.
        seeds: A count, or a list of seeds.
        store: A file, a database URL or a store. A search that the store knows goes on where it was.
        executor: `serial`, `processes` or `ray`, or an executor.
        parallel: Proposals of one run in flight. The number of workers changes no result; this does, and is recorded. None: 1, or as many
            as the task evaluates side by side (environments).
        workers: Worker processes; by default one per processor.
        threads: Threads per trial; recorded, since results are equal bit for bit at equal threads only.
        limits: Seconds and memory per trial, see `oche.loop.Limits`.
        order: `ask`, or `arrival` for speed without reproducibility.
        name: What the store calls it.
        progress: Show a progress bar where there is a terminal.
        constraint: What members must be like: a `Constraint`, its arguments as a dict, or a predicate of a child. Others are never
            tried and do not count; give the same one to `baseline`.
        warm_start: Trials that were made before, which the algorithm learns first: a store (`runs.db:name`), a CSV file, records, runs, or
            pairs of decisions and rewards, see `oche.loop.known_trials`. They are no trials of these runs and cost them nothing.
        prior: Beliefs about good values by key, or a JSON file with them, see `oche.loop.Prior`.
        early_stopping: A policy that ends trials while they run, or its text: `asha?min=1&eta=3`, `median`, `gates?rank=3:0.5`; see
            `oche.loop.as_policy`. It sees what was known when a trial was asked for, so it too gives the same results for any number of
            workers. The final training is never stopped.
        **arguments: Arguments of the program.

    Returns:
        The runs; `.best`, `.records`, `[i].trials`, `[i].cost`.

    Raises:
        OcheError: a setting is not allowed; nothing was spent then.
        Interrupted: Ctrl-C; everything that ended is in the store.

    Example:
        >>> import oche
        >>> program = {"x": oche.oneof(list(range(8))), "y": oche.oneof(list(range(8)))}
        >>> runs = oche.search(program, "random", lambda child: -child["x"] * child["y"], budget=oche.Budget(trials=20))
        >>> runs.best.record.value
        0.0
    """
    job = Job(program, task, flow, arguments, constraint)
    make = _checked_factory(algorithm)
    shares_weights = hasattr(constrained(make(), job.constraint), "advance")
    job.prior = as_prior(prior)
    if shares_weights:
        _check_shared(job, algorithm, make)
    policy = as_policy(early_stopping)
    if policy is not None:
        _check_stoppable(job, shares_weights, policy)
    if not shares_weights:
        make = _Informed(make, job)
        make()  # what does not fit the task is refused before anything is opened
    in_flight: int = parallel if parallel is not None else getattr(job.task, "lot", 1)
    pool = make_executor(executor, workers=workers, limits=limits, threads=threads)
    with _opened(store) as opened:
        _check_name(opened, name, job.space)
        job.known = known_trials(warm_start, job.space, opened, name)
        job.help(make())  # what does not go together stops here
        runs: list[Any] = []
        price = Price(job.space, job.task, algorithm, lambda: runs[0].first_budget) if shares_weights else None
        # What is kept is kept whole; otherwise the work of a pass is counted when it is asked for.
        kept = price if opened is not None else None
        for seed in _seed_list(seeds):
            settings = _identity(job, algorithm, policy)
            plan = Plan(seed, budget, settings, name, in_flight, order, threads)
            record = recorder(job, algorithm, plan, policy=early_stopping, price=kept)
            if shares_weights:
                runs.append(_weight_sharing_run(job, make, plan, opened, record))
            else:
                algorithm_now = job.help(job.flow.search(make))
                bundles = {"workers": workers, "pool": pool.workers}
                runs.append(_ask_tell_run(job, algorithm_now, plan, opened, bundles, make_record=record, watcher=Watcher(policy)))
        shared = partial(job.flow.search, make) if shares_weights and job.flow.name != "joint" else algorithm
        bench = Workbench(job.space, job.task, shared if shares_weights else None)
        title = f"{name or job.space.name} · {algorithm_text(algorithm)}"
        Engine(runs, pool, bench, title=title, quiet=not progress).run()
    return Runs(runs, job.space, job.task, algorithm, budget, price=price)


def baseline(
    program: Any,
    task: Any,
    n: int | str = 8,
    *,
    members: Sequence[Any] | None = None,
    seed: int = 0,
    store: str | os.PathLike[str] | BaseStore | None = None,
    executor: Any = "serial",
    parallel: int | None = None,
    workers: int | None = None,
    threads: int = 1,
    limits: Any = None,
    name: str = "",
    progress: bool = True,
    constraint: Any = None,
    **arguments: Any,
) -> Runs:
    """Random members of the space, each trained like the pick of a search: what "better than random" is measured against.

    Args:
        program: As in `search`; give the very same one.
        task: As in `search`.
        n: How many members; or `all`, the exact distribution over the whole space, where the task knows it (tables).
        members: Points of the space, given instead of drawn: DNA, or the numbers of one; `n` is not read then.
        seed: Root of the draws and trainings.
        store, executor, workers, threads, limits, name, progress, constraint, arguments: As in `search`.
        parallel: Members in flight; None: all of them, since they do not depend on each other.

    Source: Yang et al. 2020, section 2; 8 members are theirs.
    """
    job = Job(program, task, None, arguments, constraint)
    given = None if members is None else as_members(members, job.space)
    n = n if given is None else len(given)
    if n == "all":
        if job.constraint is not None:
            raise ArgumentError("baseline n='all': got a constraint; allowed: the whole space only; give a number of members")
        return Runs([], job.space, job.task, "random", None, [population(job)])
    if isinstance(n, (str, bool)) or n < 2:
        raise ArgumentError(f"baseline n: got {n!r}; allowed: a whole number from 2, or 'all'")
    with _opened(store) as opened:
        _check_name(opened, name, job.space)
        settings = job.identity("random", "baseline")
        plan = Plan(seed, Budget(trials=n), settings, name, parallel or n, "ask", threads)
        make = as_factory("random") if given is None else lambda: Members(given)
        if given is not None:
            settings["members"] = [list(dna.flat) for dna in given]
        run = AskTellRun(
            job.space,
            constrained(make(), job.constraint),
            plan,
            plan.open(AskTellRun.kind, opened),
            mode="baseline",
            make_record=recorder(job, "random", plan, kind="random"),
        )
        pool = make_executor(executor, workers=workers, limits=limits, threads=threads)
        title = f"{name or job.space.name} · random members"
        Engine([run], pool, Workbench(job.space, job.task), title=title, quiet=not progress).run()
    return Runs([run], job.space, job.task, "random", Budget(trials=n))


def _weight_sharing_run(job: Job, make: Any, plan: Plan, store: BaseStore | None, record: Any) -> WeightSharingRun | TreeRun:
    """One run of an algorithm that trains a supernet, or of a tree of them where the flow parts the space."""
    log = plan.open(WeightSharingRun.kind, store)
    folder = store.checkpoint_dir(plan.id) if store is not None else None
    if getattr(job.flow, "parted", False):
        return TreeRun(job.space, plan, log, folder, make_record=record, tree=job.flow.search(make))
    return WeightSharingRun(job.space, plan, log, folder, make_record=record)


def _ask_tell_run(job: Job, algorithm: Any, plan: Plan, store: BaseStore | None, bundles: dict[str, Any], **kwargs: Any) -> AskTellRun:
    """One run of an ask-and-tell algorithm, by the kind of task: of raw samples, of evaluations side by side, or one by one."""
    log = plan.open(AskTellRun.kind, store)
    grows, bounded = getattr(algorithm, "multi_fidelity", False), hasattr(algorithm, "boundary")
    if (grows or bounded) and store is not None and store.files is not None:
        folder = store.checkpoint_dir(plan.id)
        kwargs["directory"] = folder if bounded else None
        if grows:
            kwargs["watcher"].folder = folder
    if hasattr(job.task, "draw"):
        pool, history = job.task.pool(plan.seed), getattr(job.task, "history", False)
        bundle = max(1, plan.parallel // (bundles["workers"] or 1))
        return SampleRun(job.space, algorithm, plan, log, pool=pool, history=history, bundle=bundle, **kwargs)
    if hasattr(job.task, "evaluate_many"):
        kwargs |= {"together": True, "bundle": -(-plan.parallel // bundles["pool"])}
    return AskTellRun(job.space, algorithm, plan, log, **kwargs)


class _Informed:
    """Makes the algorithm and lets it know how far the task's evaluations go, if it chooses that.

    Raises:
        ArgumentError: it does, and the task or the flow cannot.
    """

    def __init__(self, make: Any, job: Job) -> None:
        self.make = make
        self.job = job

    def __call__(self) -> Any:
        made = self.make()
        if getattr(made, "multi_fidelity", False):
            name = getattr(made, "name", None) or type(made).__name__
            if self.job.flow.name != "joint":
                raise ArgumentError(
                    f"flow {self.job.flow.name!r}: got algorithm {name!r}, which comes back to its points; allowed: flow 'joint'"
                )
            check_reports(self.job.task, f"algorithm {name!r}")
            made.limit_fidelity(getattr(self.job.task, "max_fidelity", None))
        return made


def _check_shared(job: Job, algorithm: Any, make: Any) -> None:
    """Refuse what an algorithm that trains one network for all candidates cannot do."""
    if not hasattr(job.task, "problem"):
        raise ArgumentError(
            f"algorithm {algorithm_text(algorithm)!r}: got task {job.task.name!r}, without losses; allowed: tasks that train networks"
        )
    if job.flow.name == "joint":
        return
    if not getattr(job.flow, "shares_weights", False):
        raise ArgumentError(
            f"flow {job.flow.name!r}: got algorithm {algorithm_text(algorithm)!r}, which trains all candidates at once; "
            "allowed: algorithms that propose points; use flow 'joint' or 'few-shot'"
        )
    if hasattr(job.flow, "check"):
        job.flow.check(job.space)
    job.flow.search(make)  # what does not go together stops here


def _identity(job: Job, algorithm: Any, policy: Any) -> dict[str, Any]:
    """What makes two searches the same, together with their seed."""
    settings = job.identity(algorithm_text(algorithm), "search")
    if policy is not None:
        settings["early_stopping"] = repr(policy)
    if ranks.launched() > 1:
        # Equal bit for bit only at an equal number of ranks.
        settings["ranks"] = ranks.launched()
    return settings


def _check_stoppable(job: Job, shares_weights: bool, policy: Any) -> None:
    if shares_weights:
        raise ArgumentError(
            f"early stopping: got {policy!r} with an algorithm that trains one supernet; allowed: algorithms that propose points"
        )
    check_reports(job.task, "early stopping")


def _checked_factory(algorithm: Any) -> Any:
    if isinstance(algorithm, str):
        algorithms.get(algorithm)  # a wrong name or setting stops here, before anything is spent
    return as_factory(algorithm)


def _seed_list(seeds: int | Sequence[int]) -> list[int]:
    found = list(range(seeds)) if isinstance(seeds, int) and not isinstance(seeds, bool) else seeds
    if not isinstance(found, (list, tuple, range)) or not found or len(set(found)) != len(found):
        raise ArgumentError(f"seeds: got {seeds!r}; allowed: a count from 1, or a list of different whole numbers")
    return [int(s) for s in found]


@contextmanager
def _opened(store: Any) -> Iterator[BaseStore | None]:
    """The store of a path is closed at the end; a store that was passed stays open."""
    opened = as_store(store)
    try:
        yield opened
    finally:
        if opened is not None and opened is not store:
            opened.close()


def _check_name(store: BaseStore | None, name: str, space: Space) -> None:
    if store is None or not name:
        return
    for run in store.runs(name):
        found = run.settings.get("fingerprint")
        # A run of a restricted space is stored under the fingerprint of that.
        if found and found not in (space.fingerprint, space.root.fingerprint):
            raise ResumeError(
                f"name {name!r}: got space {space.name!r} ({space.fingerprint[:12]}); allowed: the space that it has in the store, "
                f"{run.settings.get('space')!r} ({found[:12]}); use another name"
            )
