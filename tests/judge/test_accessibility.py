"""Reports and study pages in a browser: names, headings, tables, contrast of pictures too, print, phone, no network."""

from __future__ import annotations

import base64
import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from tests.judge.made_records import runs

import oche
from oche import judge

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|"

# Relative luminance and contrast as WCAG 2.1 defines them; transparent colors are laid over what is behind them.
CONTRAST = """
const lum = c => { const v = c.map(x => { x /= 255; return x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4 });
                   return .2126 * v[0] + .7152 * v[1] + .0722 * v[2] };
const rgb = s => { const v = s.match(/[\\d.]+/g).map(Number); return v.length < 4 ? [...v, 1] : v };
const over = (a, b) => a.slice(0, 3).map((x, i) => a[3] * x + (1 - a[3]) * b[i]);
const back = e => { const stack = [];
  for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); stack.push(c); if (c[3] === 1) break; }
  return stack.reverse().reduce((b, c) => over(c, b), [255, 255, 255]) };
const ratio = (a, b) => { const x = lum(a), y = lum(b); return (Math.max(x, y) + .05) / (Math.min(x, y) + .05) };
const shown = e => e.getClientRects().length > 0;
"""


def curve(level):
    rising = [[float(i), level - 3 * 0.5**i] for i in range(1, 7)]
    return {"incumbent test by trials": rising, "train": [[float(i), 60 + 5.0 * i] for i in range(1, 7)]}


def behavior():
    """Pictures of a policy search: maps, shares, learned spaces, families, films."""
    env = oche.diversity.environment("point?frames=2")
    searches = {
        text: oche.search(env.space, text, env, budget=oche.Budget(trials=120), progress=False)
        for text in ("stax?epochs=1&population=20&chunk=50", "stax-untrained?population=20")
    }
    portraits = [oche.diversity.portrait(found[0], env, text) for text, found in searches.items()]
    # So few policies find no reward.
    nodes = [(0, None, "explore", 0.0), (40, 0, "explore", 0.0), (60, 40, "explore", 0.5), (90, 40, "emitter", 0.9)]
    portraits[0]["family"] = [
        {"number": n, "parent": p, "generations": 2, "reward": r, "zone": "area 1" if r else None, "phase": phase}
        for n, p, phase, r in nodes
    ]
    metrics = {"share_explore": 0.6, "share_area_1": 0.4}
    records = [replace(r, metrics=metrics) for found in searches.values() for r in found.records]
    found = oche.diversity.portrait_studies(portraits, records)
    assert {s["kind"] for s in found} == {"behavior_maps", "behavior_shares", "behavior_space", "behavior_family", "behavior_films"}
    return found


@pytest.fixture(scope="module")
def report():
    """Everything a report can hold: two data sets, curves, cells, studies, a note."""
    rng = np.random.default_rng(1)
    heap = []
    for task, shift in (("classification:digits", 0), ("classification:letters", -15)):
        for kind, algorithm, mean, n in (
            ("search", "evolution", 95, 5), ("search", "pc-darts", 97, 5), ("random", "random", 93, 8), ("random_search", "random", 94.5, 5)
        ):  # fmt: skip
            curves = {} if kind == "random" else curve(mean + shift)
            heap += runs(
                kind,
                rng.normal(mean + shift, 0.4, n),
                algorithm=algorithm,
                arch=None if kind == "random" else CELL,
                curves=curves,
                task=task,
            )
    table = {(r, m): rng.normal(80 + 5 * (r == "high"), 1, 4).tolist() for r in ("high", "low") for m in ("random", "a", "b")}
    studies = [
        judge.ladder({"base": [93, 94, 92, 95], "cutout": [94, 95, 93.5, 95.5]}),
        judge.rank_study({"seed 0": rng.normal(90, 1, 9).tolist(), "seed 1": rng.normal(90, 1, 9).tolist()}),
        judge.space_study(rng.normal(90, 1, 9).tolist(), rng.normal(91, 1, 9).tolist()),
        judge.grid(table, ["recipe"]),
        *behavior(),
    ]
    return judge.report(heap, studies=studies)


@pytest.fixture(scope="module")
def paths(report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    table = "tabular?table=nasbench201&dataset=cifar10&search=valid,12&report=test,12"
    study = oche.studies.ladder("nasbench201", table, {"long": {"epochs": 200}}, n=4, progress=False)
    return {"report": report.save(folder / "report.html"), "study": study.save(folder / "study.html")}


def opened(browser, path, width=390, scheme="light", media=""):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [{"name": "prefers-color-scheme", "value": scheme}]})
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
    )
    browser.get(path.as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true })")
    return browser


@pytest.mark.parametrize("which", ["report", "study"])
def test_everything_has_a_name_and_headings_go_down_step_by_step(browser, paths, which):
    page = opened(browser, paths[which])
    nameless = page.execute_script(
        """const named = e => e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.querySelector(':scope > title');
           const hidden = e => e.closest('[aria-hidden=true]');
           return [...document.querySelectorAll('svg')].filter(e => !e.parentElement.closest('svg') && !hidden(e))
             .filter(e => !(e.getAttribute('role') === 'img' && named(e)))
             .map(e => e.outerHTML.slice(0, 80))
             .concat([...document.querySelectorAll('section, [role=region], [role=group], [tabindex]')].filter(e => !named(e))
               .map(e => e.outerHTML.slice(0, 80)))
             .concat([...document.querySelectorAll('[aria-labelledby]')].map(e => e.getAttribute('aria-labelledby'))
               .filter(id => !document.getElementById(id)))"""
    )
    assert nameless == []
    assert page.execute_script("return [document.documentElement.lang, document.title.length > 0]") == ["en", True]
    levels = page.execute_script("return [...document.querySelectorAll('h1, h2, h3, h4')].map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert [(a, b) for a, b in itertools.pairwise(levels) if b - a > 1] == []
    ids = page.execute_script("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("which", ["report", "study"])
def test_tables_have_heads_with_a_scope(browser, paths, which):
    page = opened(browser, paths[which])
    wrong = page.execute_script(
        """return [...document.querySelectorAll('table')].filter(t => !t.querySelector('thead th')
             || [...t.querySelectorAll('th')].some(h => !['col', 'row'].includes(h.scope))
             || [...t.querySelectorAll('tbody tr')].some(r => !r.querySelector('th[scope=row]')))
           .map(t => t.closest('section').id + t.outerHTML.slice(0, 120))"""
    )
    assert wrong == []


@pytest.mark.parametrize("which", ["report", "study"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_contrast_in_pictures_too(browser, paths, which, scheme):
    page = opened(browser, paths[which], scheme=scheme)
    poor = page.execute_script(
        CONTRAST
        + """const found = [];
             for (const e of document.querySelectorAll('body *')) {
               const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
               if (!own || !shown(e) || ['SCRIPT', 'STYLE', 'TITLE', 'title'].includes(e.tagName)) continue;
               const svg = e.namespaceURI.endsWith('svg');
               const behind = back(svg ? e.ownerSVGElement : e);
               const style = getComputedStyle(e);
               // A label inside of a node of a cell stands on its circle.
               const disc = svg && e.parentElement.matches('.node') && e.parentElement.querySelector('circle');
               const ground = disc ? over(rgb(getComputedStyle(disc).fill), behind) : behind;
               const r = ratio(over(rgb(svg ? style.fill : style.color), ground), ground);
               if (r < 4.5) found.push(r.toFixed(2) + ' ' + e.textContent.slice(0, 40));
             }
             return found"""
    )
    assert poor == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_pictures_are_made_of_stands_out(browser, paths, scheme):
    page = opened(browser, paths["report"], scheme=scheme)
    poor = page.execute_script(
        CONTRAST
        + """const found = {};
             const lines = ['.thick', 'line.bar', 'line.mean', 'line.axis', '.clique', 'line.rung', '.solid'].map(s => 'svg ' + s).join();
             for (const e of document.querySelectorAll(lines)) {
               const style = getComputedStyle(e), paint = e.matches('.solid') ? style.fill : style.stroke;
               if (!shown(e) || paint === 'none') continue;
               const r = ratio(over(rgb(paint), back(e.ownerSVGElement)), back(e.ownerSVGElement));
               if (r < 3) found[e.getAttribute('class') + ' ' + paint] = r;
             }
             return found"""
    )
    assert poor == {}


@pytest.mark.parametrize("which", ["report", "study"])
def test_a_phone_shows_the_verdict_first_and_scrolls_one_way(browser, paths, which):
    page = opened(browser, paths[which])
    assert page.execute_script("return document.querySelector('#verdict').getBoundingClientRect().bottom <= innerHeight")
    assert page.execute_script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    small = page.execute_script(
        "return [...document.querySelectorAll('summary')].filter(e => e.getBoundingClientRect().height < 24).map(e => e.textContent)"
    )
    assert small == []  # WCAG 2.2: targets of 24 pixels and more
    tiny = page.execute_script(
        """const found = [];
           for (const e of document.querySelectorAll('svg text')) {
             const height = e.getBoundingClientRect().height;
             if (height && height < 8 && !e.getAttribute('transform')) found.push([height, e.textContent]);
           }
           return found"""
    )
    assert tiny == []


@pytest.mark.parametrize("which", ["report", "study"])
def test_nothing_is_asked_of_the_network(browser, paths, which):
    browser.execute_cdp_cmd("Network.enable", {})
    page = opened(browser, paths[which])
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    text = paths[which].read_text(encoding="utf-8")
    body = re.sub(r"<script type=\"application/json\".*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"(?:src|href)\s*=\s*[\"'](?!#|data:image/)|url\((?!#)|@import|<link|<iframe|<object", body)
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize("which", ["report", "study"])
def test_print_is_black_on_white_shows_what_is_folded_and_cuts_no_picture(browser, paths, which):
    page = opened(browser, paths[which], width=794, scheme="dark", media="print")
    black, white = page.execute_script("const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]")
    assert (black, white) == ("rgb(0, 0, 0)", "rgb(255, 255, 255)")
    page.execute_script("document.querySelectorAll('details').forEach(d => { d.open = false })")
    folded = page.execute_script(
        "return [...document.querySelectorAll('details > *:not(summary)')].filter(e => e.getBoundingClientRect().height < 1).length"
    )
    assert folded == 0
    wide = page.execute_script(
        """const edge = document.documentElement.clientWidth + 1;
           return [...document.querySelectorAll('svg, table, figure')].filter(e => e.getBoundingClientRect().right > edge)
             .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert wide == []
    breaks = page.execute_script(
        """return [...document.querySelectorAll('figure:not(.study), .study svg, .plot-row')]
             .filter(e => getComputedStyle(e).breakInside !== 'avoid').map(e => e.outerHTML.slice(0, 80))"""
    )
    assert breaks == []
    pdf = base64.b64decode(
        page.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": True})["data"]
    )
    assert pdf.startswith(b"%PDF")
    # No picture is taller than the text of a page of A4, so that `avoid` can be kept.
    tall = page.execute_script("return [...document.querySelectorAll('svg')].filter(e => e.getBoundingClientRect().height > 950).length")
    assert tall == 0
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
