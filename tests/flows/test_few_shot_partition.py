"""Balanced partitions against brute force, and the published examples."""

from itertools import combinations, pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oche.errors import ArgumentError
from oche.flows import partition
from oche.flows._partition import cut, mean_cut


def similar(upper, k):
    """S = 1 - D from the upper triangle of D."""
    d = np.zeros((k, k))
    d[np.triu_indices(k, 1)] = upper
    return 1 - (d + d.T)


def brute(s, groups):
    """The smallest cut over all assignments with balanced sizes, counted in another way: by permutations."""
    k = len(s)
    sizes = [k // groups + (g >= groups - k % groups) for g in range(groups)]
    ends = np.cumsum([0, *sizes])
    found = {}
    for order in permutations(range(k)):
        parts = sorted((tuple(sorted(order[a:b])) for a, b in pairwise(ends)), key=lambda g: (len(g), g))
        key = tuple(parts)
        if key not in found:
            found[key] = sum(s[i, j] for i, j in combinations(range(k), 2) if not any(i in g and j in g for g in parts))
    best = min(found.values())
    return min(p for p, v in found.items() if v < best + 1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 6), st.integers(2, 3), st.integers(0, 10**6))
def test_it_is_the_best_of_all_balanced_partitions(k, groups, seed):
    s = np.random.default_rng(seed).uniform(-1, 1, (k, k))
    s = (s + s.T) / 2
    assert [tuple(g) for g in partition(s, groups)] == list(brute(s, groups))


def test_unequal_halves_of_five():
    s = similar([0.9, 0.8, 0.7, 0.6, 0.2, 0.9, 0.5, 0.8, 0.4, 0.1], 5)
    assert partition(s) == [[1, 2], [0, 3, 4]]
    assert cut(s, [[1, 2], [0, 3, 4]]) == pytest.approx(1.7)
    assert cut(1 - s, [[1, 2], [0, 3, 4]]) == pytest.approx(4.3)
    assert cut(s, [[0], [1, 2, 3, 4]]) == pytest.approx(1.0)


def test_halves_of_four():
    s = similar([0.3, 0.8, 0.9, 0.7, 0.6, 0.2], 4)
    assert partition(s) == [[0, 1], [2, 3]]
    assert cut(1 - s, [[0, 1], [2, 3]]) == pytest.approx(3.0)


def test_the_choice_with_the_smaller_cut_disagrees_more():
    x, y = similar([0.1, 0.9, 0.9, 0.9, 0.9, 0.1], 4), similar([0.05, 0.5, 0.5, 0.5, 0.5, 0.05], 4)
    assert partition(x) == partition(y) == [[0, 1], [2, 3]]
    assert (cut(x, partition(x)), cut(y, partition(y))) == (pytest.approx(0.4), pytest.approx(2.0))
    assert mean_cut(x, partition(x)) == pytest.approx(0.1)


def test_ties_give_the_lexicographically_first():
    assert partition(np.full((7, 7), 0.3)) == [[0, 1, 2], [3, 4, 5, 6]]
    assert partition(np.zeros((6, 6)), 3) == [[0, 1], [2, 3], [4, 5]]


def test_as_many_groups_as_candidates_are_single_ones():
    assert partition(np.eye(4), 4) == [[0], [1], [2], [3]]


def test_candidates_in_another_order_give_the_same_groups():
    rng = np.random.default_rng(3)
    s = rng.uniform(-1, 1, (7, 7))
    s = (s + s.T) / 2
    order = rng.permutation(7)
    there = partition(s[np.ix_(order, order)])
    assert {frozenset(int(order[i]) for i in g) for g in there} == {frozenset(g) for g in partition(s)}


def test_many_candidates_in_planted_camps_are_found():
    rng = np.random.default_rng(0)
    camp = np.array([0, 1] * 8)
    s = np.where(camp[:, None] == camp, 0.7, -0.2) + 0.05 * rng.standard_normal((16, 16))
    assert partition((s + s.T) / 2) == [list(range(0, 16, 2)), list(range(1, 16, 2))]


@pytest.mark.parametrize("groups", [1, 5, 0, True, 2.0])
def test_a_number_of_groups_that_is_not_possible(groups):
    with pytest.raises(ArgumentError, match=r"allowed: a number between 2 and the number of allowed candidates \(K=4\)"):
        partition(np.eye(4), groups)


@pytest.mark.parametrize("matrix", [np.zeros((2, 3)), np.array([[1, np.nan], [np.nan, 1]]), np.array([[1, 0.5], [0.1, 1]])])
def test_what_is_no_similarity(matrix):
    with pytest.raises(ArgumentError, match="similarity: got"):
        partition(matrix)
