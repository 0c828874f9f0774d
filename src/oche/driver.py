"""`search` and `baseline`: the only place that knows programs, algorithms, tasks, flows, budgets, stores and executors at once.

It joins them and keeps nothing of its own: runs live in the loop, records in the store. Whatever the algorithm, a search of networks
ends in one final training of its pick, by the recipe that random members of the same space are trained by.
"""

from __future__ import annotations

import inspect
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, overload

import oche
from oche import algorithms, flows
from oche.errors import ArgumentError, BudgetError, ResumeError, SpaceError
from oche.files import digest
from oche.loop import AskTellRun, Engine, Plan, WeightSharingRun, Workbench, make_executor
from oche.loop.contracts import Budget, Cost, Feedback
from oche.loop.registry import canonical, parse
from oche.loop.workbench import as_factory
from oche.program import DNA, Space, as_space
from oche.seeds import derive
from oche.store import as_store
from oche.store.record import Record
from oche.store.store import BaseStore
from oche.tasks import as_task
from oche.tasks._children import architecture

#: Search signals of a pick, the first that there is: of its own training, or of its path in a trained supernet.
_SIGNALS = ("valid", "shared_score")

#: A report reads these of a final training's metrics as fields of their own.
_SIZE_METRICS = ("params", "macs")


@dataclass(frozen=True)
class Found:
    """What a search found.

    Args:
        space: The root space.
        dna: The point.
        record: The record of its final training.
        final: Arguments with which the final network is built.
    """

    space: Space
    dna: DNA
    record: Record
    final: Mapping[str, Any] = field(default_factory=dict)

    @property
    def decisions(self) -> dict[str, Any]:
        """Labels by key."""
        return self.space.decisions(self.dna)

    @property
    def arch(self) -> str:
        """The architecture in text form."""
        return architecture(self.space, self.dna)

    def build(self, seed: int = 0, final: bool = True) -> Any:
        """The program of the point with fresh weights, in its final size by default."""
        return self.space.build(self.dna, seed=seed, **(self.final if final else {}))


class Runs(Sequence[Any]):
    """All runs of one algorithm, one per seed, as `search` and `baseline` return them.

    Items have `.trials`, `.pick`, `.cost`, `.records`, `.status` and `.seed`; see `oche.loop.Run`.
    """

    def __init__(self, runs: Sequence[Any], space: Space, task: Any, algorithm: Any, budget: Budget | None) -> None:
        self.runs = list(runs)
        self.space = space
        self.task = task
        self.algorithm = algorithm
        self.budget = budget
        self._extra: list[Record] = []

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        return self.runs[index]

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def records(self) -> list[Record]:
        """The records of all runs, in the order of seeds."""
        return [*self._extra, *(record for run in self.runs for record in run.records)]

    @property
    def cost(self) -> Cost:
        """What all searches spent together."""
        return sum((run.cost for run in self.runs), Cost())

    @property
    def best(self) -> Found:
        """The pick with the best search signal (never the best test result: that would be choosing on test data).

        Raises:
            ArgumentError: no run found anything.
        """
        done = [r for r in self.records if r.status == "done" and r.dna is not None]
        if not done:
            reasons = "; ".join(f"seed {run.seed}: {run.reason or 'no pick'}" for run in self.runs)
            raise ArgumentError(f"best: got no finished search ({reasons}); allowed: at least one")
        record = max(done, key=lambda r: next((r.metrics[k] for k in _SIGNALS if k in r.metrics), float("-inf")))
        root = self.space.root
        assert record.dna is not None
        return Found(root, DNA(record.dna, root.fingerprint), record, getattr(self.task, "final", {}))

    def equal_budget(self) -> Budget:
        """The budget with which random search spends as much as these runs did, always the same for the same runs.

        A declared budget in trials or seconds is taken over. A weight-sharing search is priced in trials: its counted work (operator
        calls and arithmetic, see `oche.training.Work`), divided by the counted work of evaluating a random member.

        Raises:
            BudgetError: nothing was spent, or the work cannot be counted.
        """
        declared = self.budget.limits() if self.budget else {}
        if declared and set(declared) <= {"trials", "seconds", "cpu_seconds"}:
            return Budget.from_json(declared)
        if any(isinstance(run, WeightSharingRun) for run in self.runs):
            return Budget(trials=_equal_trials(self))
        spent = [run.cost.trials for run in self.runs if run.cost.trials]
        if not spent:
            raise BudgetError("equal budget: got runs that spent nothing; allowed: runs that ended")
        return Budget(trials=max(1, round(sum(spent) / len(spent))))

    def __repr__(self) -> str:
        done = sum(run.status == "done" for run in self.runs)
        return f"Runs({_algorithm_text(self.algorithm)} on {self.space.name}, {done} of {len(self.runs)} done)"


def search(
    program: Any,
    algorithm: Any,
    task: Any,
    flow: Any = None,
    budget: Budget | None = None,
    seeds: int | Sequence[int] = 1,
    store: str | os.PathLike[str] | BaseStore | None = None,
    executor: Any = "serial",
    parallel: int = 1,
    *,
    workers: int | None = None,
    threads: int = 1,
    limits: Any = None,
    order: str = "ask",
    name: str = "",
    progress: bool = True,
    **arguments: Any,
) -> Runs:
    """Search a program with choices, once per seed.

    Args:
        program: A class, function, node or container with choices; a `Space`; or the name of a ready-made space.
        algorithm: Settings text such as `pc-darts?k=4`, or an algorithm.
        task: A task, its text form, or a function of a child whose result is maximized.
        flow: How decisions are divided between searches; None: one search over all of them.
        budget: What each run may spend. None: the algorithm's own plan, if it has one.
        seeds: A count, or a list of seeds.
        store: A file, a database URL or a store. A search that the store knows goes on where it was.
        executor: `serial`, `processes` or `ray`, or an executor.
        parallel: Proposals of one run in flight. The number of workers changes no result; this does, and is recorded.
        workers: Worker processes; by default one per processor.
        threads: Threads per trial; recorded, since results are equal bit for bit at equal threads only.
        limits: Seconds and memory per trial, see `oche.loop.Limits`.
        order: `ask`, or `arrival` for speed without reproducibility.
        name: What the store calls it.
        progress: Show a progress bar where there is a terminal.
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
    job = _Job(program, task, flow, arguments)
    make = _checked_factory(algorithm)
    shares_weights = hasattr(make(), "advance")
    if shares_weights and not hasattr(job.task, "problem"):
        raise ArgumentError(
            f"algorithm {_algorithm_text(algorithm)!r}: got task {job.task.name!r}, without losses; allowed: tasks that train networks"
        )
    with _opened(store) as opened:
        _check_name(opened, name, job.space.root)
        runs = []
        for seed in _seed_list(seeds):
            settings = job.identity(_algorithm_text(algorithm), "search")
            plan = Plan(seed, budget, settings, name, parallel, order, threads)
            record = _recorder(job, algorithm, plan)
            if shares_weights:
                log = plan.open(WeightSharingRun.kind, opened)
                folder = opened.checkpoint_dir(plan.id) if opened is not None else None
                runs.append(WeightSharingRun(job.space, plan, log, folder, make_record=record))
            else:
                runs.append(AskTellRun(job.space, make(), plan, plan.open(AskTellRun.kind, opened), make_record=record))
        pool = make_executor(executor, workers=workers, limits=limits, threads=threads)
        bench = Workbench(job.space, job.task, algorithm if shares_weights else None)
        title = f"{name or job.space.name} · {_algorithm_text(algorithm)}"
        Engine(runs, pool, bench, title=title, quiet=not progress).run()
    return Runs(runs, job.space, job.task, algorithm, budget)


def baseline(
    program: Any,
    task: Any,
    n: int | str = 8,
    *,
    seed: int = 0,
    store: str | os.PathLike[str] | BaseStore | None = None,
    executor: Any = "serial",
    parallel: int | None = None,
    workers: int | None = None,
    threads: int = 1,
    limits: Any = None,
    name: str = "",
    progress: bool = True,
    **arguments: Any,
) -> Runs:
    """Random members of the space, each trained like the pick of a search: what "better than random" is measured against.

    Args:
        program: As in `search`; give the very same one.
        task: As in `search`.
        n: How many members; or `all`, the exact distribution over the whole space, where the task knows it (tables).
        seed: Root of the draws and trainings.
        store, executor, workers, threads, limits, name, progress, arguments: As in `search`.
        parallel: Members in flight; None: all of them, since they do not depend on each other.

    Source: Yang et al. 2020, section 2; 8 members are theirs.
    """
    job = _Job(program, task, None, arguments)
    if n == "all":
        return _population(job)
    if isinstance(n, (str, bool)) or n < 2:
        raise ArgumentError(f"baseline n: got {n!r}; allowed: a whole number from 2, or 'all'")
    with _opened(store) as opened:
        _check_name(opened, name, job.space.root)
        settings = job.identity("random", "baseline")
        plan = Plan(seed, Budget(trials=n), settings, name, parallel or n, "ask", threads)
        make = as_factory("random")
        run = AskTellRun(
            job.space,
            make(),
            plan,
            plan.open(AskTellRun.kind, opened),
            mode="baseline",
            make_record=_recorder(job, "random", plan, kind="random"),
        )
        pool = make_executor(executor, workers=workers, limits=limits, threads=threads)
        title = f"{name or job.space.name} · random members"
        Engine([run], pool, Workbench(job.space, job.task), title=title, quiet=not progress).run()
    return Runs([run], job.space, job.task, "random", Budget(trials=n))


class _Job:
    """Program, task and flow, made to fit each other."""

    def __init__(self, program: Any, task: Any, flow: Any, arguments: Mapping[str, Any]) -> None:
        self.task = as_task(task)
        self.flow = flows.get(flow)
        space = _space_of(program, arguments)
        missing = self.task.arguments(space) if hasattr(self.task, "arguments") else {}
        if missing:
            space = space.with_arguments(**missing)
        if not space.points:
            raise SpaceError(f"program {space.name!r}: got no choices; allowed: a program with at least one, see oche.oneof")
        self.space = self.flow.space(space)
        self.source = _source_digest(space.program)

    def protocol(self) -> dict[str, Any]:
        """What records must share to be compared: the task, and the size of the program."""
        return {**self.task.describe(), "arguments": _plain_arguments(self.space.arguments)}

    def identity(self, algorithm: str, mode: str) -> dict[str, Any]:
        """What makes two runs the same run, apart from seed and budget."""
        return {
            "mode": mode,
            "space": self.space.name,
            "fingerprint": self.space.fingerprint,
            "source": self.source,
            "algorithm": algorithm,
            "flow": self.flow.name,
            "protocol": self.protocol(),
        }


def _space_of(program: Any, arguments: Mapping[str, Any]) -> Space:
    if isinstance(program, str):
        from oche import spaces

        return spaces.get(program, **arguments)
    if isinstance(program, Space):
        return program.with_arguments(**arguments) if arguments else program
    return as_space(program, **arguments)


def _recorder(job: _Job, algorithm: Any, plan: Plan, kind: str | None = None) -> Any:
    text = _algorithm_text(algorithm)
    found = kind or ("random_search" if canonical(parse(text)[0]) == "random" else "search")

    def make(run: Any, pick: Any, feedback: Feedback, cost: Mapping[str, Cost]) -> Record:
        return _record(job, text, found, plan, run, pick, feedback, cost)

    return make


def _record(job: _Job, algorithm: str, kind: str, plan: Plan, run: Any, pick: Any, feedback: Feedback, cost: Mapping[str, Cost]) -> Record:
    task, root = job.task, job.space.root
    dna = job.space.lift(pick.dna) if pick is not None else None
    metrics = {**_search_metrics(pick), **{k: v for k, v in feedback.metrics.items() if k not in _SIZE_METRICS}}
    size = {k: int(feedback.metrics[k]) if k in feedback.metrics else None for k in _SIZE_METRICS}
    searched = kind != "random"
    return Record(
        kind=kind,
        algorithm=algorithm,
        space=job.space.name,
        fingerprint=root.fingerprint,
        task=task.name,
        protocol=job.protocol(),
        metric=task.metric,
        direction=task.direction,
        unit=task.unit,
        metrics=metrics,
        search_seed=run.seed if searched else None,
        train_seed=run.report_seed(pick.dna, 0 if searched else pick.replicate) if pick is not None else None,
        dna=list(dna.flat) if dna is not None else None,
        arch=architecture(root, dna) if dna is not None else None,
        decisions=root.decisions(dna) if dna is not None else {},
        budget=plan.budget.to_json() if plan.budget and searched else {},
        cost={part: spent.to_json() for part, spent in cost.items()},
        curves=feedback.curves,
        n_report=getattr(task, "n_report", None),
        settings=_settings(plan, job, pick, run.seed if not searched else None),
        env=environment(getattr(task, "device", "cpu"), plan.threads),
        artifacts=feedback.artifacts,
        status="done" if feedback.ok else "failed",
        reason=feedback.reason,
        params=size["params"],
        macs=size["macs"],
    )


def _search_metrics(pick: Any) -> dict[str, float]:
    """The search signal of the pick, as `valid`, whichever kind of search it was."""
    if pick is None:
        return {}
    found = {k: float(v) for k, v in pick.proposal.info.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    feedback = pick.feedback if pick.phase == "search" else None
    if feedback is not None and feedback.ok:
        found.update(feedback.metrics)
        if "valid" not in found and isinstance(feedback.reward, float):
            found["valid"] = feedback.reward
    return found


def _settings(plan: Plan, job: _Job, pick: Any, draw_seed: int | None) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "flow": job.flow.name,
        "parallel": plan.parallel,
        "order": plan.order,
        "threads": plan.threads,
        "sampler": "uniform-decisions",
        "space_size": job.space.root.size if isinstance(job.space.root.size, int) else None,
        "source": job.source,
    }
    if draw_seed is not None:
        settings["draw_seed"] = draw_seed
        settings["member"] = pick.proposal.id if pick is not None else None
    return settings


def _population(job: _Job) -> Runs:
    """One record that stands for every member of the space."""
    values = getattr(job.task, "population", None)
    if values is None:
        raise ArgumentError(f"baseline n='all': got task {job.task.name!r}, which trains each member; allowed: tables; give a number")
    members = sorted(values())
    counted: dict[float, int] = {}
    for value in members:
        counted[value] = counted.get(value, 0) + 1
    record = Record(
        kind="population",
        algorithm="random",
        space=job.space.name,
        fingerprint=job.space.root.fingerprint,
        task=job.task.name,
        protocol=job.protocol(),
        metric=job.task.metric,
        direction=job.task.direction,
        unit=job.task.unit,
        metrics={job.task.metric: sum(members) / len(members)},
        curves={"members": [[count, value] for value, count in counted.items()]},
        settings={"members": len(members), "sampler": "all members"},
        env=environment("cpu", 1),
    )
    runs = Runs([], job.space, job.task, "random", None)
    runs._extra.append(record)
    return runs


def _equal_trials(runs: Runs) -> int:
    """Trials of random search that are as much counted work as a mean weight-sharing run."""
    from oche.training import count_work

    passes = [run.cost.passes for run in runs.runs if run.cost.passes]
    per_trial = getattr(runs.task, "evaluation_passes", None)
    if not passes or per_trial is None:
        raise BudgetError(f"equal budget: got task {runs.task.name!r}, whose passes are not known; allowed: give random search a budget")
    problem = runs.task.problem(0)
    algorithm = as_factory(runs.algorithm)()
    algorithm.setup(runs.space, problem, 0, runs.runs[0].first_budget)
    batch = next(iter(problem.batches("train", 0, 0)))

    def one_pass(network: Any) -> float:
        problem.loss(network, batch)  # a supernet checks shapes in its first pass
        return count_work(lambda: problem.loss(network, batch).backward()).units

    shared = one_pass(algorithm.network)
    members = [one_pass(runs.space.build(runs.space.sample(derive(0, "work", i)))) for i in range(8)]
    return max(1, round(sum(passes) / len(passes) * shared / (per_trial * sum(members) / len(members))))


def environment(device: str, threads: int) -> dict[str, Any]:
    """Versions and machine, for records."""
    torch = sys.modules.get("torch")
    return {
        "oche": oche.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__ if torch is not None else None,
        "device": device,
        "threads": threads,
        "machine": platform.machine(),
        "system": platform.system(),
    }


def _checked_factory(algorithm: Any) -> Any:
    if isinstance(algorithm, str):
        algorithms.get(algorithm)  # a wrong name or setting stops here, before anything is spent
    return as_factory(algorithm)


def _algorithm_text(algorithm: Any) -> str:
    """The algorithm as a record names it: `name` or `name?key=value` with the registered name."""
    if isinstance(algorithm, str):
        name, settings = parse(algorithm)
        name = algorithms.registry.entry(name).name
    else:
        kind = algorithm if isinstance(algorithm, type) else type(algorithm)
        name = getattr(algorithm, "name", None) or kind.__name__
        settings = {} if isinstance(algorithm, type) else dict(getattr(algorithm, "settings", {}))
    shown = "&".join(f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in sorted(settings.items()) if v is not None)
    return f"{name}?{shown}" if shown else name


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
        if found and found != space.fingerprint:
            raise ResumeError(
                f"name {name!r}: got space {space.name!r} ({space.fingerprint[:12]}); allowed: the space that it has in the store, "
                f"{run.settings.get('space')!r} ({found[:12]}); use another name"
            )


def _plain_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v if isinstance(v, (bool, int, float, str, type(None))) else repr(v) for k, v in sorted(arguments.items())}


def _source_digest(program: Any) -> str | None:
    """Hash of the program's source text, None where there is none to read (interactive sessions, data)."""
    try:
        return digest(inspect.getsource(program))[:16]
    except (TypeError, OSError):
        return None
