"""Targets, estimators and allocations, against numbers that can be checked by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oche
from oche.errors import ArgumentError
from oche.rejection import Replay, Uniform, expected_draws, give_up_count, pass_at_k, pass_rate, plan, synthesize, targets
from oche.rejection._budget_optimal import fit_beta, split_for_coverage

D = [0, 0.05, 0.25, 0.5, 0.9, 1]


def asked(n: int) -> list[dict[str, str]]:
    return [{"id": f"q{i}", "query": f"1+{i}=", "ref_ans": str(1 + i)} for i in range(n)]


@pytest.mark.parametrize(
    ("d", "k", "settings", "wanted"),
    [
        (D, 192, {"scale": "absolute"}, [1, 10, 48, 96, 173, 192]),
        (D, 192, {"scale": "absolute", "cover": False}, [0, 10, 48, 96, 173, 192]),
        (D, 10, {}, [1, 1, 3, 5, 9, 10]),
        ([0, 0.1, 0.2, 0.4], 8, {"scale": "max"}, [1, 2, 4, 8]),
        ([0, 0.1, 0.2, 0.4], 8, {"scale": "absolute"}, [1, 1, 2, 4]),
        ([0, 0, 0], 8, {}, [1, 1, 1]),
        ([Fraction(128, 192)], 3, {"scale": "absolute"}, [2]),
    ],
)
def test_targets_in_proportion_to_difficulty(d, k, settings, wanted):
    assert targets(d, k, **settings) == wanted


@given(st.lists(st.fractions(0, 1, max_denominator=500), min_size=1), st.integers(1, 300), st.sampled_from(["max", "absolute"]))
def test_targets_grow_with_difficulty_and_never_pass_k(d, k, scale):
    found = targets(d, k, scale)
    assert all(1 <= t <= k for t in found)
    order = sorted(range(len(d)), key=lambda i: d[i])
    assert [found[i] for i in order] == sorted(found)


@pytest.mark.parametrize(("cap", "samples", "reason", "kept"), [(2048, 5, "target", 3), (4, 4, "cap", 2)])
def test_a_query_is_closed_by_the_sample_that_meets_its_target(cap, samples, reason, kept):
    script = [f"try {i} #### {'5' if hit else '6'}" for i, hit in enumerate([0, 1, 1, 0, 1, 1])]
    done = synthesize([{"id": "a", "query": "2+3", "ref_ans": "5"}], Replay(responses={"a": script}), "uniform?k=3", cap=cap)
    (line,) = done.table()
    assert (line["n"], line["reason"], line["kept"]) == (samples, reason, kept)
    assert len(list(done.samples())) == samples


@pytest.mark.parametrize(
    ("k", "p", "cap", "draws", "reached"),
    [
        (4, 0.5, 8, 6.90625, 0.636719), (3, 0.25, 12, 9.677068, 0.609325), (40, 0.05, 2048, 800.0, 1.0),
        (1, 0.001, 2048, 871.139478, 0.871139), (40, 0.02, 2048, 1896.911, 0.581727),
    ],
)  # fmt: skip
def test_expected_draws(k, p, cap, draws, reached):
    assert expected_draws(k, p, cap) == (pytest.approx(draws, abs=1e-3), pytest.approx(reached, abs=1e-6))


def test_the_loop_draws_as_many_as_expected():
    done = synthesize(asked(3000), oche.rejection.Bernoulli(rates=[0.25] * 3000), "uniform?k=3", cap=12)
    drawn = np.array([line["n"] for line in done.table()])
    assert abs(drawn.mean() - 9.677068) < 3 * drawn.std() / np.sqrt(3000)
    reached = np.mean([line["reason"] == "target" for line in done.table()])
    assert abs(reached - 0.609325) < 3 * np.sqrt(0.609325 * 0.390675 / 3000)
    assert plan([0.25] * 3000, "uniform?k=3", cap=12).samples == pytest.approx(3000 * 9.677068, rel=1e-6)


def test_estimators():
    assert pass_rate(3, 7, "target") == Fraction(1, 3)
    assert pass_rate(3, 16, "cap") == Fraction(3, 16)
    assert pass_rate(0, 0) is None
    assert give_up_count(0.01, 0.05) == 298
    assert [round(pass_at_k(*x), 6) for x in ((10, 3, 1), (10, 3, 5), (64, 1, 8))] == [0.3, 0.916667, 0.125]
    with pytest.raises(ArgumentError, match="pass@k"):
        pass_at_k(3, 4, 1)


@given(st.integers(2, 30), st.floats(0.3, 0.9))
def test_the_estimate_at_a_target_is_without_bias(k, p):
    from scipy.stats import nbinom

    n = np.arange(k, 4000)
    weight = nbinom.pmf(n - k, k, p)
    assert float((weight * (k - 1) / (n - 1)).sum()) == pytest.approx(p, abs=1e-6)
    assert float((weight * k / n).sum()) > p


def test_giving_up_takes_as_many_failures_as_the_posterior_says():
    done = synthesize(asked(3), oche.rejection.Bernoulli(rates=[0.0] * 3), "uniform?k=4&p_min=0.01&delta=0.05&lot=1", cap=2048, parallel=3)
    assert [(line["n"], line["reason"]) for line in done.table()] == [(298, "gave_up")] * 3


def test_coverage_goes_to_the_largest_marginal_gain():
    counts, covered = split_for_coverage([0.5, 0.1], 4)
    assert counts == [3, 1]
    assert covered == pytest.approx(0.975)


def test_a_beta_prior_is_fitted_by_moments():
    draw = np.random.default_rng(0)
    p = draw.beta(0.6, 0.6, 20_000)
    a, b = fit_beta(draw.binomial(8, p).tolist(), [8] * 20_000)
    assert a == pytest.approx(0.6, abs=0.03)
    assert b == pytest.approx(0.6, abs=0.03)


def test_budget_optimal_covers_more_than_vanilla_for_the_same_samples():
    rates = np.random.default_rng(1).beta(0.4, 0.8, 400).tolist()
    sampler = oche.rejection.Bernoulli(rates=rates)
    vanilla = synthesize(asked(400), sampler, "vanilla?m=6")
    optimal = synthesize(asked(400), sampler, "budget-optimal?step=2", budget=oche.Budget(samples=2400))
    assert optimal.records[0].cost["search"]["samples"] <= 2400
    assert optimal.records[0].metrics["coverage"] > vanilla.records[0].metrics["coverage"] + 2


def test_kept_against_pass_rate():
    rates = np.clip(np.random.default_rng(3).beta(0.6, 0.6, 400), 0.05, 0.95).tolist()
    sampler = oche.rejection.Bernoulli(rates=rates)
    found = {}
    for text in ("vanilla?m=32", "uniform?k=8&cap=4096", "prop2diff?k=24&cap=4096"):
        kept = [min(line["kept"], line["target"]) for line in synthesize(asked(400), sampler, text, dedup="none").table()]
        found[text[:4]] = kept
    assert np.corrcoef(found["vani"], rates)[0, 1] > 0.9
    assert set(found["unif"]) == {8}
    assert np.corrcoef(found["prop"], rates)[0, 1] < -0.9


def test_raising_k_only_adds_samples(tmp_path):
    sampler = "bernoulli?beta=2,2"
    store = tmp_path / "runs.db"
    few = {(r.query, r.number): r.text for r in synthesize(asked(30), sampler, "uniform?k=4", cap=64, store=store).samples()}
    more = synthesize(asked(30), sampler, "uniform?k=8", cap=64, store=store)
    rows = {(r.query, r.number): r.text for r in more.samples()}
    assert few.items() <= rows.items()
    assert more.records[0].cost["search"]["samples"] == len(rows) - len(few)
    again = synthesize(asked(30), sampler, "uniform?k=3", cap=64, store=store)
    assert again.records[0].cost["search"].get("samples", 0) == 0
    alone = synthesize(asked(30), sampler, "uniform?k=8", cap=64)
    assert {(r.query, r.number): r.text for r in alone.samples()} == rows


def test_equal_responses_count_once():
    script = Replay(responses={"q0": ["#### 1", "####  1", "#### 1", "so #### 1"]})
    done = synthesize(asked(1), script, "uniform?k=3", cap=10)
    assert done.dataset()[0]["responses"] == ["#### 1", "so #### 1"]
    assert len(synthesize(asked(1), script, "uniform?k=3", cap=10, dedup="none").dataset()[0]["responses"]) == 3


def test_a_budget_of_samples_is_exact():
    done = synthesize(asked(40), "bernoulli", "uniform?k=20", budget=oche.Budget(samples=333))
    assert len(list(done.samples())) == 333
    assert "budget" in {line["reason"] for line in done.table()}


class Coin:
    """A program that succeeds as often as its quality says; the seed decides."""

    name, metric, direction, unit = "coin", "test", "max", ""

    def describe(self):
        return {"task": "coin"}

    def child(self, space, dna, seed, final=False):
        return space.decode(dna)

    def evaluate(self, child, seed):
        hit = float(np.random.default_rng(seed).random() < child["quality"])
        return oche.Feedback(reward=hit, metrics={"test": hit})

    report = evaluate


def test_an_allocation_spreads_training_seeds_over_uncertain_programs():
    space = oche.Space({"quality": oche.oneof([0.2, 0.5, 0.9])})
    runs = oche.search(space, Uniform(k=6, cap=200, lot=2, success=0.5), Coin(), parallel=1, progress=False)
    trials = runs[0].trials
    seeds = [t.seed for t in trials]
    assert len(set(seeds)) == len(seeds)
    by_point = [[t.feedback.scalar for t in trials if t.dna.flat == (i,)] for i in range(3)]
    assert all(6 <= sum(rewards) <= 7 for rewards in by_point)
    assert len(by_point[0]) > len(by_point[1]) > len(by_point[2])
    assert runs.best.decisions == {"quality": "0.9"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"allocation": "uniform?k=0"}, "k: got 0"),
        ({"allocation": "prop2diff?scale=big"}, "scale"),
        ({"allocation": "unifrom"}, "uniform"),
        ({"allocation": "budget-optimal"}, "never stop"),
        ({"sampler": "bernoulli?beta=0.6"}, "beta"),
        ({"dedup": "some"}, "dedup"),
        ({"queries": []}, "queries: got none"),
        ({"queries": [{"id": 1, "query": "a", "ref_ans": ""}]}, "reference"),
        ({"queries": [{"id": 1, "query": "a", "ref_ans": "1"}] * 2}, "more than once"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings, message):
    given_settings = {"queries": asked(2), "sampler": "bernoulli", "allocation": "uniform?k=2", **settings}
    with pytest.raises(oche.errors.OcheError, match=message):
        synthesize(**given_settings)
