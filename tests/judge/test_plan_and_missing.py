"""How many runs it takes, what is missing, what single runs are worth, and the checklist."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.judge.made_records import record, runs

from oche import judge
from oche.errors import JudgeError, UnknownNameError


def test_runs_for_an_effect():
    assert [judge.plan(e, 0.2266).runs for e in (0.1, 0.2, 0.3, 0.5)] == [82, 22, 11, 5]
    found = judge.plan(0.3, 0.2266, tests=10)
    assert found.runs > 11
    assert any(n == found.runs and effect <= 0.3 and decidable for n, effect, decidable in found.table)
    assert judge.plan(0.3, 0.2266, population=True).runs < 11
    assert judge.plan(0.2, 0.2266, power=0.95).runs > 22
    assert [d for n, _, d in found.table if n == 3] == [False]
    json.dumps(found.to_json(), allow_nan=False)


def test_the_spread_is_pooled_within_arms_of_a_task():
    arms = runs("search", [90.0, 92.0]), runs("search", [80.0, 84.0], algorithm="other"), runs("random", [50.0, 50.0, 50.0])
    (found,) = judge.spreads(*arms)
    assert found.sd == pytest.approx(np.sqrt((2.0 + 8.0 + 0.0) / 4))
    assert (found.runs, found.arms, found.task) == (7, 3, "digits")
    assert found.high > found.sd
    planned = judge.plan(2.0, runs=arms)
    assert planned.unit == "points" and planned.runs_cautious >= planned.runs
    assert "7 runs in 3 arms on digits" in str(planned)


def test_the_cautious_spread_is_above_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    above = sum(judge.spreads(runs("search", rng.normal(90, 1, 5)))[0].high > 1 for _ in range(400))
    assert 290 <= above <= 350  # 80 % of 400


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"effect": 0.2}, "both or neither"),
        ({"effect": 0.2, "sd": 1.0, "runs": []}, "both or neither"),
        ({"effect": -1, "sd": 1.0}, "effect: got -1"),
        ({"effect": 1, "sd": 0.0}, "sd: got 0.0"),
        ({"effect": 1, "sd": 1.0, "tests": 0}, "tests, power"),
        ({"effect": 1, "runs": runs("search", [90])}, "no arm with 2 runs"),
        ({"effect": 1, "runs": runs("search", [90, 91]) + runs("search", [1, 2], task="c:x")}, "allowed: one of 'digits'"),
    ],
)
def test_bad_plans(arguments, said):
    with pytest.raises(JudgeError, match=said):
        judge.plan(**arguments)


def said(*arms):
    return [str(s) for s in judge.shortcomings(*arms)]


def test_what_is_missing_is_said_worst_first():
    found = judge.shortcomings(runs("search", [93]))
    assert [f.fatal for f in found] == sorted((f.fatal for f in found), reverse=True)
    texts = said(runs("search", [93]))
    assert any("nothing random to compare with" in t for t in texts)
    assert any("every method has a single run" in t for t in texts)
    assert any("no search among the runs" in t for t in said(runs("random", [90, 91])))


def test_a_full_set_of_runs_lacks_nothing():
    arms = runs("search", range(90, 98)), runs("random", range(80, 88)), runs("random_search", range(85, 93))
    assert judge.shortcomings(*arms) == ()


def test_what_would_make_a_report_stronger_is_said():
    few = said(runs("search", [93, 94, 95]), runs("random", [90, 91, 92]))
    assert any("random search at equal cost was not run" in t for t in few)
    assert any("3 runs of a method in a report of 1 tests" in t and "4 + 4 runs can be decided" in t for t in few)
    free = runs("search", [93, 94, 95], budget={}, cost={}), runs("random_search", [90, 91, 92], budget={}, cost={})
    assert any("costs are not recorded" in t for t in said(*free))


def test_what_is_missing_and_what_is_refused_agree():
    """Fatal shortcomings are exactly the cases in which no report can be made."""
    heaps = [
        runs("search", [93]), runs("search", [93, 94]), runs("random", [90, 91]), runs("search", [93]) + runs("random", [90, 91]),
        runs("search", [93, 94]) + runs("random", [90, 91]), runs("search", [93, 94]) + runs("random_search", [90, 91]),
        runs("search", [93, 94]) + runs("random", [90]), runs("random_search", [93, 94]) + runs("random", [90, 91]),
    ]  # fmt: skip
    for heap in heaps:
        fatal = any(s.fatal for s in judge.shortcomings(heap))
        if fatal:
            with pytest.raises(JudgeError):
                judge.report(heap)
        else:
            judge.report(heap)


def test_single_runs_are_described_and_never_judged():
    lucky = record("search", 99.0, 0, algorithm="lucky")
    arms = runs("search", [93, 94, 95]), runs("random", [90, 91, 92]), runs("random_search", [91, 92, 93])
    report = judge.report(lucky, *arms)
    entry = next(e for e in report.entries if e.algorithm == "lucky")
    assert entry.verdict == "one run: described, not judged"
    assert (entry.average, entry.search) == (None, None)
    assert len(report.rows) == len(judge.report(*arms).rows)  # it is in no family of tests
    assert "Described, not judged, since it is one run: lucky on digits." in report.verdict
    assert "lucky" in report.html_text()
    json.dumps(report.to_json(), allow_nan=False)
    assert "lucky on digits: one run, 99.00 %" in judge.describe(lucky, *arms)


def test_the_checklist_never_says_yes_by_default():
    arms = runs("search", [93, 94, 95]), runs("random", [90, 91, 92])
    items = {c.id: c for c in judge.report(*arms).checklist}
    assert len(items) == 16
    assert {k for k, c in items.items() if c.status == "unknown"} == {"C1", "C2", "C4", "K3", "K8", "R1"}
    assert items["K6"].status == "no"  # random search is missing
    assert items["K5"].status == "no"
    assert items["C3"].status == "yes"
    assert items["K2"].status == "no"
    complete = judge.report(*arms, runs("random_search", [90, 91, 92]))
    assert {c.id: c for c in complete.checklist}["K6"].status == "yes"


def test_the_checklist_says_what_was_allowed_to_differ_and_takes_no_line_number_for_a_seed(tmp_path):
    slow, fast = ({"task": "classification", "epochs": n, "recipe": {}} for n in (600, 200))
    arms = runs("search", [93, 94, 95], protocol=slow), runs("random", [90, 91, 92], protocol=fast)
    item = {c.id: c for c in judge.report(*arms, allow_differ=["epochs"]).checklist}["K1"]
    assert item.status == "no" and "epochs" in item.evidence
    table = "method,kind,accuracy\n" + "".join(f"a,search,{v}\n" for v in (93, 94, 95)) + "".join(f"a,random,{v}\n" for v in (90, 91, 92))
    (tmp_path / "runs.csv").write_text(table)
    records = judge.read(tmp_path / "runs.csv")
    searches = [r for r in records if r.kind == "search"]
    assert [r.search_seed for r in searches] == [None] * 3
    items = {c.id: c.status for c in judge.report(searches, baseline=[r for r in records if r.kind == "random"]).checklist}
    assert (items["K1"], items["C5"], items["K7"]) == ("unknown", "unknown", "no")


def test_the_author_answers_what_records_cannot_tell_and_no_more():
    arms = runs("search", [93, 94, 95]), runs("random", [90, 91, 92])
    items = {c.id: c for c in judge.report(*arms, answers={"C1": ("yes", "in the repository"), "R1": False, "K6": "yes"}).checklist}
    assert (items["C1"].status, items["C1"].evidence) == ("yes", "the author's answer: in the repository")
    assert items["R1"].status == "no"
    assert items["K6"].status == "no" and "the author says 'yes'" in items["K6"].evidence
    with pytest.raises(UnknownNameError, match="K9"):
        judge.report(*arms, answers={"K9": "yes"})
    with pytest.raises(JudgeError, match="'n/a'"):
        judge.report(*arms, answers={"C1": "perhaps"})


def test_studies_belong_to_the_report():
    ladder = judge.ladder({"Base": [90.0, 91.0, 92.0], "cutout": [91.0, 92.5, 93.0]})
    arms = runs("search", [93, 94, 95]), runs("random", [90, 91, 92])
    report = judge.report(*arms, studies=[ladder])
    assert report.to_json()["studies"][0]["kind"] == "ladder"
    assert {c.id: c.status for c in report.checklist}["K3"] == "yes"
    with pytest.raises(JudgeError, match="studies: got str"):
        judge.report(*arms, studies=["x"]).to_json()


def test_all_searches_were_paid_for():
    (entry,) = judge.report(runs("search", [93, 94, 95]), runs("random", [90, 91, 92])).entries
    assert entry.cost_to_identify["seconds"] == 30.0
    assert entry.cost_end_to_end["seconds"] == 32.0
