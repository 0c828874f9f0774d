"""Numbers that are known in closed form, by hand, or from an independent implementation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from oche import judge
from oche.errors import JudgeError
from oche.judge._arms import Arm, make_arm
from oche.judge._interval import bootstrap, welch_difference
from oche.judge._permutation import permutation_p
from oche.judge._power import runs_to_decide
from oche.judge._resolution import resolution


def arm(values, population=False) -> Arm:
    return make_arm("arm", values, letter="k", unit="", population=population)


def test_toy_interval():
    row = judge.compare(search=[90, 92], random=[88, 90])
    assert row.ri == pytest.approx(2.247191, abs=1e-6)
    assert row.nu == pytest.approx(1.999013, abs=1e-6)
    assert (row.ri_low, row.ri_high) == pytest.approx((-4.441451, 9.404007), abs=1e-6)


def test_two_runs_an_arm_cannot_decide_anything():
    row = judge.compare(search=[90, 92], random=[88, 90])
    assert row.p_smallest == pytest.approx(2 / 6)
    assert row.verdict == row.verdict_unadjusted == "cannot be decided with these counts"


def test_complete_separation_of_four_and_four():
    row = judge.compare(search=[91, 92, 93, 94], random=[87, 88, 89, 90])
    assert row.p == pytest.approx(2 / 70)
    assert row.a12 == 1.0
    assert row.verdict == "beats random"


def test_ties_count_half_in_a12():
    row = judge.compare(search=[3, 4, 5], random=[1, 2, 3])
    assert row.a12 == pytest.approx(8.5 / 9)
    assert row.p == pytest.approx(0.2)


def test_a_split_that_ties_but_for_rounding_counts():
    # In floats 0.1 + 0.2 and 0.3 differ; the split with equal difference must count all the same.
    m, r = [0.1 + 0.2, 0.5, 0.7], [0.3, 0.1, 0.2]
    exact = [round(v * 10) for v in (*m, *r)]
    observed = abs(sum(exact[:3]) - sum(exact[3:]))
    splits = list(itertools.combinations(range(6), 3))
    hits = sum(abs(2 * sum(exact[i] for i in s) - sum(exact)) >= observed for s in splits)
    assert judge.compare(search=m, random=r, unit="").p == pytest.approx(hits / len(splits))


def test_exact_p_agrees_with_brute_force_for_unequal_arms():
    rng = np.random.default_rng(3)
    m, r = rng.normal(1.0, 1.0, 4), rng.normal(0.0, 1.0, 7)
    pooled, observed = np.concatenate([m, r]), abs(m.mean() - r.mean())
    hits = total = 0
    for chosen in itertools.combinations(range(11), 4):
        inside = np.isin(np.arange(11), chosen)
        hits += abs(pooled[inside].mean() - pooled[~inside].mean()) >= observed - 1e-9
        total += 1
    found = permutation_p(arm(m), arm(r))
    assert found.p == pytest.approx(hits / total)
    assert found.smallest == pytest.approx(1 / total)


def test_random_splits_come_close_to_the_exact_p(monkeypatch):
    m, r = arm([1.0, 2.0, 2.5, 3.0, 4.0]), arm([0.5, 1.5, 2.0, 2.2, 2.4])
    exact = permutation_p(m, r)
    monkeypatch.setattr("oche.judge._permutation.EXACT_LIMIT", 10)
    drawn = permutation_p(m, r, seed=1)
    assert drawn.p == pytest.approx(exact.p, abs=4 * math.sqrt(exact.p / 100_000))
    assert drawn.p == permutation_p(m, r, seed=1).p != permutation_p(m, r, seed=2).p
    assert "100,000" in drawn.method


def test_large_arms_use_draws_and_never_give_zero():
    found = permutation_p(arm(range(100, 130)), arm(range(30)))
    assert found.p == pytest.approx(1 / 100_001)


@pytest.mark.parametrize(("k", "n", "smallest"), [(3, 3, 0.1), (4, 4, 2 / 70), (8, 8, 2 / 12870), (3, 8, 1 / 165), (40, 40, 1 / 100_001)])
def test_smallest_attainable_p(k, n, smallest):
    assert judge.smallest_p(k, n) == pytest.approx(smallest)


def test_runs_that_can_decide_at_all():
    assert runs_to_decide(0.05, 1) == 4
    assert runs_to_decide(0.05, 3) == 5
    assert runs_to_decide(0.05, 3, n=8) == 3


def test_holm():
    assert judge.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert judge.holm([0.9, 0.8]) == [1.0, 1.0]
    assert judge.holm([]) == []


def test_minimum_detectable_effect_and_runs_needed():
    assert judge.minimum_detectable(0.2266, 8, 0.2266, 8) == pytest.approx(0.341, abs=5e-4)
    assert [judge.runs_needed(d, 0.2266) for d in (0.1, 0.2, 0.3, 0.5)] == [82, 22, 11, 5]


def test_minimum_detectable_effect_is_seen_with_the_promised_power():
    rng = np.random.default_rng(0)
    delta = judge.minimum_detectable(1.0, 6, 2.0, 9)
    m, r = rng.normal(delta, 1.0, (4000, 6)), rng.normal(0.0, 2.0, (4000, 9))
    seen = stats.ttest_ind(m, r, axis=1, equal_var=False).pvalue < 0.05
    assert seen.mean() == pytest.approx(0.8, abs=0.03)


def test_effect_of_a_known_mean_needs_fewer_runs():
    assert judge.runs_needed(0.2, 0.2266, population=True) < judge.runs_needed(0.2, 0.2266)
    with pytest.raises(JudgeError, match="difference"):
        judge.runs_needed(0.0, 1.0)


def test_the_unit_of_the_effect_is_told():
    row = judge.compare(search=[90, 91, 92], random=[88, 89, 90])
    assert row.mde_unit == "points"
    assert row.mde_relative == pytest.approx(100 * row.mde / 89)
    assert "points" in str(row)


def test_resolution_of_318_test_images():
    grain = resolution(94.0, 318)
    assert grain.one_item == pytest.approx(0.314, abs=5e-4)
    assert grain.standard_error == pytest.approx(1.33, abs=5e-3)
    assert judge.compare([94, 95], [93, 94], n_report=318).resolution.n_items == 318


def test_error_reduction():
    assert judge.compare([97.31, 97.31], [97.0, 97.0]).error_reduction == pytest.approx(100 * 0.31 / 3)
    assert judge.compare([2.0, 2.0], [4.0, 4.0], direction="min").error_reduction == pytest.approx(50.0)
    assert judge.compare([3.0, 3.5], [1.0, 2.0], unit="reward").error_reduction is None


def test_equivalence_needs_the_whole_interval():
    m, r = [90.0, 90.1, 90.2, 89.9], [90.0, 90.1, 90.1, 89.95]
    row = judge.compare(m, r, delta=1.0)
    assert row.equivalent is True
    assert judge.compare(m, r, delta=row.ri_high / 2).equivalent is False
    assert judge.compare(m, r).equivalent is None


@pytest.mark.parametrize("ci", ["bootstrap", "bootstrap-bca"])
def test_bootstrap_is_seeded_and_near_welch(ci):
    rng = np.random.default_rng(5)
    m, r = rng.normal(92, 1, 30), rng.normal(90, 1, 30)
    welch, row, again, other = (judge.compare(m, r, ci=c, seed=s) for c, s in (("welch-log", 0), (ci, 0), (ci, 0), (ci, 1)))
    assert (row.ri_low, row.ri_high) == (again.ri_low, again.ri_high) != (other.ri_low, other.ri_high)
    assert row.ri_low == pytest.approx(welch.ri_low, abs=0.15)
    assert row.ri_high == pytest.approx(welch.ri_high, abs=0.15)


def test_bootstrap_without_spread_is_the_point():
    found = bootstrap(arm([2.0, 2.0]), arm([1.0, 1.0]))
    assert (found.low, found.high) == (100.0, 100.0)


def test_difference_agrees_with_scipy():
    m, r = [3.0, 4.5, 5.0], [1.0, 2.0, 2.5, 1.2]
    found = welch_difference(arm(m), arm(r))
    theirs = stats.ttest_ind(m, r, equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))


def test_points_scale_serves_metrics_of_any_sign():
    row = judge.compare(search=[-1.0, -1.2, -0.9, -1.1], random=[-3.0, -3.1, -2.9, -3.2], unit="reward", scale="points")
    assert math.isnan(row.ri)
    assert row.difference == pytest.approx(2.0)
    assert row.verdict == "beats random"
    assert "reward" in str(row)


def test_expected_best_by_hand():
    assert judge.expected_best([1, 2, 3, 4], 2) == pytest.approx(10 / 3)
    assert judge.expected_best([1, 2, 3, 4], 2, replacement=True) == pytest.approx(3.125)
    assert judge.expected_best([1, 2, 3, 4], 2, direction="min") == pytest.approx(5 / 3)


def test_expected_best_agrees_with_all_subsets_and_ties_go_to_the_later_member():
    values, signal = [5.0, 1.0, 3.0, 4.0, 2.0], [1.0, 2.0, 2.0, 0.0, 3.0]
    picks = [max(s, key=lambda i: (signal[i], i)) for s in itertools.combinations(range(5), 3)]
    assert judge.expected_best(values, 3, signal=signal) == pytest.approx(np.mean([values[i] for i in picks]))


def test_random_equivalent():
    pool = [1, 2, 3, 4]
    assert judge.random_equivalent(2.5, pool) == 1
    assert judge.random_equivalent(3.3, pool) == 2
    assert judge.random_equivalent(4.0, pool) == 4
    assert judge.random_equivalent(4.1, pool) is None
    assert judge.random_equivalent(1.0, pool, direction="min") == 4
    assert judge.random_equivalent(3.9, pool, signal=[1, 2, 3, 4]) == 4


def test_population_has_no_error_of_its_own():
    members = list(np.linspace(80, 100, 1001))
    row = judge.compare([96.0, 97.0, 98.0], members, population=True)
    sd, mean = 1.0, 97.0
    half = stats.t.ppf(0.975, 2) * sd / math.sqrt(3) / mean
    assert row.nu == pytest.approx(2)
    assert row.ri_low == pytest.approx(100 * (mean / 90 * math.exp(-half) - 1))
    assert row.mean_r == pytest.approx(90.0)
    assert row.p_method == "100,000 draws of 3 from all 1,001 members, seed 0"


def test_population_p_agrees_with_the_tail_of_the_mean_of_three():
    # The mean of three uniform numbers is above 5/6 with probability (1/2)^3 / 6.
    members = (np.arange(10_000) + 0.5) / 10_000
    row = judge.compare([5 / 6, 5 / 6 - 0.01, 5 / 6 + 0.01], members, population=True, unit="")
    assert row.p == pytest.approx(2 * 0.125 / 6, abs=0.003)


def test_a_long_bad_tail_does_not_hide_a_good_search():
    # One member in ten is at 10; no draw of five has a mean as good as 94, but many lie as far below.
    members = [10.0] * 100 + list(np.linspace(85.0, 94.2, 900))
    row = judge.compare([94.0, 94.1, 93.9, 94.0, 94.05], members, population=True)
    assert row.p < 1e-3
    assert row.verdict == "beats random"
