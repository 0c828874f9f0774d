"""The policy over points: derivation against the published rules, and probabilities against enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from oche.errors import NotRelaxable
from oche.mixers import PartialChannels, Softmax
from oche.program import Space, floatv, manyof, oneof, permutate
from oche.supernets import Policy, supernet

torch.set_num_threads(1)

DARTS_OPS = ["none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"]
SHORT = {"max_pool_3x3": "mp", "avg_pool_3x3": "ap", "skip_connect": "sk", "sep_conv_3x3": "s3", "sep_conv_5x5": "s5"} | {
    "dil_conv_3x3": "d3",
    "dil_conv_5x5": "d5",
}


class Zero(nn.Module):
    def forward(self, x):
        return torch.zeros_like(x)


class Cell(nn.Module):
    """A cell with the choices of the DARTS space and cheap candidates: nodes 2 to 5 take two of their inputs."""

    def __init__(self) -> None:
        super().__init__()
        ops = {**dict.fromkeys(DARTS_OPS, lambda channels: nn.Identity()), "none": lambda channels: Zero()}
        self.nodes = nn.ModuleList()
        edge = 0
        for node in range(2, 6):
            edges = {}
            for source in range(node):
                edges[str(source)] = lambda e=edge: oneof(ops, name=f"edge{e}", relaxed_only=("none",), channels=4)
                edge += 1
            self.nodes.append(manyof(2, edges, merge="sum", name=f"node{node}"))

    def forward(self, a, b):
        states = [a, b]
        for node in self.nodes:
            states.append(node(*states))
        return torch.cat(states[2:], 1)


def genotype(net) -> str:
    """Pairs (op, input) of each node, the stronger first, as the field writes them."""
    decisions, edge, parts = net.space.decisions(net.derive()), 0, []
    for node in range(2, 6):
        q = net.policy.probabilities(f"node{node}").detach().double()
        pairs = []
        for source in map(int, decisions.get(f"node{node}", ("0", "1"))):  # two of two is no decision
            op = decisions[f"edge{edge + source}"]
            p = net.policy.probabilities(f"edge{edge + source}").detach().double()[DARTS_OPS.index(op)]
            weight = q[source] if net.policy.rows[f"node{node}"].trained else 1.0
            pairs.append((-float(p * weight), source, SHORT[op]))
        parts.append(", ".join(f"{op} {source}" for _, source, op in sorted(pairs)))
        edge += node
    return " | ".join(parts)


def with_logits(net):
    with torch.no_grad():
        for e in range(14):
            net.named_arch()[f"edge{e}"].copy_(torch.tensor([math.sin(8 * e + k) for k in range(8)]))
        start = 0
        for node in range(2, 6):
            if f"node{node}" in net.named_arch():
                net.named_arch()[f"node{node}"].copy_(torch.tensor([math.cos(start + j) for j in range(node)]))
            start += node
    return net


def test_the_cell_has_the_published_number_of_points():
    assert Space(Cell).size == 1_037_664_180


def test_derivation_of_the_published_rules_gives_the_known_cells():
    assert genotype(with_logits(supernet(Cell, PartialChannels(1)))) == "ap 0, d3 1 | s3 0, mp 2 | s3 1, ap 2 | s3 4, d3 3"
    assert genotype(with_logits(supernet(Cell, Softmax()))) == "ap 0, d3 1 | sk 1, s3 0 | s3 1, ap 2 | sk 1, s3 4"


def test_ties_go_to_the_lowest_index():
    net = supernet(Cell, PartialChannels(1))
    with torch.no_grad():
        for row in net.arch():
            row.zero_()
    assert genotype(net) == " | ".join(["mp 0, mp 1"] * 4)


def test_a_candidate_that_is_relaxed_only_is_never_derived_but_weighs_in_the_softmax():
    net = supernet(Cell)
    with torch.no_grad():
        for key, row in net.named_arch().items():
            row.zero_()
            row[0] = 9.0 if key == "edge0" else 0.0  # `none` on one edge takes the weight of all its other candidates
            net.named_arch()["edge3"][0] = 9.0
    decisions = net.space.decisions(net.derive())
    assert "none" not in decisions.values()
    assert decisions["node3"] == ("0", "2"), "edge3 is the second input of node 3; its other candidates hold next to nothing"
    net(torch.ones(1, 1), torch.ones(1, 1)).sum().backward()
    assert net.named_arch()["edge0"].grad[0] != 0, "through the softmax, although the output of `none` is zero"


def test_the_best_input_is_the_one_with_the_best_candidate_inside():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            ops = {"a": nn.Identity, "b": nn.Identity, "c": nn.Identity}
            edges = {f"e{i}": lambda i=i: oneof(ops, name=f"op{i}") for i in range(2)}
            self.node = manyof(1, edges, merge="sum", name="node")

    net = supernet(Two, PartialChannels(1))
    logits = net.named_arch()
    with torch.no_grad():
        logits["node"].copy_(torch.tensor([0.2, 0.0]))
        logits["op0"].copy_(torch.tensor([0.0, 0.0, 0.0]))
        logits["op1"].copy_(torch.tensor([0.0, 3.0, 0.0]))
    assert net.space.decisions(net.derive()) == {"node": ("e1",), "op1": "b"}


# -- probabilities ------------------------------------------------------------------------------------------------------------

SPACES = [
    Space({"a": oneof([1, oneof(["x", "y", "z"])]), "b": oneof(["u", "v"])}),
    Space({"c": manyof(2, [0, 1, 2, 3], sorted=True), "d": oneof([True, False])}),
    Space(manyof(2, ["a", "b", oneof(["c", "d"])])),
    Space(manyof(2, [0, 1, 2], distinct=False, sorted=True)),
    Space(manyof(3, [0, 1, 2], distinct=False)),
    Space(permutate(["a", "b", "c", "d"])),
]


@pytest.mark.parametrize("space", SPACES, ids=[str(s.size) for s in SPACES])
@given(seed=st.integers(0, 10**6))
def test_probabilities_of_all_points_sum_to_one_and_entropy_is_theirs(space, seed):
    policy = Policy(space, seed=seed, scale=1.0)
    logs = torch.stack([policy.log_prob(dna) for dna in space])
    assert logs.exp().sum().item() == pytest.approx(1.0, abs=1e-9)
    assert policy.entropy().item() == pytest.approx(-(logs.exp() * logs).sum().item(), abs=1e-9)


def test_samples_follow_the_probabilities():
    space = SPACES[0]
    policy = Policy(space, seed=3, scale=1.0)
    rng, n = np.random.default_rng(0), 4000
    counts: dict = {}
    for _ in range(n):
        dna = policy.sample(rng)
        counts[dna] = counts.get(dna, 0) + 1
    expected = {dna: n * float(policy.log_prob(dna).detach().exp()) for dna in space}
    assert sum((counts.get(dna, 0) - e) ** 2 / e for dna, e in expected.items()) < 24.3, "chi-square with 7 degrees of freedom, p = 0.001"


def test_log_prob_has_the_score_function_as_gradient():
    space = Space({"a": oneof([1, 2, 3])})
    policy = Policy(space, seed=1, scale=1.0)
    policy.log_prob(space.at(1)).backward()
    assert torch.allclose(policy.logits("a").grad, torch.eye(3)[1] - policy.probabilities("a"), atol=1e-6)


@pytest.mark.parametrize("space", SPACES, ids=[str(s.size) for s in SPACES])
def test_a_sure_policy_derives_the_point_that_it_is_sure_of(space):
    for dna in space:
        policy = Policy(space)
        with torch.no_grad():
            for key, value in space.decisions(dna).items():
                row, labels = policy.rows[key], (value,) if isinstance(value, str) else value
                logits = policy.logits(key)
                logits.zero_()
                for slot, label in enumerate(labels):
                    (logits[slot] if row.kind == "slots" else logits)[row.labels.index(label)] = 20.0
        assert policy.derive() == dna


def test_permutations_derive_by_best_assignment():
    space = Space(permutate(["a", "b", "c"]))
    policy = Policy(space)
    with torch.no_grad():
        policy.logits(policy.keys[0]).copy_(torch.tensor([[5.0, 4.9, 0.0], [5.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    assert next(iter(space.decisions(policy.derive()).values())) == ("b", "a", "c")


def test_numbers_have_no_policy():
    with pytest.raises(NotRelaxable, match="choice 'lr': got a number"):
        Policy(Space({"lr": floatv(0.0, 1.0)}))
