"""Partial channels against hand-made sums, and their refusals."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from oche.errors import ArgumentError, NotRelaxable, ShapeMismatch, UnknownNameError
from oche.mixers import PartialChannels, Softmax, UniformPath, registry
from oche.mixers.partial_channels import bypass, shuffle
from oche.program import oneof
from oche.supernets import supernet

torch.set_num_threads(1)


def op(kernel: int):
    return lambda channels, stride=1: nn.Conv2d(channels, channels, kernel, stride, kernel // 2, bias=False)


def program(channels: int = 8, stride: int = 1, given: bool = True):
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            more = {"channels": channels, "stride": stride} if given else {}
            ops = {"c1": op(1), "c3": op(3)} if given else {"c1": lambda: op(1)(8), "c3": lambda: op(3)(8)}
            self.op = oneof(ops, name="edge", **more)

        def forward(self, x):
            return self.op(x)

    return Net


def images(channels: int = 8, size: int = 6) -> torch.Tensor:
    return torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0))


def test_shuffle_has_the_known_order():
    order = lambda n: shuffle(torch.arange(n).view(1, n, 1, 1), 4).flatten().tolist()
    assert order(8) == [0, 2, 4, 6, 1, 3, 5, 7]
    assert order(16) == [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]


@given(groups=st.integers(1, 6), width=st.integers(1, 6), rest=st.integers(0, 2))
def test_shuffle_follows_its_formula_and_is_undone_by_its_dual(groups, width, rest):
    c = groups * width
    z = torch.arange(c).view(1, c, *[1] * rest)
    out = shuffle(z, groups).flatten().tolist()
    assert out == [(i % groups) * width + i // groups for i in range(c)]
    assert torch.equal(shuffle(shuffle(z, groups), width), z)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("k", [2, 4])
def test_the_output_is_the_published_formula(k, stride):
    net = supernet(program(stride=stride), PartialChannels(k))
    x, part = images(), 8 // k
    assert [m.weight.shape[0] for m in net.network.op.inside] == [part, part]
    p = net.policy.probabilities("edge")
    y1 = sum(w * m(x[:, :part]) for w, m in zip(p, net.network.op.inside, strict=True))
    y2 = x[:, part:] if stride == 1 else F.max_pool2d(x[:, part:], 2, 2)
    joined = torch.cat([y1, y2], 1)
    expected = joined.view(2, k, part, *joined.shape[2:]).transpose(1, 2).reshape(joined.shape)
    assert torch.allclose(net(x), expected, atol=1e-6)


def test_one_part_without_edges_is_the_plain_mixture_bit_for_bit():
    x = images()
    plain, partial = supernet(program(), Softmax()), supernet(program(), PartialChannels(1, edges=False))
    assert torch.equal(plain(x), partial(x))
    gradients = [torch.autograd.grad(net(x).pow(2).sum(), [*net.arch(), *net.weights()]) for net in (plain, partial)]
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_the_three_subsets_differ_and_move_as_they_say():
    x = images()
    nets = {c: supernet(program(), PartialChannels(4, channels=c)) for c in ("shuffle", "shift", "random")}

    def untouched(channels: str, step: int) -> set[int]:
        net = nets[channels]
        with net.at(step):
            out = net(x)
        return {c for c in range(8) if any(torch.equal(out[:, c], x[:, j]) for j in range(8))}

    def kept(channels: str, step: int) -> set[int]:
        net = nets[channels]
        with net.at(step):
            out = net(x)
        return {c for c in range(8) if not torch.equal(out[:, c], x[:, c])}

    assert all(len(untouched(c, 0)) == 6 for c in nets)
    assert [kept("shift", s) for s in range(5)] == [{0, 1}, {2, 3}, {4, 5}, {6, 7}, {0, 1}]
    randoms = [tuple(sorted(kept("random", s))) for s in range(12)]
    assert len(set(randoms)) > 4
    assert all(len(r) == 2 for r in randoms)
    with nets["shuffle"].at(0):
        first = nets["shuffle"](x)
    with nets["shuffle"].at(1):
        assert torch.equal(nets["shuffle"](x), first)
    assert torch.equal(first[:, 1], x[:, 2])
    assert torch.equal(first[:, 2], x[:, 4])


def test_partial_channels_go_around_other_mixers():
    net = supernet(program(), PartialChannels(2, inner=UniformPath()))
    x = images()
    with net.fixed({"edge": "c3"}):
        expected = torch.cat([net.network.op.inside[1](x[:, :4]), x[:, 4:]], 1)
        assert torch.equal(net(x), shuffle(expected, 2))
    assert not net.mixer.learns_arch


def test_choices_that_change_channels_are_mixed_whole_and_noted():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            make = lambda k: lambda channels: nn.Conv2d(channels, 2 * channels, k, padding=k // 2)
            self.widen = oneof({"c1": make(1), "c3": make(3)}, name="widen", channels=8)
            self.wired = oneof(
                {"c1": lambda channels: nn.Conv2d(16, 16, 1), "id": lambda channels: nn.Conv2d(16, 16, 3, padding=1)},
                name="wired",
                channels=16,
            )
            self.same = oneof({"c1": op(1), "c3": op(3)}, name="same", channels=16)

        def forward(self, x):
            return self.same(self.wired(self.widen(x)))

    net = supernet(Net, PartialChannels(4))
    assert set(net.notes) == {"widen", "wired"}
    assert "mixed whole" in net.notes["widen"]
    assert net.network.widen.inside[0].weight.shape[:2] == (16, 8)
    assert net.network.same.inside[0].weight.shape[:2] == (4, 4)
    assert net(images()).shape == (2, 16, 6, 6)
    p = net.policy.probabilities("widen")
    whole = sum(w * m(images()) for w, m in zip(p, net.network.widen.inside, strict=True))
    with net.at(0):
        net(images())
    net.runtime.drawn = net.drawn
    assert torch.allclose(net.network.widen(images()), whole, atol=1e-6)


def test_odd_sizes_are_halved_like_the_candidates_do():
    assert bypass(torch.zeros(1, 2, 5, 7), torch.zeros(1, 1, 3, 4), "x").shape == (1, 2, 3, 4)
    with pytest.raises(ShapeMismatch, match=r"choice x: got size \(2, 2\) from \(6, 6\)"):
        bypass(torch.zeros(1, 2, 6, 6), torch.zeros(1, 1, 2, 2), "x")


def test_refusals_say_what_to_write():
    with pytest.raises(NotRelaxable, match=r"choice 'edge': got no channels=.*oneof\(\{\.\.\.\}, name='edge', channels=C\)"):
        supernet(program(given=False), PartialChannels(4))
    with pytest.raises(ArgumentError, match=r"choice 'edge': got 10 channels and k=4; .*use 8 or 12 channels"):
        supernet(program(10), PartialChannels(4))
    with pytest.raises(ArgumentError, match="got k=16 of 8 channels"):
        supernet(program(8), PartialChannels(16))
    with pytest.raises(ArgumentError, match="k: got 0"):
        PartialChannels(0)
    with pytest.raises(ArgumentError, match="channels: got 'first'; allowed: 'shuffle', 'shift', 'random'"):
        PartialChannels(channels="first")
    net = supernet(program(8), PartialChannels(4))
    with pytest.raises(ShapeMismatch, match=r"'edge': got 1 input.*\(2, 4, 6, 6\).*8 channels"):
        net(images(4))


def test_mixers_are_found_by_name():
    mixer = registry.get("PartialChannels?k=2&channels=shift&edges=false")
    assert (mixer.k, mixer.channels, mixer.needs_edges) == (2, "shift", False)
    with pytest.raises(UnknownNameError, match=r"'kk'.*'k'"):
        registry.get("partial-channels?kk=2")
