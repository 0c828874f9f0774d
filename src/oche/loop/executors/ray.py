"""Workers as actors of a Ray cluster, local unless an address is given. Same protocol, same results as the others."""

from __future__ import annotations

import importlib
import logging
import os
import pickle
import sys
import time
from typing import Any

from oche.errors import ArgumentError, MissingExtraError, OcheError
from oche.loop.executors.base import Executor, Failure, Limits, Outcome, Target, check_counts, failed, perform
from oche.loop.threads import environment, set_torch_threads
from oche.loop.worker import MemoryLimit, encode, load_target

logger = logging.getLogger("oche.loop.executors")

_ATTEMPTS = 3


class Actor:
    """Lives in a Ray worker process and holds the target."""

    def __init__(self, setup: bytes) -> None:
        values = pickle.loads(setup)
        sys.path[:] = values["path"]
        self._threads: int = values["threads"]
        self._failure: Failure | None = None
        try:
            self._target = load_target(values["target"], self._threads)
        except Exception as error:
            self._failure = failed(error, "error")
        self._limit = MemoryLimit(values["memory_bytes"])

    def ready(self) -> bytes:
        """Whether the target could be loaded."""
        return encode(Outcome(None if self._failure else "ready", self._failure))

    def run(self, message: bytes, limited: bool) -> bytes:
        """Do one message."""
        self._limit.set(limited)
        outcome = perform(self._target, pickle.loads(message))
        self._limit.set(False)
        set_torch_threads(self._threads)
        return encode(outcome)


class Ray(Executor):
    """Runs messages in Ray actors.

    Args:
        workers: Number of actors, one processor each.
        limits: Per trial.
        threads: Threads of torch and NumPy in each.
        address: Address of a cluster; None starts Ray on this machine, or uses the one that this process has started.

    Raises:
        MissingExtraError: Ray is not installed.
    """

    name = "ray"

    def __init__(self, workers: int = 1, limits: Limits | None = None, threads: int = 1, address: str | None = None) -> None:
        check_counts(workers, threads)
        try:
            # Its names are made at run time, so a type checker does not see them.
            self._ray: Any = importlib.import_module("ray")
        except ImportError as error:
            raise MissingExtraError("ray", "ray") from error
        self.workers = workers
        self.limits = limits or Limits()
        self._threads = threads
        self._address = address
        self._owns = False
        self._actors: list[Any] = []
        self._jobs: dict[Any, dict[str, Any]] = {}
        # Actors that still load the target, and the jobs that wait for them: a deadline starts with the work.
        self._loading: dict[Any, int] = {}
        self._held: dict[int, dict[str, Any]] = {}
        self._class: Any = None
        self._setup = b""

    def start(self, target: Target) -> None:
        """Start the actors and load `target` in them.

        Raises:
            ArgumentError: the target cannot be pickled or loaded.
        """
        self.close()
        import cloudpickle

        try:
            data = cloudpickle.dumps(target)
        except Exception as error:
            raise ArgumentError(
                f"executor 'ray': got a program or task that cannot be sent to a worker ({type(error).__name__}: {error}); "
                "allowed: what cloudpickle can carry; make open files and locks inside it, or use executor 'serial'"
            ) from error
        self._init()
        self._setup = pickle.dumps(
            {"path": list(sys.path), "target": data, "threads": self._threads, "memory_bytes": self.limits.memory_bytes}
        )
        variables = {**environment(self._threads), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        self._class = self._ray.remote(num_cpus=1, max_restarts=0, runtime_env={"env_vars": variables})(Actor)
        self._actors = [self._class.remote(self._setup) for _ in range(self.workers)]
        for answer in self._ray.get([a.ready.remote() for a in self._actors]):
            self._check(pickle.loads(answer))

    def _init(self) -> None:
        if self._ray.is_initialized():
            return
        # Ray prints to the terminal and opens a dashboard unless told not to.
        options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if self._address is None:
            options |= {"num_cpus": self.workers, "include_dashboard": False}
            options["object_store_memory"] = 100 * 1024 * 1024  # The smallest that Ray takes: messages here are small.
        else:
            options["address"] = self._address
        self._ray.init(**options)
        self._owns = True

    def _check(self, outcome: Outcome) -> None:
        failure = outcome.failure
        if failure is None:
            return
        self.close()
        if isinstance(failure.exception, OcheError):
            raise failure.exception
        raise ArgumentError(
            f"executor 'ray': got a program or task that cannot be loaded in a worker ({failure.reason}); "
            "allowed: what a fresh interpreter can import; put it into a module, or use executor 'serial'"
        )

    @property
    def free(self) -> int:
        """Actors without a message."""
        return self.workers - len(self._jobs) - len(self._held)

    def submit(self, ticket: int, message: Any, limited: bool = True) -> None:
        """Hand over one message to an idle actor."""
        if self.free < 1:
            raise RuntimeError("submit: no worker is free")
        import cloudpickle

        busy = {job["slot"] for job in self._jobs.values()} | set(self._held)
        slot = next(i for i in range(self.workers) if i not in busy)
        self._run({"ticket": ticket, "data": cloudpickle.dumps(message), "limited": limited, "slot": slot, "attempts": 1})

    def _run(self, job: dict[str, Any]) -> None:
        if job["slot"] in self._loading.values():
            self._held[job["slot"]] = job
            return
        job["started"] = time.monotonic()
        self._jobs[self._actors[job["slot"]].run.remote(job["data"], job["limited"])] = job

    def next(self) -> tuple[int, Outcome]:
        """Wait for the next outcome; kill what misses its deadline."""
        if not self._jobs and not self._held:
            raise RuntimeError("next: nothing was submitted")
        while True:
            # A short wait, so that Ctrl-C of this process is seen.
            done, _ = self._ray.wait([*self._loading, *self._jobs], num_returns=1, timeout=self._patience())
            if done and done[0] in self._loading:
                self._loaded(done[0])
            elif done:
                result = self._finish(done[0])
                if result is not None:
                    return result
            late = self._late()
            if late is not None:
                return late

    def _patience(self) -> float:
        ends = [j["started"] + self.limits.seconds for j in self._jobs.values() if j["limited"] and self.limits.seconds is not None]
        return min(1.0, max(0.001, min(ends) - time.monotonic())) if ends else 1.0

    def _loaded(self, reference: Any) -> None:
        slot = self._loading.pop(reference)
        try:
            self._check(pickle.loads(self._ray.get(reference)))
        except self._ray.exceptions.RayError:
            self._replace(slot)
            return
        if slot in self._held:
            self._run(self._held.pop(slot))

    def _finish(self, reference: Any) -> tuple[int, Outcome] | None:
        job = self._jobs.pop(reference)
        try:
            return job["ticket"], pickle.loads(self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            self._replace(job["slot"])
            if job["attempts"] < _ATTEMPTS:
                logger.warning("a Ray actor ended (%s); its trial is done again", type(error).__name__)
                job["attempts"] += 1
                self._run(job)
                return None
            reason = f"the worker process ended ({type(error).__name__}) in each of {_ATTEMPTS} attempts"
            return job["ticket"], Outcome(None, Failure("died", reason), time.monotonic() - job["started"])

    def _late(self) -> tuple[int, Outcome] | None:
        if self.limits.seconds is None:
            return None
        for reference, job in list(self._jobs.items()):
            if job["limited"] and time.monotonic() - job["started"] >= self.limits.seconds:
                del self._jobs[reference]
                self._replace(job["slot"])
                reason = f"took longer than {self.limits.seconds:g} s and was stopped"
                return job["ticket"], Outcome(None, Failure("deadline", reason), time.monotonic() - job["started"])
        return None

    def _replace(self, slot: int) -> None:
        self._ray.kill(self._actors[slot], no_restart=True)
        self._actors[slot] = self._class.remote(self._setup)
        self._loading[self._actors[slot].ready.remote()] = slot

    def close(self) -> None:
        """Stop the actors, and Ray if it was started here."""
        actors, self._actors = self._actors, []
        for waiting in (self._jobs, self._loading, self._held):
            waiting.clear()
        for actor in actors:
            self._ray.kill(actor, no_restart=True)
        if self._owns:
            self._ray.shutdown()
            self._owns = False
