"""The report of syntheses: numbers that can be counted by hand, verdicts that follow from them, and a page that a reader can use."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

import oche
from oche.errors import ArgumentError
from oche.judge import paired_difference, synthesis_page
from oche.rejection import Bernoulli, Completion, Replay, report, synthesize
from oche.rejection._trace import Drawn, Trace, difficulties
from oche.store import Store
from tests.cli.conftest import run_oche
from tests.judge.test_page import Outline


def asked(n: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"q{i}", "query": f"1+{i}=", "ref_ans": str(1 + i), **more} for i in range(n)]


def script(*hits: int, answer: int) -> list[str]:
    return [f"try {i} #### {answer if hit else 'no'}" for i, hit in enumerate(hits)]


@pytest.fixture(scope="module")
def compared() -> Any:
    """Three allocations, three seeds."""
    store = Store.memory()
    sampler = Bernoulli(slope=200)
    queries = asked(160, level="easy")
    for q in queries[80:]:
        q["level"] = "hard"
    done = synthesize(queries, sampler, "prop2diff?k=8&cap=128", store=store, seeds=3, vanilla=True)
    synthesize(queries, sampler, "uniform?k=4&cap=128", store=store, seeds=3)
    return done.report()


def trace(*scripts: list[int], targets: list[int]) -> Trace:
    rows = [(q, i, hit) for q, hits in enumerate(scripts) for i, hit in enumerate(hits)]
    query, number, hit = (np.array(c) for c in zip(*rows, strict=True))
    return Trace(Drawn(query, number, 1 - hit, hit == 1, hit == 9, 10 + number), len(scripts), np.array(targets))


def test_a_lower_cap_is_read_off_the_samples():
    run = trace([1, 1], [0, 1, 0, 1], [0, 0, 0, 0, 0], targets=[2, 2, 2])
    lines = {line["cap"]: line for line in run.against_cap(5)}
    assert list(lines) == [1, 2, 4, 5]
    assert [lines[c]["samples"] for c in lines] == [3, 6, 10, 11]
    assert [round(lines[c]["reached"]) for c in lines] == [0, 33, 67, 67]
    assert [round(lines[c]["coverage"]) for c in lines] == [33, 67, 67, 67]


def test_a_run_is_cut_round_by_round():
    run = trace([1, 1, 1], [0, 1, 1], [0, 0, 1], targets=[9, 9, 9])
    cut = run.within(samples=5)
    assert cut is not None
    assert cut.samples.tolist() == [2, 2, 1]
    assert cut.found().tolist() == [2, 1, 0]
    kept = run.within(kept=4)
    assert kept is not None
    assert (kept.found().tolist(), kept.samples.tolist()) == ([3, 1, 0], [3, 2, 2])
    assert run.within(samples=10) is None
    assert run.within(kept=7) is None


def test_difficulty_is_read_from_the_run_that_drew_most():
    # (raw, correct, kept, target, reason, tokens); reason 1 is `target`: 2 of 3 there is 1/2.
    assert difficulties([[(3, 2, 2, 2, 1, 0), (0, 0, 0, 1, 4, 0)], [(2, 2, 2, 2, 2, 0), (0, 0, 0, 1, 4, 0)]]).tolist() == [0.5, 1.0]


def test_pairs_decide_only_what_their_number_can():
    assert paired_difference([1.0] * 3).verdict() == "cannot be decided with these counts"
    assert paired_difference([1.0] * 10).verdict() == "more"
    assert paired_difference([-1.0] * 10).verdict() == "less"
    assert paired_difference([1.0] * 10).p == pytest.approx(2 / 2**10)
    assert paired_difference([1.0, -1.0] * 20).verdict() == "not distinguishable"
    assert paired_difference([0.0] * 10).p == 1.0
    assert paired_difference([1.0] * 6).verdict(family=2) == "cannot be decided with these counts"
    with pytest.raises(oche.errors.OcheError, match="paired difference"):
        paired_difference([])


def test_the_report_counts_what_the_samples_say():
    sampler = Replay(responses={"q0": script(1, 1, answer=1), "q1": script(0, 1, 0, 1, answer=2), "q2": ["...", "", "x #### 9", "#### 9"]})
    store = Store.memory()
    done = synthesize(asked(3), sampler, "uniform?k=2", cap=4, store=store)
    values = done.report().to_json()
    (run,) = values["runs"]
    assert (run["samples"], run["kept"]) == (10, 4)
    assert run["grades"] == {"correct": 4, "wrong": 5, "unparsable": 1, "timed_out": 0, "truncated": 0, "duplicate": 0}
    assert run["stopped"] == {"cap": 1, "target": 2}
    assert run["raw_per_kept"] == 2.5
    # Fail rates: 1 - 1/1, 1 - 1/3, 1.
    assert [line["fail_rate"] for line in done.report().table()] == pytest.approx([0, 2 / 3, 1], abs=1e-6)
    assert run["by_difficulty"]["kept"][0] == run["by_difficulty"]["kept"][6] == 2
    assert run["by_difficulty"]["kept"][9] == 0
    assert [b["queries"] for b in values["bins"]] == [1, 0, 0, 0, 0, 0, 1, 0, 0, 1]
    assert {s["kind"] for s in values["samples"]} == {"kept", "wrong", "unparsable"}
    assert "targets reached for only 66.7 % of 3 queries" in " ".join(values["warnings"])
    assert "not run" in " ".join(values["warnings"])


def test_vanilla_is_held_to_the_same_samples_and_to_the_same_number_kept(compared):
    by_budget = {(v.allocation.split("?")[0], v.budget): v for v in compared.comparisons}
    assert set(by_budget) == {(a, b) for a in ("prop2diff", "uniform") for b in ("raw", "kept")}
    for (_, budget), v in by_budget.items():
        assert v.test is not None
        pair = v.samples if budget == "raw" else v.kept
        assert pair[0] == pair[1] == v.amount
        assert v.seeds == (0, 1, 2)
        assert v.hard[0] - v.hard[1] == pytest.approx(v.test.mean)
    # The sampler is simulated with pass rates of all sizes: at an equal number kept, vanilla leaves hard queries out.
    assert by_budget["prop2diff", "kept"].verdict == "more"
    assert by_budget["prop2diff", "kept"].hard_share[0] > 2 * by_budget["prop2diff", "kept"].hard_share[1]
    found = {run["allocation"].split("?")[0]: run for run in compared.runs}
    assert found["vanilla"]["correlation"] < -0.9
    assert found["prop2diff"]["correlation"] > 0.3


def test_equal_allocations_are_not_told_apart():
    store = Store.memory()
    sampler = Bernoulli()
    queries = asked(120)
    # One sample each and no more: the allocation is vanilla under another name.
    done = synthesize(queries, sampler, "uniform?k=64&cap=8&pilot=0", store=store, vanilla=True)
    raw = next(v for v in done.report().comparisons if v.budget == "raw")
    assert raw.hard[0] == raw.hard[1]
    assert raw.verdict == "not distinguishable"


def test_a_sampler_that_cannot_do_the_hard_ones_is_reported_as_such():
    rates = [0.9] * 30 + [0.001] * 30
    done = synthesize(asked(60), Bernoulli(rates=rates), "prop2diff?k=16&cap=32", vanilla=True)
    made = done.report()
    text = " ".join(s["detail"] for s in made.verdict)
    assert re.search(r"Targets reached for only (4|5)\d\.\d % of 60 queries", text)
    assert any("no right response in any run" in w for w in made.warnings)
    assert all(v.verdict != "more" for v in made.comparisons)


def test_wrong_references_are_listed():
    texts = {"q0": script(1, 1, answer=1), "q1": [f"so {i} #### 77" for i in range(10)] + ["#### 5", "#### 6"]}
    done = synthesize(asked(2), Replay(responses=texts), "uniform?k=2", cap=12)
    (line,) = done.report().to_json()["suspected_label_errors"]
    assert (line["id"], line["majority"], line["votes"], line["samples"]) == ("q1", "77", 10, 12)
    assert "their references may be wrong" in " ".join(done.report().warnings)


def test_the_json_is_the_same_for_the_same_store_and_holds_a_line_per_query(compared, tmp_path):
    first, second = compared.save(tmp_path / "a.json"), compared.save(tmp_path / "b.json")
    assert first.read_bytes() == second.read_bytes()
    values = json.loads(first.read_text())
    assert len(values["table"]) == values["queries"] == 160
    line = values["table"][0]["runs"]["prop2diff?cap=128&k=8"]
    assert line["low"] <= line["correct"] / line["n"] <= line["high"]
    assert [level["level"] for level in values["levels"]] == ["easy", "hard"]
    with pytest.raises(ArgumentError, match=r"\.html or \.json"):
        compared.save(tmp_path / "a.txt")


def test_runs_of_other_protocols_are_not_mixed(tmp_path):
    store = Store.memory()
    first = synthesize(asked(10), "bernoulli", "uniform?k=2&cap=16", store=store)
    synthesize(asked(10), "bernoulli", "uniform?k=2&cap=16", store=store, dedup="none")
    with pytest.raises(ArgumentError, match=r'dedup "exact".*dedup "none"'):
        report(store)
    assert len(first.report().groups) == 1
    with pytest.raises(ArgumentError, match="other queries"):
        report(store, asked(9), protocol=first.report().to_json()["protocol"]["hash"][:8])
    with pytest.raises(ArgumentError, match="without a finished synthesis"):
        report(Store.memory())


class Pairs(oche.rejection.Allocation):
    """An allocation that no registry knows."""

    name = "pairs"

    def want(self, i: int) -> int:
        return 2


def test_odd_runs_have_reports_as_well(tmp_path):
    cases = {
        "one query": synthesize(asked(1), "bernoulli?beta=2,2", "uniform?k=2&cap=16", vanilla=True),
        "all right": synthesize(asked(20), Bernoulli(rates=[1.0] * 20), "prop2diff?k=4&cap=16", vanilla=True),
        "none right": synthesize(asked(20), Bernoulli(rates=[0.0] * 20), "prop2diff?k=4&cap=16", vanilla=True),
        "own": synthesize(asked(20), "bernoulli?beta=2,2", Pairs(cap=9), vanilla=True),
        "vanilla alone": synthesize(asked(20), "bernoulli?beta=2,2", "vanilla?m=4"),
        "budget below the queries": synthesize(asked(20), "bernoulli", "coverage", budget=oche.Budget(samples=9)),
        "band": synthesize(asked(20), "bernoulli", "banded?cap=64", vanilla=True),
    }
    for name, done in cases.items():
        made = done.report()
        assert Outline(made.save(tmp_path / "report.html").read_text()).open == [], name
        assert json.loads(made.save(tmp_path / "report.json").read_text())["runs"], name
    assert "cannot be judged with so few queries" in cases["one query"].report().verdict[0]["claim"]
    assert "nothing to train on" in " ".join(cases["none right"].report().warnings)


def test_a_vanilla_run_that_is_too_short_compares_nothing():
    store = Store.memory()
    synthesize(asked(30), "bernoulli?beta=2,2", "uniform?k=4&cap=16", store=store)
    synthesize(asked(30), "bernoulli?beta=2,2", "vanilla?m=2", store=store)
    made = report(store)
    assert all(v.test is None for v in made.comparisons)
    assert "vanilla?m=2 has 60 of" in " ".join(made.warnings)
    assert "vanilla" not in made.verdict[0]["claim"]


# The page ----------------------------------------------------------------------------------------------------------


def test_the_page_needs_nothing_else_and_holds_its_json(compared, tmp_path):
    text = compared.save(tmp_path / "report.html").read_text()
    outline = Outline(text)
    assert (outline.open, outline.outside, outline.unnamed, outline.handlers) == ([], [], [], [])
    assert "url(" not in text
    assert outline.seen.count("h1") == outline.seen.count("script") == 1
    found = re.search(r'<script type="application/json" id="oche-report">(.*?)</script>', text, re.S)
    assert found is not None
    compared.save(tmp_path / "report.json")
    whole = json.loads((tmp_path / "report.json").read_text())
    del whole["table"]
    assert json.loads(found[1]) == whole
    for heading in (
        "Results",
        "Against vanilla",
        "Against difficulty",
        "Against the cap",
        "How responses were graded",
        "Cost",
        "Samples to read",
    ):
        assert f">{heading}</h2>" in text
    assert "reached % against cap of raw samples per query" in text
    assert "prefers-color-scheme: dark" in text


class Evil:
    """Responds with what would be markup."""

    simulated = True

    def describe(self):
        return {"sampler": "</script><script>alert(1)</script>"}

    def generate(self, requests):
        bad = "</script><img src=x onerror=alert(1)> ####"
        return [[Completion(f"{bad} {r.query.reference}") for _ in range(r.count)] for r in requests]


def test_text_of_models_cannot_become_markup():
    evil = "<script>alert(2)</script>"
    queries = [{"id": evil, "query": evil, "ref_ans": evil}, *asked(2)]
    page = synthesis_page(json.loads(json.dumps(synthesize(queries, Evil(), "uniform?k=1&cap=2").report(title=evil).to_json())))
    outline = Outline(page)
    assert outline.seen.count("script") == 1
    assert "img" not in outline.seen


def opened(browser: Any, path: Any, width: int) -> Any:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
    )
    browser.get(path.as_uri())
    return browser


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_verdict_is_seen_first_and_nothing_scrolls_sideways(browser, compared, tmp_path, width, scheme):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    page = opened(browser, compared.save(tmp_path / "report.html"), width)
    top, bottom, height = page.execute_script(
        "const r = document.querySelector('#verdict').getBoundingClientRect(); return [r.top, r.bottom, innerHeight]"
    )
    assert 0 <= top < bottom <= height
    assert "vanilla" in page.execute_script("return document.querySelector('h1').textContent")
    page.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true })")
    scroll, client = page.execute_script("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert scroll <= client == width
    outside = page.execute_script(
        """return [...document.querySelectorAll('svg text')].filter(t => {
             const r = t.getBoundingClientRect();
             return r.width && (r.left < -1 || r.right > document.documentElement.clientWidth + 1)
           }).map(t => t.textContent)"""
    )
    assert outside == []
    assert page.execute_script("return [...document.querySelectorAll('svg')].every(s => s.getAttribute('aria-label'))")
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []
    dark = page.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(21, 21, 20)"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert dark == (scheme == "dark")


# From the command line ---------------------------------------------------------------------------------------------


def test_the_command_writes_a_report_and_compares_allocations_of_a_store(tmp_path):
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(q) + "\n" for q in asked(40)))
    common = ["--queries", "q.jsonl", "--cap", "32", "--store", "s.db"]
    done = run_oche("synthesize", *common, "--allocation", "prop2diff?k=4", "--vanilla", "--out", "out", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"README.md", "data", "report.html", "report.json"}
    assert json.loads((tmp_path / "out/report.json").read_text())["comparisons"]
    assert "targets reached for only" in done.stderr
    done = run_oche("synthesize", *common, "--allocation", "uniform?k=2", "-q", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run_oche("synthesize", "report", "--store", "s.db", "--queries", "q.jsonl", "--out", "both", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["verdict"]) == 2
    values = json.loads((tmp_path / "both/report.json").read_text())
    assert [run["allocation"].split("?")[0] for run in values["runs"]][:2] == ["prop2diff", "uniform"]
    assert values["samples"][0]["query"].startswith("1+")
    done = run_oche("synthesize", "report", "--store", "none.db", "--out", "both", cwd=tmp_path)
    assert done.returncode == 2
    assert "no such file" in done.stderr
