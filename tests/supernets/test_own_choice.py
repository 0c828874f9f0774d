"""A choice of a third party takes part in supernets through the one extension point."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from oche.mixers import Softmax, UniformPath
from oche.program import OneOf, Space, current
from oche.supernets import Relaxed, Slot, supernet

torch.set_num_threads(1)


class Scaled(Relaxed):
    """Candidates in a row, each scaled by its gate: not a sum of candidates."""

    def __init__(self, slot, modules, builder, gate) -> None:
        super().__init__(slot, modules, builder.runtime)
        self.gate = gate

    def forward(self, x):
        gate = self.gate()
        for i, module in enumerate(self.inside):
            if gate.active is None or i in gate.active:
                x = module(x) * (1 if gate.weights is None else gate.weights[i])
        return x

    def extract(self, decisions, memo):
        return copy.deepcopy(self.inside[self.slot.labels.index(decisions[self.slot.key])], memo)


class Chain(OneOf):
    def relax(self, builder, site):
        labels = builder.labels(self, site)
        gate = builder.group(site.key, labels)
        modules = {label: builder.candidate(self, site, label) for label in labels}
        return Scaled(Slot(site.key, site.location, labels), modules, builder, gate)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        choice = Chain("chain", {"a": lambda: nn.Linear(3, 3), "b": lambda: nn.Linear(3, 3)})
        self.chain = current().resolve(choice)

    def forward(self, x):
        return self.chain(x)


@pytest.mark.parametrize("mixer", [Softmax(), UniformPath()])
def test_its_module_runs_and_its_children_inherit(mixer):
    space, x = Space(Net), torch.ones(2, 3)
    net = supernet(space, mixer)
    assert space.size == 2
    assert list(net.named_arch()) == ["chain"]
    a, b = net.network.chain.inside
    p = net.policy.probabilities("chain")
    if mixer.learns_arch:
        assert torch.allclose(net(x), b(a(x) * p[0]) * p[1])
    for dna in space:
        with net.fixed(dna):
            assert torch.equal(net(x), net.child(dna)(x))
            assert torch.equal(net(x), net.child(dna, weights="fresh")(x))
