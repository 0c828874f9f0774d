"""Imports go down the floors of the design, and every folder has a floor."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytest.importorskip("importlinter")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300)


def test_imports_go_down_the_floors():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


@pytest.mark.parametrize(
    ("where", "line", "said"),
    [
        ("store/_upward.py", "import oche.loop.registry", "oche.store is not allowed to import oche.loop"),
        ("unplaced/__init__.py", "", "unplaced"),
    ],
    ids=["an import upward", "a folder without a floor"],
)
def test_a_breach_is_found(tmp_path, where, line, said):
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    planted = tmp_path / "src" / "oche" / where
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(f'"""Planted."""\n{line}\n')
    command = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'src')!r}); "
        "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
