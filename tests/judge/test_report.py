"""Reports: who is compared with whom, at what cost, in which words, and the same bytes twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from tests.judge.made_records import record, runs, table_population, table_random, table_search

from oche import judge

ROOT = Path(__file__).parents[2]

SAME_COST = {"search": {"cpu_seconds": 9.0, "seconds": 10.0}}


def spread(center, n=5, width=0.2):
    """`n` results around a center, without chance."""
    return list(center + width * np.linspace(-1, 1, n))


@pytest.fixture
def small():
    """Evolution equals random search at equal cost; PC-DARTS is better but costs more."""
    return judge.report(
        runs("search", spread(95.0)),
        runs("search", spread(97.0), algorithm="pc-darts?k=4", budget={}, cost={"search": {"cpu_seconds": 15.0}}),
        baseline=runs("random", spread(93.0, 8)),
        random_search=runs("random_search", spread(95.05)),
    )


def test_random_search_comes_first_and_is_judged_against_the_average_only(small):
    assert [e.algorithm for e in small.entries] == ["random search", "evolution", "pc-darts?k=4"]
    assert small.entries[0].search is None
    assert [(r.algorithm, r.against) for r in small.rows] == [
        ("random search", "random average"),
        ("evolution", "random average"),
        ("evolution", "random search"),
        ("pc-darts?k=4", "random average"),
        ("pc-darts?k=4", "random search"),
    ]


def test_the_family_is_the_report(small):
    assert {r.family for r in small.rows} == {5}
    assert [r.p_adj for r in small.rows] == pytest.approx(judge.holm([r.p for r in small.rows]))
    assert "Holm over the 5 tests of this report" in str(small)


def test_equal_budgets_are_equal_cost(small):
    row = small.row("evolution")
    assert row.against == "random search"
    assert row.equal_cost is True
    assert row.verdict == "not distinguishable"
    assert "same declared budget: 40 trials" in small.entries[1].cost_note


def test_unequal_cost_never_earns_the_words(small):
    row = small.row("pc-darts?k=4")
    assert row.equal_cost is False
    assert row.cost_ratio == pytest.approx(0.6)
    assert row.verdict == "beats a random search of 0.6x the cost"
    text = str(small)
    assert "random search spent 0.6x the cost" in text
    assert "at equal cost" not in text
    assert "beats random search" not in text


@pytest.mark.parametrize(("cost", "equal"), [(9.0, True), (9.8, True), (8.2, True), (11.0, False), (7.9, False)])
def test_costs_within_ten_percent_are_equal(cost, equal):
    report = judge.report(
        runs("search", spread(97.0), budget={"seconds": 99}, cost={"search": {"cpu_seconds": cost}}),
        random_search=runs("random_search", spread(95.0), cost=SAME_COST),
    )
    row = report.rows[0]
    assert row.equal_cost is equal
    assert row.cost_unit == "cpu_seconds"
    assert (row.verdict == "beats random search") is equal
    assert ("at equal cost" in str(report)) is equal


def test_the_unit_of_cost_can_be_named():
    searches = runs("search", spread(97.0), budget={}, cost={"search": {"cpu_seconds": 90.0, "epochs": 10.0}})
    randoms = runs("random_search", spread(95.0), budget={"epochs": 10}, cost={"search": {"cpu_seconds": 9.0, "epochs": 10.0}})
    assert judge.report(searches, random_search=randoms).rows[0].equal_cost is False
    assert judge.report(searches, random_search=randoms, cost_unit="epochs").rows[0].equal_cost is True


def test_unknown_costs_are_not_called_equal():
    report = judge.report(runs("search", spread(97.0), budget={}, cost={}), random_search=runs("random_search", spread(95.0)))
    assert report.rows[0].verdict == "beats a random search of unknown cost"
    assert "at equal cost" not in report.verdict[0]


def test_each_search_meets_the_random_search_of_its_own_cost():
    report = judge.report(
        runs("search", spread(97.0), budget={"trials": 40}),
        runs("search", spread(97.1), algorithm="long", budget={"trials": 400}),
        random_search=[
            *runs("random_search", spread(95.0), budget={"trials": 40}),
            *runs("random_search", spread(96.0), budget={"trials": 400}),
        ],
    )
    assert {e.algorithm: e.search.mean_r for e in report.entries if e.search} == pytest.approx({"evolution": 95.0, "long": 96.0})
    assert all(r.equal_cost for r in report.rows)


def test_without_random_search_the_report_says_so():
    report = judge.report(runs("search", spread(95.0)), baseline=runs("random", spread(93.0)))
    assert "random search at equal cost: not run" in str(report)
    assert report.rows[0].verdict == "beats random"
    assert "beats the average" in str(report)
    assert "beats random search" not in str(report) + report.html_text()
    assert any("not run" in s for s in report.verdict)


def test_without_a_baseline_the_report_says_so():
    report = judge.report(runs("search", spread(95.0)), random_search=runs("random_search", spread(93.0)))
    assert "random average: not run" in str(report)
    assert report.rows[0].verdict == "beats random search"


def test_kinds_find_their_own_place():
    everything = [*runs("search", spread(95.0)), *runs("random", spread(93.0, 8)), *runs("random_search", spread(94.0))]
    explicit = judge.report(everything[:5], baseline=everything[5:13], random_search=everything[13:])
    assert judge.report(everything).to_json() == explicit.to_json()


def test_random_search_given_twice_counts_once_and_a_second_one_is_judged():
    randoms, base = runs("random_search", spread(94.0)), runs("random", spread(93.0))
    once = judge.report(randoms, runs("search", spread(95.0)), baseline=base, random_search=runs("random_search", spread(94.0)))
    assert [e.algorithm for e in once.entries] == ["random search", "evolution"]
    local = runs("random_search", spread(95.0), algorithm="random?local=true")
    both = judge.report(local, baseline=base, random_search=randoms)
    assert both.row("random?local=true").verdict == "beats random search"


def test_objects_with_records_and_nested_lists_are_taken():
    class Runs:
        records = runs("search", spread(95.0))

    report = judge.report(Runs(), [[record("search", 95.0, 99)]], baseline=runs("random", spread(93.0)))
    assert report.entries[0].n == 6


def test_few_runs_cannot_be_decided_and_the_report_says_what_it_takes():
    report = judge.report(
        runs("search", spread(97.0, 3)), baseline=runs("random", spread(93.0, 8)), random_search=runs("random_search", spread(95.0, 3))
    )
    row = report.row("evolution")
    assert row.p == pytest.approx(0.1)
    assert row.family * row.p_smallest >= row.alpha
    assert row.verdict == "cannot be decided with these counts"
    assert "cannot be decided with these counts (needs 5 + 5 runs or more)" in str(report)
    assert report.verdict[0].startswith("3 + 3 runs cannot decide whether evolution beats random search at equal cost on digits.")
    assert report.row("evolution", against="random average").verdict == "beats random"


def test_no_difference_comes_with_what_it_would_take():
    rng = np.random.default_rng(0)
    report = judge.report(
        runs("search", rng.normal(95, 1, 5)),
        random_search=runs("random_search", rng.normal(95, 1, 5)),
        baseline=runs("random", rng.normal(95, 1, 8)),
    )
    entry = report.entries[1]
    sd = np.sqrt((entry.search.sd_m**2 + entry.search.sd_r**2) / 2)
    needed = judge.runs_needed(0.5, float(sd), alpha=0.05 / 3)
    assert f"not distinguishable from random search (would need {needed} runs to see 0.5 points)" in str(report)
    wide = judge.report(runs("search", rng.normal(95, 1, 5)), random_search=runs("random_search", rng.normal(95, 1, 5)), see=20)
    assert f"5 + 5 runs can see {wide.rows[0].mde_family:.1f} points" in str(wide)


def test_an_algorithm_of_failed_runs_only_is_named_and_left_out():
    lost = [record("search", 0.0, seed, status="failed", reason="no trial gave a reward", metrics={}, algorithm="lost") for seed in (0, 1)]
    report = judge.report([*runs("search", spread(95.0)), *lost], baseline=runs("random", spread(93.0)))
    assert [e.algorithm for e in report.entries] == ["evolution"]
    assert sum("a run of 'lost'" in w and "no trial gave a reward" in w for w in report.warnings) == 2


def test_failed_runs_are_listed_and_never_counted():
    failed = record("search", 0.0, 9, status="failed", reason="loss is not finite at step 12", metrics={})
    report = judge.report([*runs("search", spread(95.0)), failed], baseline=runs("random", spread(93.0)))
    entry = report.entries[0]
    assert (entry.n, entry.n_failed, entry.mean) == (5, 1, pytest.approx(95.0))
    assert any("loss is not finite at step 12" in w and "search seed 9" in w for w in report.warnings)
    assert "loss is not finite at step 12" in str(report)
    assert "loss is not finite at step 12" in report.html_text()
    assert failed.to_json() in report.to_json()["runs"]


def test_zero_variance_is_told():
    report = judge.report(runs("search", [95.0] * 3), baseline=runs("random", [93.0] * 8))
    assert any("zero variance" in w for w in report.warnings)


def test_rewards_of_any_sign_are_compared_by_their_difference():
    report = judge.report(
        runs("search", [-1.0, -1.1, -0.9, -1.2], unit=""), baseline=runs("random", [-3.0, -3.2, -2.9, -3.1, -3.3], unit="")
    )
    row = report.rows[0]
    assert row.scale == "points"
    assert row.difference == pytest.approx(2.05)
    assert row.verdict == "beats random"
    assert any("not positive" in w for w in report.warnings)
    report.html_text()


def test_losses_are_better_when_smaller():
    report = judge.report(
        runs("search", spread(1.0, width=0.05), unit="nats", direction="min"),
        baseline=runs("random", spread(2.0, 8, 0.05), unit="nats", direction="min"),
    )
    assert report.rows[0].ri == pytest.approx(50.0)
    assert report.rows[0].verdict == "beats random"


def test_json_follows_its_schema_and_is_the_same_twice(small, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((files("oche.judge") / "report.schema.json").read_text(encoding="utf-8"))
    first = small.save(tmp_path / "one.json").read_bytes()
    jsonschema.validate(json.loads(first), schema)
    assert json.loads(first)["settings"]["family"] == 5
    assert small.save(tmp_path / "two.json").read_bytes() == first


@pytest.mark.parametrize("ci", ["welch-log", "bootstrap"])
def test_the_order_of_records_does_not_reach_the_file(ci):
    searches, base, randoms = runs("search", spread(95.0, 9)), runs("random", spread(93.0, 14)), runs("random_search", spread(94.0, 12))
    one = judge.report(searches, baseline=base, random_search=randoms, ci=ci)
    other = judge.report(searches[::-1], baseline=base[3:] + base[:3], random_search=randoms[::-1], ci=ci)
    assert one.json_text() == other.json_text()
    assert one.html_text() == other.html_text()
    assert "random splits" in one.rows[0].p_method


def test_a_saved_report_can_be_judged_again(small, tmp_path):
    path = small.save(tmp_path / "report.json")
    assert judge.report(judge.read(path)).rows == small.rows


def test_seeds_and_costs_are_printed(small):
    text = str(small)
    assert "search seeds 0-4, train seeds 0" in text
    assert "8 random, 5 + 5 + 5 searches" in text
    assert small.seconds() == pytest.approx(8 * 12 + 5 * 12 * 2 + 5 * 15)


def test_long_derived_seeds_are_counted_in_the_table_and_listed_on_the_page():
    seeds = [10**18 + 7 * i for i in range(5)]
    searches = [record("search", 95.0 + i / 10, i, train_seed=s) for i, s in enumerate(seeds)]
    report = judge.report(searches, baseline=runs("random", spread(93.0), train_seed=seeds[0]))
    assert "search seeds 0-4, 5 train seeds" in str(report)
    assert all(str(s) in report.html_text() for s in seeds)


def test_space_size_comes_from_the_records_or_the_caller():
    sized = judge.report(runs("search", spread(95.0), settings={"space_size": 256}), baseline=runs("random", spread(93.0)))
    assert str(sized).startswith("256 programs in the space · digits · 5 random, 5 searches")
    assert "1,037,664,180" not in str(
        judge.report(runs("search", spread(95.0)), baseline=runs("random", spread(93.0)), space_size=1037664180)
    )


def loaded_after(code, *arguments):
    """Which heavy modules a fresh interpreter holds after `code`."""
    code += "; import sys; print([m for m in ('matplotlib', 'torch', 'sqlalchemy', 'scipy', 'jinja2') if m in sys.modules])"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_of_the_judge_is_light():
    assert loaded_after("import oche.judge; dir(oche.judge)") == "[]"


def test_a_whole_report_needs_no_plotting_library(tmp_path):
    code = (
        "import sys; from tests.judge.made_records import runs; from oche import judge; "
        "judge.report(runs('search', [95, 96, 97]), baseline=runs('random', [90, 91, 92])).save(sys.argv[1])"
    )
    assert loaded_after(code, str(tmp_path / "report.html")) == "['scipy', 'jinja2']"


# On the table -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def on_the_table(table):
    return judge.report(
        table_search(table, "search", "mutation", 8, 100),
        baseline=table_population(table),
        random_search=table_search(table, "random_search", "random", 8, 100),
    )


def test_a_known_population_gives_the_exact_mean(on_the_table):
    row = on_the_table.row("random search", against="random average")
    assert row.population
    assert row.n_r == 15625
    assert row.mean_r == pytest.approx(87.0629, abs=1e-4)
    assert row.sd_r == pytest.approx(12.935, abs=1e-3)
    assert row.median_r == pytest.approx(90.745, abs=1e-3)
    assert row.verdict == "beats random"
    assert "from all 15,625 members, seed 0" in row.p_method


def test_random_search_is_worth_about_as_many_oracle_draws_as_it_should(on_the_table, table):
    # By 12-epoch valid, 100 draws are expected to give 93.73; the oracle reaches that with 58.
    expected = judge.expected_best(table["cifar10_test_200"], 100, signal=table["cifar10_valid_12"])
    row = on_the_table.row("random search", against="random average")
    assert row.mean_m == pytest.approx(expected, abs=3 * row.sd_m / np.sqrt(row.n_m))
    assert row.random_equivalent == judge.random_equivalent(row.mean_m, table["cifar10_test_200"])


def test_the_population_is_stored_short_and_read_back(on_the_table, tmp_path):
    path = on_the_table.save(tmp_path / "report.json")
    assert path.stat().st_size < 1_000_000
    again = judge.report(judge.read(path))
    assert again.rows == on_the_table.rows


def test_a_lone_population_record_needs_its_members():
    whole = record("population", 50.0, curves=judge.population_curves([1.0, 99.0, 99.0]), metrics={"test": 66.3})
    assert judge.report(runs("search", spread(99.0)), baseline=whole).rows[0].n_r == 3
    with pytest.raises(ValueError, match="without members"):
        judge.report(runs("search", spread(99.0)), baseline=record("population", 50.0))


def test_random_members_of_the_table_and_the_population_agree(table, on_the_table):
    report = judge.report(table_search(table, "search", "mutation", 8, 100), baseline=table_random(table, 200))
    one, other = report.rows[0], on_the_table.row("mutation", against="random average")
    assert one.mean_m == other.mean_m
    assert one.mean_r == pytest.approx(other.mean_r, abs=3 * one.sd_r / np.sqrt(200))
    assert one.ri_low < other.ri < one.ri_high
