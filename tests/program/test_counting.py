"""Exact sizes against enumeration and published counts."""

from __future__ import annotations

import itertools
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oche
from oche.program import Space
from oche.program.counting import completions, elementary, homogeneous, picks


@pytest.mark.parametrize(
    ("k", "n", "expected"),
    [(2, 4, [6, 12, 10, 16]), (3, 5, [10, 60, 35, 125])],
)
def test_manyof_of_constants(k, n, expected):
    found = [Space(oche.manyof(k, list(range(n)), distinct=d, sorted=s)).size for d in (True, False) for s in (True, False)]
    assert found == expected


def test_candidates_of_unequal_sizes():
    def program(distinct, is_sorted):
        sizes = [oche.oneof(["p", "q"]), oche.oneof(["r", "s", "t"]), "u"]
        return oche.manyof(2, sizes, distinct=distinct, sorted=is_sorted)

    found = []
    for distinct, is_sorted in [(True, True), (True, False), (False, True), (False, False)]:
        space = Space(program(distinct, is_sorted))
        points = {dna.flat for dna in space}
        assert len(points) == space.size
        found.append(space.size)
    assert found == [11, 22, 25, 36]


def test_nested_sum():
    assert Space(oche.oneof([1, oche.oneof([2, 3]), oche.manyof(2, [1, 2, 3])])).size == 1 + 2 + 6


def test_published_spaces():
    nasbench101 = {
        "ops": oche.manyof(5, ["conv3x3", "conv1x1", "maxpool3x3"], distinct=False),
        "edges": oche.manyof(21, [0, 1], distinct=False),
    }
    assert Space(nasbench101).size == 509_607_936
    assert Space([oche.oneof(list("abcde")) for _ in range(6)]).size == 15_625
    assert Space([oche.oneof([8 * (i + 1) for i in range(8)]) for _ in range(5)]).size == 32_768
    assert Space(oche.permutate([1, 2, 3, 4, 5])).size == 120


def test_large_binomial_is_instant():
    program = oche.manyof(15, list(range(30)), sorted=True)
    start = time.process_time()
    space = Space(program)
    assert space.size == math.comb(30, 15) == 155_117_520
    assert time.process_time() - start < 0.5


def test_floats_make_a_space_infinite():
    assert Space({"x": oche.floatv(0, 1), "y": oche.oneof([1, 2])}).size == math.inf
    assert Space(oche.oneof([1, oche.floatv(0, 1)])).size == math.inf
    assert Space(oche.intv(3, 10, step=2)).size == 4


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.integers(1, 4))
def test_polynomials_equal_brute_force(sizes, k):
    def total(choose):
        return sum(math.prod(sizes[i] for i in c) for c in choose(range(len(sizes)), k))

    assert elementary(sizes, k) == total(itertools.combinations)
    assert homogeneous(sizes, k) == total(itertools.combinations_with_replacement)


@given(st.lists(st.integers(1, 3), min_size=2, max_size=4), st.integers(1, 3), st.booleans(), st.booleans())
def test_completions_of_the_first_slot_add_up_to_the_size(sizes, k, distinct, is_sorted):
    if distinct and k > len(sizes):
        return
    sizes = tuple(sizes)
    whole = sum(s * completions(sizes, k, 0, [], c, distinct, is_sorted) for c, s in enumerate(sizes))
    assert whole == picks(sizes, k, distinct, is_sorted)
