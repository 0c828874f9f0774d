"""All executors keep one contract; worker processes die with their parent and ignore Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oche.errors import ArgumentError, UnknownNameError
from oche.loop.executors.base import Executor, Limits, make
from oche.loop.executors.processes import Processes
from oche.loop.executors.serial import Serial
from oche.testing import ExecutorContract
from oche.testing.executor import Target


class TestSerial(ExecutorContract):
    separate = False

    def make_executor(self, workers: int = 1, limits: Limits | None = None, threads: int = 1) -> Executor:
        return Serial(limits, threads)


class TestProcesses(ExecutorContract):
    def make_executor(self, workers: int = 1, limits: Limits | None = None, threads: int = 1) -> Executor:
        return Processes(workers, limits, threads)


class _UsesTorch:
    def prepare(self) -> None:
        import torch  # noqa: F401

    def __call__(self, n_bytes: int) -> float:
        import torch

        return float(torch.ones(n_bytes // 4).sum())


def test_a_memory_limit_counts_from_what_torch_already_takes() -> None:
    with Processes(1, Limits(memory_bytes=200_000_000)) as executor:
        executor.start(_UsesTorch())
        outcomes = []
        for n_bytes in (150_000_000, 400_000_000, 150_000_000):
            executor.submit(0, n_bytes)
            outcomes.append(executor.next()[1])
    assert [o.value for o in outcomes] == [37_500_000.0, None, 37_500_000.0]
    assert outcomes[1].failure is not None
    assert outcomes[1].failure.kind == "memory"


def test_torch_uses_the_given_threads_in_serial_and_gets_its_own_back() -> None:
    import torch

    torch.set_num_threads(2)
    with Serial(threads=1) as executor:
        executor.start(lambda _: torch.get_num_threads())
        executor.submit(0, None)
        assert executor.next()[1].value == 1
    assert torch.get_num_threads() == 2


def test_workers_die_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, time\n"
        "from oche.loop.executors.processes import Processes\n"
        "from oche.testing.executor import Target\n"
        "e = Processes(2)\n"
        "e.start(Target())\n"
        "for t in range(2): e.submit(t, ('sleep', 600))\n"
        "print(*[w.process.pid for w in e._pool], flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(p) for p in parent.stdout.readline().split()]
    assert len(pids) == 2
    assert all(_runs(p) for p in pids)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 10
    while any(_runs(p) for p in pids) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(_runs(p) for p in pids)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_worker_ignores_ctrl_c() -> None:
    with Processes(1) as executor:
        executor.start(Target())
        executor.submit(0, ("pid", None))
        pid = executor.next()[1].value
        executor.submit(1, ("sleep", 0.3))
        os.kill(pid, signal.SIGINT)
        assert executor.next()[1].value == 0.3


def test_a_target_that_fails_to_load_is_refused_with_its_reason() -> None:
    class Broken:
        def prepare(self) -> None:
            raise RuntimeError("no such device")

        def __call__(self, message: object) -> None: ...

    with pytest.raises(ArgumentError, match="no such device"):
        Processes(1).start(Broken())


@pytest.mark.parametrize("bad", [0, -1, 1.5, True])
def test_counts_of_workers_are_checked(bad: int) -> None:
    with pytest.raises(ArgumentError, match="workers"):
        Processes(bad)


@pytest.mark.parametrize("bad", [{"seconds": 0}, {"seconds": -1}, {"memory_bytes": 0}])
def test_limits_are_checked(bad: dict[str, int]) -> None:
    with pytest.raises(ArgumentError, match="limits"):
        Limits(**bad)


def test_an_unknown_executor_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'processes'"):
        make("proces")
