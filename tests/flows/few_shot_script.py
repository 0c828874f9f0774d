"""A few-shot search as a script that kills itself: few_shot_script.py STORE EVENT NUMBER, at the n-th event of that name."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

from oche import flows
from oche.loop import Cost, Engine, Feedback, Plan, Problem, Run, TreeRun, Trial, Workbench
from oche.loop.executors import Executor, Serial
from oche.loop.workbench import as_factory
from oche.program import Space
from oche.store import BaseStore, Record, Store
from tests.algorithms.test_one_shot import Net, problem

FLOW = "few-shot?splits=1:2,2:2&final_epochs=1&batches=2&first=2"


class Task:
    """Bright or not; a final training costs nothing."""

    name = "bright"

    def problem(self, seed: int) -> Problem:
        return problem()

    def child(self, space: Space, dna: Any, seed: int, final: bool = False) -> int:
        return space.index(dna)

    def report(self, child: int, seed: int) -> Feedback:
        return Feedback(reward=float(child), metrics={"test": float(child)}, cost=Cost(trials=1))


def make_record(run: Run, pick: Trial | None, feedback: Feedback, cost: dict[str, Cost]) -> Record:
    """The tree, the pick, and what was spent but for time."""
    assert pick is not None
    spent = {k: v for k, v in cost["search"].to_json().items() if "seconds" not in k}
    return Record(
        kind="search", algorithm="a", space="s", fingerprint="f", task="t", protocol={}, metric="test", metrics=dict(feedback.metrics),
        search_seed=run.seed, dna=list(pick.dna.flat), status="done", cost={"search": spent}, settings=pick.proposal.info["facts"],
    )  # fmt: skip


def run_of(store: BaseStore | None, flow: str = FLOW, algorithm: str = "darts?epochs=1", observer: Any = None, seed: int = 3) -> TreeRun:
    plan = Plan(seed, None, {"flow": flow, "algorithm": algorithm}, checkpoint_every=4)
    folder = store.checkpoint_dir(plan.id) if store is not None else None
    tree = flows.get(flow).search(as_factory(algorithm))
    log = plan.open(TreeRun.kind, store)
    return TreeRun(Space(Net), plan, log, folder, tree=tree, make_record=make_record, observer=observer)


def done(run: TreeRun, executor: Executor | None = None, flow: str = FLOW, algorithm: str = "darts?epochs=1") -> TreeRun:
    shared = partial(flows.get(flow).search, as_factory(algorithm))
    Engine([run], executor or Serial(), Workbench(Space(Net), Task(), shared), quiet=True).run()
    return run


def main(url: str, event: str, number: str) -> None:
    left = int(number)

    def killer(run: Run, seen: str) -> None:
        nonlocal left
        left -= seen == event
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with Store(url) as store:
        done(run_of(store, observer=killer))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
