"""The command `oche diversity`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import refused, run_oche


def test_without_any_reward_the_report_says_so(tmp_path: Path) -> None:
    words = ["diversity", "novelty-search?population=5", "--env", "redundant-arm?frames=1", "--budget", "10", "--seeds", "2"]
    done = run_oche(*words, "--against", "random", "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "novelty-search?population=5, seed 0: coverage" in done.stdout
    assert "no reward found" in done.stdout
    assert "reward_mean: 0 in every run, nothing to judge: no reward found" in done.stdout
    assert (tmp_path / "out" / "report.html").is_file()
    records = [json.loads(line) for line in (tmp_path / "out" / "records.jsonl").read_text().splitlines()]
    assert [r["metric"] for r in records] == ["coverage"] * len(records)
    assert {r["kind"] for r in records} == {"search", "random_search"}
    # The same command again finds everything done, and says it again.
    again = run_oche(*words, "--against", "random", "--out", str(tmp_path / "out"), "--json", cwd=tmp_path)
    assert again.returncode == 0
    found = json.loads(again.stdout)
    assert found["reports"]["coverage"]
    assert found["pairs"][0]["rows"][0]["against"] == "random"
    # The pairs stand in the saved report too.
    studies = json.loads((tmp_path / "out" / "report.json").read_text())["studies"]
    assert next(s for s in studies if s["kind"] == "pairs")["metric"] == "coverage"
    assert "against the others: coverage" in (tmp_path / "out" / "report.html").read_text()


def test_random_alone_needs_no_one_to_be_compared_with(tmp_path: Path) -> None:
    done = run_oche("diversity", "random", "--env", "point", "--budget", "20", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "random, seed 0: coverage" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["stax", "--env", "curlin"], "did you mean 'curling'"),
        (["staxx", "--env", "point"], "did you mean 'stax'"),
        (["stax", "--env", "point", "--against", "stax"], "different algorithms"),
        (["stax?population=100", "--env", "point", "--budget", "50"], "a budget of 50 trials"),
    ],
)
def test_mistakes_are_said_in_one_line(words: list[str], says: str, tmp_path: Path) -> None:
    done = refused("diversity", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
