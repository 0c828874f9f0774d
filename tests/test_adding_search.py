"""The programs before and after a search was added: they run, and the page counts their lines truly."""

from __future__ import annotations

import ast
import difflib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import environment

ROOT = Path(__file__).parents[1]
PAIRS = ROOT / "examples" / "before_after"
NAMES = ["pipeline", "resnet", "training"]


def run(name: str, code: str = "") -> str:
    """The output of a program of the folder, or of `code` that imports it."""
    command = [sys.executable, "-c", code] if code else [sys.executable, str(PAIRS / name)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PAIRS, env=environment(), timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(said: str, what: str) -> float:
    return float(said.split(f"{what} ")[1].split()[0].rstrip(","))


def matched(name: str) -> tuple[int, int]:
    """Lines before, and lines after that are not among the matching blocks."""
    before, after = ((PAIRS / f"{name}_{which}.py").read_text().splitlines() for which in ("before", "after"))
    blocks = difflib.SequenceMatcher(None, before, after).get_matching_blocks()
    return len(before), len(after) - sum(block.size for block in blocks)


def test_every_program_has_both_versions():
    assert sorted(p.name for p in PAIRS.glob("*.py")) == sorted(f"{name}_{which}.py" for name in NAMES for which in ("before", "after"))


def test_the_pipeline_runs_before_and_after():
    before, after = run("pipeline_before.py"), run("pipeline_after.py")
    assert 0.9 < shown(before, "cross-validation") <= 1
    # What was found is built again and scored alike: the score that the search maximized, over more than the one pipeline.
    assert shown(after, "cross-validation") >= shown(before, "cross-validation")
    assert "found {'scale':" in after


@pytest.mark.slow
def test_the_training_runs_before_and_after():
    before, after = run("training_before.py"), run("training_after.py")
    assert 0 < shown(after, "loss") < shown(before, "loss") < 1.1
    assert "'optimizer':" in after


@pytest.mark.slow
def test_the_network_runs_before_and_after():
    before, after = run("resnet_before.py"), run("resnet_after.py")
    for said in (before, after):
        assert shown(said, "valid") > 0.8
        assert shown(said, "test") > 0.8
    assert set(ast.literal_eval(after.split("found ")[1].splitlines()[0])) == {"width", "blocks", "kernel", "act"}


def test_the_network_as_it_was_is_the_first_child():
    """Nothing but the choices was changed: with the constants of the first file, the same weights give the same outputs."""
    code = (
        "import oche, torch, resnet_before as b, resnet_after as a\n"
        "torch.manual_seed(0); old = b.ResNet().eval()\n"
        "space = oche.Space(a.ResNet)\n"
        "new = space.decode(space.encode_decisions({'width': '8', 'blocks': '1', 'kernel': '3', 'act': 'relu'})).eval()\n"
        "new.load_state_dict(old.state_dict())\n"
        "print(space.size, torch.equal(old(b.DATA['test'][0]), new(b.DATA['test'][0])))"
    )
    assert run("", code).split() == ["24", "True"]


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    """The page alone, built with the settings of the documentation."""
    for package in ("sphinx", "furo", "myst_parser"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("pages")
    # The paths of the listings are relative to the page.
    shutil.copytree(PAIRS, folder / "examples" / "before_after", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "adding-search.md", folder / "docs" / "index.md")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "-q",
        "-b",
        "html",
        "-c",
        str(ROOT / "docs"),
        str(folder / "docs"),
        str(folder / "html"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment())
    assert done.returncode == 0, done.stderr[-4000:]
    return (folder / "html" / "index.html").read_text()


def test_the_page_shows_the_counts_of_difflib(page):
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", page, flags=re.DOTALL)
    cells = [[re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<td>(.*?)</td>", row, flags=re.DOTALL)] for row in rows]
    found = {row[0]: tuple(map(int, row[1:3])) for row in cells if row}
    assert found == {f"{name}_after.py": matched(name) for name in NAMES}


def test_no_count_is_written_by_hand():
    text = (ROOT / "docs" / "adding-search.md").read_text()
    numbers = set(re.findall(r"\d+", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)))
    # The paper's count, its year and its table.
    assert numbers == {"15", "353", "2020", "1"}
    assert "PyGlove's paper: 15 of 353 lines for a PyTorch ResNet" in text


def test_a_changed_file_changes_the_count(tmp_path):
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from changed_lines import Pair, count
    finally:
        sys.path.pop(0)
    (tmp_path / "x_before.py").write_text("a\nb\nc\n")
    (tmp_path / "x_after.py").write_text("a\nB\nc\nd\n")
    assert count("x", tmp_path) == Pair("x", 3, 2, 1)
    (tmp_path / "x_after.py").write_text("a\nc\n")
    assert count("x", tmp_path) == Pair("x", 3, 0, 1)
