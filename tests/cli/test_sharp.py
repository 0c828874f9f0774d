"""sharpDARTS on the command line: a cuboid searched to a verdict, and each part of an ablation switched alone."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from oche.cli import main
from oche.cli.search import against_hand

SMALL = ("--data", "digits[:120]", "--recipe", "epochs=1", "--budget", "epochs=1")


@pytest.mark.parametrize("weighting", ["scalar", "max-w?detach=true"])
def test_a_cuboid_is_searched_to_a_verdict_against_random_and_the_hand_made_path(oche, tmp_path, weighting):
    words = ("--weighting", weighting, *SMALL, "--seeds", "2", "--members", "2", "--no-random-search", "--out", "out")
    done = oche("search", "hypercuboid?steps=2&layers=2&head=8", *words)
    assert done.returncode == 0, done.stderr
    assert "hand-made" in done.stdout and "random average" in done.stdout and "best: test" in done.stdout
    assert "of that of uniform ones" in done.stdout
    assert "searches against the hand-made member, 2 and 2 runs: " in done.stdout
    records = [json.loads(line) for line in (tmp_path / "out" / "records.jsonl").read_text().splitlines()]
    assert [r["algorithm"].partition("?")[0] for r in records] == ["one-shot"] * 2 + ["random"] * 2 + ["hand-made"] * 2
    assert all(r["arch"].startswith("Path(states=[4, 8], steps=['") for r in records)
    assert records[-1]["decisions"] == {"block 1 stride 1": "4->4 sep_conv_3x3", "block 1 stride 2": "8 max_pool_3x3"}
    assert 0.9 < records[0]["metrics"]["logits_entropy"] <= 1
    assert "lattice" in (tmp_path / "out" / "report.html").read_text()


def test_the_verdict_against_the_hand_made_member_has_the_words_of_the_judge():
    def records(*values: float) -> list[Any]:
        return [SimpleNamespace(value=v, status="done", direction="max", unit="%") for v in values]

    row, said = against_hand(records(91, 92, 93, 94), records(87, 88, 89, 90)) or ({}, "")
    assert said.endswith("a test of its own: beats the hand-made member") and row["p"] < 0.05
    assert "4 and 4 runs: +4.52 % [" in said
    assert (against_hand(records(1, 2), records(1, 3)) or ({}, ""))[1].endswith("cannot be decided with these counts")
    assert against_hand(records(1), records(1, 2)) is None


@pytest.mark.parametrize(
    ("program", "words", "where", "wanted"),
    [
        ("darts-ssc", (), "space", "darts-ssc"),
        ("darts", ("--recipe", "power=2"), "recipe", {"power": 2}),
        ("darts", ("--recipe", "augment=crop+flip+autoaugment"), "recipe", {"augment": "crop+flip+autoaugment"}),
        ("darts", ("--weighting", "max-w"), "algorithm", "one-shot?weighting=max-w"),
        ("darts", ("--algorithm", "one-shot?power=2"), "algorithm", "one-shot?power=2"),
    ],
)
def test_each_part_is_switched_alone(capsys, program, words, where, wanted):
    def described(*words: str) -> dict[str, Any]:
        with pytest.raises(SystemExit) as end:
            main(["search", *words, *plain])
        assert end.value.code in (0, None)
        return json.loads(capsys.readouterr().out)

    plain = ("--channels", "4", "--cells", "3", "--data", "digits", "--dry-run", "--json")
    algorithm = () if {"--weighting", "--algorithm"} & set(words) else ("--algorithm", "one-shot")
    base, found = described("darts", "--algorithm", "one-shot"), described(program, *algorithm, *words)
    if where == "recipe":
        base, found = base["task"], found["task"]
        assert {k: v for k, v in found["recipe"].items() if base["recipe"].get(k) != v} == wanted
        assert {k for k, v in found.items() if base[k] != v} <= {"recipe", "search_recipe"}
    else:
        changed = {k: v for k, v in found.items() if base.get(k) != v}
        assert changed.pop(where) == wanted and set(changed) <= {"program"}
