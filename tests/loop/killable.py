"""A search as a script: it runs or resumes, may kill itself at a named event, and prints the hashes of its records.

Usage: killable.py STORE KIND EXECUTOR WORKERS [EVENT:NUMBER[:worker]]
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from oche.loop.asktell_run import AskTellRun
from oche.loop.contracts import Budget, Cost, Feedback
from oche.loop.engine import Engine
from oche.loop.executors.base import Executor, make
from oche.loop.interrupt import Interrupted
from oche.loop.run import Plan, Run, Trial
from oche.loop.weight_sharing_run import WeightSharingRun
from oche.loop.workbench import Workbench, as_factory
from oche.store.record import Record
from oche.store.store import BaseStore, Store
from oche.testing.spaces import ScoreTask, space

SEEDS = (0, 1)
TRIALS = 60
ALGORITHMS = {"asktell": "regularized-evolution?population=8", "optuna": "optuna:tpe?n_startup_trials=10"}


class SlowScore(ScoreTask):
    """Takes some milliseconds, so that a kill finds it at work."""

    def __init__(self, seconds: float = 0.008) -> None:
        super().__init__(fails=0.1)
        self.seconds = seconds

    def evaluate(self, child: tuple[Any, ...], seed: int) -> Feedback:
        time.sleep(self.seconds)
        return super().evaluate(child, seed)


def make_record(run: Run, pick: Trial | None, feedback: Feedback, cost: dict[str, Cost]) -> Record:
    return Record(
        kind="search", algorithm=run.kind, space="test", fingerprint="f", task="test", protocol={"test": 1}, metric="test",
        metrics=dict(feedback.metrics), search_seed=run.seed, train_seed=None if pick is None else run.report_seed(pick.dna),
        dna=None if pick is None else list(pick.dna.flat), cost={k: v.to_json() for k, v in cost.items()}, status=feedback.status,
        reason=feedback.reason,
    )  # fmt: skip


class Killer:
    """Kills this process, or a worker, when an event happens for the n-th time."""

    def __init__(self, text: str | None) -> None:
        event, _, rest = (text or "none:0").partition(":")
        number, _, who = rest.partition(":")
        self.event, self.left, self.who = event, int(number), who
        self.executor: Executor | None = None

    def __call__(self, run: Run, event: str) -> None:
        if event != self.event:
            return
        self.left -= 1
        if self.left == 0:
            worker = self.who and self.executor is not None
            pid = self.executor._pool[0].process.pid if worker else os.getpid()  # type: ignore[union-attr]
            os.kill(pid, signal.SIGKILL)


def runs_of(kind: str, store: BaseStore, killer: Killer) -> tuple[list[Run], Workbench]:
    made: list[Run] = []
    if kind in ALGORITHMS:
        on = space("categorical")
        for seed in SEEDS:
            plan = Plan(seed, Budget(trials=TRIALS), {"kind": kind}, parallel=2)
            algorithm = as_factory(ALGORITHMS[kind])()
            log = plan.open(AskTellRun.kind, store)
            made.append(AskTellRun(on, algorithm, plan, log, make_record=make_record, observer=killer))
        return made, Workbench(on, SlowScore())
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.testing.tiny import TinySharing, TinyTask, tiny_space

    on = tiny_space()
    for seed in SEEDS:
        plan = Plan(seed, None, {"kind": kind}, checkpoint_every=5)
        log = plan.open(WeightSharingRun.kind, store)
        made.append(WeightSharingRun(on, plan, log, store.checkpoint_dir(plan.id), make_record=make_record, observer=killer))
    return made, Workbench(on, TinyTask(), lambda: TinySharing(sleep=0.008))


def main(url: str, kind: str, executor: str, workers: str, kill: str | None = None) -> None:
    with Store(url) as store:
        killer = Killer(kill)
        runs, bench = runs_of(kind, store, killer)
        killer.executor = make(executor, int(workers))
        print("started", flush=True)
        try:
            Engine(runs, killer.executor, bench, quiet=True).run()
        except Interrupted as stop:
            print(stop)
            sys.exit(3)
        print(json.dumps([r.content_hash() for run in runs for r in run.records]))


if __name__ == "__main__":
    main(*sys.argv[1:])
