"""What cannot be judged is refused, and the message says what was given and what to do."""

from __future__ import annotations

import math

import pytest
from tests.judge.made_records import PROTOCOL, record, runs

from oche import judge
from oche.errors import JudgeError, OcheError


@pytest.mark.parametrize(
    ("search", "random", "said"),
    [
        ([90.0], [88.0, 89.0], "needs at least 2 runs per arm, got k=1"),
        ([90.0, 91.0], [], "needs at least 2 runs per arm, got n=0"),
        ([90.0, math.nan], [88.0, 89.0], "accuracy is not finite"),
        ([90.0, 91.0], [math.inf, 89.0], "accuracy is not finite"),
        ([90.0, "x"], [88.0, 89.0], "accuracy is not a number"),
        ([90.0, 91.0], [0.0, 0.0], "relative improvement undefined: random mean is 0"),
        ([0.91, 0.92], [88.0, 89.0], "unit mismatch"),
        ([91.0, 92.0], [0.88, 0.89], "unit mismatch"),
        ([91.0, 0.92, 93.0], [88.0, 89.0], "unit mismatch"),
    ],
)
def test_bad_results(search, random, said):
    with pytest.raises(JudgeError, match=said) as caught:
        judge.compare(search=search, random=random)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, OcheError)
    assert "allowed:" in str(caught.value)


def test_chance_level_of_many_classes_is_not_a_share():
    # One percent is chance for 100 classes, 0.8333 for 120.
    assert judge.compare([70.0, 71.0, 1.0], [60.0, 61.0, 62.0]).mean_m < 50
    assert judge.compare([40.0, 41.0, 0.8333], [36.0, 37.0]).n_m == 3


def test_negative_means_are_refused_with_the_way_out():
    with pytest.raises(JudgeError, match="scale='points'"):
        judge.compare([-1.0, -2.0], [-3.0, -4.0], unit="reward")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"alpha": 1.5}, "alpha"),
        ({"ci": "magic"}, "ci: got 'magic'"),
        ({"direction": "up"}, "direction"),
        ({"delta": -1}, "delta"),
        ({"scale": "log"}, "scale"),
    ],
)
def test_bad_settings(settings, said):
    with pytest.raises(JudgeError, match=said):
        judge.compare([1.0, 2.0], [1.0, 2.0], **settings)


def test_zero_variance_in_both_arms():
    same = judge.compare([90.0, 90.0], [90.0, 90.0])
    assert (same.ri, same.ri_low, same.ri_high, same.p) == (0.0, 0.0, 0.0, 1.0)
    assert "zero variance" in same.warnings[0]
    other = judge.compare([91.0] * 5, [90.0] * 5)
    assert other.ri_low == other.ri == other.ri_high
    assert other.p == pytest.approx(2 / 252)
    assert other.mde == 0.0


def test_unequal_protocols_are_named():
    base = runs("random", [90, 91, 92], protocol={**PROTOCOL, "recipe": {"epochs": 200, "batch_size": 64}})
    with pytest.raises(JudgeError, match=r"protocols differ in: recipe\.epochs \(200 vs 8\)"):
        judge.report(runs("search", [93, 94, 95]), baseline=base)


@pytest.mark.parametrize("allowed", [["epochs"], ["recipe.epochs"], ["recipe"]])
def test_allowed_differences_are_printed(allowed):
    base = runs("random", [90, 91, 92], protocol={**PROTOCOL, "recipe": {"epochs": 200, "batch_size": 64}})
    report = judge.report(runs("search", [93, 94, 95]), baseline=base, allow_differ=allowed)
    assert any("recipe.epochs (200 vs 8)" in w for w in report.warnings)
    assert "recipe.epochs (200 vs 8)" in str(report)


def test_other_differences_stay_refused():
    base = runs("random", [90, 91, 92], protocol={"data": "digits", "recipe": {"epochs": 200, "batch_size": 32}, "metric": "test"})
    with pytest.raises(JudgeError, match=r"batch_size \(32 vs 64\)"):
        judge.report(runs("search", [93, 94, 95]), baseline=base, allow_differ=["epochs"])


def test_a_baseline_of_another_space_is_refused():
    base = runs("random", [90, 91, 92], space="darts", fingerprint="c" * 64)
    with pytest.raises(JudgeError, match=r"baseline was drawn from space darts \(cccccccc\), search ran in net\.py:Net"):
        judge.report(runs("search", [93, 94, 95]), baseline=base)


def test_random_search_of_another_space_is_refused():
    randoms = runs("random_search", [90, 91, 92], space="darts", fingerprint="c" * 64)
    with pytest.raises(JudgeError, match="random search was drawn from space darts"):
        judge.report(runs("search", [93, 94, 95]), baseline=runs("random", [90, 91]), random_search=randoms)


def test_a_run_given_twice_is_refused():
    searches = runs("search", [93, 94, 95])
    with pytest.raises(JudgeError, match="duplicate run"):
        judge.report(searches, searches[0], baseline=runs("random", [90, 91]))


def test_the_same_program_found_by_two_seeds_is_no_duplicate():
    searches = [record("search", 95.0, seed, dna=(1, 1, 1)) for seed in range(3)]
    assert judge.report(searches, baseline=runs("random", [90, 91, 92])).entries[0].n == 3


def test_the_same_member_drawn_twice_counts_twice():
    base = [record("random", 90.0 + i, 0, dna=(1, 1, 1), settings={"draw_seed": 0, "member": i}) for i in range(3)]
    assert judge.report(runs("search", [93, 94, 95]), baseline=base).rows[0].n_r == 3
    with pytest.raises(JudgeError, match="duplicate run"):
        judge.report(runs("search", [93, 94, 95]), baseline=[*base, base[1]])


def test_units_and_metrics_must_agree():
    base = runs("random", [0.90, 0.91, 0.92], unit="1")
    with pytest.raises(JudgeError, match="unit mismatch"):
        judge.report(runs("search", [93, 94, 95]), baseline=base)
    with pytest.raises(JudgeError, match="metric: got 'loss'"):
        judge.report(
            runs("search", [93, 94, 95]),
            runs("search", [1, 2], algorithm="darts", metric="loss", metrics={"loss": 1.0}),
            baseline=runs("random", [90, 91]),
        )


def test_a_result_that_is_not_finite_names_its_run():
    bad = record("search", math.nan, 9)
    with pytest.raises(JudgeError, match=f"run {bad.id}: accuracy is not finite"):
        judge.report([*runs("search", [93, 94]), bad], baseline=runs("random", [90, 91]))


def test_one_seed_is_not_enough():
    with pytest.raises(JudgeError, match=r"got k=1 of 'evolution'.*--seeds 5"):
        judge.report(runs("search", [93]), baseline=runs("random", [90, 91]))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (((), {}), "no search"),
        (((runs("search", [93, 94]),), {}), "nothing to compare with"),
        (((runs("search", [93, 94]),), {"baseline": runs("search", [90, 91])}), "kind 'search'"),
        ((runs("search", [93, 94]) + runs("random", [1, 2], train_seed=5), {"baseline": runs("random", [90, 91])}), "random members"),
        ((("runs.db",), {"baseline": runs("random", [90, 91])}), "runs: got str"),
        (((runs("search", [93, 94]),), {"baseline": runs("random", [90, 91]) + runs("population", [1, 2], train_seed=1)}), "kinds"),
    ],
)
def test_bad_arguments(arguments, said):
    with pytest.raises(JudgeError, match=said):
        judge.report(*arguments[0], **arguments[1])


def test_a_report_is_saved_as_html_or_json_only(tmp_path):
    report = judge.report(runs("search", [93, 94]), baseline=runs("random", [90, 91]))
    with pytest.raises(JudgeError, match=r"\.html or \.json"):
        report.save(tmp_path / "report.pdf")
    assert not list(tmp_path.iterdir())
