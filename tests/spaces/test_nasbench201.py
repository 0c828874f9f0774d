"""The NAS-Bench-201 program: its space, its children, and the published sizes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from oche import networks, spaces
from oche.errors import ArgumentError, UnknownNameError
from oche.program import Choice, Resolver
from oche.spaces.nasbench201 import KEYS, OPS, decisions, from_cell, to_cell

SMALL = {"channels": 4, "cells": 1, "in_channels": 1}


@pytest.fixture(scope="module")
def small():
    return spaces.get("nasbench201", **SMALL)


def test_six_decisions_in_the_order_of_the_cell(small):
    assert small.name == "nasbench201"
    assert small.size == 15_625
    assert small.keys == KEYS
    assert [p.labels for p in small.points] == [OPS] * 6


def test_the_space_does_not_depend_on_the_size_of_the_network(small):
    assert spaces.get("nasbench201?channels=16&cells=2").fingerprint == small.fingerprint


def test_the_order_of_points_is_the_order_of_operations(small):
    assert to_cell(small.decisions(small.at(0))) == to_cell(["none"] * 6)
    assert from_cell(to_cell(small.decisions(small.at(1)))) == ("none",) * 5 + ("skip_connect",)
    assert from_cell(to_cell(small.decisions(small.at(15_624)))) == ("avg_pool_3x3",) * 6


@given(st.integers(0, 15_624))
def test_cells_and_points_go_over_into_each_other(index: int):
    space = spaces.get("nasbench201", **SMALL)
    dna = space.at(index)
    assert space.index(space.encode_decisions(decisions(to_cell(space.decisions(dna))))) == index


@pytest.mark.parametrize(("op", "params", "macs"), [("skip_connect", 73_306, 7_783_040), ("nor_conv_3x3", 1_531_546, 220_119_680)])
def test_published_sizes_of_two_cells(op: str, params: int, macs: int):
    net = spaces.network("nasbench201", cell=to_cell([op] * 6), channels=16, cells=5, classes=10)
    assert networks.count(net, (3, 32, 32)) == networks.Counts(params, macs)


class AllCandidates(Resolver):
    """Builds every candidate of every choice, as a supernet has to."""

    def resolve(self, choice: Choice, location: str | None = None) -> nn.Module:
        site = self.site(choice, location)
        return nn.ModuleList(self.candidate(choice, site, label) for label in choice.labels)


@pytest.mark.parametrize(("affine", "weights"), [(False, 1_692_698), (True, 1_699_546)])
def test_weights_of_a_network_with_all_candidates(affine: bool, weights: int):
    whole = spaces.get("nasbench201", affine=affine).run(AllCandidates(0))
    assert sum(p.numel() for p in whole.parameters()) == weights


def test_without_affine_normalization_stem_and_reductions_keep_theirs():
    net = spaces.network("nasbench201", cell=to_cell(["nor_conv_1x1"] * 6), affine=False, **SMALL)
    affine = {name: module.affine for name, module in net.named_modules() if isinstance(module, nn.BatchNorm2d)}
    assert {name for name, yes in affine.items() if yes} == {
        "stem.1", "stages.1.0.first.2", "stages.1.0.second.2", "stages.2.0.first.2", "stages.2.0.second.2"
    }  # fmt: skip
    assert len(affine) == 5 + 3 * 6 + 1
    biases = [name for name, m in net.named_modules() if isinstance(m, nn.Conv2d) and m.bias is not None]
    assert len(biases) == 18


def reference(net: nn.Module, ops: tuple[str, ...], x: Tensor) -> Tensor:
    """The forward pass written out by hand."""
    x = net.stem(x)
    for stage in net.stages:
        for block in stage:
            if isinstance(block, networks.ResidualReduction):
                x = block(x)
                continue
            edge = {(n, s): block.nodes[n - 1].edges[str(s)] for n in (1, 2, 3) for s in range(n)}
            one = edge[1, 0](x)
            two = edge[2, 0](x) + edge[2, 1](one)
            x = edge[3, 0](x) + edge[3, 1](one) + edge[3, 2](two)
    assert len(ops) == 6
    return net.head(x)


@settings(max_examples=15)
@given(st.integers(0, 15_624))
def test_a_child_computes_what_its_cell_says(index: int):
    space = spaces.get("nasbench201", **SMALL)
    dna = space.at(index)
    net = space.build(dna, seed=1).eval()
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(index))
    expected = reference(net, from_cell(to_cell(space.decisions(dna))), x)
    assert torch.allclose(net(x), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 8, 8), (3, 32, 32), (3, 17, 9), (2, 1, 1)])
@pytest.mark.parametrize("classes", [2, 10])
def test_any_image_size(size: tuple[int, ...], classes: int):
    net = spaces.network("nasbench201", cell=to_cell((*OPS, "nor_conv_3x3")), channels=3, cells=2, classes=classes, in_channels=size[0])
    assert net.eval()(torch.randn(2, *size)).shape == (2, classes)


def test_the_same_decisions_in_another_size(small):
    dna = small.sample(3)
    large = small.decode(dna, channels=8, cells=2, in_channels=3, affine=True)
    assert to_cell(small.decisions(dna)) == to_cell({key: small.decisions(dna)[key] for key in KEYS})
    assert large.stem[0].weight.shape == (8, 3, 3, 3) and len(large.stages[0]) == 2


def test_a_network_has_the_weights_of_its_seed(small):
    cell = to_cell(["nor_conv_3x3"] * 6)
    first, same, other = (spaces.network("nasbench201", cell=cell, seed=seed, **SMALL).state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(first[k], same[k]) for k in first)
    assert not torch.equal(first["stem.0.weight"], other["stem.0.weight"])
    built = small.build(small.encode_decisions(decisions(cell)), seed=5).state_dict()
    assert all(torch.equal(first[k], built[k]) for k in first)


def test_an_empty_cell_still_trains_its_classifier():
    net = spaces.network("nasbench201", cell=to_cell(["none"] * 6), **SMALL)
    net(torch.randn(4, 1, 8, 8)).sum().backward()
    assert net.head[-1].bias.grad is not None


def test_spaces_by_name():
    assert "nasbench201" in spaces.names()
    assert spaces.get("NAS-Bench_201", **SMALL).size == 15_625
    with pytest.raises(UnknownNameError, match="did you mean 'nasbench201'"):
        spaces.get("nasbench20")
    with pytest.raises(UnknownNameError, match="network"):
        spaces.network("nasbench20", cell="")


@pytest.mark.parametrize("wrong", [{"channels": 0}, {"cells": -1}, {"classes": 2.5}, {"in_channels": True}])
def test_sizes_are_checked(wrong: dict[str, object]):
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        spaces.get("nasbench201", **wrong)


def test_a_malformed_cell_is_named():
    with pytest.raises(ArgumentError, match="edge 1: unknown operation 'conv9'"):
        spaces.network("nasbench201", cell="|conv9~0|+|none~0|none~1|+|none~0|none~1|none~2|")
