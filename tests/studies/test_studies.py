"""Studies on the table and on tiny networks: same members everywhere, any workers, any kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

import oche
from oche.cli._app import build
from oche.errors import ArgumentError, OcheError
from tests.tinynet import TinyNet

TABLE = "tabular?table=nasbench201&dataset=cifar10&search=valid,12&report=test,12"


def hashes(study):
    return [r.content_hash() for r in study.records]


def test_a_ladder_trains_the_same_members_on_every_rung():
    study = oche.studies.ladder("nasbench201", TABLE, {"long": {"epochs": 200}}, n=6, progress=False)
    table = oche.spaces.table("nasbench201")
    for rung, epochs in (("base", 12), ("long", 200)):
        assert study.values[rung] == [table.query(a, dataset="cifar10", epochs=epochs, split="test") for a in study.members]
    assert len(set(study.members)) == 6


def test_seeds_of_tiny_networks_and_workers_alike(tmp_path):
    task = oche.tasks.classification("digits", "digits?epochs=1")
    one = oche.studies.rank_study(TinyNet, task, "seed", (0, 1), n=4, progress=False)
    two = oche.studies.rank_study(TinyNet, task, "seed", (0, 1), n=4, progress=False, executor="processes", workers=2)
    assert hashes(one) == hashes(two)
    assert one.values["seed 0"] != one.values["seed 1"]
    assert one.save(tmp_path / "report.html").read_text().count("Kendall") >= 1


def test_operation_sets_keep_their_operations():
    study = oche.studies.space_study("nasbench201", TABLE, {"convs": ["nor_conv_3x3", "nor_conv_1x1"]}, n=8, progress=False)
    own = study.records[8:]
    assert all(set(r.decisions.values()) <= {"nor_conv_3x3", "nor_conv_1x1"} for r in own)
    assert len(own) == 8


#: A DARTS-like network: normal and reduction cells of one node, which takes two of its inputs.
DARTS_LIKE = {"arguments": {"channels": 4, "cells": 3, "nodes": 1}, "n": 3, "progress": False}


@pytest.fixture(scope="module")
def few():
    return oche.tasks.classification("digits[:60]", "digits?epochs=1")


def test_a_ladder_of_darts_like_cells_has_the_rungs_of_the_paper(few):
    rungs = {"drop path": {"drop_path": 0.2}, "cutout": {"cutout": 3}, "channels": {"channels": 8}}
    study = oche.studies.ladder(oche.studies.BenchNetwork, few, rungs, **DARTS_LIKE)
    assert list(study.values) == ["base", *rungs]
    by_rung = [study.records[3 * i : 3 * i + 3] for i in range(4)]
    assert all([r.dna for r in column] == [r.dna for r in by_rung[0]] for column in by_rung)
    # Each rung adds to the one before, and the record says so.
    recipes = [column[0].protocol["recipe"].get("cutout", 0) for column in by_rung]
    assert recipes == [0, 0, 3, 3]
    assert [column[0].protocol["arguments"].get("drop_path", 0.0) for column in by_rung] == [0.0, 0.2, 0.2, 0.2]
    assert all(wide.params > narrow.params for wide, narrow in zip(by_rung[3], by_rung[2], strict=True))
    shares = study.result
    assert shares.protocol_share + shares.arch_share + shares.rest_share == pytest.approx(100.0)


@pytest.mark.parametrize(("vary", "values"), [("seed", (0, 1)), ("depth", (3, 4)), ("budget", (1, 2))])
def test_ranks_of_darts_like_cells(few, vary, values):
    study = oche.studies.rank_study(oche.studies.BenchNetwork, few, vary, values, **DARTS_LIKE)
    first, second = study.records[:3], study.records[3:6]
    assert [r.dna for r in first] == [r.dna for r in second]
    if vary == "depth":
        assert all(deep.macs > shallow.macs for deep, shallow in zip(second, first, strict=True))
    elif vary == "budget":
        assert [r.cost["final"]["epochs"] for r in (first[0], second[0])] == [1, 2]
    else:
        assert [r.train_seed for r in first] != [r.train_seed for r in second]
    # Where not the seed is varied a second seed gives the noise to hold it against, and the study says what follows.
    assert len(study.values) == (2 if vary == "seed" else 3)
    assert ("re-rank" in study.verdict[-1]) == (vary != "seed")


def test_operation_sets_and_macro_of_darts_like_cells(few):
    sets = {"pools": ["max_pool_3x3", "avg_pool_3x3"], "deeper": {"cells": 4}}
    study = oche.studies.space_study(oche.studies.BenchNetwork, few, sets, **DARTS_LIKE)
    whole, pools, deeper = (study.records[i : i + 3] for i in (0, 3, 6))
    ops = {v for r in pools for k, v in r.decisions.items() if "/op" in k}
    assert ops <= {"max_pool_3x3", "avg_pool_3x3"}
    assert {r.protocol["arguments"]["cells"] for r in whole} == {3} and {r.protocol["arguments"]["cells"] for r in deeper} == {4}
    assert len(study.verdict) == 2 and all("would show a difference of" in sentence for sentence in study.verdict)


PROGRAM = """
from oche.studies import BenchNetwork


class Net(BenchNetwork):
    def __init__(self, channels=4, cells=3, nodes=1, affine=False, drop_path=0.0, in_channels=1, classes=10):
        super().__init__(channels, cells, nodes, affine=affine, drop_path=drop_path, in_channels=in_channels, classes=classes)
"""


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["rank", "--vary", "depth", "--values", "3,4"], "rank_study"),
        (["space", "--variant", "pools:avg_pool_3x3+max_pool_3x3", "--variant", "deeper:cells=4"], "space_study"),
        (["ladder", "--rung", "cut:cutout=3", "--rung", "drop:drop_path=0.2"], "ladder"),
    ],
)
def test_studies_of_darts_like_cells_from_the_command_line(words, kind, tmp_path):
    (tmp_path / "net.py").write_text(PROGRAM)
    given = [f"{tmp_path / 'net.py'}:Net", "--data", "digits[:60]", "--recipe", "epochs=1", "-n", "3", "--json", "--quiet"]
    result = CliRunner().invoke(build(), ["study", words[0], *given, *words[1:], "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["kind"] == kind
    assert len(found["runs"]) == 9
    assert (tmp_path / "out" / "report.html").exists()


def test_wrong_words_stop_before_training():
    with pytest.raises(ArgumentError, match="conv9"):
        oche.studies.space_study("nasbench201", TABLE, {"bad": ["conv9"]}, progress=False)
    with pytest.raises(OcheError, match="epoch"):
        oche.studies.ladder("nasbench201", TABLE, {"bad": {"epoch": 3}}, progress=False)
    with pytest.raises(ArgumentError, match="same at every seed"):
        oche.studies.rank_study("nasbench201", TABLE, progress=False)


@pytest.mark.slow
def test_a_killed_command_continues_with_equal_records(tmp_path):
    def words(folder):
        return [
            *(sys.executable, "-m", "oche", "study", "ladder", "nasbench201?channels=4&cells=1", "--data", "digits"),
            *("--recipe", "epochs=1", "--rung", "longer:epochs=2", "-n", "4", "--quiet"),
            *("--store", str(tmp_path / folder / "runs.db"), "--out", str(tmp_path / folder)),
        ]

    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    process = subprocess.Popen(words("killed"), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 100
    while time.monotonic() < until and not (tmp_path / "killed" / "runs.db").exists():
        time.sleep(0.1)
    time.sleep(1.0)
    assert process.poll() is None, "it is killed in the middle"
    process.kill()
    process.wait()
    for folder in ("whole", "killed"):
        subprocess.run(words(folder), env=env, check=True, capture_output=True, timeout=200)
    whole, killed = (json.loads((tmp_path / f / "report.json").read_text()) for f in ("whole", "killed"))
    assert whole["values"] == killed["values"]
    assert whole["verdict"] == killed["verdict"]
    timed = {"id", "cost", "env", "created", "artifacts"}
    for one, other in zip(whole["runs"], killed["runs"], strict=True):
        assert {k: v for k, v in one.items() if k not in timed} == {k: v for k, v in other.items() if k not in timed}
