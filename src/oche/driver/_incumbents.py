"""What a search had in hand at any time, for its record: the best so far by its own signal, over what it had spent.

    incumbent valid by trials         the signal of the incumbent (of a function, its value)
    incumbent test by trials          its reported result: where it can be looked up, all the way; else from where the pick was found
    incumbent shared valid by passes  the signal where candidates are scored with shared weights, which is no accuracy of theirs alone

Costs: `trials`, `epochs`, `passes`, `seconds`, as far as they were counted, and `work`: counted work in evaluations of a random member,
which means the same for a search that trains members and for one that trains a supernet.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from oche.driver._equal_cost import Price
from oche.driver._job import Job
from oche.errors import OcheError
from oche.loop import WeightSharingRun
from oche.loop.contracts import Cost, Feedback
from oche.loop.picking import trust
from oche.loop.run import Trial
from oche.program import DNA
from oche.tasks import Benchmarked, Function, Tabular, architecture

logger = logging.getLogger("oche.driver")

Curve = list[list[float]]
_UNITS = ("trials", "epochs", "passes", "seconds")


def incumbents(job: Job, run: Any, feedback: Feedback, price: Price | None) -> dict[str, Curve]:
    """Curves of incumbents of a run that ended.

    Args:
        job: What was searched.
        run: The run.
        feedback: The final result of its pick.
        price: Of a pass of its supernet; None where that is not to be counted.
    """
    if hasattr(job.task, "summarize") or hasattr(job.task, "draw"):
        return {}  # what counts is an archive or a set of samples, which has curves of its own
    if isinstance(run, WeightSharingRun):
        return _shared(job, run, feedback, price)
    return _trained(job, run, feedback)


def _trained(job: Job, run: Any, feedback: Feedback) -> dict[str, Curve]:
    """Of a search that evaluates its candidates one by one."""
    trials = sorted((t for t in run.trials if t.phase == "search" and t.feedback is not None), key=lambda t: t.told or 0)
    if any(isinstance(t.feedback.reward, tuple) and len(t.feedback.reward) > 1 for t in trials):
        return {}  # several objectives have a front
    changes = list(_changes(trials))
    if not changes:
        return {}
    costs = _spent(trials, getattr(job.task, "evaluation_passes", None))
    signal: dict[int, float] = {}
    reported: dict[int, float] = {}
    look_up = _look_up(job)
    for at, best, mean in changes:
        if look_up is not None:
            reported[at] = look_up(best.dna)
        else:
            signal[at] = mean
    metric = job.task.metric
    if isinstance(job.task, Function) and not job.task.seeded:
        reported, signal = signal, {}  # a call like any other is its final result
    elif look_up is None and feedback.ok and metric in feedback.metrics:
        # Of the incumbents before the pick only the signal is known.
        last = changes[-1][1]
        reported = {next(at for at, best, _ in changes if best is last): feedback.metrics[metric]}
    if job.task.direction == "min":
        signal = {}  # a reward, whose sign is turned
    names = {f"incumbent {metric}": reported, "incumbent valid": signal}
    return {f"{name} by {unit}": _curve(cost, values) for name, values in names.items() if values for unit, cost in costs.items()}


def _changes(trials: Sequence[Trial]) -> Iterator[tuple[int, Trial, float]]:
    """Place of the trial, the incumbent, and its mean signal, wherever one of these changes; the last incumbent is the pick."""
    held: dict[tuple[Any, ...], list[float]] = {}
    first: dict[tuple[Any, ...], tuple[int, Trial]] = {}
    highest: tuple[bool, float] | None = None
    best: tuple[Any, ...] = ()
    said: tuple[tuple[Any, ...], float] | None = None

    def worth(key: tuple[Any, ...]) -> tuple[float, int]:
        # Of equal ones the first stays.
        return _mean(held[key]), -first[key][0]

    for at, trial in enumerate(trials):
        assert trial.feedback is not None
        reward = trial.feedback.reward
        if reward is None or (highest is not None and trust(trial) < highest):
            continue
        if highest is None or trust(trial) > highest:
            # Only trials that went equally far are compared.
            highest, held, first = trust(trial), {}, {}
        key = tuple(trial.dna.flat)
        held.setdefault(key, []).append(reward[0] if isinstance(reward, tuple) else reward)
        first.setdefault(key, (at, trial))
        if best not in held or (key != best and worth(key) > worth(best)):
            best = key
        elif key == best:
            best = max(held, key=worth) if len(held[key]) > 1 else best
        if said != (now := (best, worth(best)[0])):
            said = now
            yield at, first[best][1], now[1]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _spent(trials: Sequence[Trial], per_trial: float | None) -> dict[str, list[float]]:
    """Cost spent when each trial was told, by unit; the units that every trial counts."""
    found: dict[str, list[float]] = {unit: [] for unit in _UNITS}
    total = Cost()
    for trial in trials:
        assert trial.feedback is not None
        total += trial.feedback.cost
        for unit in _UNITS:
            found[unit].append(float(getattr(total, unit)))
    found["trials"] = [i + 1.0 for i in range(len(trials))]
    if not total.passes:
        # A table is read in no time.
        return {unit: costs for unit, costs in found.items() if unit == "trials" or (unit == "epochs" and total.epochs)}
    if per_trial:
        found["work"] = [passes / per_trial for passes in found["passes"]]
    return {unit: costs for unit, costs in found.items() if costs[-1]}


def _curve(cost: Sequence[float], values: dict[int, float]) -> Curve:
    points = [[cost[at], value] for at, value in values.items()]
    # Where the search ended, since its last change may be long before.
    return points if points[-1][0] == cost[-1] else [*points, [cost[-1], points[-1][1]]]


def _look_up(job: Job) -> Any:
    """`result(dna)` where the reported result of any point is known; else None."""
    task = job.task.reported if isinstance(job.task, Benchmarked) else job.task
    if not isinstance(task, Tabular):
        return None
    root = job.space.root
    return lambda dna: task.report(architecture(root, job.space.lift(dna)), 0).metrics[task.metric]


def _shared(job: Job, run: WeightSharingRun, feedback: Feedback, price: Price | None) -> dict[str, Curve]:
    """Of a search with shared weights: its scores where it makes any, and the results of what it had in hand where a table knows them."""
    metric, look_up = job.task.metric, _look_up(job)
    held = run.pick.proposal.info.get("in_hand", []) if run.pick is not None else []
    end = run.cost.passes
    curves: dict[str, Curve] = {}
    if scored := [[h["passes"], 100 * h["score"]] for h in held if "score" in h]:
        curves["incumbent shared valid"] = [*scored, [end, scored[-1][1]]]
    if feedback.ok and metric in feedback.metrics:
        found = [[h["passes"], look_up(DNA(tuple(h["dna"]), job.space.fingerprint))] for h in held] if look_up is not None else []
        curves[f"incumbent {metric}"] = [*found, [end, feedback.metrics[metric]]]
    named = {f"{name} by passes": points for name, points in curves.items()} if end else {}
    return {**named, **in_work(named, price)}


def in_work(curves: Mapping[str, Sequence[Sequence[float]]], price: Price | None) -> dict[str, Curve]:
    """Curves by passes of a supernet once more, by counted work; nothing where it cannot be counted."""
    found = {name: points for name, points in curves.items() if name.startswith("incumbent ") and name.endswith(" by passes")}
    if price is None or not found:
        return {}
    try:
        factor = price.per_pass
    except (OcheError, RuntimeError, AttributeError) as error:
        # A run that took days is not lost because its work cannot be counted here.
        logger.warning("the work of a pass cannot be counted, so incumbents are over passes alone: %s", error)
        return {}
    if not math.isfinite(factor):
        return {}
    return {f"{name.removesuffix('passes')}work": [[c * factor, v] for c, v in points] for name, points in found.items()}
