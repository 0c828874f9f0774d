"""What an import costs: the heavy parts load when they are used, never before."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "transformers", "ray", "sqlalchemy", "matplotlib", "torchvision", "optuna", "sklearn", "scipy", "pydantic", "jinja2")


def loaded_after(code: str) -> set[str]:
    """Top-level modules in a fresh interpreter that ran `code`."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT, timeout=120)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_probe_sees_a_module_that_is_loaded():
    assert "sqlalchemy" in loaded_after("import sqlalchemy")


@pytest.mark.parametrize("code", ["import oche", "import oche; dir(oche)"], ids=["import", "dir"])
def test_importing_the_library_loads_nothing_heavy(code):
    assert not loaded_after(code) & {*HEAVY, "typer", "rich"}


@pytest.mark.parametrize("page", [["--help"], ["search", "--help"], ["--version"]], ids=" ".join)
def test_help_pages_load_nothing_heavy(page):
    # Typer itself stands on pydantic; everything else has no business in a help page.
    code = f"from oche.cli import main\ntry:\n    main({page!r})\nexcept SystemExit as e:\n    assert not e.code, e.code"
    assert not loaded_after(code) & {*HEAVY, "numpy"} - {"pydantic"}
