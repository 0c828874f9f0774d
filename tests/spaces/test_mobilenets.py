"""The spaces of ProxylessNAS and Once-for-All: sizes, children, text forms, and elastic kernels in a supernet."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

import oche
from oche import networks, spaces
from oche.errors import ArgumentError, SpaceError
from oche.mixers import Softmax, UniformPath
from oche.spaces import mobilenetv2, mobilenetv3

TINY = {"width": 0.25, "downsampling": 4, "classes": 5}
MOBILENET_V2 = {"widths": (24, 32, 64, 96, 160, 320), "blocks": (2, 3, 4, 3, 3, 1)}


@pytest.fixture(scope="module")
def ofa():
    return spaces.get("ofa", **TINY)


@pytest.fixture(scope="module")
def proxyless():
    return spaces.get("proxylessnas", blocks=(1, 2, 1, 1, 1, 1), **TINY)


def test_the_published_numbers_of_points():
    assert spaces.get("proxylessnas").size == 6**6 * 7**15
    assert spaces.get("ofa").size == (9**2 + 9**3 + 9**4) ** 5 == 7371**5


def test_the_space_does_not_depend_on_the_size_of_the_network(ofa):
    assert spaces.get("ofa").fingerprint == ofa.fingerprint
    assert spaces.get("proxylessnas").fingerprint == spaces.get("proxylessnas", **TINY).fingerprint


def test_the_blocks_make_up_mobilenet_v2():
    with torch.device("meta"):
        net = spaces.network("proxylessnas", ops=["3x3_MBConv6"] * 16, **MOBILENET_V2)
    assert networks.count(net, (3, 224, 224)) == networks.Counts(3_504_872, 300_774_272)


def test_operations_of_blocks_in_the_published_order(proxyless):
    six = tuple(f"{k}x{k}_MBConv{e}" for k in (3, 5, 7) for e in (3, 6))
    assert proxyless.labels("stage 2 block 1") == six
    assert proxyless.labels("stage 2 block 2") == (*six, "Zero") == tuple(mobilenetv2.OPS)


def test_zero_leaves_the_shortcut_alone(proxyless):
    taken = {key: "3x3_MBConv3" for key in proxyless.keys} | {"stage 2 block 2": "Zero"}
    block = proxyless.build(proxyless.encode_decisions(taken)).body[2]
    x = torch.randn(2, 16, 4, 4)
    assert torch.equal(block(x), x)


def test_a_network_from_the_text_of_a_point(proxyless):
    dna = proxyless.sample(2)
    child = proxyless.build(dna, seed=3)
    text = proxyless.program.architecture(proxyless.decisions(dna))
    net = spaces.network("proxylessnas", ops=text, seed=3, blocks=(1, 2, 1, 1, 1, 1), **TINY)
    assert all(torch.equal(a, b) for a, b in zip(child.state_dict().values(), net.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        (["3x3_MBConv3"] * 20, "got 20 operations; allowed: 21"),
        (["3x3_MBConv3"] * 20 + ["Zero"], "stage 6 block 1: got operation 'Zero'"),
        (["3x3_MBConv4"] * 21, "stage 1 block 1: got operation '3x3_MBConv4'.*did you mean"),
    ],
)
def test_other_operations_are_refused(ops, message):
    with pytest.raises(ArgumentError, match=message):
        spaces.network("proxylessnas", ops=ops)


def test_strides_of_small_images():
    assert networks.mobile_strides((2, 1, 2, 2, 2, 1, 2, 1), 32) == (2, 1, 2, 2, 2, 1, 2, 1)
    assert networks.mobile_strides((2, 1, 2, 2, 2, 1, 2, 1), 8) == (1, 1, 1, 2, 2, 1, 2, 1)
    with pytest.raises(ArgumentError, match="downsampling: got 3; allowed: 1, 2, 4, 8, 16, 32"):
        spaces.get("ofa", downsampling=3)


@given(st.integers(1, 2000))
def test_rounding_is_that_of_the_reference(value: int):
    expected = max(8, (value + 4) // 8 * 8)
    assert networks.divisible(value) == (expected + 8 if expected < 0.9 * value else expected)


# -- once for all -------------------------------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.integers(0, 7371**5 - 1))
def test_points_and_texts_go_over_into_each_other(index: int):
    space = _space()
    text = mobilenetv3.OnceForAll.architecture(space.decisions(space.at(index)))
    assert space.index(space.encode_decisions(mobilenetv3.decisions(text))) == index


_kept: dict[str, oche.Space] = {}


def _space() -> oche.Space:
    return _kept.setdefault("ofa", spaces.get("ofa", **TINY))


@pytest.mark.parametrize("mixer", [UniformPath(), Softmax()])
def test_children_are_exactly_what_the_supernet_computes(mixer, ofa):
    net = oche.supernet(ofa, mixer).train()
    x = torch.randn(2, 3, 16, 16)
    for seed in range(3):
        dna = ofa.sample(seed)
        child = net.child(dna).train()
        with torch.no_grad(), oche.seeds.building(0):
            mine = child(x)
        with torch.no_grad(), oche.seeds.building(0), net.fixed(dna):
            assert torch.equal(net(x), mine)
        fresh = net.child(dna, weights="fresh")
        assert {k: v.shape for k, v in fresh.state_dict().items()} == {k: v.shape for k, v in child.state_dict().items()}


def test_all_members_share_one_set_of_weights(ofa):
    net = oche.supernet(ofa, UniformPath())
    largest = mobilenetv3.decisions(" | ".join([" ".join(["k7e6"] * 4)] * 5))
    whole = sum(p.numel() for p in net.child(ofa.encode_decisions(largest)).parameters())
    transforms = 20 * (25 * 25 + 9 * 9)
    assert sum(p.numel() for p in net.weights()) == whole + transforms


def test_a_mixture_of_kernel_sizes_trains_their_logits_and_matrices(ofa):
    net = oche.supernet(ofa, Softmax())
    net(torch.randn(2, 3, 16, 16)).square().mean().backward()
    assert net.named_arch()["stage 1 block 1 kernel"].grad.abs().max() > 0
    assert all(p.grad is not None and p.grad.abs().max() > 0 for name, p in net.named_weights().items() if "7to5" in name)


def test_a_restricted_supernet_keeps_its_kernels(ofa):
    net = oche.supernet(ofa, UniformPath())
    part = net.restrict({"stage 1 block 1 kernel": ["3", "5"]})
    dna = part.space.sample(0)
    x = torch.randn(2, 3, 16, 16)
    whole = ofa.encode_decisions(part.space.decisions(dna))
    with torch.no_grad(), oche.seeds.building(0), part.fixed(dna):
        mine = part(x)
    with torch.no_grad(), oche.seeds.building(0), net.fixed(whole):
        assert torch.equal(net(x), mine)


@pytest.mark.parametrize(
    ("arch", "error", "message"),
    [
        ("k3e3 k3e3", ArgumentError, "got 1 stages"),
        ("k3e3 k3 | k3e3 k3e3 | k3e3 k3e3 | k3e3 k3e3 | k3e3 k3e3", ArgumentError, "stage 1, block 2: got 'k3'; allowed: kernel size"),
        ("k3e5 k3e3 | k3e3 k3e3 | k3e3 k3e3 | k3e3 k3e3 | k3e3 k3e3", SpaceError, "got candidate '5'; allowed: 3, 4, 6"),
        ("k3e3 | k3e3 k3e3 | k3e3 k3e3 | k3e3 k3e3 | k3e3 k3e3", SpaceError, "got candidate '1'; allowed: 2, 3, 4"),
    ],
)
def test_texts_of_no_member_are_refused(arch, error, message):
    with pytest.raises(error, match=message):
        spaces.network("ofa", arch=arch, **TINY)


# -- elastic kernels ----------------------------------------------------------------------------------------------------------------


def test_identity_matrices_give_the_center_of_the_largest_kernel():
    conv = networks.KernelConv2d(6, 6, groups=6)
    assert torch.equal(conv.kernel(5), conv.weight[:, :, 1:6, 1:6])
    assert torch.equal(conv.kernel(3), conv.weight[:, :, 2:5, 2:5])


def test_a_small_kernel_goes_through_both_matrices():
    conv = networks.KernelConv2d(2, 2, groups=2)
    with torch.no_grad():
        for matrix in conv.transforms.values():
            matrix.copy_(torch.randn_like(matrix))
    five = (conv.weight[:, :, 1:6, 1:6].reshape(2, 25) @ conv.transforms["7to5"].T).reshape(2, 1, 5, 5)
    three = (five[:, :, 1:4, 1:4].reshape(2, 9) @ conv.transforms["5to3"].T).reshape(2, 1, 3, 3)
    assert torch.allclose(conv.kernel(3), three, atol=1e-5)
    x = torch.randn(1, 2, 6, 6)
    assert torch.allclose(conv.fixed(3)(x), functional.conv2d(x, three, padding=1, groups=2), atol=1e-5)


def test_a_mixture_of_kernels_is_the_mixture_of_outputs():
    conv = networks.KernelConv2d(4, 4, stride=2, groups=4)
    x, w = torch.randn(2, 4, 9, 9), torch.tensor([0.2, 0.3, 0.5])
    mixed = conv(x, kernels=list(zip((3, 5, 7), w, strict=True)))
    apart = sum(weight * conv.fixed(size)(x) for size, weight in zip((3, 5, 7), w, strict=True))
    assert torch.allclose(mixed, apart, atol=1e-5)


def test_even_kernels_are_refused():
    with pytest.raises(ArgumentError, match=r"kernel_sizes: got \(3, 4\); allowed: odd numbers"):
        networks.KernelConv2d(4, 4, (3, 4))
