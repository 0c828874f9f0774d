"""Numbers of a synthesis that are known in advance, at the size that shows them: many queries, and the real files."""

from __future__ import annotations

import importlib.metadata
import time

import numpy as np
import pytest

from oche.errors import ArgumentError, OcheError
from oche.rejection import Prop2Diff, Uniform, Vanilla, expected_draws, posterior_mean, queries, synthesize
from oche.rejection._report import _correlation
from oche.rejection._simulate import simulated
from oche.rejection.graders import counts, get
from tests.conftest import lacking
from tests.rejection.test_allocations import asked

N = 20_000


@pytest.mark.parametrize(("k", "p", "cap"), [(4, 0.5, 8), (3, 0.25, 12), (40, 0.05, 2048), (1, 0.001, 2048), (40, 0.02, 2048)])
def test_the_closed_form_of_the_draws_agrees_with_draws(k, p, cap):
    # The number of trials until the k-th success is k plus a negative binomial.
    trials = np.random.default_rng(5).negative_binomial(k, p, N) + k
    drawn, reached = np.minimum(trials, cap), np.mean(trials <= cap)
    mean, share = expected_draws(k, p, cap)
    assert abs(drawn.mean() - mean) < 3 * drawn.std() / np.sqrt(N)
    assert abs(reached - share) <= 3 * np.sqrt(share * (1 - share) / N) + 1e-12


@pytest.mark.parametrize(("k", "p", "cap"), [(4, 0.5, 8), (3, 0.25, 12)])
def test_the_allocation_itself_draws_as_many(k, p, cap):
    run = simulated(Uniform(k=k, cap=cap), [p] * N)
    mean, share = expected_draws(k, p, cap)
    assert abs(run.samples.mean() - mean) < 3 * run.samples.std() / np.sqrt(N)
    assert abs(np.mean(run.kept >= k) - share) < 3 * np.sqrt(share * (1 - share) / N)


def test_kept_responses_lean_where_the_rules_say():
    p = np.clip(np.random.default_rng(2).beta(0.6, 0.6, 2000), 0.01, 0.99)
    kept = {}
    for chosen in (Vanilla(m=32), Uniform(k=8, cap=100_000), Prop2Diff(k=64, cap=100_000)):
        run = simulated(chosen, p.tolist())
        kept[chosen.name] = np.minimum(run.kept, run.keep())
    assert _correlation(kept["vanilla"], p) > 0.9
    assert set(kept["uniform"]) == {8}
    assert _correlation(kept["uniform"], p) == 0.0
    assert _correlation(kept["prop2diff"], p) < -0.9


def test_the_reached_share_grows_with_the_logarithm_of_the_cap():
    p = np.clip(np.random.default_rng(4).beta(0.6, 0.6, 150), 0.001, 0.999)
    caps = [16, 64, 256, 1024, 4096]
    reached = np.array([np.mean([expected_draws(16, x, cap)[1] for x in p]) for cap in caps])
    raw = np.array([np.mean([expected_draws(16, x, cap)[0] for x in p]) for cap in caps])
    assert (np.diff(reached) > 0).all()
    assert reached[-1] > 0.95
    # Four times the cap costs less than twice the samples here, but for the last few points it costs most.
    gain_per_draw = np.diff(reached) / np.diff(raw)
    assert (np.diff(gain_per_draw) < 0).all()


def test_a_posterior_mean_is_pulled_to_the_middle():
    assert posterior_mean(3, 16) == 4 / 18
    assert posterior_mean(0, 0, 0.6, 1.4) == pytest.approx(0.3)


def test_gsm8k_is_read_with_its_last_numbers(oche_data):
    if not (oche_data / "math" / "gsm8k_train.jsonl.gz").is_file():
        lacking("OCHE_DATA holds no GSM8K")
    train, test = queries("gsm8k_train.jsonl.gz"), queries("gsm8k_test.jsonl.gz")
    assert (len(train), len(test)) == (7473, 1319)
    assert [q.reference for q in train[:5]] == ["72", "10", "5", "42", "624"]
    assert [q.reference for q in test[:5]] == ["18", "3", "70000", "540", "20"]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("deepmind-mathematics.json.gz", 1000), ("theoremqa.json.gz", 800), ("olympiadbench_OE_TO_maths_en_COMP.json.gz", 675),
        ("mwpbench_college-math-test.jsonl.gz", 2818), ("mwpbench_gaokaobench.jsonl.gz", 508), ("odyssey-math.jsonl.gz", 387),
    ],
)  # fmt: skip
def test_the_evaluation_sets_have_their_sizes(oche_data, name, count):
    if not (oche_data / "math" / name).is_file():
        lacking(f"OCHE_DATA holds no {name}")
    assert len(queries(name)) == count


def test_five_pathological_responses_of_a_thousand_cost_themselves():
    pairs = [(f"\\boxed{{{i}}}", str(i)) for i in range(1000)]
    bad = ["\\boxed{10^{10^{10}}!}", "\\boxed{" + "{" * 5000 + "1" + "}" * 5000 + "}", "\\boxed{" + "1+" * 500_000 + "1}",
           "\\boxed{" * 140_000, "\\boxed{9^{9^{9^{9}}}}"]  # fmt: skip
    for at, text in enumerate(bad):
        pairs[200 * at] = (text, "5")
    begun = time.monotonic()
    with get("strict?timeout=2") as grader:
        found = grader.grade_many(pairs)
    # Each may take its deadline and a second; workers stand side by side.
    assert time.monotonic() - begun < 5 * 3 + 20
    graded = counts(found)
    assert graded["correct"] == 995
    assert graded["wrong"] + graded["unparsable"] + graded["timed_out"] == 5
    assert all(not found[200 * at].correct for at in range(5))


def test_percent_signs_in_math_verify_depend_on_its_parser():
    pytest.importorskip("math_verify")
    version = tuple(map(int, importlib.metadata.version("latex2sympy2-extended").split(".")[:2]))
    with get("math-verify?timeout=30") as grader:
        found = [g.correct for g in grader.grade_many([("\\boxed{25}", r"25\%"), ("\\boxed{0.25}", r"25\%")])]
    assert found == ([True, True] if version >= (1, 11) else [False, True])


def test_intervals_keep_their_ends_in_the_set_mode():
    # The reference program stops with an error here.
    assert not get("dart?sets=true").compare("(0,5)", "(0,5]").correct


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"allocation": "prop2diff?k=0"}, "k: got 0"),
        ({"allocation": "uniform?cap=0"}, "cap: got 0"),
        ({"allocation": "vanilla?m=0"}, "m: got 0"),
        ({"cap": 0}, "cap: got 0"),
        ({"grader": "strikt"}, "'strict'"),
        ({"sampler": "bernouli"}, "'bernoulli'"),
        ({"allocation": "coverage"}, "never stop"),
        ({"queries": [{"id": f"a{i}", "query": "x", "ref_ans": ""} for i in range(7)]}, "a0.*a4(?!.*a5)"),
    ],
)
def test_bad_settings_are_named(given, message):
    settings = {"queries": asked(2), "sampler": "bernoulli", "allocation": "uniform?k=2", **given}
    with pytest.raises(OcheError, match=message):
        synthesize(**settings)


def test_difficulty_is_read_as_it_is_written():
    from oche.rejection import targets

    # 0.9 as a binary number is above nine tenths, and ten times it would round up to ten.
    assert targets([0.9, 1.0], 10) == [9, 10]
    with pytest.raises(ArgumentError, match="difficulty"):
        targets([1.5], 10)
