"""Studies on the table and on tiny networks: same members everywhere, any workers, any kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

import oche
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
