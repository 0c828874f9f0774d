"""Figures show the numbers of the report: coordinates follow from the data, and nothing else does."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from tests.judge.made_records import runs
from tests.judge.test_fronts_and_anytime import curved, fronted, made

from oche import judge
from oche.judge._anytime_plot import anytime_plot
from oche.judge._axes import LEFT, RIGHT, WIDTH
from oche.judge._cd_diagram import cd_diagram
from oche.judge._front_plot import front_plot, median_attainment, stairs
from oche.judge._ladder_plot import column_x, ladder_plot
from oche.judge._slope_chart import rank_y, slope_chart, tau_strip

LADDER = {"Base": [90.0, 91.0, 92.0, 93.0], "cutout": [93.0, 94.5, 95.0, 96.0], "longer": [94.0, 95.0, 97.0, 96.5]}
RANKS = {"seed 1": [1.0, 2.0, 3.0, 4.0, 5.0], "seed 2": [2.0, 1.0, 3.0, 5.0, 4.0]}


def test_the_diagram_puts_methods_at_their_mean_ranks_and_a_bar_over_what_is_not_separated():
    table = {m: {f"d{i}": 90.0 - 2 * place + 0.1 * i for i in range(12)} for place, m in enumerate("abcd")}
    ranking = judge.rank_methods(table)
    picture = str(cd_diagram(ranking))
    dots = [float(x) for x in re.findall(r'<circle cx="([\d.]+)%"', picture)]
    # Ranks 1 to 4 on a scale from 0.75 to 4.25.
    assert sorted(dots) == pytest.approx([100 * (r - 0.75) / 3.5 for r in (1, 2, 3, 4)], abs=1e-3)
    assert picture.count('class="clique"') == len(ranking.groups) == 3
    a, b = re.search(r'x1="([\d.]+)%" x2="([\d.]+)%"[^>]*class="measure"', picture).groups()
    assert (float(b) - float(a)) / 100 * 3.5 == pytest.approx(ranking.critical_difference, abs=1e-3)
    assert "critical difference" in picture


def test_incumbents_are_drawn_as_steps_with_their_references():
    mine = curved("search", [[(1, 80.0), (10, 90.0)], [(3, 70.0), (20, 100.0)]])
    (found,) = judge.report(mine, runs("random", [59.0, 60.0, 61.0])).anytime
    picture = str(anytime_plot(found, {"evolution": 0}))
    path = re.search(r'd="([^"]+)" class="thick"', picture)[1]
    assert "L" not in path  # level and upright pieces only
    across = [float(x) for x in re.findall(r"[MH]([\d.]+)", path)]
    assert across == pytest.approx([LEFT + t / 40 * (WIDTH - LEFT - RIGHT) for t in (3, 10, 20, 40)], abs=0.06)
    downwards = [float(a or b) for a, b in re.findall(r"M[\d.]+ ([\d.]+)|V([\d.]+)", path)]
    assert downwards[0] > downwards[1] > downwards[2] == downwards[3]  # 75, 80, 95, 95
    assert "best known 100.00" in picture and "random average 60.00" in picture
    assert str(anytime_plot(found, {"evolution": 0}, median=True)) != picture


def test_the_stairs_of_a_front_enclose_what_it_attains():
    assert stairs([(0.5, 0.8), (0.9, 0.2)]) == [(0.0, 0.9), (0.2, 0.9), (0.2, 0.5), (0.8, 0.5), (0.8, 0.0)]
    report = judge.report(fronted("search", made(15, 1)), fronted("random_search", made(0, 2)))
    (row,) = report.fronts
    for fronts, attained in ((row.fronts_m, row.attained_m), (row.fronts_r, row.attained_r)):
        # The objectives are (first, second), the corners (second, first).
        corners = median_attainment(fronts)
        area = sum((b[0] - a[0]) * a[1] for a, b in pairwise(corners))
        assert area == pytest.approx(attained, abs=0.003)
    picture = str(front_plot(row, 0))
    assert picture.count('class="thin"') == 12
    assert "less is better" in picture and row.best["valid"] > row.reference["valid"]
    assert "Several objectives" in report.html_text()


def test_a_ladder_has_a_line_per_architecture_and_a_bar_per_rung():
    study = judge.ladder(LADDER).to_json()
    picture = str(ladder_plot(study))
    assert picture.count('class="thin"') == 4
    bars = re.findall(r'<line x1="([\d.]+)" x2="([\d.]+)" y1="([\d.]+)"[^>]*class="rung"', picture)
    assert [(float(a) + float(b)) / 2 for a, b, _ in bars] == pytest.approx([column_x(j, 3) for j in range(3)], abs=0.06)
    heights = [float(y) for *_, y in bars]
    assert heights[0] > heights[1] > heights[2]  # means 91.5, 94.6, 95.6
    assert ladder_plot({**study, "values": ()}) is None


def test_slopes_join_ranks_and_tau_stands_beside_its_ceiling():
    study = judge.rank_study(RANKS).to_json()
    picture = str(slope_chart(study))
    # The best of seed 1 (rank 1) is second under seed 2.
    assert f"M{column_x(0, 2)} {rank_y(1, 5)}L{column_x(1, 2)} {rank_y(2, 5)}" in picture
    assert picture.count("<path") == 5 and picture.count('class="slope"') == 1
    strip = str(tau_strip(study))
    ceiling = re.search(r'x1="([\d.]+)%"[^>]*class="zero ceiling"', strip)[1]
    assert float(ceiling) == pytest.approx(100 * (study["ceiling"] + 1) / 2.05, abs=1e-3)
    # Depth moves the mean as well, so its agreement has no ceiling of noise.
    assert "ceiling" not in str(tau_strip(judge.rank_study(RANKS, vary="cells").to_json()))


def test_studies_are_on_the_page():
    studies = [judge.ladder(LADDER), judge.rank_study(RANKS), judge.re_ranking(RANKS, RANKS), judge.space_study([1.0, 2, 3], [2.0, 3, 5])]
    report = judge.report(runs("search", [93, 94, 95]), baseline=runs("random", [90, 91, 92]), studies=studies)
    text = report.html_text()
    for heading in ("Ladder of training protocols", "Ranks under train_seed", "re-rank more than the seed", "Two spaces"):
        assert heading in text
    assert text.count('class="yes"') == sum(i.status == "yes" for i in report.checklist) > 0
    assert all(i.question in text for i in report.checklist)
