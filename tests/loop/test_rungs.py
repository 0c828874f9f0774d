"""Rungs and brackets are the published ones, number by number."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oche.errors import ArgumentError
from oche.loop.rungs import halving, hyperband, rungs


def table(brackets: tuple) -> list[list[tuple[int, float]]]:
    return [[(rung.size, rung.step) for rung in bracket] for bracket in brackets]


def test_the_brackets_of_the_paper_by_its_formula() -> None:
    assert table(hyperband(1, 81, 3)) == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]


def test_the_brackets_of_the_paper_s_printed_table() -> None:
    assert table(hyperband(1, 81, 3, "table")) == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(27, 3), (9, 9), (3, 27), (1, 81)],
        [(9, 9), (3, 27), (1, 81)],
        [(6, 27), (2, 81)],
        [(5, 81)],
    ]


def test_brackets_with_eta_two() -> None:
    assert table(hyperband(1, 8, 2)) == [[(8, 1), (4, 2), (2, 4), (1, 8)], [(6, 2), (3, 4), (1, 8)], [(4, 4), (2, 8)], [(4, 8)]]


def test_a_range_that_is_no_power_has_whole_steps() -> None:
    assert [bracket[0].step for bracket in hyperband(1, 100, 3)] == [1, 4, 11, 33, 100]
    assert [bracket[0].step for bracket in hyperband(0.5, 2.0, 2)] == [0.5, 1.0, 2.0]
    assert rungs(1, 12, 3) == (1, 3, 9, 12)
    assert rungs(2, 2, 3) == (2,)
    assert rungs(1, None, 3, most=4) == (1, 3, 9, 27)


def test_a_power_is_found_exactly_where_logarithms_round() -> None:
    assert math.floor(math.log(243) / math.log(3)) == 4  # the trap: 243 is 3 to the 5th
    assert len(hyperband(1, 243, 3)) == 6
    assert len(hyperband(0.1, 0.1 * 3**5, 3)) == 6


@given(low=st.integers(1, 9), factor=st.integers(1, 200), eta=st.integers(2, 5), sizes=st.sampled_from(["formula", "table"]))
def test_every_bracket_shrinks_by_eta_and_ends_at_the_whole_way(low: int, factor: int, eta: int, sizes: str) -> None:
    high = low * factor
    brackets = hyperband(low, high, eta, sizes)
    assert low * eta ** (len(brackets) - 1) <= high < low * eta ** len(brackets)
    for s, bracket in zip(range(len(brackets) - 1, -1, -1), brackets, strict=True):
        assert len(bracket) == s + 1
        assert bracket[-1].step == high and bracket[0].step >= low
        for one, after in itertools.pairwise(bracket):
            assert after.size == one.size // eta >= 1
            assert one.step < after.step


@given(n=st.integers(1, 300), eta=st.integers(2, 4))
def test_halving_keeps_whole_shares_and_drops_empty_rungs(n: int, eta: int) -> None:
    steps = tuple(range(1, 9))
    found = halving(n, steps, eta)
    sizes = [n]
    while len(sizes) < len(steps) and sizes[-1] // eta:
        sizes.append(sizes[-1] // eta)
    assert [rung.size for rung in found] == sizes
    assert [rung.step for rung in found] == list(steps[: len(sizes)])


@pytest.mark.parametrize(("given_", "named"), [((0, 9, 3), "min"), ((3, 2, 3), "max"), ((1, 9, 1), "eta"), ((1, 9, 2.5), "eta")])
def test_bad_ranges_are_refused_by_name(given_: tuple, named: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{named}:"):
        rungs(*given_)
    with pytest.raises(ArgumentError, match=f"^{named}:"):
        hyperband(*given_)
    with pytest.raises(ArgumentError, match="sizes"):
        hyperband(1, 9, 3, "tabel")
