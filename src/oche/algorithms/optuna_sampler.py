"""Samplers of Optuna as algorithms: `optuna:tpe`, `optuna:gp`, `optuna:cmaes` and the others, by ask and tell.

A study in memory holds all trials. Each ask gets a new sampler with a seed of its own, drawn from the stream of that ask, so nothing
random lives on in a sampler, and a resumed search goes on as if it had never stopped. What a sampler writes beside its trials (generations,
parents) is kept with them; CMA-ES keeps its distribution pickled there, which is never stored: its asks are repeated instead.
"""

from __future__ import annotations

import importlib.util
import inspect
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from oche.algorithms._optuna_parameters import Parameters, known
from oche.errors import ArgumentError, MissingExtraError, ResumeError, unknown
from oche.loop.contracts import Budget, Feedback, Proposal
from oche.program import DNA, Space

#: Name here to the class in `optuna.samplers`.
SAMPLERS = {
    "tpe": "TPESampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "nsgaii": "NSGAIISampler",
    "nsgaiii": "NSGAIIISampler",
    "random": "RandomSampler",
    "qmc": "QMCSampler",
}
_SINGLE = ("cmaes",)
_WARN = ("cmaes", "gp", "qmc")


class OptunaSampler:
    """Any sampler of Optuna as an ask-and-tell algorithm.

    Conditional points become conditional suggestions, distinct picks are suggested by their Lehmer code (slot i in [0, n - i)). Several
    objectives work where the sampler takes them. A trial that was stopped early, or skipped, counts as pruned in the study, a failed one
    as failed. Records say how many suggestions were made independently of the others, and for which decisions.

    Args:
        sampler: `tpe`, `gp`, `cmaes`, `nsgaii`, `nsgaiii`, `random` or `qmc`; or a function of a seed that makes a sampler.
        **settings: Arguments of the sampler's class, for example `multivariate=True`.

    Raises:
        MissingExtraError: Optuna is not installed.
        UnknownNameError: no such sampler, or no such setting of it.

    Source: Optuna (Akiba et al. 2019), its ask-and-tell interface; a seed per ask and resuming are ours.
    """

    def __init__(self, sampler: str | Callable[[int], Any] = "tpe", **settings: Any) -> None:
        check_installed(sampler)
        self.sampler, self._given = sampler, settings
        self.name = f"optuna:{sampler if isinstance(sampler, str) else getattr(sampler, '__qualname__', type(sampler).__name__)}"
        self._check()

    def _check(self) -> None:
        """Make one sampler, so that a wrong setting stops here."""
        if not isinstance(self.sampler, str):
            if self._given:
                raise ArgumentError(
                    f"algorithm {self.name!r}: got settings {sorted(self._given)}; allowed: with the name of a sampler only"
                )
            return
        if self.sampler not in SAMPLERS:
            raise unknown("sampler of Optuna", self.sampler, SAMPLERS)
        allowed = self._accepted() - {"seed", "independent_sampler"}
        for key in self._given:
            if key not in allowed:
                raise unknown(f"setting of algorithm {self.name!r}", key, allowed)
        try:
            self._make(0, 0)
        except (ValueError, TypeError) as error:
            raise ArgumentError(f"algorithm {self.name!r}: got {self._given}; allowed: what Optuna takes ({error})") from error

    def _accepted(self) -> set[str]:
        import optuna

        return set(inspect.signature(getattr(optuna.samplers, SAMPLERS[str(self.sampler)])).parameters)

    @property
    def settings(self) -> dict[str, Any]:
        """What makes two algorithms of this class the same."""
        return {k: v if isinstance(v, (bool, int, float, str, type(None), list, dict)) else repr(v) for k, v in self._given.items()}

    def _make(self, seed: int, root: int) -> Any:
        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            if not isinstance(self.sampler, str):
                return self.sampler(seed)
            given = dict(self._given)
            if self.sampler in _WARN:
                # Records count such suggestions; a line on stderr for each of them does not.
                given.setdefault("warn_independent_sampling", False)
            if self.sampler == "qmc":
                # The sequence is one for the whole run: its scrambling has the run's seed, not that of the ask.
                given |= {"independent_sampler": optuna.samplers.RandomSampler(seed=seed), "warn_asynchronous_seeding": False}
                return optuna.samplers.QMCSampler(seed=root, **given)
            return getattr(optuna.samplers, SAMPLERS[self.sampler])(seed=seed, **given)

    # -- the study ----------------------------------------------------------------------------------------------------------

    def setup(self, space: Space, rng: np.random.Generator, budget: Budget | None = None) -> None:
        """Start on `space`.

        Raises:
            ArgumentError: a decision is text.
        """
        self._space, self._rng = space, rng
        self.parameters = Parameters(space)
        self._root: int | None = None
        self._asked = 0
        # What happened, in order: asks, trials that were not asked for, and tells. It is the state, and the study follows from it.
        self._events: list[list[Any]] = []
        self._trials: dict[int, int] = {}
        self._suggested = 0
        self._alone: Counter[str] = Counter()
        self._objectives = 0
        self._open_study(1)

    def _open_study(self, objectives: int) -> None:
        import optuna

        self._storage = optuna.storages.InMemoryStorage()
        with quiet():
            direction = optuna.study.StudyDirection.MAXIMIZE
            self._study_id = self._storage.create_new_study([direction] * objectives, study_name=self._space.name)
            self.study = optuna.study.Study(self._space.name, self._storage, sampler=self._make(0, 0))

    def ask(self, n: int) -> list[Proposal]:
        """`n` proposals, each from a sampler with a seed of its own."""
        made = []
        for _ in range(n):
            if self._root is None:
                self._root = int(self._rng.integers(2**31 - 1))
            seed = int(self._rng.integers(2**31 - 1))
            number, flat, alone = self._suggest(seed)
            self._trials[self._asked] = number
            info = {"independent": alone} if alone else {}
            made.append(Proposal(self._asked, DNA.trusted(flat, self._space.fingerprint), info=info))
            self._asked += 1
        return made

    def _suggest(self, seed: int) -> tuple[int, tuple[Any, ...], list[str]]:
        """A new trial of the study: its number, its point, and what was suggested independently beside a joint suggestion."""
        assert self._root is not None
        self.study.sampler = _keep_search_space(self.study.sampler, self._make(seed, self._root))
        trial = self.study.ask()
        joint = trial.relative_params
        alone = []

        def take(name: str, distribution: Any, point: Any) -> Any:
            if not distribution.single():
                self._suggested += 1
                if name not in joint:
                    self._alone[name] += 1
                    alone.append(name)
            if point.kind == "categorical":
                return trial.suggest_categorical(name, distribution.choices)
            suggest = trial.suggest_float if point.kind == "float" else trial.suggest_int
            step = {} if point.kind == "float" or distribution.log else {"step": distribution.step}
            return suggest(name, distribution.low, distribution.high, log=distribution.log, **step)

        try:
            flat = self.parameters.read(take)
        except ValueError as error:
            raise ArgumentError(f"algorithm {self.name!r} on space {self._space.name!r}: {error}; use another sampler") from error
        attrs = {} if self._repeats else dict(self._storage.get_trial_system_attrs(trial._trial_id))
        self._events.append(["ask", seed, dict(trial.params), attrs])
        return trial.number, flat, alone if joint else []

    @property
    def _repeats(self) -> bool:
        # What CMA-ES, or a sampler that is not ours to know, keeps beside its trials is not plain data.
        return self.sampler == "cmaes" or not isinstance(self.sampler, str)

    # -- what comes back ----------------------------------------------------------------------------------------------------

    def tell(self, results: Sequence[tuple[int, Feedback]]) -> None:
        """Finish trials of the study.

        Raises:
            ArgumentError: a result for a proposal that was not asked, or a number of objectives that does not fit.
        """
        for number, feedback in results:
            trial = self._trials.pop(number, None)
            if trial is None:
                raise ArgumentError(f"tell: got proposal {number}; allowed: one that was asked and not told yet")
            event = ["tell", trial, *self._outcome(feedback)]
            self._finish(event)
            self._events.append(event)

    def learn(self, dna: DNA, feedback: Feedback) -> None:
        """Add a trial to the study that was not asked for."""
        event = ["learn", self.parameters.values(dna.flat), *self._outcome(feedback)]
        self._add(event[1], {})
        self._finish(["tell", len(self.study.get_trials(deepcopy=False)) - 1, *event[2:]])
        self._events.append(event)

    def _outcome(self, feedback: Feedback) -> list[Any]:
        """Status, values and (step, value) pairs; settles how many objectives the study has."""
        reward = feedback.reward
        if reward is None:
            return [feedback.status, None, []]
        values = [float(v) for v in (reward if isinstance(reward, tuple) else (reward,))]
        if not self._objectives:
            if len(values) > 1 and self.sampler in _SINGLE:
                raise ArgumentError(
                    f"algorithm {self.name!r}: got {len(values)} objectives; allowed: 1; use 'optuna:nsgaii' or 'optuna:tpe' for several"
                )
            self._objectives = len(values)
            if len(values) > 1:
                self._replay(self._events, {})
        if len(values) != self._objectives:
            raise ArgumentError(f"reward: got {len(values)} objectives; allowed: {self._objectives}, as before")
        curve = [[int(step), float(v)] for step, v in feedback.curves.get("reward", ()) if float(step).is_integer()]
        return [feedback.status, values, curve]

    def _add(self, params: Mapping[str, Any], attrs: Mapping[str, Any]) -> None:
        import optuna

        flat = self.parameters.read(known(params))
        self.study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.RUNNING,
                params=dict(params),
                distributions=self.parameters.distributions(flat),
                system_attrs=dict(attrs),
            )
        )

    def _finish(self, event: Sequence[Any]) -> None:
        from optuna.trial import TrialState

        _, number, status, values, curve = event
        if status == "done":
            self.study.tell(number, values)
            return
        if status == "failed":
            self.study.tell(number, state=TrialState.FAIL)
            return
        if values is not None and len(values) == 1:
            # A trial that was stopped has got this far; a sampler ranks it behind those that came further.
            trial = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
            for step, value in curve or [[1, values[0]]]:
                self._storage.set_trial_intermediate_value(trial, step, value)
        self.study.tell(number, state=TrialState.PRUNED)

    # -- state --------------------------------------------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        """What a record says: the version, and how many suggestions were made without regard to the others, by parameter."""
        import optuna

        independent = {"suggestions": self._suggested, "independent": sum(self._alone.values()), "independent_of": dict(self._alone)}
        return {"optuna": {"version": optuna.__version__, **independent}}

    def state(self) -> dict[str, Any]:
        """All events, and what the sampler keeps for the whole study."""
        attrs = {} if self._repeats else dict(self._storage.get_study_system_attrs(self._study_id))
        return {
            "root": self._root,
            "asked": self._asked,
            "open": [[i, t] for i, t in self._trials.items()],
            "objectives": self._objectives,
            "suggested": self._suggested,
            "alone": dict(self._alone),
            "events": list(self._events),
            "study": attrs,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`.

        Raises:
            ResumeError: asks had to be repeated and gave something else.
        """
        self._root, self._asked, self._objectives = state["root"], state["asked"], state["objectives"]
        self._trials = {int(i): int(t) for i, t in state["open"]}
        self._replay(state["events"], state["study"])
        self._suggested, self._alone = state["suggested"], Counter(state["alone"])

    def _replay(self, events: Sequence[list[Any]], attrs: Mapping[str, Any]) -> None:
        """Build the study of these events anew."""
        self._open_study(max(1, self._objectives))
        repeats, self._events = self._repeats, []
        for event in events:
            if event[0] == "ask" and repeats:
                self._suggest(event[1])
                again = self._events[-1][2]
                if again != event[2]:
                    raise ResumeError(
                        f"algorithm {self.name!r}: got {again} when an ask was repeated; allowed: {event[2]}, as in the store; "
                        "the version of Optuna or of cmaes changed; start a new run under another name"
                    )
                continue
            if event[0] == "tell":
                self._finish(event)
            elif event[0] == "ask":
                self._add(event[2], event[3])
            else:
                self._add(event[1], {})
                self._finish(["tell", len(self.study.get_trials(deepcopy=False)) - 1, *event[2:]])
            self._events.append(event)
        for key, value in attrs.items():
            self._storage.set_study_system_attr(self._study_id, key, value)


def _keep_search_space(old: Any, new: Any) -> Any:
    """`new` with the intersection of search spaces that `old` had: a function of the trials, costly to find again from all of them."""
    from optuna.search_space import IntersectionSearchSpace

    for name in ("_search_space", "_intersection_search_space"):
        if isinstance(getattr(old, name, None), IntersectionSearchSpace) and hasattr(new, name):
            setattr(new, name, getattr(old, name))
    return new


def check_installed(sampler: Any) -> None:
    """Stop early where Optuna, or what a sampler of it needs, is missing.

    Raises:
        MissingExtraError: it is.
    """
    needed = ("optuna", "cmaes") if sampler == "cmaes" else ("optuna",)
    for package in needed:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "optuna")


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna says on stderr that a study was created; a search in the background does not."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
