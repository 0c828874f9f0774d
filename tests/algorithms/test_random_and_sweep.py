"""Random and sweep: known frequencies, canonical order, and a recorded start of each algorithm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oche import seeds
from oche.algorithms import get, names
from oche.errors import ArgumentError, UnknownNameError
from oche.testing.asktell import history
from oche.testing.spaces import space


def test_the_two_measures_of_random_differ_as_computed() -> None:
    # 16 points: candidate 0 of `a` holds 1 of 8 sub-spaces, so 1/3 by choice and 1/8 by space.
    for measure, share in (("choice", 1 / 3), ("space", 1 / 8)):
        algorithm = get(f"random?measure={measure}")
        algorithm.setup(space("conditional"), seeds.generator(0))
        first = sum(p.dna.flat[0] == 0 for p in algorithm.ask(6000)) / 6000
        assert abs(first - share) < 0.02


def test_another_measure_is_refused() -> None:
    with pytest.raises(ArgumentError, match="measure: got 'uniform'"):
        get("random?measure=uniform")


def test_sweep_goes_through_the_space_in_canonical_order_and_ends() -> None:
    on = space("conditional")
    algorithm = get("sweep")
    algorithm.setup(on, seeds.generator(0))
    found = algorithm.ask(7) + algorithm.ask(7) + algorithm.ask(7)
    assert [p.id for p in found] == list(range(16))
    assert [p.dna for p in found] == [on.at(i) for i in range(16)]
    assert algorithm.ask(1) == []


def test_names_are_looked_up_without_case_and_dashes() -> None:
    assert {"random", "sweep", "regularized-evolution"} <= set(names())
    assert type(get("Regularized_Evolution?population=9")) is type(get("regularizedevolution"))
    with pytest.raises(UnknownNameError, match="did you mean 'regularized-evolution'"):
        get("regularized-evolutoin")


_RECORDED = Path(__file__).parent / "recorded.json"


@pytest.mark.parametrize("text", ["random", "random?measure=space", "sweep", "regularized-evolution?population=6"])
def test_the_first_twenty_proposals_are_as_recorded(text: str) -> None:
    # A change here changes everybody's results: it needs a line in the change log.
    recorded = json.loads(_RECORDED.read_text())
    assert (
        history(lambda: get(text), "conditional" if text != "regularized-evolution?population=6" else "categorical", 0, 20)
        == recorded[text]
    )
