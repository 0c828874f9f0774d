"""The DARTS space: published sizes of networks and supernets, derivation by its rules, and genotypes as points and back."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import oche
from oche import networks, spaces
from oche.errors import ArgumentError, UnknownNameError
from oche.mixers import PartialChannels, Softmax
from oche.spaces import darts
from oche.spaces.darts.cells import EDGES, KINDS, NODES, edge_key, edge_label, node_key

SMALL = {"channels": 4, "cells": 3}
CELLS = 1_037_664_180

# Parameters without and with auxiliary head, multiply-adds; CIFAR (20 cells of 36) and ImageNet (14 of 48).
PUBLISHED = {
    "DARTS_V1": ((3_169_414, 3_645_840, 500_987_520), (4_510_432, 5_771_208, 505_864_704)),
    "DARTS_V2": ((3_349_342, 3_825_768, 528_359_040), (4_718_752, 5_979_528, 529_911_552)),
    "PC_DARTS_cifar": ((3_634_678, 4_111_104, 556_670_592), (5_270_560, 6_531_336, 571_137_408)),
    "PC_DARTS_image": ((3_721_510, 4_197_936, 570_466_944), (5_342_464, 6_603_240, 581_627_328)),
    "NASNet": ((3_830_950, 4_288_944, 603_452_448), (5_564_320, 6_800_520, 604_031_616)),
    "AmoebaNet": ((3_145_078, 3_603_072, 488_931_552), (4_627_360, 5_863_560, 526_746_624)),
}


@pytest.fixture(scope="module")
def small():
    return spaces.get("darts", **SMALL)


def built_on_meta(name: str, **arguments: object) -> nn.Module:
    with torch.device("meta"):
        return spaces.network(name, **arguments)


def weights_of(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_space_has_the_published_number_of_cells(small):
    assert small.name == "darts"
    assert small.size == CELLS**2
    assert len(small.keys) == 2 * (14 + 3)
    assert small.where("^normal").size == CELLS
    assert small.labels("normal edge 2<-0") == tuple(networks.DARTS_OPS)[1:]
    assert small.relaxed_labels("normal edge 2<-0") == tuple(networks.DARTS_OPS)


def test_the_space_does_not_depend_on_the_size_of_the_network(small):
    assert spaces.get("darts?channels=8&cells=5&affine=true").fingerprint == small.fingerprint


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes_on_cifar(name: str):
    params, with_head, macs = PUBLISHED[name][0]
    net = built_on_meta("darts", genotype=name.upper(), channels=36, cells=20, classes=10)
    assert networks.count(net, (3, 32, 32)) == networks.Counts(params, macs)
    assert weights_of(built_on_meta("darts", genotype=name, auxiliary=True)) == with_head


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes_on_imagenet(name: str):
    params, with_head, macs = PUBLISHED[name][1]
    net = built_on_meta("darts", genotype=name, channels=48, cells=14, classes=1000, stem="imagenet")
    assert networks.count(net, (3, 224, 224)) == networks.Counts(params, macs)
    assert weights_of(built_on_meta("darts-imagenet", genotype=name, auxiliary=True)) == with_head


@pytest.mark.parametrize(("name", "millions"), [("PC_DARTS_CIFAR", 585.9456), ("PC_DARTS_IMAGE", 597.056448), ("DARTS_V2", 543.98592)])
def test_the_other_count_gives_the_published_millions(name: str, millions: float):
    assert networks.count(built_on_meta("darts-imagenet", genotype=name), (3, 224, 224), count="thop").macs == round(millions * 1e6)


def test_a_count_of_another_name_is_refused():
    with pytest.raises(UnknownNameError, match="count: got 'flops'"):
        networks.count(nn.Linear(1, 1), (1,), count="flops")


@pytest.mark.parametrize(
    ("arguments", "mixer", "weights", "macs"),
    [
        ({}, Softmax(), 1_930_618, 300_255_744),
        ({}, PartialChannels(4), 299_578, 56_596_992),
        ({"channels": 8, "cells": 5}, Softmax(), 394_210, None),
        ({"channels": 8, "cells": 5}, PartialChannels(4), 66_586, None),
        pytest.param({"classes": 100}, Softmax(), 1_953_748, None, marks=pytest.mark.slow),
        pytest.param({"classes": 100}, PartialChannels(4), 322_708, None, marks=pytest.mark.slow),
        pytest.param({"classes": 1000, "stem": "imagenet"}, PartialChannels(2), 956_512, None, marks=pytest.mark.slow),
    ],
)
def test_supernets_have_the_weights_of_the_reference(arguments, mixer, weights, macs):
    net = oche.supernet(spaces.get("darts", **arguments), mixer)
    assert sum(p.numel() for p in net.weights()) == weights
    assert sum(a.numel() for a in net.arch()) == 2 * 14 * (8 + mixer.needs_edges)
    if macs is not None:
        assert networks.count(net, (3, 32, 32)).macs == macs


# -- derivation ---------------------------------------------------------------------------------------------------------------------


def set_logits(net, rows, edges=None) -> None:
    """Logits by (row of the field's table of 14, candidate), for both cells."""
    with torch.no_grad():
        for kind in KINDS:
            for e, (node, state) in enumerate(EDGES):
                net.named_arch()[edge_key(kind, node, state)].copy_(torch.tensor([rows(e, k) for k in range(8)]))
                if edges is not None:
                    net.named_arch()[node_key(kind, node)][state] = edges(e)


def normal_nodes(dna, space) -> list[set[tuple[str, int]]]:
    found = darts.from_decisions(space.decisions(dna))
    return [set(pairs) for pairs in found.nodes("normal")]


def test_equal_logits_give_max_pooling_from_the_two_inputs(small):
    net = oche.supernet(small, Softmax())
    set_logits(net, lambda e, k: 0.0)
    assert normal_nodes(net.derive(), small) == [{("max_pool_3x3", 0), ("max_pool_3x3", 1)}] * 4


AP, MP, SK, S3, D3 = "avg_pool_3x3", "max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3"


def test_derivation_with_edge_weights_takes_the_product_of_both(small):
    net = oche.supernet(small, PartialChannels(2))
    set_logits(net, lambda e, k: math.sin(8 * e + k), math.cos)
    assert normal_nodes(net.derive(), small) == [{(AP, 0), (D3, 1)}, {(S3, 0), (MP, 2)}, {(S3, 1), (AP, 2)}, {(S3, 4), (D3, 3)}]


def test_derivation_without_edge_weights_takes_the_best_operation(small):
    net = oche.supernet(small, Softmax())
    set_logits(net, lambda e, k: math.sin(8 * e + k))
    assert normal_nodes(net.derive(), small) == [{(AP, 0), (D3, 1)}, {(SK, 1), (S3, 0)}, {(S3, 1), (AP, 2)}, {(SK, 1), (S3, 4)}]


def test_none_gets_a_gradient_though_it_gives_zeros_and_is_never_derived(small):
    net = oche.supernet(small, Softmax())
    logits = net.named_arch()["normal edge 2<-0"]
    loss = torch.nn.functional.cross_entropy(net(torch.randn(4, 3, 16, 16)), torch.tensor([0, 1, 2, 3]))
    (gradient,) = torch.autograd.grad(loss, [logits])
    assert gradient[0] != 0
    with torch.no_grad():
        logits[0] = 50.0
    assert "none" not in str(darts.from_decisions(small.decisions(net.derive())))


def test_random_cells_have_two_different_inputs_a_node_and_never_none():
    space = _space()
    for seed in range(200):
        drawn = darts.genotype(darts.Darts.architecture(space.decisions(space.sample(seed))))
        for cell in (drawn.normal, drawn.reduce):
            assert "none" not in [op for op, _ in cell]
            inputs = [source for _, source in cell]
            assert all(a != b and max(a, b) < 2 + i for i, (a, b) in enumerate(zip(inputs[::2], inputs[1::2], strict=True)))


# -- genotypes and points -----------------------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.integers(0, CELLS**2 - 1))
def test_points_and_genotypes_go_over_into_each_other(index: int):
    space = _space()
    text = darts.Darts.architecture(space.decisions(space.at(index)))
    assert space.index(space.encode_decisions(darts.decisions(text))) == index


_kept: dict[str, oche.Space] = {}


def _space() -> oche.Space:
    return _kept.setdefault("darts", spaces.get("darts", **SMALL))


def test_a_child_of_a_search_is_the_network_of_its_genotype(small):
    dna = small.sample(3)
    child = small.build(dna, seed=5, channels=8, cells=5, affine=True, auxiliary=True)
    text = darts.Darts.architecture(small.decisions(dna))
    net = spaces.network("darts", genotype=text, channels=8, cells=5, seed=5, auxiliary=True)
    mine, other = child.state_dict(), net.state_dict()
    assert list(mine) == list(other)
    assert all(torch.equal(mine[name], other[name]) for name in mine)


def test_children_inherit_the_weights_of_the_supernet(small):
    net = oche.supernet(small, Softmax()).eval()
    dna = small.sample(1)
    x = torch.randn(3, 3, 16, 16)
    with torch.no_grad(), net.fixed(dna):
        expected = net(x)
    # The child has running statistics again, so it is compared where both use those of the batch.
    child = net.child(dna).train()
    with torch.no_grad():
        assert torch.allclose(child(x), expected, atol=1e-5)


# -- networks -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [8, 15, 32])
def test_networks_take_images_of_even_and_odd_sizes(size: int, small):
    net = small.build(small.sample(0), affine=True)
    assert net(torch.randn(2, 3, size, size)).shape == (2, 10)


def test_the_imagenet_network_reads_large_images():
    net = spaces.network("darts-imagenet", genotype="PC_DARTS_IMAGE", channels=4, cells=3, classes=7)
    assert net(torch.randn(2, 3, 64, 64)).shape == (2, 7)
    assert spaces.darts.Darts.arguments_for((3, 224, 224), 1000) == {"in_channels": 3, "classes": 1000, "stem": "imagenet"}


def test_an_auxiliary_head_speaks_in_training_only():
    net = spaces.network("darts", genotype="DARTS_V2", channels=4, cells=3, auxiliary=True)
    found = net(torch.randn(2, 3, 32, 32))
    assert isinstance(found, networks.AuxiliaryOutput)
    assert (found.logits.shape, found.auxiliary.shape, found.weight) == ((2, 10), (2, 10), 0.4)
    assert net.eval()(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    with pytest.raises(ArgumentError, match=r"auxiliary head: got features of \(4, 4\)"):
        net.train()(torch.randn(2, 3, 16, 16))


def test_drop_path_stands_on_every_edge_but_identities_and_rises_with_progress():
    genotype = darts.genotype("DARTS_V2")
    net = spaces.network("darts", genotype=genotype, channels=4, cells=4, drop_path=0.25)
    drops = [m for m in net.modules() if isinstance(m, networks.DropPath)]
    # Cells 1 and 2 of four are reductions; their skips all come from inner nodes, at stride 1, so they are identities too.
    assert len(drops) == 2 * (8 - genotype.count("skip_connect")) + 2 * (8 - genotype.count("skip_connect", "reduce"))
    networks.set_progress(net, 0.0)
    x = torch.randn(8, 3, 16, 16)
    torch.manual_seed(0)
    first = net(x)
    assert torch.equal(first, net(x))
    networks.set_progress(net, 1.0)
    assert not torch.equal(first, net(x))


def test_dropped_images_are_zero_and_the_others_scaled():
    drop = networks.DropPath(0.25)
    with oche.seeds.building(0):
        out = drop(torch.ones(4000, 2, 1, 1))
    assert out.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert torch.equal(out[:, 0], out[:, 1])
    assert abs(float((out == 0).float().mean()) - 0.25) < 0.03


def test_pools_are_normalized_where_candidates_are_compared(small):
    text = "Genotype(normal=[{0}], normal_concat=range(2, 6), reduce=[{0}], reduce_concat=range(2, 6))"
    genotype = text.format(", ".join(["('max_pool_3x3', 0), ('avg_pool_3x3', 1)"] * 4))
    dna = small.encode_decisions(darts.decisions(genotype))
    norms = [sum(isinstance(m, nn.BatchNorm2d) for m in small.build(dna, affine=affine).modules()) for affine in (False, True)]
    assert norms[0] - norms[1] == 3 * 8


# -- other spaces of the family -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["s1", "s2", "s3", "s4"])
def test_the_spaces_of_robustdarts_have_two_operations_to_choose_from(name: str):
    space = spaces.get(name, **SMALL)
    assert space.name == name
    assert space.size == (180 * 2**8) ** 2


def test_operations_of_the_spaces_of_robustdarts():
    of = {name: spaces.get(name, **SMALL) for name in ("s1", "s2", "s3", "s4", "s5")}
    assert of["s1"].labels("normal edge 3<-2") == ("skip_connect", "dil_conv_3x3")
    assert of["s1"].labels("normal edge 4<-0") == ("max_pool_3x3", "skip_connect")
    assert of["s1"].labels("normal edge 5<-4") == ("dil_conv_3x3", "dil_conv_5x5")
    assert of["s1"].labels("reduce edge 2<-1") == ("max_pool_3x3", "dil_conv_3x3")
    assert of["s1"].labels("reduce edge 4<-1") == ("max_pool_3x3", "sep_conv_3x3")
    assert of["s2"].labels("reduce edge 4<-1") == ("skip_connect", "sep_conv_3x3")
    assert of["s3"].relaxed_labels("reduce edge 4<-1") == ("none", "skip_connect", "sep_conv_3x3")
    assert of["s4"].labels("normal edge 4<-1") == ("noise", "sep_conv_3x3")
    assert of["s5"].relaxed_labels("normal edge 4<-1") == tuple(networks.DARTS_OPS)[1:]


def test_noise_knows_nothing_of_its_input():
    x = torch.full((2, 3, 5, 5), float("nan"))
    noise = networks.CELL_OPS["noise"](channels=3, stride=2)
    assert noise(x).shape == (2, 3, 3, 3)
    assert noise(x).isfinite().all()


def test_a_space_of_ones_own_operations():
    ops = {"a": networks.DARTS_OPS["skip_connect"], "b": networks.CELL_OPS["conv_7x1_1x7"]}
    space = spaces.get("darts", ops=ops, **SMALL)
    assert space.size == (180 * 2**8) ** 2
    assert space.build(space.sample(0))(torch.randn(2, 3, 8, 8)).shape == (2, 10)
    named = spaces.get("darts", ops=["skip_connect", "noise"], **SMALL)
    assert named.labels("normal edge 2<-0") == ("skip_connect", "noise")


# -- refusals -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"cells": 2}, ArgumentError, "darts, cells: got 2; allowed: a whole number from 3"),
        ({"stem": "mnist"}, ArgumentError, "darts, stem: got 'mnist'"),
        ({"ops": "s9"}, UnknownNameError, "table of operations: got 's9'"),
        ({"ops": ["conv"]}, UnknownNameError, "operation: got 'conv'"),
        ({"ops": []}, ArgumentError, "ops: got no operations"),
        ({"drop_path": 1.0}, ArgumentError, "drop_path: got 1.0"),
    ],
)
def test_arguments_that_fit_no_network_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        spaces.get("darts", **{**SMALL, **arguments})


def test_channels_that_k_does_not_divide_are_refused():
    with pytest.raises(ArgumentError, match="got 6 channels and k=4"):
        oche.supernet(spaces.get("darts", channels=6, cells=3), PartialChannels(4))


def test_an_odd_share_of_channels_is_refused_at_a_strided_skip():
    with pytest.raises(ArgumentError, match="skip_connect at stride 2: got 3 channels; allowed: an even number"):
        networks.CELL_OPS["skip_connect"](channels=3, stride=2)


def test_keys_and_labels_are_spelled_in_one_place(small):
    assert {node_key(kind, node) for kind in KINDS for node in NODES[1:]} < set(small.keys)
    assert small.labels("reduce node 3") == tuple(edge_label(3, state) for state in range(3))
