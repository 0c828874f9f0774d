"""Few-shot search over every kind of supernet, parts of real spaces, schedules of leaves, and a real kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import oche
from oche import flows
from oche.cli import main
from oche.errors import ArgumentError
from oche.flows._few_shot_leaves import Oracle
from oche.flows._few_shot_points import parts_of
from oche.flows._matching import Score, similarity
from oche.loop.workbench import as_factory
from oche.program import Space
from oche.store import Record
from tests.algorithms.test_one_shot import Net, problem

torch.set_num_threads(1)

SHORT = "few-shot?splits=1:2&final_epochs=1&batches=2&first=2"


def ended(text, algorithm, program=Net, seed=0):
    search = flows.get(text).search(as_factory(algorithm))
    search.setup(Space(program), problem(), seed)
    while not search.advance(50).done:
        pass
    return search


PROGRAM = """
from torch import nn
from oche import oneof
from oche.supernets import elastic_kernel

def conv(kernel):
    return lambda channels: nn.Sequential(nn.Conv2d(channels, channels, kernel, padding=kernel // 2), nn.BatchNorm2d(channels))

OPS = {"c3": conv(3), "c1": conv(1), "id": lambda channels: nn.Identity(), "pool": lambda channels: nn.AvgPool2d(3, 1, 1)}

class Paths(nn.Module):
    def __init__(self, channels=4):
        super().__init__()
        ops = [oneof(OPS, name=f"op{i}", channels=channels) for i in range(2)]
        self.body = nn.Sequential(nn.Conv2d(1, channels, 3), *ops, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))

    def forward(self, x):
        return self.body(x)

class Kernels(nn.Module):
    def __init__(self, channels=4):
        super().__init__()
        ops = [elastic_kernel(channels, (3, 5, 7), name=f"op{i}") for i in range(2)]
        self.body = nn.Sequential(nn.Conv2d(1, channels, 3), *ops, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))

    def forward(self, x):
        return self.body(x)
"""


@pytest.mark.parametrize(
    ("algorithm", "program"),
    [
        ("darts", "Paths"),
        ("darts-2nd", "Paths"),
        ("pc-darts?k=2", "Paths"),
        ("snas", "Paths"),
        ("gdas", "Paths"),
        ("rsps?n_candidates=4", "Paths"),
        ("proxylessnas", "Paths"),
        ("ofa?n_candidates=4&n_recalibrated=1&epochs=0.001", "Kernels"),
        ("sandwich?n_candidates=4&n_recalibrated=1", "Kernels"),
    ],
)
def test_every_algorithm_is_split_from_the_command_line(algorithm, program, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("program.py").write_text(PROGRAM)
    words = [
        "search",
        f"program.py:{program}",
        "-a",
        algorithm,
        "--flow",
        SHORT,
        "--data",
        "digits[:60]",
        "--recipe",
        "epochs=1,batch_size=10",
    ]
    with pytest.raises(SystemExit) as end:
        main([*words, "--seeds", "0,", "--no-baseline", "--no-random-search", "--json"])
    assert not end.value.code
    best = json.loads(capsys.readouterr().out)["best"]
    nodes = best["settings"]["split_tree"]["nodes"]
    root, leaves = nodes["root"], [n for n in nodes.values() if "pick" in n]
    labels = {"Paths": ["c1", "c3", "id", "pool"], "Kernels": ["3", "5", "7"]}[program]
    assert sorted(label for group in root["groups"] for label in group) == labels and len(leaves) == 2
    assert -1 <= root["cut"] <= 1 and np.allclose(root["similarity"], np.transpose(root["similarity"]))
    for leaf, group in zip(leaves, root["groups"], strict=True):
        assert leaf["pick"][root["choice"]] in group
    assert best["metrics"]["leaf_score"] == max(leaf["score"] for leaf in leaves)


def test_networks_in_stages_are_refused():
    with pytest.raises(ArgumentError, match="whose space changes while it is trained"):
        flows.get(SHORT).search(as_factory("p-darts"))


def test_equal_batches_give_the_similarity_of_one():
    search = ended("few-shot?splits=0:2&final_epochs=1&choose=op0&criterion=random", "darts?epochs=1")
    batch = next(iter(search.problem.batches("train", 0, 0)))
    made = [similarity(search.network, search.problem, "op1", ("conv3", "conv1", "id"), batch, 0) for _ in range(3)]
    assert np.abs(Score("op1", ("conv3", "conv1", "id"), 2, made).similarity - made[0]).max() < 1e-12
    turned = similarity(search.network, search.problem, "op1", ("id", "conv3", "conv1"), batch, 0)
    assert np.abs(turned[np.ix_([1, 2, 0], [1, 2, 0])] - made[0]).max() < 1e-6


def test_leaves_part_the_space_of_nasbench201():
    space = oche.spaces.get("nasbench201")
    halves = parts_of(space, flows.FewShot("0:2,1:2", criterion="random", choose=["edge 1<-0", "edge 2<-0"]))
    assert sorted(space.restrict(part).size for part in halves) == [2500, 3750, 3750, 5625]
    fifths = parts_of(space, flows.FewShot("0:all", criterion="exhaustive", choose="edge 3<-2"))
    assert [space.restrict(part).size for part in fifths] == [3125] * 5
    cells = [space.decisions(space.at(index)) for index in range(15_625)]
    for part in (halves, fifths):
        owners = [sum(all(known[key] in labels for key, labels in allowed.items()) for allowed in part) for known in cells]
        assert owners == [1] * 15_625


def test_the_rate_of_a_leaf_falls_over_its_own_epochs():
    search = ended("few-shot?splits=1:2&final_epochs=4&choose=op0&criterion=random", "darts?epochs=4&lr=0.025&lr_min=0.001")
    inner = search.inner
    rates = [inner.schedule.lr(step, inner.cost) for step in range(0, 20, 5)]
    expected = [0.001 + 0.024 * (1 + np.cos(np.pi * epoch / 4)) / 2 for epoch in range(4)]
    assert rates == pytest.approx(expected) and inner.training.step == 20


def test_forbidden_candidates_are_gone_and_the_rest_sums_to_one():
    search = ended("few-shot?splits=0:all&final_epochs=1&choose=op0&criterion=exhaustive", "darts?epochs=1")
    leaf = search.leaf(search.leaves[0]["path"])
    p = {key: leaf.net.policy.probabilities(key) for key in ("op0", "op1")}
    assert float(p["op0"][0].detach()) == 1.0 and p["op0"].numel() == 1 and float(p["op1"].sum().detach()) == pytest.approx(1)
    assert sum(w.numel() for w in leaf.net.weights()) < sum(w.numel() for w in ended("joint", "darts?epochs=1").net.weights())


def test_an_oracle_needs_a_benchmark_and_names_it():
    flow = flows.FewShot([], select="oracle", benchmark="nasbench201:cifar10:200")
    assert "benchmark=nasbench201:cifar10:200" in flows.text(flow) and "select=oracle" in flows.text(flow)
    for settings in ({"benchmark": "nasbench201:cifar10:200"}, {"select": "oracle"}):
        with pytest.raises(ArgumentError, match="no result of a search"):
            flows.FewShot([], **settings)
    with pytest.raises(ArgumentError, match="benchmark: got 'nasbench201'; allowed: table:dataset:epochs"):
        Oracle("nasbench201", Space(Net))


def test_an_oracle_stands_beside_the_best_of_as_many_random_cells(oche_data):
    space, table = oche.spaces.get("nasbench201"), oche.spaces.table("nasbench201")
    oracle, known = Oracle("nasbench201:cifar10:200", space), {"dataset": "cifar10", "epochs": 200, "split": "test"}
    cell = space.decisions(space.at(7))
    assert oracle.value(cell) == table.query(space.root.program.architecture(cell), **known)
    said = oracle.summary([90.0, 92.0, 94.0, 88.0])
    assert (said["words"], said["best"], said["mean"]) == ("oracle over 4 leaves", 94.0, 91.0)
    assert oracle.summary([90.0])["random_best"] == pytest.approx(table.mean(**known))
    drawn = np.random.default_rng(0).choice(table.values(**known), (4000, 4))
    assert said["random_best"] == pytest.approx(drawn.max(1).mean(), abs=0.2)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_search_ends_with_the_same_tree(tmp_path: Path):
    """Real processes and real kills; one worker, and two that work on different nodes."""
    words = [sys.executable, "-m", "oche", "search", "nasbench201", "--channels", "4", "--cells", "1", "--seeds", "1", "--quiet"]
    words += ["--algorithm", "rsps?n_candidates=4", "--data", "digits[:200]", "--recipe", "epochs=1", "--no-baseline", "--no-random-search"]
    words += ["--flow", "few-shot?splits=1:2,2:2&criterion=gm&final_epochs=1&batches=2&first=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}

    def command(folder: Path, executor: str) -> list[str]:
        return [*words, "--executor", executor, "--store", str(folder / "runs.db"), "--out", str(folder / "out")]

    def trees(folder: Path, executor: str) -> list[object]:
        subprocess.run(command(folder, executor), env=environment, check=True, capture_output=True, timeout=400)
        made = [Record.from_json(json.loads(line)) for line in (folder / "out" / "records.jsonl").read_text().splitlines()]
        assert all(len(r.settings["split_tree"]["nodes"]) == 7 for r in made)
        return [(r.content_hash(), r.settings["split_tree"]) for r in made]

    for name in ("one", "two", "broken"):
        (tmp_path / name).mkdir()
    killed = 0
    for after in (5.0, 9.0):
        words_now = command(tmp_path / "broken", "processes?workers=2")
        process = subprocess.Popen(words_now, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.kill()
        killed += process.wait() == -signal.SIGKILL
    whole = trees(tmp_path / "one", "serial")
    assert whole == trees(tmp_path / "two", "processes?workers=2") == trees(tmp_path / "broken", "serial")
    assert killed
