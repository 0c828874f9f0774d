"""The weight-sharing suite passes a sound algorithm and catches broken ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.testing.tiny import TinySharing, TinyTask, tiny_space

from oche.program import Space
from oche.testing import WeightSharingContract


class TestTinySharing(WeightSharingContract):
    def make_algorithm(self) -> Any:
        return TinySharing()

    def make_space(self) -> Space:
        return tiny_space()

    def make_task(self) -> Any:
        return TinyTask()


class _ForgetsMomentum(TinySharing):
    def load(self, state: Any) -> None:
        fresh = self.optimizer.state_dict()
        super().load({**state, "optimizer": fresh})


class _UsesTheGlobalGenerator(TinySharing):
    def advance(self, steps: int) -> Any:
        with torch.no_grad():
            self.layers[0].bias += 0.01 * torch.randn(8)  # type: ignore[operator]
        return super().advance(steps)


class _IgnoresItsBudget(TinySharing):
    def setup(self, space: Any, problem: Any, seed: int, budget: Any = None) -> None:
        super().setup(space, problem, seed, None)


def _suite(broken: type[TinySharing]) -> TestTinySharing:
    class Broken(TestTinySharing):
        def make_algorithm(self) -> Any:
            return broken()

    return Broken()


def test_a_forgotten_optimizer_state_is_caught(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        _suite(_ForgetsMomentum).test_stopped_and_resumed_equals_never_stopped(tmp_path)


def test_use_of_the_global_generator_is_caught() -> None:
    with pytest.raises(AssertionError):
        _suite(_UsesTheGlobalGenerator).test_global_generators_are_left_alone()


def test_an_ignored_budget_is_caught() -> None:
    with pytest.raises(AssertionError, match="budget reached"):
        _suite(_IgnoresItsBudget).test_it_stops_at_its_budget()
