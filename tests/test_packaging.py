"""The wheel and the source archive are whole, and need no version control to be built."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "_build")


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the source archive built from an exported tree, and the wheel built from that archive."""
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    tree = tmp_path_factory.mktemp("export") / "tree"
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
    dist = tree.parent / "dist"
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), str(tree)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return dist


def test_the_wheel_holds_every_source_file_and_the_type_marker(built):
    (wheel,) = built.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    sources = {
        f"oche/{p.relative_to(ROOT / 'src' / 'oche').as_posix()}"
        for p in (ROOT / "src" / "oche").rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert sources <= inside
    assert "oche/py.typed" in inside
    assert any(name.endswith("licenses/LICENSE") for name in inside)
    assert not [n for n in inside if n.startswith(("tests", "docs", "examples"))]


def test_the_source_archive_holds_tests_and_docs(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {n.partition("/")[2] for n in tar.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "Makefile", "constraints.txt", "tests/conftest.py", "src/oche/__init__.py"} <= names
    assert not [n for n in names if "__pycache__" in n]


def test_the_installed_wheel_runs(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    code = f"import sys; sys.path.insert(0, {str(target)!r}); import oche; print(oche.__version__, oche.__file__)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, timeout=120)
    version, where = done.stdout.split()
    assert Path(where).is_relative_to(target)
    assert version == re.search(r'__version__ = "(.+)"', (ROOT / "src/oche/__init__.py").read_text())[1]
    assert (target / "bin" / "oche").is_file() or (target / "Scripts").is_dir()


def test_extras_are_those_of_the_design():
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    design = {"data", "augment", "accelerate", "optuna", "diversity", "llm", "vllm", "openai", "ray", "postgres", "board", "export", "all"}
    assert design | {"test", "docs", "dev"} == set(extras)
    everything = re.search(r"\[(.+)\]", extras["all"][0])[1].split(",")
    assert set(everything) == design - {"vllm", "all"}


def test_every_pinned_version_is_allowed_by_the_project_file():
    import tomllib

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    pins = {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines}
    assert pins["torch"] == "2.13.0"
    installed = [
        project["dependencies"],
        *(project["optional-dependencies"][e] for e in ("test", "docs", "dev", "optuna", "ray", "postgres", "export")),
    ]
    for requirement in map(Requirement, (r for group in installed for r in group)):
        name = canonicalize_name(requirement.name)
        if name != "oche":
            assert name in pins, f"constraints.txt does not pin {name}"
            assert requirement.specifier.contains(pins[name]), f"{name}=={pins[name]} is outside {requirement.specifier}"
