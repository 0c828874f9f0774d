"""Grids of searches, and studies from the command line: JSON, wrong words, continued runs of restricted spaces."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import oche
from oche.cli._app import build
from oche.errors import ArgumentError, OcheError
from oche.store import Store
from tests.studies.killable import SMALL, grid, hashes

TABLE = "tabular?table=nasbench201&dataset=cifar10&search=valid,12&report=test,12"
SCRIPT = Path(__file__).parent / "killable.py"


def invoke(*words):
    return CliRunner().invoke(build(), ["study", *words])


def test_a_study_of_operation_sets_goes_on_from_its_store(tmp_path):
    def study():
        return oche.studies.space_study(
            "nasbench201", TABLE, {"convs": ["nor_conv_3x3", "nor_conv_1x1"]}, n=5, name="ops", store=tmp_path / "runs.db", progress=False
        )

    assert hashes(study()) == hashes(study())


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["ladder", "nasbench201", "--task", TABLE, "--rung", "long:epochs=200", "--alone", "-n", "4"], "ladder"),
        (["rank", "nasbench201", "--task", TABLE, "--vary", "budget", "--values", "12,200", "-n", "4"], "rank_study"),
        (["space", "nasbench201", "--task", TABLE, "--variant", "convs:nor_conv_1x1+nor_conv_3x3", "-n", "4"], "space_study"),
    ],
)
def test_commands_print_json_and_nothing_else(words, kind):
    result = invoke(*words, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["schema"], found["kind"]) == ("oche.study/1", kind)
    assert found["verdict"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ladder", "nasbench201", "--task", TABLE, "--rung", "long"], "NAME:SETTINGS"),
        (["ladder", "nasbench201", "--task", TABLE, "--rung", "long:epoch=200"], "epoch"),
        (["ladder", "nasbench201", "--rung", "long:epochs=200"], "neither --data nor --task"),
        (["rank", "nasbench201", "--task", TABLE, "--vary", "budget", "--values", "12"], "two or more different ones"),
        (["rank", "nasbench201", "--task", TABLE, "--vary", "seed"], "the same at every seed"),
        (["space", "nasbench201", "--task", TABLE], "no --variant"),
        (["space", "nasbench201", "--task", TABLE, "--variant", "c:conv9"], "conv9"),
        (["space", "nasbench201", "--task", TABLE, "--variant", "c:nor_conv_1x1", "--training", "a:lr=0.1"], "without --algorithm"),
        (["space", "nasbench201", "--task", TABLE, "-a", "darts"], "allowed: a classification"),
        (["space", "darts-bench", "--data", "digits", "-a", "darts", "--variant", "tall"], "'wide', 'deep', 'single-cell'"),
        (["space", "darts-bench?size=huge", "--data", "digits", "-a", "darts"], "'published', 'small'"),
        (["space", "darts-bench", "--data", "digits", "-a", "darst"], "darts"),
        (["space", "nasbench201", "--data", "digits", "-a", "darts", "--variant", "w:width=3"], "width"),
    ],
)
def test_wrong_words_leave_with_2_and_say_what_is_allowed(words, said):
    result = invoke(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_grids_refuse_before_anything_is_trained():
    task = oche.tasks.classification("digits[:40]", "digits?epochs=1")
    for algorithms in ([], ["darts", "darts"], ["random"]):
        with pytest.raises(ArgumentError, match="grid algorithms"):
            oche.studies.darts_bench(task, algorithms)
    with pytest.raises(ArgumentError, match="grid runs"):
        oche.studies.darts_bench(task, ["darts"], runs=1)
    with pytest.raises(OcheError, match="lrr"):
        oche.studies.darts_bench(task, ["darts"], **{**SMALL, "recipes": {"a": {"lrr": 1}}})


def test_the_suite_s_supernets_are_those_of_its_paper():
    wide = oche.Space(oche.studies.BenchNetwork, channels=8, cells=4, nodes=4)
    assert wide.size == 1_037_664_180**2  # the cells of DARTS
    one = oche.Space(oche.studies.BenchNetwork, channels=4, cells=1, nodes=8)
    assert {k.partition("/")[0] for k in one.keys} == {"reduce"}
    assert sum("/op" in k for k in one.keys) == sum(range(2, 10))
    beside = oche.Space(oche.studies.BenchNetwork, channels=4, cells=1, nodes=2, skip_beside=True)
    plain = oche.Space(oche.studies.BenchNetwork, channels=4, cells=1, nodes=2)
    assert beside.size == plain.size

    def weights(space):
        return sum(p.numel() for p in space.build(space.sample(0), seed=0).parameters())

    assert weights(beside) > weights(plain)  # halving skips have weights


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A whole grid in this process, and where it is stored."""
    store = tmp_path_factory.mktemp("grid") / "runs.db"
    return grid(store=store), store


@pytest.mark.slow
def test_a_grid_goes_on_from_its_store_and_shows_what_each_factor_is_worth(unbroken, tmp_path):
    one, store = unbroken
    assert hashes(one) == hashes(grid(store=store))
    assert list(one.values) == [f"single-cell / no-skip / {r} / {m}" for r in "ab" for m in ("darts", "random")]
    assert [r.kind for r in one.records] == ["search", "search", "random", "random"] * 2
    # The same searches under both recipes.
    assert [r.arch or r.dna for r in one.records[:2]] == [r.arch or r.dna for r in one.records[4:6]]
    assert "max_pool" in str(one.records[0].decisions) or "conv" in str(one.records[0].decisions)
    assert not any("skip" in str(r.decisions) for r in one.records)
    text = one.save(tmp_path / "report.html").read_text()
    assert "What each factor is worth" in text


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_grid_that_is_killed_alone_and_with_workers_ends_in_the_same_records(unbroken, tmp_path):
    """One store: killed at its first training, again on two workers when a run ended (its rows are on the disk), and finished."""
    stages = [("serial", 1, "told:1", -signal.SIGKILL), ("processes", 2, "ended:1", -signal.SIGKILL)]
    stages.append(("processes", 2, "none:1", 0))
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    rows = []
    for executor, workers, event, code in stages:
        words = [sys.executable, str(SCRIPT), str(tmp_path / "runs.db"), executor, str(workers), event]
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=600)
        assert done.returncode == code, done.stderr[-2000:]
        with Store(tmp_path / "runs.db") as store:
            rows.append(len(store.records()))
    assert rows[0] < rows[1] < rows[2]  # each start went on where the one before was killed
    assert json.loads(done.stdout.strip().splitlines()[-1]) == hashes(unbroken[0])
