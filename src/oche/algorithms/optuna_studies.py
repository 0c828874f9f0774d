"""Runs of a store as studies of Optuna, for its plots, its importances and its dashboard.

One run becomes one study: parameters with their distributions, values, states, intermediate values, and as user attributes what Optuna has
no place for. Nothing in the store changes, and nothing is read back from a study.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import oche
from oche.algorithms._optuna_parameters import Parameters
from oche.algorithms.optuna_sampler import check_installed, quiet
from oche.errors import ArgumentError, StoreError
from oche.loop.rows import feedback_of
from oche.program import as_space
from oche.store.rows import MeasureRow, RunRow, Saved, TrialRow
from oche.store.store import BaseStore


def export_studies(store: BaseStore, target: str, program: Any, run: str | None = None) -> list[str]:
    """Write runs as studies.

    A trial that is done is complete; one that was stopped or skipped is pruned; a failed one has failed. Rewards are maximized. Every trial
    has the user attributes `dna`, `run`, `seed`, and `trial`, a dict of proposal, replicate, status, reason, metrics and cost.

    Args:
        store: Where the runs are.
        target: Where the studies go: a database URL such as `sqlite:///studies.db`, a path, for an SQLite file, or a path that ends in
            `.log`, for a journal.
        program: The program or space of the runs, which knows what their decisions are called.
        run: Only this run: the start of its id, or its name.

    Returns:
        The names of the studies, as `optuna.load_study` takes them: `name seed 0`.

    Raises:
        MissingExtraError: Optuna is not installed.
        ArgumentError: no run has trials of this program, or a study of that name is there.
        StoreError: the target cannot be written.

    Example:
        >>> export_studies(Store("runs.db"), "sqlite:///studies.db", Net)  # doctest: +SKIP
        ['Net seed 0', 'Net seed 1']
    """
    check_installed("")
    space = as_space(program)
    rows = [store.find(run)] if run is not None else store.runs()
    fitting = [row for row in rows if row.settings.get("fingerprint") == space.fingerprint]
    found = [saved for row in fitting if (saved := store.load(row.id)) is not None and saved.trials]
    if not found:
        raise ArgumentError(
            f"export: got no run of space {space.name!r} ({space.fingerprint[:12]}) among {len(rows)} with trials; "
            "allowed: the program that was searched, as it was; see 'oche runs list'"
        )
    names = _names([saved.run for saved in found])
    storage = _storage(target)
    parameters = Parameters(space, leave_text=True)
    for name, saved in zip(names, found, strict=True):
        _write(storage, name, saved, parameters)
    return names


def _names(rows: Sequence[RunRow]) -> list[str]:
    plain = [f"{row.name or row.settings.get('space', 'run')} seed {row.seed}" for row in rows]
    return [name if plain.count(name) == 1 else f"{name} ({row.id})" for name, row in zip(plain, rows, strict=True)]


def _storage(target: str) -> Any:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    if target.endswith((".log", ".journal")) and "://" not in target:
        return optuna.storages.JournalStorage(JournalFileBackend(target))
    url = target if "://" in target else f"sqlite:///{Path(target).absolute()}"
    try:
        with quiet():
            return optuna.storages.RDBStorage(url)
    except Exception as error:  # the driver's own errors, of many kinds
        raise StoreError(f"export: got {target!r}, which cannot be opened ({error}); allowed: a new file or a database URL") from error


def _write(storage: Any, name: str, saved: Saved, parameters: Parameters) -> None:
    import optuna

    points = {p.id: tuple(json.loads(p.dna)) for p in saved.proposals}
    # The trials of a baseline are final results; a search has one of these at its end, which is none of its trials.
    phase = "search" if any(t.phase == "search" for t in saved.trials) else "report"
    trials = sorted((t for t in saved.trials if t.phase == phase), key=lambda t: (t.proposal, t.replicate))
    objectives = next((len(o) for t in trials if (o := json.loads(t.more).get("objectives"))), 1)
    measures: dict[tuple[int, int], list[MeasureRow]] = {}
    for row in saved.measures:
        measures.setdefault((row.proposal, row.replicate), []).append(row)
    try:
        with quiet():
            study = optuna.create_study(storage=storage, study_name=name, directions=[optuna.study.StudyDirection.MAXIMIZE] * objectives)
    except optuna.exceptions.DuplicatedStudyError as error:
        raise ArgumentError(f"export: got study {name!r}, which is there already; allowed: a new file, or another database") from error
    for key, value in _of_run(saved.run).items():
        study.set_user_attr(key, value)
    for trial in trials:
        study.add_trial(_trial(trial, points[trial.proposal], measures.get((trial.proposal, trial.replicate), []), saved.run, parameters))


def _of_run(run: RunRow) -> dict[str, Any]:
    kept = {key: run.settings[key] for key in ("algorithm", "space", "fingerprint", "flow") if run.settings.get(key) is not None}
    return {**kept, "run": run.id, "seed": run.seed, "name": run.name, "status": run.status, "oche": oche.__version__}


def _trial(row: TrialRow, flat: tuple[Any, ...], measures: Sequence[MeasureRow], run: RunRow, parameters: Parameters) -> Any:
    from optuna.trial import TrialState, create_trial

    states = {"done": TrialState.COMPLETE, "failed": TrialState.FAIL}
    feedback = feedback_of(row)
    reward = feedback.reward
    values = None if reward is None else list(reward) if isinstance(reward, tuple) else [reward]
    curve = {int(step): float(value) for step, value in feedback.curves.get("reward", ()) if float(step).is_integer()}
    for measure in measures:
        numbers = json.loads(measure.metrics)
        # Steps of Optuna are whole numbers, and each has one value.
        if float(measure.step).is_integer() and (value := numbers.get("reward", next(iter(numbers.values()), None))) is not None:
            curve[int(measure.step)] = float(value)
    # Each attribute is a row of its own in a database: what is seldom asked for goes together.
    told = {"proposal": row.proposal, "replicate": row.replicate, "status": row.status, "reason": row.reason}
    told |= {"metrics": dict(feedback.metrics), "cost": feedback.cost.to_json()}
    return create_trial(
        state=states.get(row.status, TrialState.PRUNED),
        values=values,
        params=parameters.values(flat),
        distributions=parameters.distributions(flat),
        intermediate_values=curve,
        user_attrs={"dna": list(flat), "run": run.id, "seed": run.seed, "trial": told},
    )
