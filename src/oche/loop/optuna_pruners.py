"""Pruners of Optuna as policies of early stopping: `optuna:median`, `optuna:hyperband` and the others.

A pruner reads a study and writes to it. Here the study is made of the curves that a verdict is given, report by report in the order of
tells, so the verdict follows from its arguments alone, as every policy's does. What was made for one verdict is kept in the process for the
next.
"""

from __future__ import annotations

import copy
import importlib.util
import inspect
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from oche.errors import ArgumentError, MissingExtraError, unknown
from oche.loop.gates import Curve, Policy

#: Name here to the class in `optuna.pruners`.
PRUNERS = {
    "median": "MedianPruner",
    "percentile": "PercentilePruner",
    "successive-halving": "SuccessiveHalvingPruner",
    "hyperband": "HyperbandPruner",
    "threshold": "ThresholdPruner",
    "patient": "PatientPruner",
    "wilcoxon": "WilcoxonPruner",
}

_STATES = {"done": "COMPLETE", "stopped": "PRUNED", "skipped": "PRUNED", "failed": "FAIL"}


class OptunaPruner(Policy):
    """Any pruner of Optuna as a policy.

    Trials that ended are complete, pruned or failed as they ended. Steps are whole numbers, as Optuna wants them.

    Args:
        pruner: `median`, `percentile`, `successive-halving`, `hyperband`, `threshold`, `patient` or `wilcoxon`.
        **settings: Arguments of the pruner's class, for example `n_startup_trials=5`; `wrapped_pruner` of `patient` is a name too.

    Raises:
        MissingExtraError: Optuna is not installed.
        UnknownNameError: no such pruner, or no such setting of it.
        ArgumentError: a setting that Optuna refuses.

    Source: Optuna (Akiba et al. 2019), `optuna.pruners`.

    Example:
        >>> policy = OptunaPruner("median", n_startup_trials=2)
        >>> policy.verdict([(1, 0.1)], [[(1, 0.5)], [(1, 0.6)]])
        True
    """

    def __init__(self, pruner: str, **settings: Any) -> None:
        if importlib.util.find_spec("optuna") is None:
            raise MissingExtraError("optuna", "optuna")
        if pruner not in PRUNERS:
            raise unknown("pruner of Optuna", pruner, PRUNERS)
        self.pruner, self.settings = pruner, settings
        self._base: _Replay | None = None
        self._live: _Replay | None = None
        self._make()

    def __repr__(self) -> str:
        shown = "&".join(f"{key}={value!r}" for key, value in sorted(self.settings.items()))
        return f"optuna:{self.pruner}" + (f"?{shown}" if shown else "")

    def __getstate__(self) -> dict[str, Any]:
        # A worker makes its own study.
        return {**self.__dict__, "_base": None, "_live": None}

    def _make(self) -> Any:
        import optuna

        kind = getattr(optuna.pruners, PRUNERS[self.pruner])
        allowed = inspect.signature(kind).parameters
        for key in self.settings:
            if key not in allowed:
                raise unknown(f"setting of policy 'optuna:{self.pruner}'", key, allowed)
        given = dict(self.settings)
        if isinstance(given.get("wrapped_pruner"), str):
            given["wrapped_pruner"] = OptunaPruner(given["wrapped_pruner"])._make()
        elif self.pruner == "patient":
            given.setdefault("wrapped_pruner", None)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                return kind(**given)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"policy 'optuna:{self.pruner}': got {self.settings}; allowed: what Optuna takes ({error})") from error

    def verdict(self, curve: Curve, earlier: Sequence[Curve]) -> bool | None:
        """What the pruner says after the latest report; None before any.

        Raises:
            ArgumentError: a step is not a whole number.
        """
        if not curve:
            return None
        told = [_Told.of(c, position) for position, c in enumerate(earlier)]
        mine = _Told.of(curve, max((t.number for t in told), default=-1) + 1)
        if self._base is None or not self._base.begins(told):
            self._base, self._live = _Replay(self._make()), None
        if len(self._base.told) < len(told):
            for one in told[len(self._base.told) :]:
                self._base.add(one)
            self._live = None
        if self._live is None or not self._live.goes_on(mine):
            self._live = self._base.copy()
        return self._live.judge(mine)


@dataclass(frozen=True)
class _Told:
    """A curve as Optuna sees it."""

    number: int
    status: str
    reward: float | None
    points: tuple[tuple[int, float], ...]

    @classmethod
    def of(cls, curve: Curve, position: int) -> _Told:
        points = []
        for step, value in curve:
            if not float(step).is_integer() or step < 0:
                raise ArgumentError(f"pruner of Optuna: got a report at step {step!r}; allowed: whole numbers from 0")
            points.append((int(step), float(value)))
        status = getattr(curve, "status", "done")
        return cls(getattr(curve, "number", position), status, getattr(curve, "reward", None), tuple(points))


class _Replay:
    """A study that has seen some trials, report by report, and the pruner that was asked after each report."""

    def __init__(self, pruner: Any) -> None:
        import optuna

        self.pruner = pruner
        self.told: list[_Told] = []
        self.mine: _Told | None = None
        self.storage = optuna.storages.InMemoryStorage()
        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # The name decides, with the number of a trial, to which bracket of Hyperband it belongs: it is always the same.
        self.study_id = self.storage.create_new_study([optuna.study.StudyDirection.MAXIMIZE], study_name="oche")
        optuna.logging.set_verbosity(level)
        self._open()

    def _open(self) -> None:
        import optuna

        self.study = optuna.study.Study("oche", self.storage, sampler=optuna.samplers.RandomSampler(seed=0), pruner=self.pruner)

    def copy(self) -> _Replay:
        """The same, to be gone on with apart."""
        made = copy.copy(self)
        made.told, made.mine = list(self.told), None
        made.storage, made.pruner = copy.deepcopy(self.storage), copy.deepcopy(self.pruner)
        made._open()
        return made

    def begins(self, told: Sequence[_Told]) -> bool:
        """Whether what it saw is how `told` begins."""
        return len(self.told) <= len(told) and self.told == told[: len(self.told)]

    def goes_on(self, mine: _Told) -> bool:
        """Whether it judged this trial before, at an earlier report."""
        seen = self.mine
        return seen is not None and seen.number == mine.number and seen.points == mine.points[: len(seen.points)]

    def add(self, one: _Told) -> None:
        """A trial that has ended."""
        from optuna.trial import TrialState

        trial = self._trial(one.number)
        for step, value in one.points:
            self._ask(trial, step, value)
        state = TrialState[_STATES.get(one.status, "COMPLETE")]
        value = one.reward if one.reward is not None else one.points[-1][1] if one.points else None
        if state is TrialState.COMPLETE and value is None:
            state = TrialState.FAIL
        self.storage.set_trial_state_values(trial, state, None if state is TrialState.FAIL or value is None else [value])
        self.told.append(one)

    def judge(self, mine: _Told) -> bool:
        """The pruner's answer after the latest report of a trial that runs."""
        trial = self._trial(mine.number)
        for step, value in mine.points[len(self.mine.points) if self.mine is not None else 0 : -1]:
            self._ask(trial, step, value)
        answer = self._ask(trial, *mine.points[-1])
        self.mine = mine
        return answer

    def _ask(self, trial: int, step: int, value: float) -> bool:
        self.storage.set_trial_intermediate_value(trial, step, value)
        return bool(self.pruner.prune(self.study, self.storage.get_trial(trial)))

    def _trial(self, number: int) -> int:
        """The trial of that number; those before it that nobody told of yet wait, and pruners do not see them."""
        from optuna.trial import TrialState, create_trial

        while len(self.storage.get_all_trials(self.study_id, deepcopy=False)) <= number:
            self.storage.create_new_trial(self.study_id, create_trial(state=TrialState.WAITING))
        found = self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number)
        if self.storage.get_trial(found).state is TrialState.WAITING:
            self.storage.set_trial_state_values(found, TrialState.RUNNING)
        return found
