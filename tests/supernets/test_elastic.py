"""Elastic widths: exact smaller children, mixtures by masks, and what is refused."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from oche.errors import NotRelaxable
from oche.mixers import Interpolation, Softmax, UniformPath
from oche.networks import ElasticRule, register_elastic
from oche.program import Space, oneof, ref, symbolic
from oche.supernets import supernet

torch.set_num_threads(1)
Conv, Norm, Linear, Seq = symbolic(nn.Conv2d), symbolic(nn.BatchNorm2d), symbolic(nn.Linear), symbolic(nn.Sequential)
Relu, Flat, Pool = symbolic(nn.ReLU), symbolic(nn.Flatten), symbolic(nn.AdaptiveAvgPool2d)


def images():
    return torch.randn(3, 4, 6, 6, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """Two widths, a depthwise layer, concatenated features, norms over channels, and activations that move zeros."""

    def __init__(self) -> None:
        super().__init__()
        c, d = oneof([4, 8, 12], name="c"), oneof([6, 3], name="d")
        self.c = c
        self.stem = nn.Sequential(nn.Conv2d(4, c, 3, padding=1, bias=False), nn.BatchNorm2d(c), nn.Sigmoid())
        self.deep = nn.Conv2d(c, 2 * c, 3, padding=1, groups=c)
        self.side = nn.Conv2d(4, d, 1)
        self.join = nn.Sequential(nn.BatchNorm2d(2 * c + d), nn.PReLU(2 * c + d), nn.Conv2d(2 * c + d, c, 1), nn.GroupNorm(2, c))
        self.norm = nn.LayerNorm(c)
        self.head = nn.Linear(c * 4, 10)

    def forward(self, x):
        y = self.stem(x)
        y = self.join(torch.cat([self.deep(y), self.side(x)], 1)) + y
        y = self.norm(y.movedim(1, -1)).movedim(-1, 1)
        return self.head(nn.functional.adaptive_avg_pool2d(y, 2).flatten(1))


def tree(c):
    return Seq(Conv(4, c(), 3, padding=1), Norm(c()), Relu(), Conv(c(), 5, 1), Pool(1), Flat(), Linear(5, 2))


PROGRAMS = {"plain": Net, "tree": tree(lambda: oneof([2, 6, 4], name="c"))}


def one_hot(net, dna):
    """Logits that are sure of a point."""
    for key, label in net.space.decisions(dna).items():
        row = torch.full((len(net.policy.rows[key].labels),), -1e4)
        row[net.policy.rows[key].labels.index(label)] = 0
        net.named_arch()[key].data.copy_(row)


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("mixer", [Softmax, UniformPath])
def test_children_are_smaller_networks_with_the_outputs_of_the_supernet(program, mixer):
    net = supernet(Space(program), mixer(), seed=3)
    sizes = set()
    for dna in net.space:
        child, fresh = net.child(dna), net.child(dna, weights="fresh")
        fresh.load_state_dict(child.state_dict(), strict=True)
        assert [type(m) for m in child.modules()] == [type(m) for m in fresh.modules()]
        assert repr(child) == repr(fresh)
        with net.fixed(dna):
            assert torch.allclose(net(images()), child(images()), atol=1e-5)
            assert torch.allclose(net(images()), fresh(images()), atol=1e-5)
        sizes.add(sum(p.numel() for p in child.parameters()))
    assert len(sizes) == net.space.size


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_mixture_that_is_sure_is_the_child(program):
    net = supernet(Space(program), Softmax())
    for dna in net.space:
        one_hot(net, dna)
        assert torch.allclose(net(images()), net.child(dna)(images()), atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [lambda c: Conv(4, c, 3), lambda c: Norm(c), lambda c: symbolic(nn.GroupNorm)(2, c)],
    ids=["conv", "batch norm", "group norm"],
)
def test_a_mixture_is_the_weighted_sum_of_padded_widths(layer):
    net = supernet(Space(layer(oneof([2, 4], name="c"))), Softmax())
    net.named_arch()["c"].data.copy_(torch.tensor([0.0, 1.0986123]))
    parts = []
    for dna in net.space:
        child = net.child(dna)
        x = images()[:, : getattr(child, "num_features", getattr(child, "num_channels", 4))]
        y = child(x)
        parts.append(torch.cat([y, y.new_zeros(3, 4 - y.shape[1], *y.shape[2:])], 1))
    assert torch.allclose(net(images()), 0.25 * parts[0] + 0.75 * parts[1], atol=1e-5)


def test_a_mixture_trains_the_logits_of_widths_and_a_path_only_the_channels_that_it_uses():
    net = supernet(Space(Net), Softmax())
    net(images()).square().sum().backward()
    assert all(float(row.grad.abs().sum()) > 0 for row in net.arch())
    net = supernet(Space(Net), UniformPath())
    with net.fixed({"c": "4", "d": "3"}):
        net(images()).square().sum().backward()
    gradient = net.network.stem[0].weight.grad
    assert float(gradient[:4].abs().min()) > 0
    assert float(gradient[4:].abs().max()) == 0


def test_tied_widths_are_one_row_by_name_and_by_reference():
    width = oneof([2, 4], name="c")
    program = Seq(Conv(4, width, 1), Norm(ref(width)), Conv(ref(width), 3, 1))
    net = supernet(Space(program), Softmax())
    assert {key: tuple(row.shape) for key, row in net.named_arch().items()} == {"c": (2,)}
    assert sum(w.numel() for w in net.weights()) == (4 * 4 + 4) + 8 + (12 + 3)
    assert [sum(p.numel() for p in net.child(dna).parameters()) for dna in net.space] == [10 + 4 + 9, 20 + 8 + 15]


def test_elastic_widths_stand_beside_lifted_values():
    net = supernet(Space(Conv(4, oneof([2, 4], name="c"), oneof([1, 3], name="k"), padding="same")), Softmax())
    assert sorted(net.named_arch()) == ["c", "k"]
    for dna in net.space:
        with net.fixed(dna):
            assert torch.allclose(net(images()), net.child(dna)(images()), atol=1e-6)


def test_running_statistics_are_those_of_the_channels():
    net = supernet(Space(Net), UniformPath(), batch_norm="running")
    with net.fixed({"c": "4", "d": "3"}):
        net(images())
    norm = net.network.join[0]
    moved = (norm.running_mean != 0).nonzero().flatten().tolist()
    assert moved == [*range(8), 24, 25, 26]
    dna = net.space.encode_decisions({"c": "4", "d": "3"})
    child = net.child(dna).eval()
    assert torch.equal(child.join[0].running_mean, norm.running_mean[moved])
    net.eval()
    with net.fixed(dna):
        assert torch.allclose(net(images()), child(images()), atol=1e-5)
        net.recalibrate([images()])
        assert torch.allclose(net(images()), net.child(dna).eval()(images()), atol=1e-5)


def test_elastic_supernets_are_copied_saved_and_restricted():
    net = supernet(Space(Net), Softmax())
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        other.load_state_dict(net.state_dict())
        assert torch.equal(other(images()), net(images()))
    small = net.restrict({"c": ["4", "8"]})
    assert small.network.head.weight.shape == (10, 32)
    for dna in small.space:
        with net.fixed(small.space.decisions(dna)), small.fixed(dna):
            assert torch.allclose(net(images()), small(images()), atol=1e-5)


def test_a_block_of_the_user_can_hand_its_width_on():
    class Block(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.a, self.b = nn.Conv2d(4, channels, 1), nn.Conv2d(channels, 4, 1)

        def forward(self, x):
            return self.b(self.a(x))

    node = symbolic(Block)(oneof([2, 4], name="c"))
    assert sum(w.numel() for w in supernet(Space(node)).weights()) == 22 + 40
    register_elastic(Block, ElasticRule({"channels": "out"}))
    net = supernet(Space(node))
    assert sum(w.numel() for w in net.weights()) == 40
    with net.fixed({"c": "2"}):
        assert torch.allclose(net(images()), net.child(net.space.at(0))(images()), atol=1e-6)


class Apart(nn.Module):
    """Concatenated features whose terms, of one choice, are not at their largest together."""

    def __init__(self) -> None:
        super().__init__()
        c, d = oneof([4, 8, 6], name="c"), oneof([2, 5], name="d")
        self.a, self.b, self.c = nn.Conv2d(4, c, 1), nn.Conv2d(4, 14 - c, 1), nn.Conv2d(4, d, 1)
        every = c + (14 - c) + d
        self.norm, self.deep = nn.BatchNorm2d(every), nn.Conv2d(every, every, 3, padding=1, groups=every)
        self.out = nn.Conv2d(every, 3, 1)

    def forward(self, x):
        return self.out(self.deep(self.norm(torch.cat([self.a(x), self.b(x), self.c(x)], 1))))


@pytest.mark.parametrize("mixer", [Softmax, UniformPath, Interpolation])
def test_terms_of_one_choice_need_not_be_largest_together(mixer):
    net = supernet(Space(Apart), mixer(), seed=3)
    assert net(images()).shape == (3, 3, 6, 6)
    for dna in net.space:
        child, fresh = net.child(dna), net.child(dna, weights="fresh")
        fresh.load_state_dict(child.state_dict(), strict=True)
        with net.fixed(dna):
            assert torch.allclose(net(images()), child(images()), atol=1e-5)
        if mixer is Softmax:
            one_hot(net, dna)
            assert torch.allclose(net(images()), child(images()), atol=1e-5)


def refused(build):
    class Refused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.op = build()

    return Refused


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.Conv2d(4, 4, oneof([1, 3], name="k")), r"choice 'k'.*'kernel_size' of Conv2d at 'op'.*space\.where"),
        (lambda: [nn.ReLU() for _ in range(oneof([1, 2], name="n"))] and nn.ReLU(), r"choice 'n'.*no width.*repeat.*space\.where"),
        (lambda: nn.Dropout(oneof([0.1, 0.2], name="p")), r"choice 'p', candidate '0\.1'.*space\.where"),
        (lambda: nn.Conv2d(4, 4, 3, padding_mode=oneof(["zeros", "reflect"], name="m")), r"choice 'm', candidate 'zeros'.*space\.where"),
        (lambda: nn.Linear(4, int(oneof([4, 8], name="c") * 0.5)), r"choice 'c'.*\* with 0\.5.*c // 2"),
        (lambda: nn.Linear(4, 4) if oneof([4, 8], name="c") > 4 else nn.ReLU(), r"choice 'c'.*comparison > 4.*some of its values"),
        (lambda: nn.Conv2d(oneof([4, 8], name="c"), 8, 1, groups=2), r"choice 'c'.*in_channels with groups=2.*constant size"),
        (lambda: nn.Conv2d(4, oneof([4, 8], name="c") + (12 - oneof([4, 8], name="c")), 1), r"choice 'c'.*largest together.*as 12 or"),
        (lambda: nn.Bilinear(oneof([4, 8], name="c"), 4, 2), r"choice 'c'.*'in1_features' of Bilinear.*register_elastic"),
    ],
)
def test_what_cannot_be_relaxed_is_named(build, message):
    with pytest.raises(NotRelaxable, match=message):
        supernet(refused(build))
