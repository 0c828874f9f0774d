"""Auxiliary heads and drop path in training, and arguments of final trainings."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

import oche
from oche import networks, training
from oche.networks import AuxiliaryOutput, DropPath


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.drop = DropPath(0.5)
        self.main, self.side = nn.Linear(64, 10), nn.Linear(64, 10)
        self.seen: list[float] = []

    def forward(self, x):
        x = self.drop(x.flatten(1))
        if not self.training:
            return self.main(x)
        self.seen.append(self.drop.progress)
        return AuxiliaryOutput(self.main(x), self.side(x), 0.25)


@pytest.fixture(scope="module")
def digits():
    return training.data.load("digits[:200]")


def test_drop_path_rises_linearly_over_the_epochs_and_the_auxiliary_head_learns(digits):
    net = TwoHeads()
    before = net.side.weight.detach().clone()
    recipe = training.recipe("digits?epochs=4")
    fit = training.fit(net, digits, recipe, seed=0)
    assert list(dict.fromkeys(net.seen)) == [0.0, 0.25, 0.5, 0.75]
    assert not torch.equal(net.side.weight, before)
    assert fit.history[-1].train > 10
    assert 0 <= training.score(net, digits) <= 100


def test_the_auxiliary_loss_counts_with_its_weight(digits):
    net = TwoHeads()
    net.drop.probability = 0.0
    problem = training.problem(digits, training.recipe("digits?label_smoothing=0.1"))
    x, y = next(iter(problem.batches("train", 0, 0)))
    flat = x.flatten(1)
    expected = sum(
        weight * functional.cross_entropy(head(flat), y, label_smoothing=0.1) for weight, head in ((1.0, net.main), (0.25, net.side))
    )
    assert torch.allclose(problem.loss(net, (x, y)), expected)
    right, n = problem.score(net, (x, y))
    assert (right, n) == (int((net.main(flat).argmax(1) == y).sum()), len(y))


class Sized(nn.Module):
    def __init__(self, affine: bool = False, width: int = 4) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(64, affine=affine)
        self.hidden = oche.oneof({"relu": nn.ReLU, "tanh": nn.Tanh}, name="activation")
        self.first, self.last = nn.Linear(64, width), nn.Linear(width, 10)

    def forward(self, x):
        return self.last(self.hidden(self.first(self.norm(x.flatten(1)))))

    @staticmethod
    def final_arguments():
        return {"affine": True}


def test_a_program_says_in_which_arguments_its_final_network_differs():
    space = oche.Space(Sized)
    task = oche.tasks.classification("digits[:200]", recipe="digits?epochs=1", final={"width": 8})
    dna = space.at(1)
    searched, final = task.child(space, dna, 0), task.child(space, dna, 0, final=True)
    assert (searched.norm.affine, searched.first.out_features) == (False, 4)
    assert (final.norm.affine, final.first.out_features) == (True, 8)
    # What the user gave the program stays.
    assert not task.child(oche.Space(Sized, affine=False), dna, 0, final=True).norm.affine
    runs = oche.search(space, "random", task, budget=oche.Budget(trials=1))
    assert runs.best.build().norm.affine
    assert runs.best.record.params == sum(p.numel() for p in final.parameters())


def test_progress_reaches_every_drop_path():
    net = nn.Sequential(DropPath(0.1), nn.Sequential(DropPath(0.2)))
    networks.set_progress(net, 0.5)
    assert [m.progress for m in net.modules() if isinstance(m, DropPath)] == [0.5, 0.5]
