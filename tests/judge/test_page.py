"""The page: complete by itself, safe with any text, and read by a person at 390 pixels as well as on a desk."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from tests.judge.made_records import record, runs

from oche import judge
from oche.judge._cell_graph import parse_cell, program_picture
from oche.judge._curve_plot import mean_curve
from oche.judge._svg import Scale, el, tick_text

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|"
LONG = "regularized-evolution?population=20&tournament=5&warmup=a-very-long-setting-without-any-break-at-all"


def report_for(algorithm="evolution", n=5, **overrides):
    rng = np.random.default_rng(1)
    curve = {"incumbent": [[float(i), 90.0 + i] for i in range(1, 6)]}
    return judge.report(
        runs("search", rng.normal(95, 0.4, n), algorithm=algorithm, arch=CELL, curves=curve, **overrides),
        runs("search", rng.normal(96, 0.4, n), algorithm="pc-darts", decisions={"op0": "conv3", "op1": ["a", "b"]}),
        baseline=runs("random", rng.normal(93, 0.4, 8)),
        random_search=runs("random_search", rng.normal(94.5, 0.4, n), arch=CELL, curves=curve),
    )


class Outline(HTMLParser):
    """Tags that stay open, references to elsewhere, and pictures without a name."""

    VOID = ("meta", "br", "link", "img", "input", "hr")

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.outside, self.unnamed, self.handlers = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.seen.append(tag)
        self.outside += [v for k, v in attrs if k in ("src", "href", "data", "action") and v]
        self.handlers += [k for k, _ in attrs if k.startswith("on")]
        if tag == "svg" and values.get("role") == "img" and not values.get("aria-label"):
            self.unnamed.append(values)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else_and_is_well_formed():
    text = report_for().html_text()
    outline = Outline(text)
    assert outline.open == []
    assert outline.outside == []
    assert outline.unnamed == []
    assert outline.handlers == []
    assert "url(" not in text
    assert "@import" not in text
    assert outline.seen.count("h1") == 1
    assert outline.seen.count("script") == 1


def test_the_page_embeds_the_json_of_the_report():
    report = report_for()
    found = re.search(r'<script type="application/json" id="oche-report">(.*?)</script>', report.html_text(), re.S)
    assert json.loads(found[1]) == report.to_json()


def test_all_sections_are_there():
    text = report_for().html_text()
    for heading in (
        "Results",
        "How much better or worse",
        "Every run",
        "Random against search",
        "Performance over time",
        "What was found",
        "Cost per run",
        "All tests",
        "Checklist",
        "Protocol",
        "Seeds and raw runs",
    ):
        assert f">{heading}</h2>" in text
    assert "recipe.epochs" in text
    assert 'aria-label="Cell with 4 nodes' in text
    assert "test over trials" in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_text_from_records_cannot_become_markup():
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    report = judge.report(
        runs("search", [95, 96, 97], algorithm=evil, arch=evil, decisions={evil: evil}, task=f"t:{evil}", space=evil),
        baseline=runs("random", [90, 91, 92], task=f"t:{evil}", space=evil),
        title=evil,
    )
    outline = Outline(report.html_text())
    assert outline.seen.count("script") == 1
    assert "img" not in outline.seen


def test_the_picture_of_a_cell_shows_its_edges():
    edges = parse_cell(CELL)
    assert [(e.source, e.target, e.op) for e in edges] == [
        (0, 1, "nor_conv_3x3"),
        (0, 2, "none"),
        (1, 2, "skip_connect"),
        (0, 3, "avg_pool_3x3"),
        (1, 3, "nor_conv_1x1"),
        (2, 3, "skip_connect"),
    ]
    picture = program_picture(record("search", 90.0, arch=CELL))
    assert picture.count('class="edge"') == 6
    assert picture.count('class="head"') == 5  # `none` carries nothing, so it has no arrow
    assert picture.count("<circle") == 4
    assert "conv 3×3" in picture


@pytest.mark.parametrize("text", ["", "|a~1|", "a~0", "|a~0|+|b~0|c~2|", "Genotype(normal=[])", "|a|"])
def test_other_texts_are_not_cells(text):
    assert parse_cell(text) is None


def test_programs_without_a_cell_show_their_decisions():
    assert "<dt>op1</dt><dd>a, b</dd>" in program_picture(record("search", 90.0, decisions={"op1": ["a", "b"]}))
    assert "DNA" in program_picture(record("search", 90.0, 3))
    assert "does not say" in program_picture(record("search", 90.0, dna=None))


def test_mean_curve_begins_when_all_have_begun_and_never_interpolates():
    assert mean_curve([[(1, 10.0), (3, 20.0)], [(2, 30.0)]], [0.5, 1, 2, 2.9, 3, 9]) == [(2, 20.0), (2.9, 20.0), (3, 25.0), (9, 25.0)]


def test_scale_and_ticks():
    scale = Scale(0.0, 10.0)
    assert scale.ticks(5) == [0, 2, 4, 6, 8, 10]
    assert (scale(5.0), scale(-1.0), scale(11.0)) == (0.5, 0.0, 1.0)
    assert Scale.over([3.0, 3.0])(3.0) == pytest.approx(0.5)
    assert [tick_text(t, [0.0, 0.5, 1.0]) for t in (0.0, 0.5)] == ["0.0", "0.5"]
    assert tick_text(1500.0, [1000.0, 1500.0]) == "1,500"
    assert [tick_text(t, Scale(0.0, 0.1).ticks(5)) for t in (0.02, 0.1)] == ["0.02", "0.10"]


def test_elements_are_escaped():
    assert el("b", "<i>&", title='"') == '<b title="&#34;">&lt;i&gt;&amp;</b>'


# In a browser ------------------------------------------------------------------------------------------------------


def opened(browser, tmp_path, report, width, height=844):
    path = report.save(tmp_path / "report.html")
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    )
    browser.get(path.as_uri())
    return browser


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("algorithm", ["evolution", LONG], ids=["short", "long"])
def test_the_verdict_is_seen_first_and_nothing_scrolls_sideways(browser, tmp_path, width, algorithm):
    page = opened(browser, tmp_path, report_for(algorithm), width)
    box = page.execute_script("const r = document.querySelector('#verdict').getBoundingClientRect(); return [r.top, r.bottom, innerHeight]")
    assert 0 <= box[0] < box[1] <= box[2]
    assert page.execute_script("return document.querySelector('h1').textContent").strip()
    # Folded parts count as well: open them all.
    page.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true })")
    scroll, client = page.execute_script("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert scroll <= client == width


def test_four_searches_have_their_claims_in_the_first_view(browser, tmp_path):
    names = [f"regularized-evolution-{i}" for i in range(4)]
    searches = [runs("search", [95.0, 95.1, 95.2, 95.3, 95.4 + i], algorithm=a, budget={"trials": 90}) for i, a in enumerate(names)]
    randoms = runs("random_search", [95.0, 95.1, 95.2, 95.3, 95.5])
    report = judge.report(*searches, baseline=runs("random", [93.0, 94.0, 93.5]), random_search=randoms)
    page = opened(browser, tmp_path, report, 390)
    assert len(report.verdict) == 5
    header = page.execute_script("return document.querySelector('#verdict').textContent")
    assert all(name in header for name in names)
    assert page.execute_script("return document.querySelector('#verdict').getBoundingClientRect().bottom <= innerHeight")


def test_no_text_runs_out_of_its_picture(browser, tmp_path):
    page = opened(browser, tmp_path, report_for(LONG), 390)
    outside = page.execute_script(
        """return [...document.querySelectorAll('svg text')].filter(t => {
             const r = t.getBoundingClientRect();
             return r.width && (r.left < -1 || r.right > document.documentElement.clientWidth + 1)
           }).map(t => t.textContent)"""
    )
    assert outside == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(browser, tmp_path, scheme):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    page = opened(browser, tmp_path, report_for(), 390)
    lowest = page.execute_script(
        """const lum = c => { const v = c.map(x => { x /= 255; return x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4 });
                              return .2126 * v[0] + .7152 * v[1] + .0722 * v[2] };
           const rgb = s => s.match(/[\\d.]+/g).map(Number);
           const back = e => {
             for (; e; e = e.parentElement) {
               const c = rgb(getComputedStyle(e).backgroundColor);
               if (c.length < 4 || c[3] > 0) return c.slice(0, 3);
             }
             return [255, 255, 255];
           };
           let worst = [99, ''];
           for (const e of document.querySelectorAll('h1, h2, p, td, th, small, dt, dd, summary, li, figcaption, b, .tag')) {
             if (!e.textContent.trim() || !e.getClientRects().length) continue;
             const a = lum(rgb(getComputedStyle(e).color)), b = lum(back(e));
             const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
             if (ratio < worst[0]) worst = [ratio, e.textContent.slice(0, 40)];
           }
           return worst"""
    )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert lowest[0] >= 4.5, lowest


def test_the_browser_loads_nothing_and_complains_of_nothing(browser, tmp_path):
    page = opened(browser, tmp_path, report_for(), 1280)
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_report_of_39_rows_has_its_verdict_first(browser, tmp_path, performance):
    page = opened(browser, tmp_path, judge.report(judge.read(performance)), 390)
    assert "3 are better, 1 is worse" in page.execute_script("return document.querySelector('h1').textContent")
    assert page.execute_script("return document.querySelector('#verdict').getBoundingClientRect().bottom <= innerHeight")
    assert page.execute_script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
