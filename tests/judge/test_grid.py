"""The grid of methods and factors: shares that add up, what noise gives taken off, orders, verdicts, refusals."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from scipy import stats

from oche import judge
from oche.errors import JudgeError

METHODS = ("random", "darts", "gdas")


def table(noise=1.0, runs=5, seed=0, methods=METHODS, recipe=0.0, method=0.0, both=0.0, variants=("wide", "deep")):
    """Results in which the recipe, the method and the two together are worth what is asked."""
    rng = np.random.default_rng(seed)
    cells = itertools.product(variants, ("high", "low"), methods)
    return {
        (v, r, m): (
            80
            + recipe * (1 if r == "high" else -1)
            + method * (methods.index(m) - 1)
            + both * (methods.index(m) - 1) * (1 if r == "high" else -1)
            + noise * rng.standard_normal(runs)
        ).tolist()
        for v, r, m in cells
    }


def test_sums_of_squares_add_up_and_agree_with_one_way_analysis():
    values = table(recipe=1.0, method=0.5)
    found = judge.grid(values, ["variant", "recipe"])
    assert sum(e.ss_share for e in found.effects) == pytest.approx(100)
    assert sum(e.share for e in found.effects) == pytest.approx(100)
    assert len(found.effects) == 8  # three factors: seven effects, and the noise
    # All cells as one factor: the same noise, hence the same F, as SciPy's one-way analysis.
    everything = np.concatenate([*values.values()])
    one_way = stats.f_oneway(*values.values())
    explained = sum(e.ss_share for e in found.effects[:-1]) / 100
    df = len(values) - 1, len(everything) - len(values)
    assert (explained / df[0]) / ((1 - explained) / df[1]) == pytest.approx(one_way.statistic)
    assert sum(e.df for e in found.effects[:-1]) == df[0]
    assert found.effects[-1].df == df[1]


def test_one_factor_and_the_method_is_the_two_way_table_of_the_books():
    values = {("all", r, m): v for (_, r, m), v in table(recipe=1.0, method=0.5, both=0.3, variants=("all",)).items()}
    found = judge.grid(values, ["variant", "recipe"])
    assert {e.name for e in found.effects} == {"recipe", "method", "method x recipe", "noise"}
    cube = np.array([[values["all", r, m] for m in METHODS] for r in ("high", "low")])  # (recipe, method, run)
    grand = cube.mean()
    of_recipe = cube[0].size * ((cube.mean((1, 2)) - grand) ** 2).sum()
    total = ((cube - grand) ** 2).sum()
    assert found.effect("recipe").ss_share == pytest.approx(100 * of_recipe / total)
    within = cube - cube.mean(2, keepdims=True)
    f = of_recipe / ((within**2).sum() / (cube.size - 6))
    assert found.effect("recipe").p == pytest.approx(stats.f.sf(f, 1, cube.size - 6))


def test_shares_are_those_that_were_put_in():
    # Recipe +-3, method -1, 0, 1, noise 1: variances 9, 2/3, 1.
    found = judge.grid(table(recipe=3.0, method=1.0, runs=60, seed=3), ["variant", "recipe"], random=None)
    whole = 9 + 2 / 3 + 1
    assert found.effects[0].name == "recipe"
    assert found.effect("recipe").share == pytest.approx(100 * 9 / whole, abs=2)
    assert found.effect("method").share == pytest.approx(100 * (2 / 3) / whole, abs=2)
    assert found.effect("recipe").low < 100 * 9 / whole < found.effect("recipe").high
    assert found.verdict[0] == "Recipe matters more than the method; the method matters more than variant."


def test_noise_alone_gives_no_effect_a_share_and_no_false_claims():
    claims, shares = 0, []
    for seed in range(30):
        found = judge.grid(table(seed=seed), ["variant", "recipe"], random=None)
        claims += any(e.p_adj < 0.05 for e in found.effects[:-1])
        shares.append(sum(e.share for e in found.effects[:-1]))
    assert claims <= 5  # 1.5 are due; more than 5 of 30 have a chance of 0.3 %
    assert np.median(shares) < 12
    # Uncorrected shares of the sum of squares would be 11 of 59 degrees of freedom.


def test_bootstrap_intervals_hold_the_truth():
    truth, inside = 100 * 4 / (4 + 1), 0
    for seed in range(30):
        effect = judge.grid(table(recipe=2.0, seed=seed), ["variant", "recipe"], random=None).effect("recipe")
        inside += effect.low <= truth <= effect.high
    assert inside >= 25  # of 28.5 that are due; fewer have a chance of 0.5 %


def test_an_order_that_the_recipe_turns_is_seen():
    turned = judge.grid(table(both=3.0, noise=0.3), ["variant", "recipe"])
    tau = {p.factor: p.tau for p in turned.order}
    assert tau["variant"] == pytest.approx(1.0)
    assert tau["recipe"] == pytest.approx(-1.0)
    assert turned.repeat_tau > 0.95
    kept = judge.grid(table(method=3.0, noise=0.3), ["variant", "recipe"])
    assert {p.tau for p in kept.order} == {1.0}
    assert sum(p.pairs for p in kept.order[1:]) == 4
    assert kept.order[0].pairs == 6


def test_methods_are_judged_by_the_random_arm_of_their_own_cell():
    found = judge.grid(table(method=3.0, noise=0.3, runs=8), ["variant", "recipe"])
    assert [(r.dataset, r.algorithm) for r in found.rows[:2]] == [("wide / high", "darts"), ("wide / high", "gdas")]
    assert all(r.verdict == "beats random" for r in found.rows)
    assert {r.family for r in found.rows} == {8}
    few = judge.grid(table(method=3.0, noise=0.3, runs=3), ["variant", "recipe"])
    assert all(r.verdict.startswith("cannot be decided") for r in few.rows)
    assert "8 could not have shown one" in few.verdict[2]
    assert judge.grid(table(methods=("a", "b", "c")), ["variant", "recipe"]).rows == ()


def test_the_same_runs_give_the_same_json_without_gaps():
    values = table(methods=("random", "darts"))
    one, other = (judge.grid(values, ["variant", "recipe"], seed=3).to_json() for _ in range(2))
    assert json.dumps(one, allow_nan=False) == json.dumps(other, allow_nan=False)
    assert one["repeat_tau"] is None
    assert "Fewer than 3 methods" in one["verdict"][-1]


def test_equal_results_have_no_shares():
    found = judge.grid({k: [1.0, 1.0] for k in table()}, ["variant", "recipe"], random=None)
    assert all(e.ss_share == 0 for e in found.effects)
    assert all(e.p == 1.0 for e in found.effects[:-1])


@pytest.mark.parametrize(
    ("change", "factors", "said"),
    [
        (lambda v: v.pop(("deep", "low", "gdas")), ["variant", "recipe"], "no runs of deep / low / gdas"),
        (lambda v: v.update({("deep", "low", "gdas"): [1.0]}), ["variant", "recipe"], "at least 2 runs per arm, got 1"),
        (lambda v: v.update({("deep", "low", "gdas"): [1.0, np.nan]}), ["variant", "recipe"], "not finite"),
        (lambda v: None, ["variant"], "allowed: 2 names, of variant, method"),
        (lambda v: None, ["method", "recipe"], "none of them 'method'"),
        (lambda v: [v.pop(k) for k in list(v) if k[2] != "darts"], ["variant", "recipe"], "got 1 method"),
    ],
)
def test_holes_and_wrong_names_are_refused(change, factors, said):
    values = table()
    change(values)
    with pytest.raises(JudgeError, match=said):
        judge.grid(values, factors)
