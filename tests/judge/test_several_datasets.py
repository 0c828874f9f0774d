"""Ranks, tests of ranks and pooled improvements give the known numbers and keep their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from tests.judge.made_records import runs

from oche import judge
from oche.errors import JudgeError

ORDER = ("PDARTS", "NSGANET", "MANAS", "StacNAS", "ENAS", "DARTS", "CNAS", "NAO")


@pytest.fixture(scope="module")
def report(performance):
    return judge.report(judge.read(performance))


@pytest.fixture(scope="module")
def ranking(report):
    table: dict[str, dict[str, float]] = {}
    for row in report.rows:
        table.setdefault(row.algorithm, {})[row.dataset] = row.ri
    table["StacNAS"]["CIFAR100"] = 2.87
    return judge.rank_methods(table)


def test_friedman_on_the_paper_s_table(ranking):
    assert ranking.chi2 == pytest.approx(8.4667, abs=5e-5)
    assert ranking.p == pytest.approx(0.2932, abs=5e-5)
    assert ranking.critical_difference == pytest.approx(4.6954, abs=5e-5)
    assert ranking.methods == ORDER
    assert ranking.mean_ranks == pytest.approx((2.6, 3.2, 4.2, 4.4, 4.6, 5.0, 6.0, 6.0))


def test_nothing_of_the_paper_s_table_is_separable(ranking):
    assert not ranking.separable
    assert ranking.groups == (ORDER,)
    assert ranking.verdict.startswith("No two of 8 methods on 5 data sets can be told apart")
    assert "it takes 11 or more" in ranking.note
    assert ranking.smallest_wilcoxon == 2 / 32


def test_the_best_comes_first_and_everyone_meets_the_next():
    table = {m: {f"d{i}": 90.0 - 2 * place + 0.1 * i for i in range(12)} for place, m in enumerate("abcd")}
    found = judge.rank_methods(table)
    assert found.methods == ("a", "b", "c", "d")
    assert [(p.better, p.worse) for p in found.against_next] == [("a", "b"), ("b", "c"), ("c", "d")]
    assert [p.worse for p in found.against_best] == ["b", "c", "d"]
    assert found.pair("d", "a").median_difference == pytest.approx(6.0)
    assert found.pair("d", "a").wins == 12
    assert found.separable
    # For losses the order turns round, with the same numbers.
    turned = judge.rank_methods(table, direction="min")
    assert turned.methods == ("d", "c", "b", "a")
    assert (turned.chi2, turned.mean_ranks) == (found.chi2, found.mean_ranks)


#: What `posthoc_nemenyi_friedman` of scikit-posthocs 0.17.1 gives for the table of the next test, by pair of columns.
POSTHOCS = {
    (0, 1): 0.975685,
    (0, 2): 0.568528,
    (0, 3): 0.568528,
    (0, 4): 0.015039,
    (1, 2): 0.899078,
    (1, 3): 0.899078,
    (1, 4): 0.08318,
    (2, 3): 1.0,
    (2, 4): 0.4718,
    (3, 4): 0.4718,
}


def test_nemenyi_agrees_with_scikit_posthocs():
    values = np.random.default_rng(3).normal(size=(9, 5)) + np.arange(5) * 0.5
    found = judge.rank_methods({f"m{j}": {f"d{i}": values[i, j] for i in range(9)} for j in range(5)})
    assert len(found.pairs) == len(POSTHOCS)
    for pair in found.pairs:
        i, j = sorted((int(pair.better[1]), int(pair.worse[1])))
        assert pair.p_nemenyi == pytest.approx(POSTHOCS[i, j], abs=1e-4)
    own = stats.friedmanchisquare(*values.T)
    assert (found.chi2, found.p) == pytest.approx((own.statistic, own.pvalue))


def test_groups_of_the_diagram_hold_exactly_what_is_not_separated():
    values = np.random.default_rng(5).normal(size=(30, 6)) + np.arange(6) * 0.7
    found = judge.rank_methods({f"m{j}": {f"d{i}": values[i, j] for i in range(30)} for j in range(6)})
    together = {frozenset((a, b)) for g in found.groups for a in g for b in g if a != b}
    near = {frozenset((p.better, p.worse)) for p in found.pairs if p.rank_difference <= found.critical_difference}
    assert together == near
    assert len(found.groups) > 1


@given(st.lists(st.integers(-6, 6), min_size=1, max_size=9))
def test_signed_ranks_count_every_assignment_of_signs(differences):
    kept = np.array([d for d in differences if d], dtype=float)
    if not len(kept):
        assert judge.signed_rank_p(differences) == 1.0
        return
    ranks = stats.rankdata(abs(kept))
    signs = 1 - 2 * ((np.arange(2 ** len(kept))[:, None] >> np.arange(len(kept))) & 1)
    observed = abs((np.sign(kept) * ranks).sum())
    assert judge.signed_rank_p(differences) == pytest.approx((abs(signs @ ranks) >= observed - 1e-9).mean())


def test_signed_ranks_agree_with_scipy_where_that_is_exact():
    values = np.random.default_rng(0).normal(0.4, 1, 14)
    assert judge.signed_rank_p(values.tolist()) == pytest.approx(stats.wilcoxon(values, method="exact").pvalue)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 2}}, "3 or more methods"),
        ({m: {"x": 1} for m in "abc"}, "2 or more data sets"),
        ({"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 2}, "c": {"x": 1}}, "'c' on 'y'"),
        ({"a": {"x": 1, "y": float("nan")}, "b": {"x": 1, "y": 2}, "c": {"x": 1, "y": 2}}, "nan"),
    ],
)
def test_bad_tables(table, said):
    with pytest.raises(JudgeError, match=said):
        judge.rank_methods(table)


def test_all_equal_methods_are_one_group():
    found = judge.rank_methods({m: {f"d{i}": 1.0 for i in range(5)} for m in "abc"})
    assert (found.chi2, found.p, found.groups, found.mean_ranks) == (0.0, 1.0, (("a", "b", "c"),), (2.0, 2.0, 2.0))


def test_iqm():
    assert judge.iqm(range(1, 9)) == 4.5
    assert judge.iqm([1, 2, 3, 1000]) == 2.5
    with pytest.raises(JudgeError, match="not empty"):
        judge.iqm([])


def test_pooled_improvements_by_hand():
    pairs = {"x": ([11.0, 12.0], [9.0, 11.0]), "y": ([210.0, 190.0], [200.0, 200.0])}
    found = judge.aggregate(pairs, unit="")
    assert found.iqm == pytest.approx(np.mean(sorted([10.0, 20.0, 5.0, -5.0])[1:3]))
    assert found.improvements == pytest.approx((15.0, 0.0))
    # A12: 11 ties with 11 and beats 9, 12 beats both: 3.5/4; on y 210 beats both, 190 none: 1/2.
    assert found.better == pytest.approx((3.5 / 4 + 0.5) / 2)
    assert found.iqm_low <= found.iqm <= found.iqm_high
    turned = judge.aggregate(pairs, unit="", direction="min")
    assert turned.iqm == pytest.approx(-found.iqm)
    assert turned.better == pytest.approx(1 - found.better)


def test_the_pooled_interval_covers_the_truth_because_both_arms_are_resampled():
    rng = np.random.default_rng(11)
    hits = 0
    for trial in range(60):
        pairs = {d: (rng.normal(102, 3, 8).tolist(), rng.normal(100, 3, 8).tolist()) for d in "abcd"}
        found = judge.aggregate(pairs, unit="", seed=trial)
        hits += found.iqm_low <= 2.0 <= found.iqm_high
    # 95 % nominal; the lower limit is five standard errors under 90 %.
    assert 48 <= hits <= 60


def test_a_population_is_not_resampled():
    pool = list(range(90, 111))
    sure = judge.aggregate({"x": ([103.0] * 4, pool)}, populations=["x"], unit="")
    unsure = judge.aggregate({"x": ([103.0] * 4, pool)}, unit="")
    assert sure.iqm_low == sure.iqm == sure.iqm_high == pytest.approx(3.0)
    assert unsure.iqm_low < 3.0 < unsure.iqm_high


def test_the_report_pools_and_ranks(report):
    multi = report.multi
    assert {a.algorithm: len(a.datasets) for a in multi.aggregates} == {m: 5 - (m == "StacNAS") for m in ORDER}
    assert multi.ranking.methods[0] == "PDARTS"
    assert len(multi.ranking.datasets) == 4
    assert any("CIFAR100: a method has no result there" in n for n in multi.notes)
    assert "No two of 8 methods on 4 data sets can be told apart" in str(report)
    darts = next(a for a in multi.aggregates if a.algorithm == "DARTS")
    assert darts.mean == pytest.approx(0.1446, abs=5e-4)


def test_one_data_set_is_not_pooled():
    report = judge.report(runs("search", [93, 94, 95]), baseline=runs("random", [90, 91, 92]))
    assert report.multi is None
    assert report.to_json()["multi"] is None


def test_methods_are_pooled_against_random_search_too():
    arms = []
    for i, data in enumerate(("a", "b", "c")):
        task = {"task": f"classification:{data}"}
        arms += [runs("search", [93 + i, 94, 95], **task), runs("random", [90, 91, 92], **task)]
        arms += [runs("random_search", [92, 93, 94], **task)]
    report = judge.report(*arms)
    assert {(a.algorithm, a.against) for a in report.multi.aggregates} == {
        ("random search", "random average"), ("evolution", "random average"), ("evolution", "random search"),
    }  # fmt: skip
    assert report.multi.ranking is None  # two methods only
