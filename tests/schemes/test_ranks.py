"""A scheme on two ranks takes the step of one process that sees both batches."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from oche.schemes import BilevelProblem, FirstOrder, Sgd

SCRIPT = """
import os, sys, torch
torch.set_num_threads(1)
from oche.schemes import BilevelProblem, FirstOrder, Sgd
rank, folder = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
problem = BilevelProblem(
    lambda w, a, batch: ((w["x"] * batch).sum() - a.sum()) ** 2 + w["y"].pow(2).sum(),
    lambda w, a, batch: (w["x"].sum() * a).pow(2).sum() * batch,
    {"x": torch.tensor([1.0, 2.0], dtype=torch.float64), "y": torch.ones(1, 2, dtype=torch.float64)},
    torch.tensor([0.5, 1.0], dtype=torch.float64),
)
scheme = FirstOrder()
state = scheme.init(problem, Sgd(0.01))
for step in range(3):
    scheme.step(state, 1.0 + rank + step, 2.0 * rank + step)
torch.save({"x": problem.weights["x"].detach(), "y": problem.weights["y"].detach(), "a": problem.arch.detach()}, f"{folder}/{rank}.pt")
# Neither rank tears the connection down while the other still talks, and no thread of gloo outlives the interpreter.
torch.distributed.barrier()
torch.distributed.destroy_process_group()
sys.stdout.flush()
os._exit(0)
"""


def test_two_ranks_step_like_one_process_with_the_mean_gradient(tmp_path: Path):
    workers = [subprocess.Popen([sys.executable, "-W", "ignore", "-c", SCRIPT, str(rank), str(tmp_path)]) for rank in range(2)]
    assert [w.wait(timeout=120) for w in workers] == [0, 0]
    problem = BilevelProblem(
        lambda w, a, step: sum(((w["x"] * (1.0 + r + step)).sum() - a.sum()) ** 2 for r in range(2)) / 2 + w["y"].pow(2).sum(),
        lambda w, a, step: sum((w["x"].sum() * a).pow(2).sum() * (2.0 * r + step) for r in range(2)) / 2,
        {"x": torch.tensor([1.0, 2.0], dtype=torch.float64), "y": torch.ones(1, 2, dtype=torch.float64)},
        torch.tensor([0.5, 1.0], dtype=torch.float64),
    )
    scheme = FirstOrder()
    state = scheme.init(problem, Sgd(0.01))
    for step in range(3):
        scheme.step(state, step, step)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for name, expected in (("x", problem.weights["x"]), ("y", problem.weights["y"]), ("a", problem.arch)):
        assert torch.equal(first[name], second[name])
        assert torch.allclose(first[name], expected.detach(), atol=1e-12)
