"""Prunable networks: published sizes, tied axes found by tracing, children and cut networks with the outputs of the masked ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import oche
from oche import spaces
from oche.errors import ArgumentError, SpaceError
from oche.mixers import Softmax, UniformPath
from oche.networks import ChannelSelect, count
from oche.seeds import building
from oche.spaces.prunable import VGG16, MobileNetV2, PreResNet, ResNet18, extract, masked, offer_widths, trace

torch.set_num_threads(1)

SMALL = {
    "preresnet": lambda: PreResNet(11, planes=4, side=8, in_channels=1),
    "resnet18": lambda: ResNet18(planes=4, side=8, in_channels=1),
    "mobilenetv2": lambda: MobileNetV2(width=0.125, side=8, in_channels=1),
    "vgg16": lambda: VGG16(width=0.05, side=8, in_channels=1),
}


@pytest.mark.parametrize(
    ("depth", "classes", "weights", "macs", "channels"),
    [
        (164, 10, 1_703_258, 247_646_720, 12_112),
        (164, 100, 1_726_388, 247_669_760, 12_112),
        (29, 10, 312_218, 47_106_560, 2_032),
        (20, 10, 219_482, 33_737_216, 1_360),
        (20, 100, 242_612, 33_760_256, 1_360),
    ],
)
def test_published_sizes_of_preresnet(depth, classes, weights, macs, channels):
    with torch.device("meta"):
        net = PreResNet(depth, classes)
    assert (net.axes.params(), net.axes.macs()) == (weights, macs)
    assert sum(p.numel() for p in net.parameters()) == weights
    assert sum(isinstance(module, nn.BatchNorm2d) for module in net.modules()) == depth - 1
    assert sum(group.size for group in net.axes.free()) == channels
    inside = sum(g.size for g in net.axes.free() if not isinstance(net.get_submodule(g.name), ChannelSelect))
    assert depth != 164 or (inside, channels - inside) == (4_032, 8_080)


@pytest.mark.parametrize(("make", "free", "streams"), [(ResNet18, 8, 12), (MobileNetV2, 20, 25), (VGG16, 13, 13)])
def test_groups_of_other_networks(make, free, streams):
    with torch.device("meta"):
        net = make()
    assert count(net, (3, 32, 32)) == oche.networks.Counts(net.axes.params(), net.axes.macs())
    assert (len(net.axes.free()), len(net.axes.free(streams=True))) == (free, streams)


def test_a_depthwise_convolution_ties_what_stands_before_and_behind_it():
    axes = SMALL["mobilenetv2"]().axes
    group = next(g for g in axes.groups if g.name == "blocks.1.expand.0")
    assert group.writers == ["blocks.1.expand.0", "blocks.1.depthwise"]
    assert group.norms == ["blocks.1.expand.1", "blocks.1.norm"]
    assert group.readers == ["blocks.1.project.0"]


def test_what_an_addition_ties_cannot_be_pruned_alone():
    axes = SMALL["resnet18"]().axes
    with pytest.raises(SpaceError, match=r"'blocks.0.inner.1.0', whose output meets that of stem.0.0.* in add"):
        axes.free(layers=["blocks.0.inner.1.0"])
    assert [g.writers[0] for g in axes.free(streams=True, layers=["blocks.0.inner.1.0"])] == ["stem.0.0"]
    with pytest.raises(SpaceError, match="those of the output"):
        axes.free(layers=["head.2"])
    with pytest.raises(SpaceError, match="got 'nothing'"):
        axes.free(layers=["nothing"])


@pytest.mark.parametrize("name", SMALL)
def test_a_cut_network_has_the_outputs_of_the_masked_one_and_the_counted_weights(name):
    with building(1):
        net = SMALL[name]()
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias)
                nn.init.normal_(module.running_mean)
        keep = {g.name: torch.randperm(g.size)[: max(1, g.size // 2)] for g in net.axes.free(streams=name != "preresnet")}
        x = torch.randn(3, 1, 8, 8)
    net.eval()
    small, zeroed = extract(net, net.axes, keep), masked(net, net.axes, keep)
    widths = {group: len(channels) for group, channels in keep.items()}
    counted = count(small, (1, 8, 8))
    assert (counted.params, counted.macs) == (net.axes.params(widths), net.axes.macs(widths))
    assert counted.params < net.axes.params()
    with torch.no_grad():
        assert torch.allclose(small(x), zeroed(x), atol=1e-5)
        assert not torch.allclose(small(x), net(x), atol=1e-2)
    assert sum(p.numel() for p in net.parameters()) == net.axes.params()


@pytest.mark.parametrize(
    ("name", "mixer"), [("preresnet", Softmax), ("resnet18", UniformPath), ("mobilenetv2", Softmax), ("vgg16", UniformPath)]
)
def test_children_have_the_outputs_of_the_supernet(name, mixer):
    net = oche.supernet(oche.Space(SMALL[name]), mixer())
    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    dna = net.space.sample(0)
    child, fresh = net.child(dna), net.child(dna, weights="fresh")
    fresh.load_state_dict(child.state_dict(), strict=True)
    with net.fixed(dna), torch.no_grad():
        assert torch.allclose(net(x), child(x), atol=1e-5)
        assert torch.allclose(net(x), fresh(x), atol=1e-5)
    shares = {key: int(label.split("/")[0]) for key, label in net.space.decisions(dna).items()}
    widths = {g.name: max(1, g.size * shares[g.name] // 8) for g in fresh.axes.free()}
    counted = count(child, (1, 8, 8))
    assert (counted.params, counted.macs) == (fresh.axes.params(widths), fresh.axes.macs(widths))
    if mixer is Softmax:
        net(x).square().sum().backward()
        assert all(row.grad is not None and float(row.grad.abs().sum()) > 0 for row in net.arch())


def test_a_network_of_ones_own_is_never_emptied():
    class Own(nn.Module):
        def __init__(self, steps=4, min_channels=2):
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 3, 1), nn.Linear(3 * 4 * 4, 2)
            self.axes = offer_widths(self, (3, 6, 6), steps, min_channels)

        def forward(self, x):
            return self.c(torch.relu(self.b(torch.relu(self.a(x)))).flatten(1))

    space = oche.Space(Own)
    assert {p.key: p.labels for p in space.points} == {"a": ("1/4", "2/4", "3/4", "4/4"), "b": ("1/4", "2/4", "3/4", "4/4")}
    smallest = space.build(space.at(0))
    assert (smallest.a.out_channels, smallest.b.out_channels, smallest.c.in_features) == (2, 2, 32)
    assert Own().a.out_channels == 8
    assert oche.Space(Own, steps=None, min_channels=3).size == 6
    for settings, message in (({"min_channels": 0}, "min_channels"), ({"steps": 0}, "steps")):
        with pytest.raises(ArgumentError, match=message):
            Own(**settings)
    full = Own()
    with pytest.raises(ArgumentError, match="width 'a': got 0"):
        extract(full, full.axes, {"a": []})
    with pytest.raises(ArgumentError, match="at most once"):
        extract(full, full.axes, {"a": [1, 1]})


def test_axes_of_which_nothing_is_known_stay():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 2, 1)

        def forward(self, x):
            return self.b(torch.cumsum(self.a(x), 1))

    axes = trace(Odd(), (3, 4, 4))
    assert not axes.free()
    assert "cumsum" in next(g for g in axes.groups if g.name == "a").fixed


@pytest.mark.parametrize("name", ["preresnet", "resnet18", "mobilenetv2", "vgg16"])
def test_registered_spaces_fit_data_sets_without_another_space(name):
    space = spaces.get(name, **({"depth": 11} if name == "preresnet" else {}))
    fitted = space.with_arguments(**space.program.arguments_for((1, 8, 8), 10))
    assert fitted.fingerprint == space.fingerprint
    assert fitted.points[0].labels[-1] == "8/8"
