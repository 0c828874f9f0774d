"""Every registered black-box algorithm goes through the contract suite."""

from __future__ import annotations

from typing import Any

import pytest

from oche.algorithms import get
from oche.errors import ArgumentError
from oche.testing import AskTellContract
from oche.testing.spaces import space


class TestRandom(AskTellContract):
    def make_algorithm(self) -> Any:
        return get("random")


class TestRandomOverTheSpace(AskTellContract):
    space_names = ("categorical", "conditional", "picks")

    def make_algorithm(self) -> Any:
        return get("random?measure=space")


class TestSweep(AskTellContract):
    space_names = ("categorical", "conditional", "picks")

    def make_algorithm(self) -> Any:
        return get("sweep")


class TestRegularizedEvolution(AskTellContract):
    def make_algorithm(self) -> Any:
        return get("regularized-evolution")


class TestRegularizedEvolutionWithChange(AskTellContract):
    def make_algorithm(self) -> Any:
        return get("regularized-evolution?population=6&tournament=3&force_change=true")


@pytest.mark.parametrize("text", ["sweep", "random?measure=space"])
def test_an_infinite_space_is_refused_where_ranks_are_needed(text: str) -> None:
    from oche import seeds

    with pytest.raises(ArgumentError, match="infinit"):
        get(text).setup(space("numbers"), seeds.generator(0))


class TestEvolution(AskTellContract):
    def make_algorithm(self) -> Any:
        return get("evolution?initial=8")


class TestHillClimbing(AskTellContract):
    def make_algorithm(self) -> Any:
        return get("hill-climbing?batch=4")


class TestNSGA2(AskTellContract):
    def make_algorithm(self) -> Any:
        return get("nsga2?population=4")


class TestParetoLocalSearch(AskTellContract):
    def make_algorithm(self) -> Any:
        return get("pareto-local-search")


class TestDedup(AskTellContract):
    def make_algorithm(self) -> Any:
        return get("dedup?inner=regularized-evolution&max_attempts=20")


class TestReinforce(AskTellContract):
    space_names = ("categorical", "conditional", "picks")

    def make_algorithm(self) -> Any:
        return get("reinforce?entropy=0.01")


class TestCMAES(AskTellContract):
    space_names = ("reals",)

    def make_algorithm(self) -> Any:
        return get("cma-es?restarts=1")


class TestSuccessiveHalving(AskTellContract):
    def make_algorithm(self) -> Any:
        return get("successive-halving?max=9")


class TestSuccessiveHalvingOverEvolution(AskTellContract):
    def make_algorithm(self) -> Any:
        return get("successive-halving?max=9&inner=regularized-evolution")


class TestHyperband(AskTellContract):
    def make_algorithm(self) -> Any:
        return get("hyperband?max=9&inner=regularized-evolution")


class TestASHA(AskTellContract):
    def make_algorithm(self) -> Any:
        return get("asha?max=9&inner=regularized-evolution")
