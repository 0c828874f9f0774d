"""Searches by epochs on the page, and the discretization gap in words."""

from __future__ import annotations

import re

import pytest
from tests.judge.made_records import record, runs

from oche import judge
from oche.judge._history_plot import history_parts, is_history

OPS = ("none", "skip_connect", "nor_conv_3x3")


def curves(epochs: int, stages: int = 1, edges: int = 3) -> dict[str, list[list[float]]]:
    steps = range(1, epochs + 1)
    found = {f"{name} by epochs": [[e, 10.0 + e] for e in steps] for name in ("train", "valid", "entropy", "skips")}
    for edge in range(edges):
        for i, op in enumerate(OPS):
            # The first candidate does not live beyond the first stage.
            alive = [e for e in steps if i or stages == 1 or e <= epochs // 2]
            found[f"probability: edge {edge} = {op}"] = [[e, 0.2 + 0.01 * i * e] for e in alive]
    found["probability: node 2 = 2<-0"] = [[e, 0.5 + 0.01 * e] for e in steps]
    found["probability: node 2 = 2<-1"] = [[e, 0.5 - 0.01 * e] for e in steps]
    if stages == 2:
        found["stage by epochs"] = [[e, 1.0] for e in steps if e > epochs // 2]
    return found


def report(more_metrics: dict[str, float] | None = None, **changes):
    values = (91.0, 92.0, 93.0)
    searches = [record("search", v, i, metrics={"test": v, "valid": v, **(more_metrics or {})}, **changes) for i, v in enumerate(values)]
    return judge.report(searches, baseline=runs("random", (88.0, 89.0, 90.0)))


def test_one_picture_for_each_choice_and_one_line_for_each_candidate():
    made = report(curves=curves(4))
    part = history_parts(made, lambda records: records[0])[0]
    assert [name for name, _ in part["watched"]][:2] == ["supernet on train, %", "supernet on valid, %"]
    edges, inputs = part["choices"]
    assert [name for name, _, _ in edges["legend"]] == list(OPS)
    assert [name for name, _ in edges["pictures"]] == ["edge 0", "edge 1", "edge 2"]
    picture = edges["pictures"][0][1]
    assert len(re.findall(r"<path ", picture)) == len(OPS)
    # The leader of the end alone is thick, and said first to those who do not see it.
    assert re.search(r"<title>nor_conv_3x3[^<]*</title><path [^>]*thick", picture)
    assert picture.count("thick") == 1
    assert "at the end nor_conv_3x3 0.280, skip_connect 0.240, none 0.200" in picture
    assert inputs["single"] is True
    assert inputs["parts"][0]["pictures"][0][0] == "node 2"


def test_lines_end_with_their_stage_and_a_mark_stands_there():
    made = report(curves=curves(6, stages=2))
    part = history_parts(made, lambda records: records[0])[0]
    picture = part["choices"][0]["pictures"][0][1]
    assert picture.count('class="diagonal"') == 1
    none = re.search(r'<title>none[^<]*</title><path d="([^"]*)"', picture)
    skip = re.search(r'<title>skip_connect[^<]*</title><path d="([^"]*)"', picture)
    assert none is not None
    assert skip is not None
    assert [len(re.findall("[ML]", found.group(1))) for found in (none, skip)] == [3, 6]


def test_many_choices_are_drawn_in_part_and_the_rest_is_named():
    part = history_parts(report(curves=curves(2, edges=20)), lambda records: records[0])[0]
    assert part["choices"][0]["hidden"] == 4
    assert len(part["choices"][0]["pictures"]) == 16


def test_the_page_shows_them_once_and_not_among_curves_over_cost():
    made = report(curves=curves(3))
    text = made.html_text()
    assert text.count('id="t-history"') == 1
    assert "by epochs over cost" not in text
    assert "probability: " not in text.split('type="application/json"')[0]
    assert is_history("train by epochs")
    assert not is_history("train")
    assert 'id="t-history"' not in report().html_text()


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"supernet_score": 0.41, "shared_score": 0.38}, "mixture 41.0 % valid, its point with the shared weights 38.0 % (-3.0), as the"),
        ({"shared_score": 0.38}, "means of 3 runs: point with the shared weights 38.0 % valid, as the final network 92.0 % test"),
    ],
)
def test_the_gap_is_said_in_text_and_on_the_page(metrics, said):
    made = report(more_metrics=metrics)
    assert said in str(made)
    assert said in report(more_metrics=metrics, curves=curves(2)).html_text()


def test_searches_without_shared_weights_have_no_gap():
    assert judge.discretization_gap([record("search", 90.0)]) is None
    assert "discretization" not in str(report())
