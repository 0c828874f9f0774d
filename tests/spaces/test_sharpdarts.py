"""The cell spaces of sharpDARTS: published sizes of networks and of the supernet, genotypes as points."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import oche
from oche import networks, spaces
from oche.errors import ArgumentError
from oche.spaces import darts

SMALL = {"channels": 4, "cells": 3}


def built_on_meta(name: str, **arguments: object) -> nn.Module:
    with torch.device("meta"):
        return spaces.network(name, **arguments)


def weights_of(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("genotype", "params", "with_head", "reference", "plain"),
    [
        ("SHARPSEPCONV_DARTS", 3_555_622, 4_032_048, 578_604_672, 558_384_768),
        ("DARTS_V2", 3_529_270, 4_005_696, 576_005_760, 555_730_560),
    ],
)
def test_published_sizes_on_cifar_by_both_counts(genotype, params, with_head, reference, plain):
    net = built_on_meta("sharpdarts", genotype=genotype, auxiliary=True)
    assert weights_of(net) == with_head
    assert weights_of(net) - weights_of(net.auxiliary) == params
    # The head does not run in evaluation mode, so it counts in neither.
    assert networks.count(net, (3, 32, 32)).macs == plain
    assert networks.count(net, (3, 32, 32), count="sharpdarts").macs == reference


def test_published_sizes_on_imagenet():
    net = built_on_meta("sharpdarts-imagenet", genotype="SHARPSEPCONV_DARTS")
    assert networks.count(net, (3, 224, 224), count="sharpdarts") == networks.Counts(4_973_728, 572_981_376)


def test_published_millions_of_the_space_of_nine_operations():
    assert round(weights_of(built_on_meta("sharpdarts", genotype="SHARP_DARTS")) / 1e6, 2) == 1.97
    for mid, millions in ((32, 3.17), (96, 3.71)):
        net = built_on_meta("sharpdarts-imagenet", genotype="SHARP_DARTS", mid=mid)
        assert round(weights_of(net) / 1e6, 2) == millions


def test_the_imagenet_head_has_a_norm_after_both_convolutions():
    net = built_on_meta("sharpdarts-imagenet", genotype="SHARP_DARTS", auxiliary=True)
    assert [type(layer) for layer in net.auxiliary].count(nn.BatchNorm2d) == 2
    plain = built_on_meta("darts-imagenet", genotype="DARTS_V2", auxiliary=True)
    assert [type(layer) for layer in plain.auxiliary].count(nn.BatchNorm2d) == 1


@pytest.mark.parametrize(("name", "weights"), [("darts-ssc", 2_527_354), ("darts", 1_930_618)])
def test_the_size_of_the_supernet(name, weights):
    net = oche.supernet(spaces.get(name, channels=16, cells=8))
    assert sum(p.numel() for p in net.weights()) == weights
    rows = [logits for key, logits in net.named_arch().items() if " edge " in key]
    assert len(rows) == 2 * 14 and {len(row) for row in rows} == {8}


@pytest.mark.parametrize(("name", "n"), [("darts-ssc", 8), ("sharpdarts", 9), ("sharperdarts", 12)])
def test_the_number_of_operations(name, n):
    space = spaces.get(name, **SMALL)
    labels = space.relaxed_labels("reduce edge 5<-4")
    assert len(labels) == n and labels[0] == "none" and space.size == (180 * (n - 1) ** 8) ** 2
    assert all(op in networks.SHARP_OPS for op in labels)


def test_the_same_point_is_another_network_in_the_sharp_space():
    sharp, plain = spaces.get("darts-ssc", **SMALL), spaces.get("darts", **SMALL)
    dna = plain.encode_decisions(darts.decisions("DARTS_V2"))
    assert sharp.encode_decisions(darts.decisions("DARTS_V2")) == dna
    assert sharp.fingerprint == plain.fingerprint
    assert weights_of(sharp.decode(dna)) > weights_of(plain.decode(dna))


@pytest.mark.parametrize("name", ["SHARP_DARTS", "SHARP_DARTS_MAX_W"])
def test_a_published_genotype_is_a_point_and_comes_back(name):
    space = spaces.get("sharpdarts", **SMALL)
    dna = space.encode_decisions(darts.decisions(name))
    text = darts.Darts.architecture(space.decisions(dna))
    assert space.encode_decisions(darts.decisions(text)) == dna
    found = space.decode(dna, affine=True)
    again = spaces.network("sharpdarts", genotype=text, **SMALL)
    assert set(found.state_dict()) == set(again.state_dict())
    assert found(torch.zeros(2, 3, 16, 16)).shape == (2, 10)


def test_an_operation_of_the_other_dictionary_is_named():
    with pytest.raises(ArgumentError, match="choke_conv_3x3"):
        spaces.network("darts", genotype="SHARP_DARTS")
    with pytest.raises(ArgumentError, match="mid: got 0"):
        spaces.network("sharpdarts", genotype="SHARP_DARTS", mid=0)
