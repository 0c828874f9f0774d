"""Several runs over one pool: who is served, what a stop keeps, what is shown."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from oche.algorithms import get
from oche.errors import StoreError
from oche.loop.asktell_run import AskTellRun
from oche.loop.contracts import Budget, Feedback
from oche.loop.engine import Engine
from oche.loop.executors.base import Executor, Limits, Outcome
from oche.loop.executors.processes import Processes
from oche.loop.executors.serial import Serial
from oche.loop.interrupt import Interrupted, interrupts
from oche.loop.progress_bar import progress
from oche.loop.run import Plan, Run
from oche.loop.workbench import Workbench
from oche.store.rows import Batch
from oche.store.store import MemoryStore
from oche.testing.spaces import ScoreTask, space


def _runs(seeds: int, trials: int, store: MemoryStore | None = None, parallel: int = 1, observer: Any = None) -> list[AskTellRun]:
    made = []
    for seed in range(seeds):
        plan = Plan(seed, Budget(trials=trials), parallel=parallel)
        log = plan.open(AskTellRun.kind, store)
        made.append(AskTellRun(space("categorical"), get("random"), plan, log, mode="loop", observer=observer))
    return made


def _bench(task: Any = None) -> Workbench:
    return Workbench(space("categorical"), task or ScoreTask())


def test_the_run_that_is_behind_is_served_first() -> None:
    told: list[int] = []
    runs = _runs(3, 4, observer=lambda run, event: told.append(run.seed) if event == "told" else None)
    Engine(runs, Serial(), _bench(), quiet=True).run()
    assert told == [0, 1, 2] * 4


class _Counting(Serial):
    """A pool of four that remembers how full it was."""

    workers = 4

    def __init__(self) -> None:
        super().__init__()
        self.queue: list[tuple[int, Any]] = []
        self.filled: list[int] = []

    @property
    def free(self) -> int:
        return 4 - len(self.queue)

    def submit(self, ticket: int, message: Any, limited: bool = True) -> None:
        self.queue.append((ticket, message))

    def next(self) -> tuple[int, Outcome]:
        self.filled.append(len(self.queue))
        ticket, message = self.queue.pop(0)
        assert self._target is not None
        return ticket, Outcome(self._target(message))


def test_seeds_fill_the_workers_that_one_seed_leaves_idle() -> None:
    alone, together = _Counting(), _Counting()
    Engine(_runs(1, 12), alone, _bench(), quiet=True).run()
    Engine(_runs(4, 12), together, _bench(), quiet=True).run()
    assert set(alone.filled) == {1}
    assert sum(together.filled) / len(together.filled) > 3.5


def test_limits_hold_for_trials_in_worker_processes() -> None:
    class Slow(ScoreTask):
        def evaluate(self, child: Any, seed: int) -> Feedback:
            time.sleep(30 if child[0] == 0 else 0)
            return super().evaluate(child, seed)

    plan = Plan(0, Budget(trials=12))
    run = AskTellRun(space("categorical"), get("sweep"), Plan(0, Budget(trials=2)), plan.open("asktell", None), mode="loop")
    Engine([run], Processes(1, Limits(seconds=0.5)), _bench(Slow()), quiet=True).run()
    assert [t.feedback.reason for t in run.trials if t.feedback] == ["took longer than 0.5 s and was stopped"] * 2


def test_nothing_is_started_for_runs_that_are_done() -> None:
    class Never(Serial):
        def start(self, target: Any) -> None:
            raise AssertionError

    store = MemoryStore()
    Engine(_runs(2, 3, store), Serial(), _bench(), quiet=True).run()
    assert all(r.done for r in Engine(_runs(2, 3, store), Never(), _bench(), quiet=True).run())


class _Interrupting(ScoreTask):
    """Presses Ctrl-C in the n-th evaluation."""

    def __init__(self, at: int, times: int = 1) -> None:
        super().__init__()
        self.left = at
        self.times = times

    def evaluate(self, child: Any, seed: int) -> Feedback:
        self.left -= 1
        if self.left == 0:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)
        return super().evaluate(child, seed)


def test_ctrl_c_once_ends_after_the_running_trial_and_keeps_it() -> None:
    store = MemoryStore()
    runs = _runs(2, 20, store)
    with pytest.raises(Interrupted, match=r"0 of 2 runs ended, 7 trials; all of it is kept in memory; run the same command again"):
        Engine(runs, Serial(), _bench(_Interrupting(7)), quiet=True).run()
    assert sum(len(s.trials) for r in runs if (s := store.load(r.id)) is not None) == 7
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again = Engine(_runs(2, 20, store), Serial(), _bench(), quiet=True).run()
    assert [[t.dna for t in r.trials] for r in again] == [
        [t.dna for t in r.trials] for r in Engine(_runs(2, 20), Serial(), _bench(), quiet=True).run()
    ]


def test_without_a_store_the_message_says_that_nothing_is_kept() -> None:
    with pytest.raises(Interrupted, match="nothing is kept without a store"):
        Engine(_runs(1, 20), Serial(), _bench(_Interrupting(3)), quiet=True).run()


def test_ctrl_c_twice_stops_at_once_and_keeps_what_had_ended() -> None:
    store = MemoryStore()
    runs = _runs(1, 20, store)
    with pytest.raises(KeyboardInterrupt):
        Engine(runs, Serial(), _bench(_Interrupting(5, times=2)), quiet=True).run()
    saved = store.load(runs[0].id)
    assert saved is not None
    assert len(saved.trials) == 4
    assert saved.run.owner == ""


def test_ctrl_c_twice_does_not_wait_for_workers() -> None:
    class Endless(ScoreTask):
        def evaluate(self, child: Any, seed: int) -> Feedback:
            time.sleep(600)
            return super().evaluate(child, seed)

    begun = threading.Event()

    def press() -> None:
        begun.wait()
        time.sleep(1.5)
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)

    presser = threading.Thread(target=press)
    presser.start()
    begun.set()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        Engine(_runs(1, 3), Processes(1), _bench(Endless()), quiet=True).run()
    presser.join()
    assert time.monotonic() - start < 20


def test_a_thread_that_is_not_the_main_one_does_without_ctrl_c() -> None:
    found = []

    def work() -> None:
        with interrupts() as state:
            found.append(state.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]


class _Full(MemoryStore):
    """A disk that is full after some writes."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self.left = writes

    def write(self, run: str, batch: Batch) -> None:
        self.left -= 1
        if self.left < 0:
            raise StoreError("store x: got a full disk; everything committed before is kept")
        super().write(run, batch)


def test_a_store_that_cannot_be_written_stops_the_search_and_says_what_is_kept() -> None:
    store = _Full(1)
    runs = _runs(1, 50, store)
    with pytest.raises(StoreError, match=r"full disk.*ended trials of \d+ are not in the store"):
        Engine(runs, Serial(), _bench(_Slow()), quiet=True).run()
    kept = store.load(runs[0].id)
    assert kept is not None
    assert 0 < len(kept.trials) < 50
    store.left = 10**6
    (again,) = Engine(_runs(1, 50, store), Serial(), _bench(), quiet=True).run()
    assert [t.dna for t in again.trials] == [t.dna for t in Engine(_runs(1, 50), Serial(), _bench(), quiet=True).run()[0].trials]


class _Slow(ScoreTask):
    def evaluate(self, child: Any, seed: int) -> Feedback:
        time.sleep(0.01)
        return super().evaluate(child, seed)


def test_progress_is_silent_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("search") as update:
        update(0.5, "note")
    Engine(_runs(1, 5), Serial(), _bench()).run()
    assert capsys.readouterr() == ("", "")


def test_progress_shows_title_share_and_note_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    import oche.loop.progress_bar as module

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(module, "_START_SECONDS", 0.0)
    monkeypatch.setattr(module, "_REDRAW_SECONDS", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    with progress("my search") as update:
        for i in range(5):
            update(i / 5, f"{i} of 5")
            time.sleep(0.05)
    shown = terminal.getvalue()
    assert "my search" in shown
    assert "80%" in shown
    assert "4 of 5" in shown
    quiet = Terminal()
    monkeypatch.setattr(sys, "stderr", quiet)
    with progress("my search", enabled=False) as update:
        update(1.0, "")
    assert quiet.getvalue() == ""


def test_the_executor_is_closed_whatever_happens() -> None:
    closed = []

    class Watched(Serial):
        def close(self) -> None:
            closed.append(True)
            super().close()

    class Fails(Run):
        kind = "fails"
        priority = 0  # type: ignore[assignment]
        share = 0.0  # type: ignore[assignment]

        def next_work(self) -> Any:
            raise RuntimeError("bug")

        def receive(self, work: Any, outcome: Any) -> None: ...

    plan = Plan(0, Budget(trials=1))
    executor: Executor = Watched()
    with pytest.raises(RuntimeError, match="bug"):
        Engine([Fails(plan, plan.open("fails", None), None, None)], executor, _bench(), quiet=True).run()
    assert closed
    assert Path.cwd().exists()
