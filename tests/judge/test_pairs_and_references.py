"""Paired comparisons, and every statistic that SciPy or scikit-learn has too, over random results."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from oche import judge
from oche.errors import JudgeError
from oche.judge._arms import make_arm
from oche.judge._effect import a12
from oche.judge._interval import bootstrap, welch_difference
from oche.judge._permutation import permutation_p, sign_flip_p
from oche.judge._ranking import signed_rank_p

# Two decimals, as accuracies are told: so there are ties.
accuracy = st.integers(5000, 9900).map(lambda v: v / 100)
arm = st.lists(accuracy, min_size=2, max_size=7)
quick = settings(max_examples=12, deadline=None)


def made(values):
    return make_arm("arm", values, letter="k", unit="%")


def pairs(least=3, most=8):
    return st.lists(st.tuples(accuracy, accuracy), min_size=least, max_size=most)


@quick
@given(arm, arm)
def test_permutation_p_is_scipy_s_with_the_ties_that_rounding_hides(m, r):
    mine = permutation_p(made(m), made(r)).p
    # In whole hundredths no split is lost to rounding.
    one, other = (np.round(np.array(v) * 100).astype(int) for v in (m, r))
    sums = lambda a, b, axis: a.sum(axis=axis) * len(r) - b.sum(axis=axis) * len(m)
    theirs = stats.permutation_test(
        (one, other), lambda a, b, axis: np.abs(sums(a, b, axis)), vectorized=True, alternative="greater", n_resamples=np.inf
    )
    assert mine == pytest.approx(theirs.pvalue)


@quick
@given(arm, arm)
def test_a12_is_mann_and_whitney_s_u(m, r):
    u = stats.mannwhitneyu(m, r).statistic
    assert a12(made(m), made(r), "max") == pytest.approx(u / (len(m) * len(r)))


@quick
@given(arm, arm)
def test_the_difference_is_welch_s(m, r):
    if np.ptp(m) == 0 or np.ptp(r) == 0:
        return  # SciPy warns of arms that do not vary
    found = welch_difference(made(m), made(r), 0.05)
    theirs = stats.ttest_ind(m, r, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))


@quick
@given(pairs(3, 12))
def test_sign_flips_are_scipy_s(found):
    d = np.array([round(100 * a) - round(100 * b) for a, b in found])
    theirs = stats.permutation_test((d,), np.sum, permutation_type="samples", n_resamples=np.inf)
    if not d.any():
        assert sign_flip_p(d) == 1.0
        return
    assert sign_flip_p(d) == pytest.approx(theirs.pvalue)


@quick
@given(pairs(3, 10))
def test_signed_ranks_are_scipy_s_where_nothing_ties(found):
    d = np.array([round(100 * a) - round(100 * b) for a, b in found])
    if len(set(np.abs(d))) < len(d) or (d == 0).any():
        return
    assert signed_rank_p(d) == pytest.approx(stats.wilcoxon(d, method="exact").pvalue)


@quick
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_the_step_down_of_its_definition(p):
    adjusted = judge.holm(p)
    for level in (0.01, 0.05, 0.2):
        rejected, order = set(), np.argsort(p, kind="stable")
        for step, i in enumerate(order):
            if p[i] * (len(p) - step) > level:
                break
            rejected.add(int(i))
        # Where a product lies on the level itself, rounding decides.
        assert {i for i, q in enumerate(adjusted) if q <= level} ^ rejected <= {
            i for i, q in enumerate(adjusted) if math.isclose(q, level, rel_tol=1e-9)
        }


@quick
@given(st.lists(accuracy, min_size=4, max_size=40))
def test_iqm_is_scipy_s_trimmed_mean_where_quarters_are_whole(values):
    whole = values[: len(values) // 4 * 4]
    assert judge.iqm(whole) == pytest.approx(stats.trim_mean(whole, 0.25))


@quick
@given(st.lists(st.lists(accuracy, min_size=3, max_size=3, unique=True), min_size=3, max_size=7))
def test_friedman_is_scipy_s(rows):
    table = {f"m{j}": {f"d{i}": row[j] for i, row in enumerate(rows)} for j in range(3)}
    theirs = stats.friedmanchisquare(*np.array(rows).T)
    found = judge.rank_methods(table)
    assert (found.chi2, found.p) == pytest.approx((theirs.statistic, theirs.pvalue))


@quick
@given(pairs(3, 12))
def test_tau_is_scipy_s(found):
    a, b = map(list, zip(*found, strict=True))
    theirs = stats.kendalltau(a, b).statistic
    assert judge.tau_b(a, b) == pytest.approx(theirs, nan_ok=True)


def test_the_bootstrap_is_scipy_s():
    rng = np.random.default_rng(4)
    m, r = rng.normal(95, 1, 9), rng.normal(94, 1, 7)
    ratio = lambda a, b, axis: 100 * (a.mean(axis=axis) / b.mean(axis=axis) - 1)
    for bca, method in ((False, "percentile"), (True, "BCa")):
        mine = bootstrap(made(m.tolist()), made(r.tolist()), seed=1, bca=bca)
        theirs = stats.bootstrap((m, r), ratio, n_resamples=10_000, method=method, rng=np.random.default_rng(9), vectorized=True)
        low, high = theirs.confidence_interval
        assert (mine.low, mine.high) == pytest.approx((low, high), abs=0.12)  # of 10,000 draws each, on an interval 2.2 wide


@quick
@given(pairs(3, 12))
def test_a_paired_difference_is_the_paired_t_of_scipy(found):
    m, r = map(list, zip(*found, strict=True))
    if np.ptp(np.array(m) - np.array(r)) < 1e-9:
        return
    row = judge.compare(m, r, paired=True)
    theirs = stats.ttest_rel(m, r).confidence_interval(0.95)
    assert (row.difference_low, row.difference_high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert row.ri == judge.compare(m, r).ri
    assert row.ri_low <= row.ri <= row.ri_high
    turned = judge.compare(m, r, paired=True, direction="min")
    assert (turned.difference_low, turned.difference_high) == pytest.approx((-row.difference_high, -row.difference_low))
    assert turned.a12 == pytest.approx(1 - row.a12)


def test_pairs_see_what_unpaired_runs_cannot():
    rng = np.random.default_rng(0)
    split = rng.normal(90, 3, 10)
    r, m = split + rng.normal(0, 0.1, 10), split + 0.5 + rng.normal(0, 0.1, 10)
    apart, together = judge.compare(m, r), judge.compare(m, r, paired=True)
    assert apart.verdict == "not distinguishable"
    assert together.verdict == "beats random"
    assert (together.p, together.p_smallest) == (2 / 1024, 2 / 1024)
    assert together.mde < 0.2 < 2 < apart.mde
    assert (together.ci, together.nu) == ("paired-log", 9)
    order = rng.permutation(10)
    shuffled = judge.compare(m[order], r, paired=(order.tolist(), list(range(10))))
    assert shuffled.p == together.p
    assert shuffled.ri_low == pytest.approx(together.ri_low)


def test_five_pairs_cannot_decide():
    row = judge.compare([91, 92, 93, 94, 95], [90, 91, 92, 93, 93.5], paired=True)
    assert row.p == 0.0625
    assert row.verdict == "cannot be decided with these counts"


def test_the_paired_interval_covers_the_truth():
    rng, inside = np.random.default_rng(1), 0
    for _ in range(400):
        split = rng.normal(90, 3, 8)
        row = judge.compare(split * 1.01 + rng.normal(0, 0.3, 8), split + rng.normal(0, 0.3, 8), paired=True)
        inside += row.ri_low <= 1.0 <= row.ri_high
    assert 0.92 <= inside / 400 <= 0.98


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"random": [1.0, 2.0, 3.0], "paired": True}, "got 2 and 3 runs; allowed: equally many"),
        ({"paired": ([0, 0], [0, 1])}, "2 units, 1 different, for 2 runs of 'search'"),
        ({"paired": ([0, 1], [0, 2])}, "units in one arm only: 1, 2"),
        ({"paired": "seeds"}, "allowed: True, or the units of both arms"),
        ({"paired": True, "population": True}, "population=True"),
        ({"paired": True, "ci": "bootstrap"}, "ci='bootstrap'"),
    ],
)
def test_what_cannot_be_paired_is_refused(arguments, said):
    with pytest.raises(JudgeError, match=said):
        judge.compare(**{"search": [5.0, 6.0], "random": [1.0, 2.0], **arguments})


@pytest.mark.parametrize(("k", "n"), [(8, 8), (5, 8)])
def test_where_nothing_is_to_be_found_the_judge_seldom_finds_it(darts214, k, n):
    found = judge.null_calibration(darts214[:, -1].tolist(), k, n, repeats=600, seed=3)
    assert 0.03 <= found.claims <= 0.07
