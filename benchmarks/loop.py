"""How many trials a second the loop does, beside Optuna and PyGlove, in one run and interleaved.

Six categorical choices of five, a constant reward, random search: nothing but bookkeeping. Run `python benchmarks/loop.py`; it exits
with 1 if a gate is missed. Optuna and PyGlove are measured where they are installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import oche
from oche.algorithms import get
from oche.loop import AskTellRun, Engine, Plan, Workbench
from oche.loop.executors.serial import Serial
from oche.store import Store
from oche.testing.spaces import ScoreTask, space

#: Trials a second that oche must reach.
_MEMORY_GATE, _SQLITE_GATE = 5000.0, 1000.0


class Clock:
    """Wall-clock and processor seconds of a block."""

    def __enter__(self) -> Clock:
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall, self.cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu


def oche_sample(trials: int, folder: Path, earlier: int | None) -> Clock:
    """`oche.sample` without a store, or with a store of some earlier runs."""
    on = space("categorical")
    store = None if earlier is None else Store(_with_runs(folder, earlier))
    with Clock() as clock:
        for _, feedback in oche.sample(on, "random", trials, store=store, name=None if store is None else f"run-{time.time_ns()}"):
            feedback(0.0)
    if store is not None:
        store.close()
    return clock


def oche_engine(trials: int, folder: Path, earlier: int | None) -> Clock:
    """The loop under `oche.search`, with the serial executor."""
    on = space("categorical")
    store = None if earlier is None else Store(_with_runs(folder, earlier))
    with Clock() as clock:
        plan = Plan(0, oche.Budget(trials=trials), {"time": time.time_ns()})
        run = AskTellRun(on, get("random"), plan, plan.open(AskTellRun.kind, store), mode="loop")
        Engine([run], Serial(), Workbench(on, ScoreTask(constant=0.0)), quiet=True).run()
    if store is not None:
        store.close()
    return clock


def _with_runs(folder: Path, earlier: int) -> Path:
    """A store that holds `earlier` finished runs of 100 trials."""
    path = folder / f"earlier-{earlier}.db"
    if not path.exists():
        with Store(path) as store:
            for seed in range(earlier):
                for _, feedback in oche.sample(space("categorical"), "random", 100, seed=seed, store=store):
                    feedback(0.0)
    return path


def optuna_random(trials: int, folder: Path, storage: str | None) -> Clock:
    """Optuna's random sampler."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = None if storage is None else f"sqlite:///{folder / f'optuna-{time.time_ns()}.db'}"
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), storage=url, direction="maximize")

    def objective(trial: optuna.Trial) -> float:
        for i in range(6):
            trial.suggest_categorical(f"op{i}", list("abcde"))
        return 0.0

    with Clock() as clock:
        study.optimize(objective, n_trials=trials)
    return clock


def pyglove_random(trials: int, folder: Path, _: object) -> Clock:
    """PyGlove's random search, in memory."""
    import pyglove as pg

    program = pg.Dict(**{f"op{i}": pg.oneof(list("abcde")) for i in range(6)})
    with Clock() as clock:
        for _child, feedback in pg.sample(program, pg.geno.Random(seed=0), num_examples=trials, name=f"s{time.time_ns()}"):
            feedback(0.0)
    return clock


@dataclass
class Case:
    """One row of the table."""

    label: str
    run: Callable[..., Clock]
    argument: object
    trials: int
    gate: float | None = None
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def measure(self, folder: Path) -> None:
        """One repeat."""
        clock = self.run(self.trials, folder, self.argument)
        self.wall.append(self.trials / clock.wall)
        self.cpu.append(self.trials / clock.cpu)


def _cases() -> list[Case]:
    cases = [
        Case("oche.sample, memory", oche_sample, None, 4000, _MEMORY_GATE),
        Case("oche.search's loop, memory", oche_engine, None, 4000, _MEMORY_GATE),
        Case("oche.sample, SQLite, 1 earlier run", oche_sample, 1, 3000, _SQLITE_GATE),
        Case("oche.sample, SQLite, 100 earlier runs", oche_sample, 100, 3000, _SQLITE_GATE),
        Case("oche.search's loop, SQLite, 1 earlier run", oche_engine, 1, 3000, _SQLITE_GATE),
        Case("oche.search's loop, SQLite, 100 earlier runs", oche_engine, 100, 3000, _SQLITE_GATE),
    ]
    if importlib.util.find_spec("optuna"):
        cases += [Case("Optuna random, memory", optuna_random, None, 1000), Case("Optuna random, SQLite", optuna_random, "sqlite", 60)]
    if importlib.util.find_spec("pyglove"):
        cases.append(Case("PyGlove random, memory", pyglove_random, None, 100))
    return cases


def main() -> int:
    """Measure, print a table, check the gates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    cases = _cases()
    with tempfile.TemporaryDirectory() as name:
        for case in cases:
            case.run(min(case.trials, 50), Path(name), case.argument)  # Imports and first use are not measured.
        for _ in range(repeats):
            for case in cases:
                case.measure(Path(name))
    return _print({case.label: case for case in cases})


def _print(cases: dict[str, Case]) -> int:
    print(f"{'trials per second':<46} {'wall':>7} {'(lowest - highest)':>18} {'processor':>10}  gate")
    missed = 0
    for case in cases.values():
        # The loop is one thread of pure work, so the processor's rate is the one of an idle machine; with a disk, wall time counts.
        rate = statistics.median(case.cpu if case.gate == _MEMORY_GATE else case.wall)
        ok = case.gate is None or rate >= case.gate
        missed += not ok
        shown = "" if case.gate is None else f"{case.gate:,.0f} {'ok' if ok else 'MISSED'}"
        spread = f"({min(case.wall):,.0f} - {max(case.wall):,.0f})"
        print(f"{case.label:<46} {statistics.median(case.wall):>7,.0f} {spread:>18} {statistics.median(case.cpu):>10,.0f}  {shown}")
    for ours, theirs in (
        ("oche.sample, memory", "Optuna random, memory"),
        ("oche.sample, memory", "PyGlove random, memory"),
        ("oche.sample, SQLite, 1 earlier run", "Optuna random, SQLite"),
    ):
        if theirs in cases:
            ratios = [a / b for a, b in zip(cases[ours].wall, cases[theirs].wall, strict=True)]
            print(f"{ours} / {theirs}: {statistics.median(ratios):,.1f} times ({min(ratios):,.1f} to {max(ratios):,.1f})")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
