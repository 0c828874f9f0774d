"""The task suite passes sound tasks and catches unsound ones."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.testing.tiny import TinyTask, tiny_space

from oche.loop.contracts import Feedback
from oche.program import Space
from oche.testing import TaskContract
from oche.testing.spaces import ScoreTask, space


class TestScoreTask(TaskContract):
    def make_task(self) -> Any:
        return ScoreTask()

    def make_space(self) -> Space:
        return space("conditional")


class TestTinyTask(TaskContract):
    def make_task(self) -> Any:
        return TinyTask()

    def make_space(self) -> Space:
        return tiny_space()


class _Unseeded(ScoreTask):
    def evaluate(self, child: Any, seed: int) -> Feedback:
        return Feedback(reward=random.random())


def test_an_unseeded_task_is_caught() -> None:
    class Broken(TestScoreTask):
        def make_task(self) -> Any:
            return _Unseeded()

    with pytest.raises(AssertionError):
        Broken().test_same_seed_gives_the_same_feedback()
    with pytest.raises(AssertionError):
        Broken().test_global_generators_are_left_alone()
