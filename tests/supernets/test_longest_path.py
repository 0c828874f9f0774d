"""Best paths through levels of scored candidates."""

from __future__ import annotations

import math

import pytest

from oche.errors import ArgumentError, UnknownNameError
from oche.supernets.longest_path import PathLevel, PathRule

# Two middle states: path A through a, path B through b.
TWO = [PathLevel((0.9, 0.5), ("s", "s"), ("a", "b")), PathLevel((0.1, 0.45), ("a", "b"), ("t", "t"))]


def test_sum_and_log_take_different_paths():
    assert PathRule().best(TWO) == [(pytest.approx(1.0), (0, 0))]
    assert PathRule(score="log").best(TWO) == [(pytest.approx(math.log(0.5 * 0.45)), (1, 1))]


def test_greedy_ways():
    assert PathRule(way="forward").best(TWO)[0][1] == (0, 0)
    assert PathRule(way="backward").best(TWO)[0][1] == (1, 1)


def test_equal_sums_go_to_the_first_candidates():
    even = [PathLevel((0.25,) * 4, ("a", "a", "b", "b"), ("a", "b", "a", "b"))] * 2
    assert [path for _, path in PathRule().best(even, 3)] == [(0, 0), (0, 1), (1, 2)]


def test_a_cost_decides_between_equal_scores():
    costly = [PathLevel((0.5, 0.5), ("a", "a"), ("a", "a"), (10.0, 1.0))]
    assert PathRule().best(costly)[0][1] == (0,)
    assert PathRule(cost_weight=0.01).best(costly)[0][1] == (1,)


def test_what_is_not_allowed():
    with pytest.raises(ArgumentError, match="finite"):
        PathRule().best([PathLevel((math.nan,), ("a",), ("a",))])
    with pytest.raises(ArgumentError, match="no path"):
        PathRule().best([PathLevel((1.0,), ("a",), ("b",)), PathLevel((1.0,), ("a",), ("b",))])
    with pytest.raises(ArgumentError, match="no path"):
        PathRule(way="forward").best([PathLevel((1.0,), ("a",), ("b",)), PathLevel((1.0,), ("a",), ("b",))])
    with pytest.raises(UnknownNameError, match="longest"):
        PathRule(way="shortest")
    with pytest.raises(ArgumentError, match="cost_weight"):
        PathRule(cost_weight=-1)
