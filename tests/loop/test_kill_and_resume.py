"""Searches that are killed with SIGKILL and started again end in the records of searches that were not."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oche.store.rows import Saved
from oche.store.store import Store

_SCRIPT = Path(__file__).parent / "killable.py"
_KILLED = -signal.SIGKILL


def _start(store: Path, kind: str, executor: str, workers: int, kill: str = "none:0") -> subprocess.Popen[str]:
    command = [sys.executable, str(_SCRIPT), str(store), kind, executor, str(workers), kill]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _run(store: Path, kind: str, executor: str, workers: int, kill: str = "none:0") -> tuple[int, list[str]]:
    process = _start(store, kind, executor, workers, kill)
    out, err = process.communicate(timeout=120)
    if process.returncode not in (0, _KILLED):
        raise AssertionError(err)
    return process.returncode, json.loads(out.splitlines()[-1]) if process.returncode == 0 else []


def _saved(path: Path) -> list[Saved]:
    with Store(path) as store:
        found = [store.load(row.id) for row in sorted(store.runs(), key=lambda r: r.seed)]
    return [s for s in found if s is not None]


def _content(saved: list[Saved]) -> list[object]:
    """Everything that must not depend on kills and executors: proposals, and trials without their times."""
    return [
        [(p.id, p.dna, p.seen) for p in s.proposals]
        + [(t.proposal, t.phase, t.told, t.status, t.reward, t.reason, t.metrics) for t in s.trials]
        for s in saved
    ]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], list[object]]]:
    """Hashes and stored content of searches that nobody stopped, in this process's kind of executor."""
    found = {}
    for kind in ("asktell", "sharing"):
        path = tmp_path_factory.mktemp(kind) / "runs.db"
        code, hashes = _run(path, kind, "serial", 1)
        assert code == 0
        assert len(set(hashes)) == 2
        found[kind] = (hashes, _content(_saved(path)))
    return found


@pytest.mark.parametrize(("executor", "workers"), [("processes", 1), ("processes", 2)])
@pytest.mark.parametrize("kind", ["asktell", "sharing"])
def test_executors_give_equal_records(kind: str, executor: str, workers: int, unbroken: dict, tmp_path: Path) -> None:
    code, hashes = _run(tmp_path / "runs.db", kind, executor, workers)
    assert code == 0
    assert hashes == unbroken[kind][0]
    # A pick of a weight-sharing search keeps its measured time in the proposal; everything else is equal row by row.
    assert _content(_saved(tmp_path / "runs.db")) == unbroken[kind][1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["asktell", "sharing"])
def test_ray_gives_equal_records(kind: str, unbroken: dict, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    code, hashes = _run(tmp_path / "runs.db", kind, "ray", 2)
    assert code == 0
    assert hashes == unbroken[kind][0]


_EVENTS = {
    "asktell": ["asked:9", "told:17", "told:90", "reported:1", "ended:1"],
    "sharing": ["checkpoint-file:1", "checkpoint:1", "checkpoint-file:4", "proposed:1", "reported:1"],
}


@pytest.mark.slow
@pytest.mark.parametrize(("executor", "workers"), [("serial", 1), ("processes", 2)])
@pytest.mark.parametrize("kind", ["asktell", "sharing"])
def test_a_kill_at_each_named_event_changes_nothing(kind: str, executor: str, workers: int, unbroken: dict, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    kills = 0
    # One store, killed again and again at ever later events: an event that is behind us does not happen again.
    for event in _EVENTS[kind] if executor == "serial" else _EVENTS[kind][::2]:
        code, _ = _run(path, kind, executor, workers, event)
        kills += code == _KILLED
    assert kills >= (4 if executor == "serial" else 2)
    code, hashes = _run(path, kind, executor, workers)
    assert code == 0
    assert hashes == unbroken[kind][0]
    saved = _saved(path)
    assert _content(saved) == unbroken[kind][1]
    assert [s.run.status for s in saved] == ["done", "done"]
    for s in saved:
        files = list((tmp_path / "runs.db.files" / s.run.id).glob("*")) + list((tmp_path / "runs.db.files" / s.run.id).glob(".*"))
        assert [f.name for f in files] == [Path(s.checkpoints[-1].path).name] if kind == "sharing" else not files


def test_a_file_without_its_commit_is_an_orphan_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    assert _run(path, "sharing", "serial", 1, "checkpoint-file:2")[0] == _KILLED
    run = _saved(path)[0]
    folder = tmp_path / "runs.db.files" / run.run.id
    # Killed after the second file was complete and before its row: the first one counts.
    assert [c.step for c in run.checkpoints] == [5]
    assert sorted(f.name for f in folder.iterdir()) == ["step-000000005.pt", "step-000000010.pt"]
    (folder / ".step-000000010.pt.cut.tmp").write_bytes(b"half")
    assert _run(path, "sharing", "serial", 1, "checkpoint:1")[0] == _KILLED
    assert [c.step for c in _saved(path)[0].checkpoints] == [5, 10]
    assert sorted(f.name for f in folder.iterdir()) == ["step-000000010.pt"]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "executor", "workers"), [("asktell", "serial", 1), ("asktell", "processes", 2), ("sharing", "serial", 1)])
def test_kills_at_seeded_instants_change_nothing(kind: str, executor: str, workers: int, unbroken: dict, tmp_path: Path) -> None:
    rng = random.Random(20)
    path = tmp_path / "runs.db"
    killed = 0
    for _ in range(6 if kind == "asktell" else 4):
        process = _start(path, kind, executor, workers)
        assert process.stdout is not None
        # From the moment when work starts: how long importing takes differs between machines.
        process.stdout.readline()
        try:
            process.communicate(timeout=rng.uniform(0.02, 0.2))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed += 1
    assert killed >= 2
    code, hashes = _run(path, kind, executor, workers)
    assert code == 0
    assert hashes == unbroken[kind][0]
    assert _content(_saved(path)) == unbroken[kind][1]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "event"), [("asktell", "told:30:worker"), ("sharing", "checkpoint:3:worker")])
def test_a_killed_worker_changes_nothing(kind: str, event: str, unbroken: dict, tmp_path: Path) -> None:
    # One worker: the one that holds the supernet alive.
    code, hashes = _run(tmp_path / "runs.db", kind, "processes", 1, event)
    assert code == 0
    assert hashes == unbroken[kind][0]


def test_ctrl_c_once_finishes_cleanly_and_says_how_to_go_on(unbroken: dict, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    process = _start(path, "asktell", "processes", 2)
    _wait_for_trials(path, 10)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 3, err
    assert "run the same command again" in out
    assert str(path) in out
    saved = _saved(path)
    # Whatever ran has ended and is stored: no proposal that was started is without its trial.
    assert all(s.run.owner == "" and s.run.status == "running" for s in saved)
    assert sum(len(s.trials) for s in saved) >= 10
    assert _run(path, "asktell", "processes", 2)[1] == unbroken["asktell"][0]


def test_a_second_process_on_a_living_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    process = _start(path, "sharing", "serial", 1)
    end = time.monotonic() + 30
    while time.monotonic() < end and not (path.exists() and _saved(path)):
        time.sleep(0.01)
    # It lives and does nothing, however slow this machine is.
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(AssertionError, match=f"process {process.pid} executes now"):
        _run(path, "sharing", "serial", 1)
    process.kill()
    process.communicate()


def _wait_for_trials(path: Path, n: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if path.exists() and sum(s.run.told for s in _saved(path)) >= n:
            return
        time.sleep(0.01)
    raise AssertionError("the search does not get on")
