"""Several ranks are real processes here: they take the steps of one process, and go on after a kill as if there had been none.

That `torchrun` starts them is tested in `tests/cli/test_large_scale.py`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import traceback
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import oche
from oche import algorithms, ranks, seeds
from oche.errors import ArgumentError
from oche.loop import make_executor, workbench
from oche.program import Space
from oche.training import Recipe, data, fit, problem, score

# Every kind of mixer and scheme: whatever computes gradients, rewards or decisions. None of their networks has a batch norm.
SEARCHES = (
    "darts",
    "darts-2nd",
    "rarts",
    "snas",
    "gdas",
    "proxylessnas",
    "reinmax",
    "enas",
    "fairnas",
    "one-shot?mixer=softmax&weighting=smooth%3Fkind=adversarial",
    "darts?scheme=value-penalty",
    "darts?scheme=mixed-level",
    "darts?guards=oles%3Finterval=2",
)
STEPS = 2
RECIPE = Recipe(epochs=2, batch_size=8, lr=0.05, augment="crop", crop_padding=1, label_smoothing=0.1)

NET = """
from torch import nn
from oche import oneof

class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        conv = lambda k: nn.Conv2d(4, 4, k, padding=k // 2)
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.ops = nn.ModuleList(
            oneof({"conv3": lambda: conv(3), "conv1": lambda: conv(1), "skip_connect": nn.Identity}, name=f"op{i}") for i in range(2)
        )
        self.head = nn.Linear(4, classes)

    def forward(self, x):
        x = self.stem(x).relu()
        for op in self.ops:
            x = op(x).relu()
        return self.head(x.mean((2, 3)))
"""


def both(folder: Path, first: bool) -> None:
    """What both ranks run: some steps of every search, a whole one, then one that is killed; or only the last, again."""
    with ranks.joined() as here:
        assert ranks.joint() == here and (ranks.world() == 1 or not here)
        if here and first:
            with make_executor("serial") as pool:
                for work in states, trainings:
                    pool.start(lambda message, work=work: torch.save(work(folder), folder / f"{work.__name__}-{ranks.rank()}.pt"))
                    pool.submit(0, None)
                    failure = pool.next()[1].failure
                    assert failure is None, failure.trace
            searched(folder / "whole")
        if here:
            searched(folder / "killed", killed=first)


def network() -> type[nn.Module]:
    # In no module, as in a script: it travels to the other rank by value.
    found: dict[str, Any] = {"__name__": "of_a_user"}
    exec(NET, found)
    return found["Net"]


def states(folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """What each search has learned after some steps."""
    found = {}
    for text in SEARCHES:
        given = problem(data.load("digits[:32]"), RECIPE, seed=5)
        search = algorithms.get(text, warmup=0)
        search.setup(Space(network()), given, 7)
        loss = search.advance(STEPS).metrics["train_loss"]
        state = search.state()["training"]
        found[text] = {**state["weights"], **{f"arch {k}": v for k, v in state["arch"].items()}, "loss": torch.tensor(loss)}
    return found


def trainings(folder: Path) -> list[dict[str, torch.Tensor]]:
    """A network with batch norm and dropout, trained in one piece, and in two with a checkpoint between."""
    found, given = [], data.load("digits[:32]")
    for ends in ([None], [1, None]):
        with seeds.building(1):
            net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.3), nn.Linear(144, 10))
        for until in ends:
            checkpoint = folder / "training.pt" if len(ends) > 1 else None
            fit(net, given, RECIPE, seed=2, until=until, checkpoint=checkpoint)
        found.append({**net.state_dict(), "score": torch.tensor(score(net, given))})
    return found


def searched(folder: Path, killed: bool = False) -> None:
    """A search of 60 steps and its final training; what came out. Killed: between the second checkpoint's file and its row."""
    folder.mkdir(exist_ok=True)
    if killed:
        save = workbench.save_state

        def save_and_die(state: Any, path: str) -> str:
            sha = save(state, path)
            if path.endswith("60.pt"):
                os.kill(os.getpid(), signal.SIGKILL)
            return sha

        workbench.save_state = save_and_die
    task = oche.tasks.classification("digits[:32]", recipe=RECIPE)
    runs = oche.search(network(), "darts", task, budget=oche.Budget(epochs=30), seeds=[3], store=folder / "runs.db", progress=False)
    record = runs.best.record
    (folder / "result.json").write_text(json.dumps([record.dna, record.metrics, record.env.get("ranks"), record.settings.get("gap")]))


def start(folder: Path, first: bool) -> list[Any]:
    """Two ranks with the environment that a launcher gives them; forked, since imports would take longer than the work."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    made = [multiprocessing.get_context("fork").Process(target=run_rank, args=(rank, port, folder, first)) for rank in range(2)]
    for process in made:
        process.start()
    return made


def run_rank(rank: int, port: str, folder: Path, first: bool) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    code = 1
    try:
        both(folder, first)
        code = 0
    except BaseException:
        (folder / f"failed-{rank}.txt").write_text(traceback.format_exc())
    # No thread of gloo outlives the interpreter, and nothing of pytest is torn down twice.
    os._exit(code)


def said(folder: Path) -> list[str]:
    return [file.read_text() for file in folder.glob("failed-*.txt")]


@pytest.fixture(scope="module")
def alone() -> dict[str, dict[str, Any]]:
    """The steps of one process. Taken first, so that what they import is there when ranks are forked."""
    return states()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, alone: dict[str, Any]) -> Path:
    """Where two ranks worked, were killed in the last search, and started again."""
    folder = tmp_path_factory.mktemp("ranks")
    processes = start(folder, first=True)
    processes[0].join(240)
    assert processes[0].exitcode == -signal.SIGKILL, said(folder)
    # As a launcher does when one has died.
    processes[1].kill()
    processes[1].join()
    assert (folder / "whole" / "result.json").exists() and not (folder / "killed" / "result.json").exists()
    for process in (again := start(folder, first=False)):
        process.join(240)
    assert [process.exitcode for process in again] == [0, 0], said(folder)
    return folder


@pytest.mark.slow
def test_two_ranks_with_half_batches_take_the_steps_of_one_with_whole_ones(folder: Path, alone: dict[str, Any]):
    first, second = (torch.load(folder / f"states-{rank}.pt", weights_only=True) for rank in range(2))
    for text, expected in alone.items():
        for name, tensor in expected.items():
            assert torch.equal(first[text][name], second[text][name]), (text, name)
            assert torch.allclose(first[text][name], tensor, atol=2e-6, rtol=1e-4), (text, name)


@pytest.mark.slow
def test_a_training_in_parts_on_two_ranks_is_that_in_one_piece_and_alike_on_both(folder: Path):
    first, second = (torch.load(folder / f"trainings-{rank}.pt", weights_only=True) for rank in range(2))
    for name, tensor in first[0].items():
        assert all(torch.equal(tensor, other[name]) for other in (first[1], *second)), name


def last_state(folder: Path) -> Any:
    return torch.load(max(folder.rglob("step-*.pt")), weights_only=True)


def flat(value: Any, name: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in flat(item, f"{name}.{key}").items()}
    if isinstance(value, (list, tuple)):
        return {k: v for i, item in enumerate(value) for k, v in flat(item, f"{name}.{i}").items()}
    return {name: value}


@pytest.mark.slow
def test_a_killed_search_goes_on_bit_for_bit_and_is_that_of_one_process(folder: Path, tmp_path: Path):
    whole, resumed = (flat(last_state(folder / name)) for name in ("whole", "killed"))
    assert whole.keys() == resumed.keys() and len(whole) > 20
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]) if isinstance(value, torch.Tensor) else value == resumed[name], name
    results = [json.loads((folder / name / "result.json").read_text()) for name in ("whole", "killed")]
    assert results[0] == results[1] and results[0][2] == 2
    searched(tmp_path / "alone")
    alone, result = flat(last_state(tmp_path)), json.loads((tmp_path / "alone" / "result.json").read_text())
    weights = [name for name in whole if name.startswith((".training.weights", ".training.arch."))]
    assert len(weights) > 8
    for name in weights:
        assert torch.allclose(alone[name], whole[name], atol=1e-4), name
    # The same point, trained at the end on both ranks: the same network within rounding.
    assert result[0] == results[0][0] and result[2] is None
    assert result[1]["train_loss"] == pytest.approx(results[0][1]["train_loss"], abs=1e-4)


def test_a_single_process_has_one_rank_and_nothing_to_say():
    assert ranks.part() == (0, 1) and ranks.is_first() and not ranks.joint() and ranks.launched() == 1
    assert ranks.first("x") == "x" and ranks.total(1.0, 2.0) == (1.0, 2.0)
    with ranks.joined() as here:
        assert here and not torch.distributed.is_initialized()
    weight = torch.ones(2, requires_grad=True)
    value, found = ranks.gradients((3 * weight).sum(), [weight, torch.ones(1, requires_grad=True)])
    assert float(value) == 6 and found[0].tolist() == [3, 3] and found[1] is None
    assert ranks.gradients(torch.tensor(2.0), [weight])[1] == [None]


def test_other_executors_are_refused_on_several_ranks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ranks, "joint", lambda: True)
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(ArgumentError, match="'processes' on 4 ranks; allowed there: 'serial'"):
        make_executor("processes")
