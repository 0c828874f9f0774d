"""Trees of few-shot searches on the page, from records alone."""

from __future__ import annotations

import re

import numpy as np
from tests.judge.made_records import record

from oche import judge
from oche.judge._oracle import oracle_words
from oche.judge._split_tree import heat_map, read_tree, tree_picture

OPS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
S = [
    [1.0, 0.1, -0.2, 0.0, 0.1],
    [0.1, 1.0, 0.3, 0.2, 0.8],
    [-0.2, 0.3, 1.0, 0.9, 0.2],
    [0.0, 0.2, 0.9, 1.0, 0.1],
    [0.1, 0.8, 0.2, 0.1, 1.0],
]


def split(choice, groups, cut):
    found = {"choice": choice, "groups": groups, "cut": cut, "labels": OPS, "similarity": S, "epochs": 2.0, "probe_passes": 120}
    return found | {"batches": {choice: 8, "2<-0": 4}, "cuts": {choice: [cut, 0.03], "2<-0": [0.7, None]}}


def leaf(score, size):
    return {"pick": {"1<-0": "skip_connect"}, "arch": f"|cell {size}|", "score": score, "size": size, "epochs": 3.0, "info": {}}


ONE, OTHER = ["skip_connect", "avg_pool_3x3"], ["none", "nor_conv_1x1", "nor_conv_3x3"]
A, B = "root/3<-0:{skip_connect,avg_pool_3x3}", "root/3<-0:{none,nor_conv_1x1,nor_conv_3x3}"
NODES = {
    "root": split("3<-0", [ONE, OTHER], 0.12),
    A: split("1<-0", [ONE, OTHER], 0.2),
    B: {"epochs": 2.0, "probe_passes": 60},
    f"{A}/1<-0:{{skip_connect,avg_pool_3x3}}": leaf(0.91, 2500),
    f"{A}/1<-0:{{none,nor_conv_1x1,nor_conv_3x3}}": leaf(0.93, 3750),
    f"{B}/whole": leaf(0.88, 9375),
}


def records(**settings):
    made = {"settings": {"split_tree": {"nodes": NODES, "n_train": 10, "select": "valid"}, **settings}}
    searches = [record("search", 90.0 + i, i, algorithm="rsps in few-shot?splits=1:2", **made) for i in range(4)]
    return [*searches, *[record("random", 88.0 + i, i) for i in range(4)]]


def test_the_tree_is_read_back_from_paths():
    root = read_tree(NODES)
    assert [len(node.children) for node in root.walk()] == [2, 2, 0, 0, 1, 0]
    assert [node.depth for node in root.walk()] == [0, 1, 2, 2, 1, 2]
    assert root.walk()[1].name == "3<-0: skip, avg pool" and root.walk()[-1].name == "as it was"
    assert read_tree({"root": {}, "other/x": {}}) is None and read_tree({}) is None


def test_the_picture_has_a_line_for_each_node_and_marks_the_one_taken():
    text = str(tree_picture(read_tree(NODES), f"{A}/1<-0:{{none,nor_conv_1x1,nor_conv_3x3}}"))
    assert text.count("<circle") == 6 and text.count('class="branch"') == 5
    assert text.count('class="win"') == 1 and "taken, score 0.930 · 3,750 points · 3 epochs" in text
    assert "splits 3&lt;-0, cut 0.12 · 2 epochs + 120 passes of probing" in text and "not split · 2 epochs" in text


def test_a_heat_map_stands_in_the_order_of_its_groups():
    text = str(heat_map(OPS, S, [ONE, OTHER]))
    rows = re.findall(r'text-anchor="end"[^>]*>([^<]+)<', text)
    assert rows == ["skip", "avg pool", "none", "conv 1×1", "conv 3×3"]
    assert text.count("<rect") == 25 and "skip and avg pool: 0.800" in text
    # The gap between groups is wider than that between members.
    columns = sorted({float(x) for x in re.findall(r'<rect x="(\d+)"', text)})
    steps = np.diff(columns)
    assert steps[1] > steps[0] == steps[2] == steps[3]
    assert len(re.findall(r'class="s1"', text)) == 2  # the one negative pair, both ways


def test_the_page_shows_tree_groups_cost_leaves_and_picks():
    page = judge.report(*_split(records())).html_text()
    assert "Where the supernet was split" in page and page.count("figure heat") == 2
    assert "4 of 4 runs split 3&lt;-0 first, 4 of them into the same groups." in page
    assert "|cell 3750|" in page and "oracle" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def test_a_pick_by_test_accuracy_is_never_shown_without_its_words():
    oracle = {"benchmark": "nasbench201:cifar10:200", "leaves": 3, "best": 93.5, "mean": 91.0, "random_best": 92.1}
    made = records(oracle={**oracle, "words": "oracle over 3 leaves"})
    report = judge.report(*_split(made))
    assert "oracle over 3 leaves" in str(report) and "mean over leaves 91.00, best of 3 random points 92.10" in str(report)
    body = re.sub(r"<script.*?</script>", "", report.html_text(), flags=re.DOTALL)
    row = body[body.index('data-label="runs"') :][:400]
    assert "<small>oracle over 3 leaves</small>" in row
    assert oracle_words(records()) == ""


def _split(made):
    return [r for r in made if r.kind == "search"], [r for r in made if r.kind != "search"]
