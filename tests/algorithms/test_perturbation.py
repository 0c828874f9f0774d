"""Selection by removal: what matters is kept, whatever the logits say."""

from __future__ import annotations

import pytest
import torch
from tests.algorithms.test_one_shot import Net, finish, problem
from torch import nn

from oche import algorithms
from oche.algorithms import OneShot, Perturbation, Plan
from oche.errors import ArgumentError
from oche.mixers import GumbelHard, Softmax
from oche.program import Space, manyof, oneof

torch.set_num_threads(1)


class Pass(nn.Module):
    def forward(self, x):
        return x


class Noise(nn.Module):
    """Gives nothing that the answer could be read from."""

    def forward(self, x):
        return 0 * x


class Bright(nn.Module):
    """Brightness can be read through one candidate and one input only."""

    def __init__(self) -> None:
        super().__init__()
        ops = {"noise": Noise, "pass": Pass, "zero": Noise}
        self.op = oneof(ops, name="op")
        edges = {"dark": Noise, "light": Pass, "none": Noise}
        self.node = manyof(1, edges, merge="sum", name="node")
        self.head = nn.Linear(1, 2)

    def forward(self, x):
        return self.head(self.node(*[self.op(x)] * 3).mean((2, 3)))


def started(make=None, space=None, **more):
    search = Perturbation(make or (lambda: OneShot(Softmax(), plan=Plan(epochs=30, lr=1.0, arch_lr=1e-9))), **more)
    search.setup(space or Space(Bright), problem(), 0)
    return search


def test_the_candidate_that_matters_is_kept_against_its_logit():
    search = started(tune=0.2)
    with torch.no_grad():
        search.network.named_arch()["op"].copy_(torch.tensor([1.0, 0.0, 1.0]))
    finish(search)
    assert search.network.derive() != search.propose(1)[0].dna
    assert search.space.decisions(search.network.derive())["op"] == "noise", "what the logits say"
    assert search.space.decisions(search.propose(1)[0].dna) == {"op": "pass", "node": ("light",)}


def test_steps_and_passes_are_those_of_removals_and_tuning():
    search = started(lambda: OneShot(Softmax(), plan=Plan(epochs=1), n_scored=8), Space(Net), tune=0.4)
    progress = finish(search)
    # 5 steps of training; four choices: three of four candidates, one of three inputs; 2 steps of tuning after each
    assert progress.step == progress.total == 5 + 3 * 4 + 3 + 4 * 2
    assert search.cost.passes == pytest.approx(10 + (3 * 4 + 3) / 3 + 4 * 2)
    assert [row.kind for row in search.order] == ["one", "one", "one", "set"]
    search.space.validate(search.propose(1)[0].dna)
    assert len({p.dna for p in search.propose(3)}) == len(search.propose(3))


def test_tuning_moves_weights_of_what_was_decided_alone_and_no_logits():
    search = started(lambda: OneShot(Softmax(), plan=Plan(epochs=1), n_scored=8), Space(Net), tune=1.0)
    search.advance(5 + 4)
    (key,) = search.decided
    arch = [row.detach().clone() for row in search.network.arch()]
    weights = {name: w.detach().clone() for name, w in search.network.named_weights().items()}
    search.advance(1)
    assert all(torch.equal(a, b) for a, b in zip(arch, search.network.arch(), strict=True))
    edge = f"=e{key[-1]}"
    moved = {name for name, w in search.network.named_weights().items() if not torch.equal(w, weights[name]) and edge in name}
    assert all(f"={search.decided[key][0]}." in name for name in moved)


def test_settings_are_checked():
    make = lambda: OneShot(Softmax(), plan=Plan(epochs=1))
    with pytest.raises(ArgumentError, match="tune: got -1"):
        Perturbation(make, tune=-1)
    with pytest.raises(ArgumentError, match="share: got 1"):
        Perturbation(make, share=1)
    with pytest.raises(ArgumentError, match="perturbation: got GumbelHard"):
        Perturbation(lambda: OneShot(GumbelHard()))
    with pytest.raises(ArgumentError, match="propose: got a search that goes on"):
        started().propose(1)
    assert isinstance(algorithms.get("darts-pt"), Perturbation)
