"""The nodes of a few-shot search as jobs: any number of workers, any end of a process, one tree."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from oche import flows
from oche.errors import ResumeError
from oche.loop import Run, TreeRun
from oche.loop.executors import Processes, Serial
from oche.loop.messages import Advance
from oche.loop.parts import TreeSharing
from oche.loop.workbench import as_factory
from oche.program import Space
from oche.store import Store
from tests.flows import few_shot_script as script

torch.set_num_threads(1)


class Watched(Processes):
    """Notes which nodes are worked on at the same time."""

    together: set[tuple[str, ...]]

    def submit(self, ticket: int, message: Any, limited: bool = True) -> None:
        self.now = {**getattr(self, "now", {}), ticket: message}
        parts = [m.part.name for m in self.now.values() if isinstance(m, Advance) and m.part is not None]
        self.together = {*getattr(self, "together", set()), tuple(sorted(parts))}
        super().submit(ticket, message, limited)

    def next(self) -> tuple[int, Any]:
        found = super().next()
        del self.now[found[0]]
        return found


@pytest.fixture(scope="module")
def whole() -> TreeRun:
    """An unbroken run with one worker."""
    return script.done(script.run_of(None))


def test_the_tree_of_jobs_is_that_of_the_search_in_one_piece(whole):
    search = flows.get(script.FLOW).search(as_factory("darts?epochs=1"))
    search.setup(Space(script.Net), script.problem(), 3)
    while not search.advance(11).done:
        pass
    tree: TreeSharing = search
    pick = tree.propose(1)[0]
    assert isinstance(tree, TreeSharing)
    assert whole.pick is not None and (whole.pick.dna, len(whole.records[0].settings["split_tree"]["nodes"])) == (pick.dna, 7)
    assert whole.records[0].settings == {**pick.info["facts"]}
    assert (whole.cost.epochs, whole.cost.passes) == pytest.approx((search.cost.epochs, search.cost.passes))


def test_four_workers_work_on_siblings_and_make_the_tree_of_one(whole):
    executor = Watched(4)
    run = script.done(script.run_of(None), executor)
    assert run.records[0].content_hash() == whole.records[0].content_hash() and run.records[0].settings == whole.records[0].settings
    pairs = [pair for group in executor.together for pair in itertools.combinations(group, 2)]
    assert any(a != b and a.rsplit("/", 1)[0] == b.rsplit("/", 1)[0] for a, b in pairs)
    assert all(not b.startswith(f"{a}/") for a, b in pairs)  # a child waits for its parent


def test_a_process_that_is_killed_in_the_middle_of_a_node_changes_nothing(whole, tmp_path: Path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, script.__file__, str(tmp_path / "runs.db"), "checkpoint", "5"]
    assert subprocess.run(words, env=environment, timeout=300).returncode == -signal.SIGKILL
    with Store(tmp_path / "runs.db") as store:
        run = script.run_of(store)
        rows = {row.boundary: row for row in run.log.saved.checkpoints}
        assert any('"result": null' in row.state for row in rows.values()) and any('"result": {' in row.state for row in rows.values())
        script.done(run)
    assert run.records[0].content_hash() == whole.records[0].content_hash() and run.records[0].settings == whole.records[0].settings


class Stop(Exception):
    pass


def stopped(store: Store, flow: str, events: int, event: str = "checkpoint") -> bool:
    """Start or go on, and end at an event; whether it came to that."""
    left = [events]

    def observer(run: Run, seen: str) -> None:
        left[0] -= seen == event
        if left[0] == 0:
            raise Stop

    try:
        script.done(script.run_of(store, flow, observer=observer), Serial(), flow)
    except Stop:
        return True
    return False


@pytest.mark.parametrize("more", ["&select=halving", "&restart=none&max_leaves=3&growth=best&prune=2"])
def test_a_run_goes_on_from_any_moment_and_keeps_no_file_that_nobody_needs(more: str, tmp_path: Path):
    flow = script.FLOW + more
    unbroken = script.done(script.run_of(None, flow), Serial(), flow)
    with Store(tmp_path / "a.db") as store:
        number = 0
        for number in range(1, 60):
            if not stopped(store, flow, 2 + number % 3, ("checkpoint", "checkpoint-file")[number % 2]):
                break
        run = script.run_of(store, flow)
        assert number > 5 and run.done
        assert run.records[0].content_hash() == unbroken.records[0].content_hash()
        assert run.records[0].settings == unbroken.records[0].settings
        last = [p for p in (tmp_path / "a.db.files" / run.id).iterdir()]
    assert not last


def test_a_node_whose_checkpoint_is_gone_is_refused(tmp_path: Path):
    with Store(tmp_path / "a.db") as store:
        assert stopped(store, script.FLOW, 1)
        folder = tmp_path / "a.db.files" / script.run_of(store).id
        (file,) = folder.iterdir()
        content = file.read_bytes()
        file.write_bytes(b"x")
        with pytest.raises(ResumeError, match="got a changed file"):
            script.run_of(store)
        file.write_bytes(content)
        assert script.run_of(store).step == 4
