"""The table of features: every row links to tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/systems/symbolic-programs.md"
#: What systems of this kind are compared by.
FEATURES = (
    "how a choice is written", "conditional nesting", "what is coupled", "program before and after search", "choose k", "int, float",
    "exact size", "from a program to its decisions", "shared decision", "one-shot path", "child keeps its weights", "evolution operators",
    "reinforcement learning, Bayesian", "flows", "early stopping", "storage, resume", "typing of arguments", "patches, detours",
)  # fmt: skip


def rows() -> list[list[str]]:
    table = PAGE.read_text().partition("| feature | here | shown by |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.strip().splitlines()[1:]]


def test_every_feature_has_a_row():
    named = [row[0] for row in rows()]
    assert not [feature for feature in FEATURES if not any(name.startswith(feature) for name in named)]
    assert len(set(named)) == len(named)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_every_row_links_to_tests_that_are_there(row):
    assert len(row) == 3 and row[1] and "not there yet" not in row[1]
    links = re.findall(r"\[(test_\w+)\]\(([^)]+)\)", row[2])
    assert links
    for name, path in links:
        file = (PAGE.parent / path).resolve()
        assert file.is_relative_to(ROOT / "tests")
        assert f"def {name}(" in file.read_text(), f"{path} has no {name}"
