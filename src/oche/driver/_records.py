"""From the end of a run to its record."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from typing import Any

import oche
from oche import flows, ranks
from oche._pareto import pareto_front
from oche.driver._equal_cost import Price
from oche.driver._incumbents import incumbents
from oche.driver._job import Job, algorithm_text
from oche.errors import ArgumentError
from oche.loop import Plan
from oche.loop.contracts import Cost, Feedback
from oche.loop.registry import canonical, parse
from oche.store.record import Record
from oche.tasks import architecture

#: Algorithms that others are judged by: random search, and the same number of samples for every query.
_BASELINES = ("random", "vanilla")

#: What the loop reads in the info of a proposal; no measurements.
_INFO = ("first", "need", "previous", "continues", "rung", "bracket", "parent", "emitter")

#: A report reads these of a final training's metrics as fields of their own.
_SIZE_METRICS = ("params", "macs")


def recorder(job: Job, algorithm: Any, plan: Plan, kind: str | None = None, policy: Any = None, price: Price | None = None) -> Any:
    text = algorithm_text(algorithm)
    plain = job.flow.name == "joint" and policy is None and not job.helped()
    found = kind or ("random_search" if plain and canonical(parse(text)[0]) in _BASELINES else "search")
    if job.flow.name != "joint":
        text = f"{text} in {flows.text(job.flow)}"
    if job.known is not None and kind is None:
        text = f"{text} after {len(job.known.trials)} known trials"
    if job.prior is not None and kind is None:
        text = f"{text} with a prior"
    if policy is not None:
        text = f"{text} with {policy if isinstance(policy, str) else repr(policy)}"

    def make(run: Any, pick: Any, feedback: Feedback, cost: Mapping[str, Cost]) -> Record:
        return _record(job, text, found, plan, run, pick, feedback, cost, price)

    return make


def _record(
    job: Job,
    algorithm: str,
    kind: str,
    plan: Plan,
    run: Any,
    pick: Any,
    feedback: Feedback,
    cost: Mapping[str, Cost],
    price: Price | None,
) -> Record:
    task, root = job.task, job.space.root
    dna = job.space.lift(pick.dna) if pick is not None else None
    metrics = {**_search_metrics(pick), **{k: v for k, v in feedback.metrics.items() if k not in _SIZE_METRICS}}
    size = {k: int(feedback.metrics[k]) if k in feedback.metrics else None for k in _SIZE_METRICS}
    searched = kind != "random"
    summarize = getattr(task, "summarize", None)
    curves = dict(feedback.curves)
    if summarize is not None:
        # What counts is the whole run: its archive, not its pick.
        more, found = summarize(run.trials if searched else [pick])
        metrics, curves = {**metrics, **more}, {**curves, **found}
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
        curves={**incumbents(job, run, feedback, price), **_search_curves(pick), **curves} if searched else curves,
        **front_of(job, run),
        n_report=getattr(task, "n_report", None),
        settings={**_settings(plan, job, pick, run.seed if not searched else None), **_stopping(plan, run), **_facts(run, pick)},
        env=environment(getattr(task, "device", "cpu"), plan.threads),
        artifacts=feedback.artifacts,
        status="done" if feedback.ok else "failed",
        reason=feedback.reason,
        params=size["params"],
        macs=size["macs"],
    )


def front_of(job: Job, run: Any) -> dict[str, Any]:
    """`objectives` and `front` of a record: what the search measured of the points that nothing dominates; nothing for one objective."""
    trials = [t for t in getattr(run, "trials", ()) if t.phase == "search" and t.feedback is not None]
    vectors = [t for t in trials if isinstance(t.feedback.reward, tuple) and len(t.feedback.reward) > 1]
    if not vectors:
        return {}
    metric = job.task.metric
    unnamed = {metric if not i else f"{metric}_{i}": "max" for i in range(len(vectors[0].feedback.reward))}
    objectives = dict(getattr(job.task, "objectives", unnamed))
    root, front = job.space.root, []
    for i in pareto_front([t.feedback.reward for t in vectors]):
        dna = job.space.lift(vectors[i].dna)
        signs = zip(objectives.items(), vectors[i].feedback.reward, strict=True)
        metrics = {name: value if direction == "max" else -value for (name, direction), value in signs}
        front.append({"metrics": metrics, "dna": list(dna.flat), "arch": architecture(root, dna)})
    return {"objectives": objectives, "front": front}


def _search_metrics(pick: Any) -> dict[str, float]:
    """The search signal of the pick, as `valid`, whichever kind of search it was; with shared weights, their score in percent."""
    if pick is None:
        return {}
    info = {k: v for k, v in pick.proposal.info.items() if k not in _INFO}
    found = {k: float(v) for k, v in info.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    feedback = pick.feedback if pick.phase == "search" else None
    if feedback is not None and feedback.ok:
        found.update(feedback.metrics)
        first = feedback.reward[0] if isinstance(feedback.reward, tuple) else feedback.reward
        if "valid" not in found and isinstance(first, float):
            found["valid"] = first
    if "valid" not in found and "shared_score" in found:
        found["valid"] = 100 * found["shared_score"]
    return found


def _search_curves(pick: Any) -> dict[str, Any]:
    """What a weight-sharing search says of its epochs."""
    return dict(pick.proposal.info.get("curves", {})) if pick is not None else {}


def _settings(plan: Plan, job: Job, pick: Any, draw_seed: int | None) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "flow": flows.text(job.flow),
        "parallel": plan.parallel,
        "order": plan.order,
        "threads": plan.threads,
        "sampler": "uniform-decisions",
        "space_size": job.space.root.size if isinstance(job.space.root.size, int) else None,
        "source": job.source,
    }
    if pick is not None and "splits" in pick.proposal.info:
        settings["splits"] = dict(pick.proposal.info["splits"])
    if job.constraint is not None:
        settings["constraint"] = job.constraint.describe()
    if draw_seed is not None:
        settings["draw_seed"] = draw_seed
        settings["member"] = pick.proposal.id if pick is not None else None
    return settings


def _facts(run: Any, pick: Any) -> dict[str, Any]:
    """What the algorithm says of how it worked: by `facts()`, a dict of JSON values, or with its pick, where it lives in a worker."""
    say = getattr(getattr(run, "algorithm", None), "facts", None)
    told = pick.proposal.info.get("facts", {}) if pick is not None else {}
    return {**(dict(say()) if say is not None else {}), **told}


def _stopping(plan: Plan, run: Any) -> dict[str, Any]:
    """The policy of early stopping, and how many trials it stopped; nothing without one."""
    policy = plan.settings.get("early_stopping")
    return {"early_stopping": policy, "stopped": run.watcher.stopped} if policy is not None else {}


def environment(device: str, threads: int) -> dict[str, Any]:
    """Versions and machine, for records."""
    torch = sys.modules.get("torch")
    return {
        "oche": oche.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__ if torch is not None else None,
        "device": device,
        "threads": threads,
        **({"ranks": ranks.launched()} if ranks.launched() > 1 else {}),
        "machine": platform.machine(),
        "system": platform.system(),
    }


def population(job: Job) -> Record:
    """One record that stands for every member of the space."""
    values = getattr(job.task, "population", None)
    if values is None:
        raise ArgumentError(f"baseline n='all': got task {job.task.name!r}, which trains each member; allowed: tables; give a number")
    members = sorted(values())
    counted: dict[float, int] = {}
    for value in members:
        counted[value] = counted.get(value, 0) + 1
    return Record(
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
