"""A package of someone else adds an algorithm by an entry point: it is installed, listed, run, and passes the contract suite.

Nothing here is simulated: the package is built and installed by pip into a folder of its own, and everything that uses it is a new process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FILES = {
    "pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "tiny-search"
version = "0.0.1"
dependencies = ["oche"]

[project.entry-points."oche.algorithms"]
coordinate-walk = "tiny_search.walk:CoordinateWalk"

[project.entry-points."oche.spaces"]
tiny-grid = "tiny_search.grid:grid"
""",
    "tiny_search/__init__.py": '"""Walks from the best point so far along one decision."""\n',
    "tiny_search/grid.py": '''
import oche


def grid(side: int = 6) -> oche.Space:
    """Two decisions."""
    return oche.Space({"x": oche.oneof(list(range(side)), name="x"), "y": oche.oneof(list(range(side)), name="y")})
''',
    "tiny_search/walk.py": '''
from oche import DNA, Proposal


class CoordinateWalk:
    """Redraws one decision of the best point, one decision after the other."""

    def __init__(self, start: int = 4) -> None:
        self.start = start

    @property
    def settings(self):
        return {"start": self.start}

    def setup(self, space, rng, budget=None):
        self.space, self.rng = space, rng
        self.asked, self.pending, self.best = 0, {}, None

    def ask(self, n):
        return [self.propose() for _ in range(n)]

    def propose(self):
        if self.asked < self.start or self.best is None:
            flat = self.space.sample(self.rng).flat
        else:
            active = [i for i, gene in enumerate(self.best[0]) if gene is not None]
            flat = self.space.resample(self.best[0], active[self.asked % len(active)], self.rng)
        self.pending[self.asked] = tuple(flat)
        self.asked += 1
        return Proposal(self.asked - 1, DNA(tuple(flat), self.space.fingerprint))

    def tell(self, results):
        for number, feedback in results:
            flat = self.pending.pop(number)
            if feedback.ok and (self.best is None or feedback.scalar > self.best[1]):
                self.best = (flat, feedback.scalar)

    def state(self):
        best = None if self.best is None else [list(self.best[0]), self.best[1]]
        return {"asked": self.asked, "pending": [[i, list(f)] for i, f in self.pending.items()], "best": best}

    def load(self, state):
        self.asked = state["asked"]
        self.pending = {i: tuple(f) for i, f in state["pending"]}
        self.best = None if state["best"] is None else (tuple(state["best"][0]), state["best"][1])
''',
    "test_walk.py": """
import oche
from oche.testing import AskTellContract


class TestCoordinateWalk(AskTellContract):
    trials = 16

    def make_algorithm(self):
        return oche.algorithms.get("coordinate-walk?start=3")
""",
    "program.py": """
import torch.nn as nn

import oche


class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        width = oche.oneof([4, 8], name="width")
        act = oche.oneof({"relu": nn.ReLU, "tanh": nn.Tanh}, name="act")
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, width), act, nn.Linear(width, classes))

    def forward(self, x):
        return self.body(x)
""",
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> dict[str, Path]:
    """The package's source, and the folder that pip installed it into."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("third-party")
    source, site = folder / "source", folder / "site"
    for name, text in FILES.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip())
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*install, "--target", str(site), str(source)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (site / "tiny_search").is_dir()
    return {"source": source, "site": site}


def _python(installed: dict[str, Path], *words: str, known: bool = True) -> subprocess.CompletedProcess[str]:
    """A new interpreter beside the package's source; `known` says whether it sees what was installed."""
    paths = [str(ROOT / "src"), *([str(installed["site"])] if known else [])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=300, cwd=installed["source"].parent, env=env, check=False
    )


def test_what_is_installed_is_listed_and_what_is_not_is_not(installed):
    done = _python(installed, "-m", "oche", "list", "algorithms", "--json")
    names = [entry["name"] for entry in json.loads(done.stdout)["algorithms"]]
    assert "coordinate-walk" in names
    spaces = json.loads(_python(installed, "-m", "oche", "list", "spaces", "--json").stdout)["spaces"]
    assert "tiny-grid" in [entry["name"] for entry in spaces]
    without = _python(installed, "-m", "oche", "list", "algorithms", "--json", known=False)
    assert sorted(names) == sorted(["coordinate-walk", *(e["name"] for e in json.loads(without.stdout)["algorithms"])])


def test_its_space_is_counted_by_the_command_line(installed):
    done = _python(installed, "-m", "oche", "space", "tiny-grid", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["size"] == 36


@pytest.mark.slow
def test_its_algorithm_searches_from_the_command_line_and_resumes(installed):
    program = f"{installed['source'] / 'program.py'}:Net"
    words = ["-m", "oche", "search", program, "--algorithm", "Coordinate_Walk?start=2", "--data", "digits", "--recipe", "epochs=1"]
    words += ["--no-baseline", "--no-random-search", "--store", "runs.db", "--name", "walk", "--json"]
    first = _python(installed, *words, "--budget", "trials=3")
    assert first.returncode == 0, first.stderr[-3000:]
    best = json.loads(first.stdout)["best"]
    assert best["algorithm"].startswith("coordinate-walk") and best["cost"]["search"]["trials"] == 3
    assert _python(installed, *words, "--budget", "trials=5").returncode == 0
    listed = json.loads(_python(installed, "-m", "oche", "runs", "list", "--store", "runs.db", "--json").stdout)["runs"]
    assert [row["told"] for row in listed] == [5]


def test_a_wrong_setting_of_it_is_named(installed):
    done = _python(installed, "-m", "oche", "search", "tiny-grid", "-a", "coordinate-walk?begin=2", "--data", "digits")
    assert done.returncode == 2
    assert "setting of algorithm 'coordinate-walk'" in done.stderr and "'start'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_it_passes_the_contract_suite_in_a_pytest_of_its_own(installed):
    done = _python(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(installed["source"] / "test_walk.py"))
    assert done.returncode == 0, done.stdout[-3000:]
    counts = done.stdout.strip().splitlines()[-1]
    assert int(counts.split(" passed")[0].split()[-1]) >= 40, counts
    assert "failed" not in counts and "skipped" not in counts


@pytest.mark.slow
def test_the_contract_suite_finds_what_is_wrong(installed):
    # The same package with a state that forgets its best point: a resumed search then goes another way, and the suite says so.
    broken = installed["source"] / "test_broken.py"
    broken.write_text(
        "import oche\n"
        "from oche.testing import AskTellContract\n"
        "from tiny_search.walk import CoordinateWalk\n\n\n"
        "class Forgetful(CoordinateWalk):\n"
        "    def state(self):\n"
        '        return {**super().state(), "best": None}\n\n\n'
        "class TestForgetful(AskTellContract):\n"
        "    trials = 16\n"
        '    space_names = ("categorical",)\n\n'
        "    def make_algorithm(self):\n"
        "        return Forgetful(3)\n"
    )
    done = _python(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(broken))
    assert done.returncode == 1, done.stdout[-3000:]
    assert "FAILED" in done.stdout and "test_stopped_and_resumed_equals_never_stopped" in done.stdout
