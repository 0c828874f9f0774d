"""The Ray executor keeps the contract of the others. One local Ray serves all tests of this file."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from oche.loop.executors.base import Executor, Limits
from oche.loop.executors.ray import Ray
from oche.testing import ExecutorContract

ray: Any = pytest.importorskip("ray")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module", autouse=True)
def _one_local_ray() -> Iterator[None]:
    ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False, object_store_memory=100 * 1024 * 1024)
    yield
    ray.shutdown()


class TestRay(ExecutorContract):
    def make_executor(self, workers: int = 1, limits: Limits | None = None, threads: int = 1) -> Executor:
        return Ray(workers, limits, threads)
