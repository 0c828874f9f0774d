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


def test_a_search_of_networks_loads_no_compiler_and_no_tables():
    """Torch's compiler, sympy, pandas and scikit-learn would take longer to load than torch, in every worker."""
    code = """
import oche, sys
from tests.tinynet import TinyNet
task = oche.tasks.classification("digits[:100]", recipe={"epochs": 1, "batch_size": 50})
for algorithm, budget in {"darts": oche.Budget(epochs=2), "random": oche.Budget(trials=2)}.items():
    runs = oche.search(TinyNet, algorithm, task, budget=budget, progress=False)
    assert len(runs.records) == 1, runs.records
space = oche.Space(oche.spaces.get("nasbench201"), channels=4, cells=1)
oche.supernet(space, mixer=oche.mixers.PartialChannels(4))
assert oche.networks.count(space.decode(space.sample(seed=0)), (3, 8, 8)).macs > 0
assert "torch._dynamo" not in sys.modules
"""
    loaded = loaded_after(code)
    assert "torch" in loaded
    assert not loaded & {"sympy", "pandas", "sklearn", "scipy", "matplotlib", "ray", "optuna"}
