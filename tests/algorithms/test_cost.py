"""The expected cost of a policy against enumeration, and a term that moves the logits towards cheap candidates."""

from __future__ import annotations

import math

import pytest
import torch
from tests.algorithms.test_one_shot import Net, finish, problem
from torch import nn

from oche import algorithms, networks
from oche.algorithms import CostTerm
from oche.algorithms.one_shot_cost import cost_term, expected, measured
from oche.errors import ArgumentError
from oche.mixers import PartialChannels
from oche.program import Space, oneof
from oche.supernets import supernet
from oche.testing.weight_sharing import same

torch.set_num_threads(1)


class Flat(nn.Module):
    """Three choices of layers of other sizes, and one inside of a candidate."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        make = lambda k: lambda channels: nn.Conv2d(channels, channels, k, padding=k // 2)
        ops = {"c3": make(3), "c1": make(1), "id": lambda channels: nn.Identity()}
        self.ops = nn.Sequential(*(oneof(ops, name=f"op{i}", channels=channels) for i in range(3)))

    def forward(self, x):
        return self.ops(x)


@pytest.mark.parametrize("kind", ["macs", "params"])
def test_the_expected_cost_is_the_mean_over_all_points(kind):
    space = Space(Flat)
    net = supernet(space, PartialChannels(2))
    with torch.no_grad():
        for i, row in enumerate(net.arch()):
            row.copy_(torch.sin(torch.arange(len(row)) + float(i)))
    table = measured(space, kind, (4, 6, 6))
    true = sum(float(net.policy.log_prob(dna).detach().exp()) * getattr(networks.count(space.build(dna), (4, 6, 6)), kind) for dna in space)
    assert float(expected(table, net.policy).detach()) == pytest.approx(true, rel=1e-4)


def test_inputs_share_the_cost_of_what_stands_behind_them():
    space = Space(Net)
    net = supernet(space)
    with torch.no_grad():
        for row in net.arch():
            row.zero_()
    table = measured(space, "params", (1, 4, 4))
    assert table["shares"] == {"op0": 2 / 3, "op1": 2 / 3, "op2": 2 / 3}
    true = sum(networks.count(space.build(dna), (1, 4, 4)).params for dna in space) / space.size
    assert float(expected(table, net.policy).detach()) == pytest.approx(true, rel=1e-4)


def test_terms_have_their_formulas():
    loss, e = torch.tensor(2.0), torch.tensor(300.0)
    assert float(CostTerm(weight=0.5).term(loss, e, 200.0)) == pytest.approx(2 + 0.5 * 0.5)
    assert float(CostTerm(form="mul").term(loss, e, 200.0)) == pytest.approx(2 * 0.2 * (math.log(300) / math.log(200)) ** 0.3, rel=1e-5)


def test_a_cost_term_moves_the_policy_to_cheaper_points_and_is_resumed():
    def started(cost):
        search = algorithms.get("darts", epochs=4, arch_lr=0.05, cost=cost)
        search.setup(Space(Net), problem(), 0)
        return search

    free, cheap = started(None), started("macs?weight=5")
    finish(free)
    finish(cheap)
    table = measured(free.space, "macs", (1, 4, 4))
    costs = [float(expected(table, s.net.policy).detach()) for s in (free, cheap)]
    assert costs[1] < 0.9 * costs[0]
    assert cheap.advance(0).metrics["expected_cost"] == pytest.approx(costs[1], rel=0.05)
    pieces = started("macs?weight=5")
    progress = pieces.advance(3)
    while not progress.done:
        state, pieces = pieces.state(), started("macs?weight=5")
        pieces.load(state)
        progress = pieces.advance(6)
    assert same(pieces.state(), cheap.state())


def test_measured_latency_is_kept_in_the_state():
    search = algorithms.get("darts", epochs=1, cost="latency")
    search.setup(Space(Net), problem(), 0)
    search.advance(1)
    table = search.state()["costs"]
    assert table["base"] > 0
    again = algorithms.get("darts", epochs=1, cost="latency")
    again.setup(Space(Net), problem(), 0)
    again.load(search.state())
    again.advance(1)
    assert again.state()["costs"] == table


def test_costs_are_checked():
    for text, fragment in [
        ("watts", "cost, kind: got 'watts'"),
        ("macs?form=max", "cost, form: got 'max'"),
        ("macs?target=0", "cost, target: got 0"),
        ("macs?wait=1", "cost: got 'macs"),
    ]:
        with pytest.raises(ArgumentError, match=fragment):
            cost_term(text)
    for name in ("rsps", "enas"):
        with pytest.raises(ArgumentError, match="cost: got 'macs' with"):
            algorithms.get(name, cost="macs").setup(Space(Net), problem(), 0)
