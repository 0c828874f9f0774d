"""Choices between values among a symbolic layer's arguments: the layer becomes the choice."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from oche.errors import NotRelaxable
from oche.mixers import UniformPath
from oche.program import Space, oneof, symbolic
from oche.supernets import supernet

torch.set_num_threads(1)
Conv, Seq = symbolic(nn.Conv2d), symbolic(nn.Sequential)


def images():
    return torch.randn(2, 8, 6, 6, generator=torch.Generator().manual_seed(0))


def test_a_lifted_layer_has_the_known_size():
    net = supernet(Space(Conv(8, 8, kernel_size=oneof([1, 3]), bias=False)))
    assert sum(w.numel() for w in net.weights()) == 640
    assert [tuple(row.shape) for row in net.arch()] == [(2,)]


def test_several_values_of_a_layer_are_lifted_together_and_stay_separate_decisions():
    space = Space(Conv(8, 8, kernel_size=oneof([1, 3], name="k"), padding="same", bias=oneof([True, False], name="bias")))
    net = supernet(space)
    assert sum(w.numel() for w in net.weights()) == 2 * 640 + 2 * 8
    assert {key: row.numel() for key, row in net.named_arch().items()} == {"k": 2, "bias": 2}
    with torch.no_grad():
        net.named_arch()["k"].copy_(torch.tensor([math.log(3.0), 0.0]))
        net.named_arch()["bias"].copy_(torch.tensor([0.0, math.log(3.0)]))
    weights = {"1,True": 3 / 16, "1,False": 9 / 16, "3,True": 1 / 16, "3,False": 3 / 16}
    x = images()
    parts = dict(zip(net.network.slot.labels, net.network.inside, strict=True))
    assert torch.allclose(net(x), sum(weights[label] * parts[label](x) for label in weights), atol=1e-5)


def test_children_of_a_lifted_layer_follow_the_init_law():
    program = Seq(
        Conv(8, 8, kernel_size=oneof([1, 3], name="k"), padding="same"),
        oneof(
            [Conv(8, 8, kernel_size=oneof([1, 5], name="k2"), padding=oneof([0, "same"], name="pad")), symbolic(nn.Identity)()], name="op"
        ),
        Conv(8, 4, kernel_size=1),
    )
    space = Space(program)
    net = supernet(space, seed=5)
    for dna in space:
        if space.decisions(dna).get("pad") == "0" and space.decisions(dna).get("k2") == "5":
            continue
        inherited, fresh = net.child(dna), net.child(dna, weights="fresh")
        assert list(inherited.state_dict()) == list(fresh.state_dict())
        assert all(torch.equal(a, b) for a, b in zip(inherited.state_dict().values(), fresh.state_dict().values(), strict=True))
        with net.fixed(dna):
            assert torch.equal(net(images()), fresh(images()))


def test_a_decision_shared_by_two_layers_is_one_row():
    kernel = lambda: oneof([1, 3], name="k")
    net = supernet(
        Space(Seq(Conv(8, 8, kernel_size=kernel(), padding="same"), Conv(8, 8, kernel_size=kernel(), padding="same"))), UniformPath()
    )
    assert list(net.named_arch()) == ["k"]
    for dna in net.space:
        assert len({m.kernel_size for m in net.child(dna).modules() if isinstance(m, nn.Conv2d)}) == 1


def test_too_many_combinations_are_refused():
    layer = Conv(8, 8, kernel_size=oneof([1, 3, 5, 7], name="k"), dilation=oneof([1, 2, 3], name="d"), bias=oneof([True, False], name="b"))
    assert len(supernet(Space(layer)).network.inside) == 24
    more = layer.set({"padding_mode": oneof(["zeros", "reflect"], name="mode")})
    with pytest.raises(NotRelaxable, match=r"Conv2d.*48 combinations of 'k', .*up to 32.*restrict"):
        supernet(Space(more))


def test_the_program_is_not_edited():
    node = Seq(
        Conv(8, 8, kernel_size=oneof([1, 3], name="k"), padding="same"), oneof([symbolic(nn.ReLU)(), symbolic(nn.Identity)()], name="act")
    )
    text, repr_before = repr(node.query("padding")), repr(node)
    space = Space(node)
    net = supernet(space, UniformPath())
    net(images())
    net.child(net.derive())
    assert (repr(node.query("padding")), repr(node)) == (text, repr_before)
    assert Space(node).fingerprint == space.fingerprint


def test_a_fixed_value_is_not_lifted():
    space = Space(Conv(8, 8, kernel_size=oneof([1, 3], name="k"), padding="same", bias=oneof([True, False], name="b")))
    net = supernet(space.fix({"k": "3"}))
    assert list(net.named_arch()) == ["b"]
    assert {m.kernel_size for m in net.network.inside} == {(3, 3)}
