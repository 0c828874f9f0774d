"""`oche.sample`: the search as a plain loop in the user's own code.

The bookkeeping is that of every other search (`AskTellRun`): same proposals for the same seed, budgets, store, resume.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from oche.errors import ArgumentError, FeedbackError, MissingFeedback, ResumeError, SkipTrial, SpaceError
from oche.loop.asktell_run import AskTellRun
from oche.loop.constraints import as_constraint, constrained
from oche.loop.contracts import Budget, Feedback
from oche.loop.gates import Policy
from oche.loop.priors import as_prior, with_prior
from oche.loop.registry import canonical, parse
from oche.loop.reports import Reports, Watch
from oche.loop.run import Plan, Trial
from oche.loop.stopping import as_policy
from oche.loop.warm_start import known_trials, warm_started
from oche.loop.watcher import Watcher
from oche.loop.workbench import as_factory, as_feedback, reported, skipped
from oche.program import Space, as_space
from oche.store.store import BaseStore, as_store

logger = logging.getLogger("oche.loop")


class TrialFeedback:
    """What the loop's body calls, exactly once, to end its trial.

    Example:
        >>> feedback(0.93)  # the reward
        >>> feedback.skip("known already")
        >>> feedback.fail(error)
    """

    def __init__(self, run: AskTellRun, trial: Trial) -> None:
        self._run = run
        self._reports = Reports(run.watcher.watch(trial) or Watch(trial.proposal.id))
        self.trial = trial
        self.feedback: Feedback | None = None

    @property
    def dna(self) -> Any:
        """The point of the space."""
        return self.trial.dna

    @property
    def number(self) -> int:
        """Number of the proposal, from 0."""
        return self.trial.proposal.id

    @property
    def seed(self) -> int:
        """A seed for the evaluation, equal in every run that meets this point with the same root seed."""
        return self.trial.seed

    @property
    def fidelity(self) -> float | None:
        """Step (epoch) to end at, where the algorithm chooses it, as `asha` does; None for the whole way."""
        return self._reports.fidelity

    @property
    def previous(self) -> float:
        """Step that an earlier trial of this point went to, 0 for none; with its state kept, go on from there."""
        return self._reports.previous

    @property
    def continues(self) -> int | None:
        """Number of the trial that went to `previous`; None for none."""
        return self.trial.proposal.info.get("continues")

    def __call__(self, reward: float | tuple[float, ...] | Feedback, **metrics: float) -> None:
        """End the trial with a reward (to be maximized), or with a whole feedback.

        Raises:
            FeedbackError: the reward is not finite, or the trial has ended already.
        """
        if isinstance(reward, Feedback):
            self._end(reward)
            return
        # NumPy and torch scalars become plain numbers.
        value = tuple(float(r) for r in reward) if isinstance(reward, (tuple, list)) else float(reward)
        self._end(Feedback(reward=value, metrics=metrics))

    def report(self, metrics: Mapping[str, float] | float, step: float) -> None:
        """Keep intermediate numbers of the trial; it goes on.

        Args:
            metrics: Named numbers, or one number, which is called `reward`.
            step: Where in the trial, for example the epoch.
        """
        if self.feedback is not None:
            raise FeedbackError(f"trial {self.number}: got a report after its end; allowed: reports before the one call that ends it")
        named = metrics if isinstance(metrics, Mapping) else {"reward": metrics}
        self._run.measure(self.trial, step, {k: float(v) for k, v in named.items()})
        if "reward" in named:
            self._reports.report(float(named["reward"]), step)

    def should_stop(self) -> bool:
        """Whether to end this trial now; ask after a report of `reward`, then give the reward so far.

        True where the early stopping of the loop says so, judged against the trials that ended before, and where `fidelity` is reached.
        """
        return self._reports.should_stop()

    def skip(self, reason: str = "") -> None:
        """End the trial without a result."""
        self._end(Feedback(status="skipped", reason=reason))

    def fail(self, error: BaseException | str = "") -> None:
        """End the trial as failed."""
        self._end(Feedback(status="failed", reason=error if isinstance(error, str) else f"{type(error).__name__}: {error}"))

    def _end(self, feedback: Feedback) -> None:
        if self.feedback is not None:
            raise FeedbackError(
                f"trial {self.number}: got a second feedback; allowed: one call per trial, of feedback(...), .skip() or .fail()"
            )
        self.feedback = reported(as_feedback(feedback), self._reports)


def describe_algorithm(algorithm: Any) -> str:
    """The settings text of an algorithm, equal for equal settings: `name?key=value`.

    Args:
        algorithm: Settings text, or an object, which may have `settings`, a dict of JSON values.
    """
    if isinstance(algorithm, str):
        name, settings = parse(algorithm)
    else:
        kind = algorithm if isinstance(algorithm, type) else type(algorithm)
        name = f"{kind.__module__}.{kind.__qualname__}"
        found = {} if isinstance(algorithm, type) else getattr(algorithm, "settings", {})
        settings = dict(found) if isinstance(found, Mapping) else {}
        if kind.__module__.startswith("oche.algorithms."):
            name = canonical(kind.__module__.rpartition(".")[2])
    text = "&".join(f"{k}={json.dumps(v, sort_keys=True)}" for k, v in sorted(settings.items()) if v is not None)
    return canonical(name) + (f"?{text}" if text else "")


def sample(
    space: Space | Any,
    algorithm: Any = "random",
    n: int | None = None,
    seed: int = 0,
    store: BaseStore | str | os.PathLike[str] | None = None,
    name: str | None = None,
    resume: bool = True,
    where: Any = None,
    constraint: Any = None,
    early_stopping: Policy | str | None = None,
    warm_start: Any = None,
    prior: Any = None,
) -> Iterator[tuple[Any, TrialFeedback]]:
    """Go through children of a program, chosen by an algorithm that learns from your feedback.

    Args:
        space: A space, or a program with choices.
        algorithm: A name such as `regularized-evolution?population=20`, or an algorithm.
        n: Number of trials in all, those of earlier sessions included. None only for an algorithm that ends by itself.
        seed: Root seed: equal seeds give equal proposals for equal feedback.
        store: Where to keep the trials; None keeps nothing.
        name: What to call the run in the store. The same name goes on where it stopped.
        resume: False refuses a name that the store has.
        where: Search only these choices, see `Space.where`; children then have the others still open.
        constraint: What children must be like: a `Constraint`, its arguments as a dict, or a predicate of a child. Others are never
            yielded and do not count.
        early_stopping: A policy or its text, such as `asha?min=1&eta=3` or `gates?rank=3:0.5`; `feedback.should_stop()` then answers from
            the reported `reward`.
        warm_start: Trials that were made before, which the algorithm learns first, see `oche.loop.known_trials`; not among the `n`.
        prior: Beliefs about good values by key, or a JSON file with them, see `oche.loop.Prior`.

    Yields:
        The child (built with a seed of its own), and the feedback to call once.

    Raises:
        SpaceError: the program has no choices.
        MissingFeedback: the loop went on without feedback.
        FeedbackError: a reward is not finite, or a trial got two feedbacks.
        ResumeError: the name belongs to a run of another space, algorithm or seed.

    Example:
        >>> for child, feedback in sample({"x": oneof([1, 2, 3])}, "random", n=10):
        ...     feedback(child["x"])
    """
    found = as_space(space)
    if where is not None:
        found = found.where(where)
    if not found.points:
        raise SpaceError(f"program {found.name!r}: got no choices; allowed: a program with at least one oneof, manyof, floatv or intv")
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
        raise ArgumentError(f"n: got {n!r}; allowed: a whole number above 0")
    opened = as_store(store)
    limits = as_constraint(constraint)
    policy = as_policy(early_stopping)
    beliefs, known = as_prior(prior), known_trials(warm_start, found, opened, name or "")
    told = {"constraint": limits, "warm_start": known, "prior": beliefs}
    plan = _plan(found, algorithm, n, seed, name, {k: v.describe() for k, v in told.items() if v is not None}, policy)
    if opened is not None and name is not None:
        _check_name(opened, plan, found)
    made = constrained(with_prior(warm_started(as_factory(algorithm)(), known), beliefs), limits)
    run = AskTellRun(found, made, plan, plan.open(AskTellRun.kind, opened, resume), mode="loop", watcher=Watcher(policy))
    return _loop(run, opened if opened is not store else None)


def _plan(space: Space, algorithm: Any, n: int | None, seed: int, name: str | None, told: Mapping[str, Any], policy: Policy | None) -> Plan:
    text = describe_algorithm(algorithm)
    settings = {"kind": "sample", "name": name, "space": space.name, "fingerprint": space.fingerprint, "algorithm": text, **told}
    if policy is not None:
        settings["early_stopping"] = repr(policy)
    return Plan(seed, Budget(trials=n) if n is not None else None, settings, name or f"{space.name}/{text}")


def _check_name(store: BaseStore, plan: Plan, space: Space) -> None:
    for row in store.runs(plan.name):
        old, new = row.settings, plan.settings
        if old.get("fingerprint") != new["fingerprint"]:
            raise ResumeError(
                f"name {plan.name!r}: got space {space.name!r} ({space.fingerprint[:12]}); allowed: {old.get('space')!r} "
                f"({str(old.get('fingerprint'))[:12]}), which the store holds under this name; choose another name"
            )
        if old.get("algorithm") != new["algorithm"]:
            raise ResumeError(
                f"name {plan.name!r}: got algorithm {new['algorithm']!r}; allowed: {old.get('algorithm')!r}, as at its start; "
                "choose another name"
            )
        for part in ("constraint", "early_stopping", "warm_start", "prior"):
            if old.get(part) != new.get(part):
                raise ResumeError(
                    f"name {plan.name!r}: got {part.replace('_', ' ')} {new.get(part)}; allowed: {old.get(part)}, as at its start; "
                    "choose another name"
                )


def _loop(run: AskTellRun, owned: BaseStore | None) -> Iterator[tuple[Any, TrialFeedback]]:
    current: TrialFeedback | None = None
    space = run.space
    try:
        if run.done or run.waiting is None:
            logger.info("run %s (%s) has its %d trials already", run.id, run.plan.name, run.told)
        while (trial := run.waiting) is not None:
            try:
                child = space.decode(trial.dna, seed=trial.seed)
            except SkipTrial as error:
                _take(run, skipped(error))
                continue
            current = TrialFeedback(run, trial)
            yield child, current
            if current.feedback is None:
                raise MissingFeedback(
                    f"trial {current.number}: got no feedback before the next one; "
                    "allowed: one call of feedback(reward), .skip() or .fail() per trial"
                )
            ended, current = current.feedback, None
            _take(run, ended)
            run.log.maybe_flush()
        run.next_work()
    finally:
        # `break` right after the feedback: the trial has ended and counts.
        if current is not None and current.feedback is not None:
            _take(run, current.feedback)
        if not run.done:
            run.log.close()
        if owned is not None:
            owned.close()


def _take(run: AskTellRun, feedback: Feedback) -> None:
    if feedback.cost.trials != 1:
        feedback = replace(feedback, cost=replace(feedback.cost, trials=1))
    try:
        run.take_waiting(feedback)
    except BaseException:
        # Cut off half-way: the state of the algorithm is not written, but replayed from the log.
        run.log.snapshot = None
        raise
