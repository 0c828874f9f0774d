"""Imports go down the floors of the design, and every folder has a floor."""

from __future__ import annotations

import importlib
import pkgutil
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

import oche

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


def test_no_public_name_is_also_a_module_of_its_package():
    # Importing such a module would replace the name in the package, depending on who imported what first.
    clashes = []
    for found in pkgutil.walk_packages(oche.__path__, "oche."):
        if found.ispkg:
            package = importlib.import_module(found.name)
            modules = {m.name for m in pkgutil.iter_modules(package.__path__)}
            both = modules & set(getattr(package, "__all__", []))
            clashes += [f"{found.name}.{name}" for name in both if not isinstance(package.__getattr__(name), types.ModuleType)]
    assert clashes == []
