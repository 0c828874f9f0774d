"""Ladders, rank studies, space studies and the calibration of the judge itself."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oche import judge
from oche.errors import JudgeError
from oche.judge._ladder import variance_shares
from oche.judge._permutation import sign_flip_p
from oche.seeds import generator


def columns(path):
    with path.open() as handle:
        rows = list(csv.DictReader(handle))
    return {name: [float(r[name]) for r in rows] for name in rows[0] if name != "arch"}


@pytest.fixture(scope="module")
def raw(oche_data):
    folder = oche_data / "nas_benchmark"
    return {name: columns(folder / f"{name}.csv") for name in ("protocol_ladder", "seeds_32", "depth_8_20")}


def test_the_ladder_of_the_paper(raw):
    found = judge.ladder(raw["protocol_ladder"])
    means = (94.9563, 95.0362, 95.9338, 96.3912, 96.8450, 96.9988, 97.2362, 97.3088, 97.6475, 97.8712)
    assert [r.mean for r in found.rungs] == pytest.approx(means, abs=1e-4)
    gains = (0.080, 0.978, 1.435, 1.889, 2.043, 2.280, 2.353, 2.691, 2.915)
    assert [r.over_base.mean for r in found.rungs[1:]] == pytest.approx(gains, abs=6e-4)
    assert found.rungs[1].over_base.low < 0 < found.rungs[1].over_base.high  # the auxiliary tower alone: not shown
    assert all(r.over_base.p == 2 / 256 for r in found.rungs[2:])
    assert (found.protocol_share, found.arch_share, found.rest_share) == pytest.approx((94.6, 4.1, 1.4), abs=0.051)
    assert found.verdict.startswith("The training protocol moves results more than the architecture")
    assert found.protocol_low > found.arch_high
    json.dumps(found.to_json(), allow_nan=False)


def test_a_missing_cell_of_the_ladder_is_named():
    with pytest.raises(JudgeError, match="architecture 3 has no result for rung C"):
        judge.ladder({"Base": [1.0, 2.0, 3.0, 4.0], "C": [1.0, 2.0, 3.0]})
    with pytest.raises(JudgeError, match="architecture 1 has no result for rung Base"):
        judge.ladder({"Base": [1.0, math.nan, 3.0], "C": [1.0, 2.0, 3.0]})
    with pytest.raises(JudgeError, match="3 or more"):
        judge.ladder({"Base": [1.0, 2.0], "C": [1.0, 2.0]})


@given(st.lists(st.lists(st.floats(80, 99), min_size=4, max_size=4), min_size=3, max_size=6))
def test_shares_add_up_and_turn_with_the_table(rows):
    table = np.array(rows)
    protocol, arch, rest = variance_shares(table)
    if np.ptp(table) > 1e-6:
        assert protocol + arch + rest == pytest.approx(100)
        assert min(protocol, arch, rest) > -1e-6
        assert variance_shares(table.T)[:2] == pytest.approx((arch, protocol))


def test_sign_flips_exact_and_drawn_agree():
    rng = np.random.default_rng(2)
    values = rng.normal(0.5, 1, 16)
    drawn = sign_flip_p(np.concatenate([values, [0.0]]))  # a zero changes nothing, but makes 17 pairs
    assert drawn == pytest.approx(sign_flip_p(values), abs=0.005)


def test_seeds_and_depths_of_the_paper(raw):
    seeds, depth = judge.rank_study(raw["seeds_32"]), judge.rank_study(raw["depth_8_20"], vary="cells")
    assert seeds.tau == pytest.approx(0.475998, abs=1e-6)
    assert depth.tau == pytest.approx(0.535497, abs=1e-6)
    assert (seeds.pairs[0].largest_shift, depth.pairs[0].largest_shift) == (19.5, 18.5)
    assert (seeds.pairs[0].tau_low, seeds.pairs[0].tau_high) == pytest.approx((0.26, 0.66), abs=0.02)
    assert (depth.pairs[0].tau_low, depth.pairs[0].tau_high) == pytest.approx((0.33, 0.70), abs=0.02)
    assert seeds.noise_sd == pytest.approx(0.11, abs=0.002)
    assert seeds.null_sd == pytest.approx(0.124, abs=5e-4)
    found = judge.re_ranking(raw["depth_8_20"], raw["seeds_32"])
    assert found.verdict == "no re-ranking beyond seed noise"
    assert found.difference == pytest.approx(0.535497 - 0.475998, abs=2e-6)
    assert judge.re_ranking(raw["seeds_32"], raw["seeds_32"]).difference == 0


def test_re_ranking_is_found_where_it_is():
    rng = np.random.default_rng(4)
    truth = rng.normal(size=60)
    seeds = {"a": truth + 0.05 * rng.normal(size=60), "b": truth + 0.05 * rng.normal(size=60)}
    depth = {"8": truth + 0.05 * rng.normal(size=60), "20": rng.normal(size=60)}
    assert judge.re_ranking(depth, seeds).verdict == "re-ranks beyond seed noise"


def test_tau_b():
    assert judge.tau_b([1, 1, 2, 3], [1, 2, 3, 4]) == pytest.approx(0.912871, abs=1e-6)
    with pytest.raises(JudgeError, match="3 or more"):
        judge.tau_b([1, 2], [1, 2])
    assert math.isnan(judge.tau_b([1, 1, 1], [1, 2, 3]))
    constant = judge.rank_study({"a": [1, 1, 1], "b": [1, 2, 3]}).to_json()
    assert constant["pairs"][0]["tau"] == "undefined"
    json.dumps(constant, allow_nan=False)


def test_the_ceiling_of_tau_is_what_two_noisy_measurements_give():
    rng = np.random.default_rng(9)
    truth = rng.normal(0, 2, 600)
    found = judge.rank_study({"a": truth + rng.normal(size=600), "b": truth + rng.normal(size=600)})
    assert found.icc == pytest.approx(0.8, abs=0.03)
    assert (found.noise_sd, found.arch_sd) == pytest.approx((1.0, 2.0), abs=0.1)
    assert found.tau == pytest.approx(found.ceiling, abs=0.03)


def test_the_modified_operations(oche_data):
    curves = {k: v / 100.0 for k, v in np.load(oche_data / "nas_benchmark" / "curves.npz").items() if k in ("modified56", "darts214")}
    found = judge.space_study(curves["modified56"].max(axis=1), curves["darts214"].max(axis=1))
    assert found.row.difference == pytest.approx(-0.187, abs=5e-4)
    assert found.row.a12 == pytest.approx(1 - 0.697, abs=5e-4)
    assert found.mann_whitney_p == pytest.approx(5.7e-6, abs=1e-7)
    assert found.row.verdict == "worse than random"
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize(("k", "n", "draws"), [(8, 8, 40), (3, 6, 60), (6, 3, 60), (5, None, 60)])
def test_the_batch_of_the_calibration_gives_the_judge_s_own_verdicts(darts214, k, n, draws):
    pool = np.sort(darts214.max(axis=1))
    found = judge.null_calibration(pool, k, n, repeats=draws, seed=5, alpha=0.2)
    drawn = pool[generator(5, "judge", "calibration").integers(0, len(pool), (draws, k + (n or 0)))]
    rows = [judge.compare(d[:k], d[k:] if n else pool, population=n is None, alpha=0.2, seed=5) for d in drawn]
    assert round(found.interval_better * draws) == sum(r.ri_low > 0 for r in rows)
    assert round(found.interval_worse * draws) == sum(r.ri_high < 0 for r in rows)
    assert round(found.test * draws) == sum(r.p < 0.2 for r in rows)
    assert round(found.better * draws) == sum(r.wins for r in rows)
    assert round(found.worse * draws) == sum(r.loses for r in rows)
    assert found.test > 0


@pytest.mark.parametrize("which", ["best epoch", "last epoch"])
def test_the_judge_keeps_its_level(darts214, which):
    pool = darts214.max(axis=1) if which == "best epoch" else darts214[:, -1]
    found = judge.null_calibration(pool, repeats=1000, seed=1)
    assert 0.03 <= found.claims <= 0.07
    assert 0.93 <= found.coverage <= 0.97


def test_against_a_skewed_space_the_interval_alone_would_mislead_and_the_verdict_does_not(table):
    """Groups of eight random cells: the t interval finds 'better' in 3 of 10, the verdict in 1 of 40."""
    for k in (5, 8):
        found = judge.null_calibration(table["cifar10_test_200"], k, None, repeats=4000)
        assert 0.28 < found.interval_better < 0.36
        assert found.better < 0.035
        assert 0.04 < found.test < 0.06


def test_a_space_that_is_known_whole_says_which_mean_is_no_luck(table):
    cells = table["cifar10_test_200"]
    rng = np.random.default_rng(0)
    near = 91.0 + 0.1 * rng.normal(size=8)
    row = judge.compare(near, cells, population=True)
    assert row.ri_low > 0 and row.verdict == "not distinguishable" and row.interval_only
    assert row.needed == pytest.approx(91.68, abs=0.05)
    assert "the space is skewed" in row.warnings[0]
    assert row.mde >= row.needed - cells.mean()
    good = judge.compare(92.2 + 0.1 * rng.normal(size=8), cells, population=True)
    assert good.verdict == "beats random" and not good.warnings
    # The critical mean is critical: just above it the test passes, just below it does not.
    assert judge.compare([row.needed + 1e-6] * 8, cells, population=True).p < 0.05
    assert judge.compare([row.needed - 1e-6] * 8, cells, population=True).p >= 0.05


def test_bad_calibrations():
    with pytest.raises(JudgeError, match="positive results"):
        judge.null_calibration([-1.0, 1.0])
    with pytest.raises(JudgeError, match="splits"):
        judge.null_calibration([1.0, 2.0], 30, 30)
