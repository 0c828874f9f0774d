"""The documentation says what is true: every code block runs, every public name is in the reference, the pages build."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import oche
from tests.cli.conftest import run_oche

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts]
SLOW = re.compile(r"<!--\s*slow\s*-->\s*\n```")
# A block in the README runs searches of a size that takes many minutes. The test runs the same lines with fewer trials and seeds.
SMALLER = ((re.compile(r"trials=\d+"), "trials=6"), (re.compile(r"seeds=\d+"), "seeds=2"), (re.compile(r"\bn=8\b"), "n=2"))


def code_blocks(page: Path) -> list[str]:
    return re.findall(r"^```(\w+)", page.read_text(), flags=re.MULTILINE)


def has_code(page: Path) -> bool:
    return bool({"python", "sh"} & set(code_blocks(page)))


def marks(page: Path) -> tuple[pytest.MarkDecorator, ...]:
    return (pytest.mark.slow,) if page.name == "README.md" or SLOW.search(page.read_text()) else ()


@pytest.mark.parametrize("page", [pytest.param(p, id=str(p.relative_to(ROOT)), marks=marks(p)) for p in PAGES if has_code(p)])
def test_every_code_block_of_a_page_runs(page, tmp_path, monkeypatch):
    sybil = pytest.importorskip("sybil")
    from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

    def run_shell(example):
        for line in example.parsed.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                assert words[0] == "oche", f"only commands of oche can be run: {line}"
                done = run_oche(*words[1:], cwd=tmp_path)
                assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"

    copy = tmp_path / page.name
    text = page.read_text()
    if page.name == "README.md":
        for pattern, smaller in SMALLER:
            text = pattern.sub(smaller, text)
    copy.write_text(text)
    monkeypatch.chdir(tmp_path)
    parsers = [PythonCodeBlockParser(), CodeBlockParser(language="sh", evaluator=run_shell)]
    document = sybil.Sybil(parsers=parsers, path=str(tmp_path)).parse(copy)
    ran = 0
    for example in document.examples():
        example.evaluate()
        ran += 1
    assert ran == sum(kind in ("python", "sh") for kind in code_blocks(page))


def test_code_is_marked_by_a_language_that_the_tests_know():
    known = {"python", "sh", "text", "toml", "console"}
    assert not {(p.name, k) for p in PAGES for k in code_blocks(p)} - {(p.name, k) for p in PAGES for k in known}


PACKAGES = ["oche"] + [
    f"oche.{m.name}" for m in pkgutil.iter_modules(oche.__path__) if m.ispkg and not m.name.startswith("_") and m.name != "cli"
]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_with_public_names_has_a_page_of_reference(package):
    if package == "oche":
        text = (ROOT / "docs/reference/oche.md").read_text()
        missing = [name for name in oche.__all__ if f"`{name}`" not in text]
        assert not missing, f"docs/reference/oche.md lacks {missing}"
    else:
        page = ROOT / "docs/reference" / f"{package}.md"
        assert page.is_file(), f"add {page.relative_to(ROOT)}"
        assert f"automodule:: {package}\n" in page.read_text()
        assert f"\n{package}\n" in (ROOT / "docs/reference/index.md").read_text()


def test_every_registered_algorithm_has_a_row():
    rows = (ROOT / "docs/algorithms.md").read_text()
    assert not [name for name in oche.algorithms.names() if f"| `{name}` |" not in rows]


def test_links_between_pages_lead_somewhere():
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text()):
            if not (page.parent / target).exists():
                broken.append((page.name, target))
    assert not broken


@pytest.mark.slow
def test_the_pages_build_without_a_warning_and_hold_every_public_name(tmp_path):
    sphinx_inventory = pytest.importorskip("sphinx.util.inventory")
    for package in ("furo", "myst_parser"):
        pytest.importorskip(package)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(ROOT / "docs"), str(tmp_path / "html")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
    assert done.returncode == 0, done.stderr[-4000:]
    with (tmp_path / "html" / "objects.inv").open("rb") as handle:
        inventory = sphinx_inventory.InventoryFile.load(handle, "", os.path.join)
    known = {name for kind, entries in inventory.items() if kind.startswith("py:") for name in entries}
    missing = []
    for package in PACKAGES[1:]:
        for name in importlib.import_module(package).__all__:
            value = getattr(importlib.import_module(package), name)
            # A subpackage has a page of its own.
            if f"{package}.{name}" not in known and type(value).__name__ != "module":
                missing.append(f"{package}.{name}")
    assert not missing
