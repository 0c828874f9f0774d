"""Laws that hold for any results."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oche import judge

accuracy = st.integers(5000, 9990).map(lambda v: v / 100)
results = st.lists(accuracy, min_size=2, max_size=6)


@given(results)
def test_nothing_is_gained_over_itself(r):
    row = judge.compare(r, r)
    assert row.ri == pytest.approx(0.0, abs=1e-12)
    assert row.p == 1.0
    assert row.a12 == 0.5
    assert not row.wins
    assert not row.loses


@given(results, results, st.sampled_from([0.5, 0.9, 0.031]))
def test_scaling_both_arms_leaves_the_improvement(m, r, factor):
    one, other = judge.compare(m, r), judge.compare([factor * v for v in m], [factor * v for v in r], unit="share")
    assert (one.ri, one.ri_low, one.ri_high) == pytest.approx((other.ri, other.ri_low, other.ri_high), abs=1e-6)


@given(results, results)
def test_swapping_arms_turns_the_log_ratio_around(m, r):
    one, other = judge.compare(m, r), judge.compare(r, m)
    assert math.log1p(one.ri / 100) == pytest.approx(-math.log1p(other.ri / 100), abs=1e-12)
    assert math.log1p(one.ri_low / 100) == pytest.approx(-math.log1p(other.ri_high / 100), abs=1e-12)
    assert math.log1p(one.ri_high / 100) == pytest.approx(-math.log1p(other.ri_low / 100), abs=1e-12)
    assert one.p == pytest.approx(other.p)
    assert one.a12 == pytest.approx(1 - other.a12)


@given(results, results)
def test_adding_a_constant_does_not_keep_the_improvement(m, r):
    one = judge.compare(m, r)
    assume(abs(one.difference) > 0.1)
    assert abs(judge.compare([v + 50 for v in m], [v + 50 for v in r]).ri) < abs(one.ri)


@given(results, results, st.randoms())
def test_the_order_of_runs_changes_nothing(m, r, rnd):
    shuffled_m, shuffled_r = rnd.sample(m, len(m)), rnd.sample(r, len(r))
    assert judge.compare(m, r).to_json() == judge.compare(shuffled_m, shuffled_r).to_json()


@given(results, results)
def test_lower_is_better_flips_signs_only(m, r):
    up, down = judge.compare(m, r), judge.compare(m, r, direction="min")
    assert (down.ri, down.ri_low, down.ri_high) == (-up.ri + 0.0, -up.ri_high + 0.0, -up.ri_low + 0.0)
    assert down.p == up.p
    assert down.a12 == pytest.approx(1 - up.a12)
    assert (down.mean_m, down.mean_r) == (up.mean_m, up.mean_r)


@given(results, results)
def test_the_interval_holds_the_estimate_and_p_is_attainable(m, r):
    row = judge.compare(m, r)
    assert row.ri_low <= row.ri + 1e-9
    assert row.ri <= row.ri_high + 1e-9
    assert row.p_smallest - 1e-12 <= row.p <= 1


@given(results, results)
def test_a_claim_needs_interval_and_test(m, r):
    row = judge.compare(m, r)
    assert row.wins == (row.ri_low > 0 and row.p < 0.05 and row.p_smallest < 0.05)
    assert row.loses == (row.ri_high < 0 and row.p < 0.05 and row.p_smallest < 0.05)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_lowers_and_keeps_the_order(p):
    adjusted = judge.holm(p)
    assert all(a >= b for a, b in zip(adjusted, p, strict=True))
    order = sorted(range(len(p)), key=lambda i: p[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)
    assert all(a <= min(1.0, len(p) * b) + 1e-12 for a, b in zip(adjusted, p, strict=True))


@given(st.lists(st.integers(0, 50).map(float), min_size=1, max_size=25))
def test_expected_best_goes_from_the_mean_to_the_best(pool):
    found = [judge.expected_best(pool, n) for n in range(1, len(pool) + 1)]
    assert found[0] == pytest.approx(sum(pool) / len(pool))
    assert found[-1] == pytest.approx(max(pool))
    assert all(b >= a - 1e-9 for a, b in pairwise(found))
    assert all(judge.expected_best(pool, n, replacement=True) <= v + 1e-9 for n, v in enumerate(found, start=1))


@given(st.floats(0.05, 3), st.integers(2, 20), st.integers(2, 20))
def test_more_runs_see_smaller_effects(sd, k, n):
    assert judge.minimum_detectable(sd, k + 1, sd, n + 1) < judge.minimum_detectable(sd, k, sd, n)
