"""Samplers of Optuna go through the contract suite of every black-box algorithm."""

from __future__ import annotations

from typing import Any

import pytest

from oche.algorithms import get
from oche.testing import AskTellContract

pytest.importorskip("optuna")


class _Sampler(AskTellContract):
    trials = 24


class TestTPE(_Sampler):
    def make_algorithm(self) -> Any:
        return get("optuna:tpe?n_startup_trials=8")


class TestJointTPE(_Sampler):
    space_names = ("conditional", "picks", "numbers")

    def make_algorithm(self) -> Any:
        return get("optuna:tpe?multivariate=true&group=true&n_startup_trials=8")


class TestCMAES(_Sampler):
    space_names = ("numbers", "reals")

    def make_algorithm(self) -> Any:
        pytest.importorskip("cmaes")
        return get("optuna:cmaes?popsize=4")


class TestNSGAII(_Sampler):
    space_names = ("conditional", "picks", "reals")

    def make_algorithm(self) -> Any:
        return get("optuna:nsgaii?population_size=4")


class TestNSGAIII(_Sampler):
    space_names = ("categorical", "numbers")

    def make_algorithm(self) -> Any:
        return get("optuna:nsgaiii?population_size=4")


class TestRandom(_Sampler):
    space_names = ("categorical", "numbers")

    def make_algorithm(self) -> Any:
        return get("optuna:random")


class TestQMC(_Sampler):
    space_names = ("categorical", "reals")

    def make_algorithm(self) -> Any:
        return get("optuna:qmc?scramble=true")


class TestGP(_Sampler):
    space_names = ("reals",)
    trials = 6

    def make_algorithm(self) -> Any:
        return get("optuna:gp?n_startup_trials=4")
