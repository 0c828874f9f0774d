"""Fronts against random search, and incumbents over cost."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.judge.made_records import runs, table_population, table_random, table_search

import oche
from oche import judge
from oche.errors import JudgeError

OBJECTIVES = {"valid": "max", "params": "min"}
POINT = [{"metrics": {"valid": 1.0}}]


def fronted(kind, fronts, **more):
    records = []
    for i, front in enumerate(fronts):
        points = [{"metrics": {"valid": v, "params": p}, "dna": [i], "arch": ""} for v, p in front]
        records += runs(kind, [90.0 + i], objectives=OBJECTIVES, front=points, search_seed=i, dna=(i, 0, 0), **more)
    return records


def made(shift, seed, n=6):
    rng = np.random.default_rng(seed)
    return [[(50 + shift + 40 * x + rng.normal(0, 1), 100 * x * x + 10) for x in np.sort(rng.random(8))] for _ in range(n)]


def test_better_fronts_are_found_by_volume_and_by_attainment():
    report = judge.report(fronted("search", made(15, 1)), fronted("random_search", made(0, 2)))
    (row,) = report.fronts
    assert row.verdict == "beats random search"
    assert row.volume.difference_low > 0 and row.volume.family == 1
    assert row.attained_m > row.attained_r and row.attained_low > 0
    assert row.largest_gap == 1.0 and row.gap_p < 0.05
    assert row.objectives == OBJECTIVES
    assert row.reference["params"] > 100 and row.reference["valid"] < 50
    assert "hypervolume" in str(report)
    json.dumps(report.to_json(), allow_nan=False)


def test_equal_fronts_are_not_told_apart():
    report = judge.report(fronted("search", made(0, 3)), fronted("random_search", made(0, 4)))
    (row,) = report.fronts
    assert row.verdict == "not distinguishable"
    assert row.attained_low <= 0 <= row.attained_high
    assert row.gap_p > 0.05


def test_units_and_order_of_runs_do_not_matter():
    mine, theirs = made(3, 5), made(0, 6)
    scaled = [[(v, 1000 * p) for v, p in f] for f in mine], [[(v, 1000 * p) for v, p in f] for f in theirs]
    one = judge.report(fronted("search", mine), fronted("random_search", theirs)).fronts[0]
    other = judge.report(fronted("search", scaled[0]), fronted("random_search", scaled[1])).fronts[0]
    turned = judge.report(fronted("search", mine)[::-1], fronted("random_search", theirs)[::-1]).fronts[0]
    for found in (other, turned):
        assert found.volume.difference == pytest.approx(one.volume.difference)
        assert (found.attained, found.gap_p) == pytest.approx((one.attained, one.gap_p))


def test_attained_volume_of_one_front_is_its_hypervolume():
    same = [[(60.0, 20.0), (80.0, 60.0), (90.0, 100.0)]] * 4
    (row,) = judge.report(fronted("search", same), fronted("random_search", made(0, 8, 4))).fronts
    assert row.attained_m == pytest.approx(row.volume.mean_m, abs=0.003)
    assert row.volume.sd_m == 0


def test_a_reference_point_can_be_given():
    arms = fronted("search", made(5, 1)), fronted("random_search", made(0, 2))
    given = judge.report(*arms, reference={"valid": 30.0, "params": 200.0}).fronts[0]
    assert given.reference == {"valid": 30.0, "params": 200.0}
    with pytest.raises(JudgeError, match="a value for each of valid, params"):
        judge.report(*arms, reference={"valid": 30.0})


def test_bad_fronts_are_named():
    mixed = fronted("search", made(5, 1)) + runs(
        "search", [90.0], objectives={"valid": "max"}, front=[{"metrics": {"valid": 1.0}}], search_seed=77
    )
    with pytest.raises(JudgeError, match="got objectives"):
        judge.report(mixed, fronted("random_search", made(0, 2)))
    lacking = fronted("search", made(5, 1)[:1]) + runs(
        "search", [91.0], objectives=OBJECTIVES, front=[{"metrics": {"valid": 1.0}}], search_seed=78
    )
    with pytest.raises(JudgeError, match="numbers for valid, params"):
        judge.report(lacking, fronted("random_search", made(0, 2)))


def test_holm_runs_over_the_methods_with_fronts():
    report = judge.report(
        fronted("search", made(3, 1), algorithm="a"), fronted("search", made(9, 3), algorithm="b"), fronted("random_search", made(0, 2))
    )
    assert [r.volume.family for r in report.fronts] == [2, 2]
    ps = [r.volume.p for r in report.fronts]
    assert [r.volume.p_adj for r in report.fronts] == pytest.approx(judge.holm(ps))


def test_real_searches_by_two_objectives_are_judged_by_their_fronts():
    def quality(child):
        first, *waste = child
        return 1.0 + first, first**2 + sum(waste)

    space = oche.Space([oche.floatv(0.0, 1.0) for _ in range(8)])
    task = oche.tasks.objectives(quality, ("good", "max"), ("price", "min"))
    budget = oche.Budget(trials=120)
    evolved = oche.search(space, "nsga2?population=12", task, budget=budget, seeds=6)
    random = oche.search(space, "random", task, budget=budget, seeds=6)
    report = judge.report(evolved, random_search=random)
    (row,) = report.fronts
    assert row.volume.equal_cost
    assert row.verdict == "beats random search"
    assert row.attained_low > 0


def test_incumbents_by_hand():
    assert judge.incumbent([1, 3, 2, 4], [10.0, 12.0, 99.0, 11.0]) == [[1.0, 10.0], [2.0, 12.0], [4.0, 11.0]]
    assert judge.incumbent([3, float("nan"), 2], [1.0, 2.0, 3.0], [5, 7, 9], direction="min") == [[5.0, 1.0], [9.0, 3.0]]
    with pytest.raises(JudgeError, match="equally many"):
        judge.incumbent([1], [1.0, 2.0])
    with pytest.raises(JudgeError, match="do not fall"):
        judge.incumbent([1, 2], [1.0, 2.0], [3, 2])


def curved(kind, curves, **more):
    return [
        r for i, c in enumerate(curves) for r in runs(kind, [c[-1][1]], curves={"incumbent test": c}, search_seed=i, dna=(i, 9, 9), **more)
    ]


def test_anytime_curves_are_steps_that_begin_when_all_runs_have_begun():
    mine = curved("search", [[(1, 80.0), (10, 90.0)], [(3, 70.0), (20, 100.0)]])
    report = judge.report(mine, runs("random", [59.0, 60.0, 61.0]))
    (found,) = report.anytime
    curve = found.curves[0]
    assert (found.axis, found.random_average, found.best_known, found.best_is_exact) == ("trials", 60.0, 100.0, False)
    assert curve.ticks == (3, 10, 20, 40)  # the budget of 40 trials ends the curve
    assert curve.mean == (75.0, 80.0, 95.0, 95.0)
    assert curve.median == curve.mean
    # From 3 to 40: the first holds 80 for 7 and 90 for 30, the second 70 for 17 and 100 for 20.
    areas = [(80 * 7 + 90 * 30) / 37, (70 * 17 + 100 * 20) / 37]
    assert curve.area == pytest.approx((np.mean(areas) - 60) / 40)
    assert curve.area_low < curve.area < curve.area_high
    json.dumps(found.to_json(), allow_nan=False)


def test_the_best_member_of_a_whole_table_is_the_scale_s_end(table):
    arms = [table_search(table, kind, name, 4, 60) for kind, name in (("random_search", "random"), ("search", "evolution"))]
    for arm in arms:
        for record in arm:
            assert "incumbent test" in record.curves
    (found,) = judge.report(*arms, baseline=table_population(table)).anytime
    assert found.best_is_exact and found.best_known == pytest.approx(94.3733)
    assert [c.role for c in found.curves] == ["random_search", "search"]
    assert all(0 < c.area < 1 for c in found.curves)
    sampled = judge.report(*arms, baseline=table_random(table, 8)).anytime[0]
    assert not sampled.best_is_exact


def test_runs_without_curves_have_no_anytime():
    assert judge.report(runs("search", [93, 94]), baseline=runs("random", [90, 91])).anytime == ()


def test_a_curve_of_the_search_signal_is_not_measured_by_the_random_average():
    mine = [r for i in range(2) for r in runs("search", [90.0], curves={"incumbent valid": [(1, 50.0), (2, 60.0)]}, search_seed=i)]
    (found,) = judge.report(mine, runs("random", [88.0, 89.0])).anytime
    assert (found.metric, found.random_average, found.curves[0].area) == ("valid", None, None)


def test_searches_on_a_table_hold_their_incumbents(oche_data):
    task = oche.tasks.tabular("nasbench201", dataset="cifar10", search=("valid", 12), report=("test", 200))
    budget = oche.Budget(trials=30)
    runs = [oche.search("nasbench201", a, task, budget=budget, seeds=3) for a in ("random", "regularized-evolution")]
    for record in (r for found in runs for r in found.records):
        assert set(record.curves) == {"incumbent test by trials", "incumbent test by epochs"}
        curve = record.curves["incumbent test by trials"]
        assert curve[0][0] == 1.0 and curve[-1][1] == record.value  # the last incumbent is the pick
        assert [[12 * t, v] for t, v in curve] == record.curves["incumbent test by epochs"]
    found, by_epochs = judge.report(*runs, baseline=oche.baseline("nasbench201", task, n="all")).anytime
    assert (found.axis, found.best_is_exact, found.end) == ("trials", True, 30.0)
    assert (by_epochs.axis, by_epochs.end) == ("epochs", 360.0)
    assert all(c.ticks[-1] == 30.0 for c in found.curves)
