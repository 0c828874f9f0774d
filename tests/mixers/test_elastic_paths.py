"""Sub-networks of all sizes: kernels, sorted channels, extremes of the sandwich, teachers, and the stages of shrinking."""

from __future__ import annotations

import pytest
import torch
from tests.algorithms.test_one_shot import problem
from torch import nn
from torch.nn import functional as F

from oche import algorithms
from oche.errors import ArgumentError, ShapeMismatch
from oche.mixers import ElasticPath, Entangled, Sandwich, registry
from oche.mixers.elastic_path import soft_loss
from oche.program import Space, oneof, repeat
from oche.supernets import supernet
from oche.supernets.sorting import sort_channels

torch.set_num_threads(1)


def kernel(k: int):
    return lambda channels: nn.Conv2d(channels, channels, k, padding=k // 2, groups=channels)


class Elastic(nn.Module):
    """Kernels, depths and widths: two blocks whose middle channels are elastic, with depthwise convolutions between."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        self.blocks = repeat(lambda i: Block(channels, i), [2, 1], name="depth")
        self.head = nn.Linear(channels, 2)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class Block(nn.Module):
    def __init__(self, channels: int, i: int) -> None:
        super().__init__()
        middle = oneof([6, 12, 9], name=f"expand{i}")
        self.expand = nn.Sequential(nn.Conv2d(channels, middle, 1), nn.BatchNorm2d(middle), nn.ReLU())
        self.shrink = nn.Conv2d(middle, channels, 1)
        self.mix = oneof({f"k{k}": kernel(k) for k in (3, 5, 7)}, name=f"kernel{i}", channels=channels)

    def forward(self, x):
        return x + self.mix(self.shrink(self.expand(x)))


X = torch.randn(4, 1, 6, 6, generator=torch.Generator().manual_seed(0))


def drawn(net, step: int = 0, path: int = 0) -> dict[str, str]:
    with net.at(step, "weights", path), torch.no_grad():
        net(X)
    return {key: row.labels[net.drawn.gates[key].active[0]] for key, row in net.policy.rows.items()}


def test_small_kernels_begin_as_the_centre_of_the_largest_and_learn_a_transform():
    net = supernet(Elastic, Entangled("uniform-path", transform=True))
    mixed = net.network.blocks.inside[0].mix
    (w,) = [p for p in mixed.inside[2].parameters() if p.dim() == 4]
    k3, k5 = mixed.inside[0], mixed.inside[1]
    assert torch.equal(k5.kernel(""), w[..., 1:-1, 1:-1])
    assert torch.equal(k3.kernel(""), w[..., 2:-2, 2:-2])
    assert [tuple(m.shape) for m in (*k3.matrices, *k5.matrices)] == [(9, 9), (25, 25)]
    with torch.no_grad():
        k5.matrices[0].mul_(2)
        k3.matrices[0].add_(0.1)
    assert torch.allclose(k5.kernel(""), 2 * w[..., 1:-1, 1:-1])
    centre = (2 * w[..., 2:-2, 2:-2]).flatten(-2)
    assert torch.allclose(k3.kernel("").flatten(-2), centre @ (torch.eye(9) + 0.1), atol=1e-6), "the centre of the transformed 5 by 5"
    decisions = {"depth": "1", "expand0": "6", "kernel0": "k3", "expand1": "6", "kernel1": "k7"}
    dna = net.space.encode_decisions(decisions)
    child = net.child(dna)
    child.train()
    with net.train().fixed(dna):
        assert torch.allclose(net(X), child(X), atol=1e-5)


def test_sorting_keeps_the_function_of_the_whole_and_puts_important_channels_first():
    net = supernet(Elastic, ElasticPath(paths=1, distill=0)).train()
    whole = net.mixer.largest(net.policy)
    assert whole == {"depth": "2", "expand0": "12", "expand1": "12", "kernel0": "k7", "kernel1": "k7"}
    read = lambda i: net.network.blocks.inside[i].shrink.weight.detach().abs().sum((0, 2, 3))
    with net.fixed(whole), torch.no_grad():
        before = net(X)
        unsorted = [read(i) for i in range(2)]
        assert len(sort_channels(net)) == 2
        assert torch.allclose(net(X), before, atol=1e-5)
    for i in range(2):
        assert torch.allclose(read(i), unsorted[i].sort(descending=True).values, atol=1e-6)
    smallest = {**whole, "expand0": "6"}
    with net.fixed(smallest), torch.no_grad():
        assert not torch.allclose(net(X), before, atol=1e-3)


def test_channels_that_are_bound_in_groups_or_flattened_stay():
    class Bound(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            c = oneof([4, 8], name="c")
            self.body = nn.Sequential(nn.Conv2d(1, c, 1), nn.GroupNorm(2, c), nn.Conv2d(c, 2, 1))

        def forward(self, x):
            return self.body(x)

    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            c = oneof([4, 8], name="c")
            self.conv, self.side, self.head = nn.Conv2d(1, c, 1), nn.Conv2d(c, 2, 1), nn.Linear(36 * c, 2)

        def forward(self, x):
            h = self.conv(x)
            return self.head(h.flatten(1)) + self.side(h).mean((2, 3))

    for program in (Bound, Flat):
        assert sort_channels(supernet(program, ElasticPath(paths=1, distill=0))) == []


def test_the_sandwich_has_both_extremes_in_every_step():
    net = supernet(Elastic, Sandwich())
    assert net.mixer.paths(net.policy) == 4
    middle = set()
    for step in range(12):
        assert drawn(net, step, 0) == {"depth": "2", "expand0": "12", "expand1": "12", "kernel0": "k7", "kernel1": "k7"}
        assert drawn(net, step, 1) == {"depth": "1", "expand0": "6", "expand1": "6", "kernel0": "k3", "kernel1": "k3"}
        middle |= {tuple(drawn(net, step, p).items()) for p in (2, 3)}
    assert len(middle) > 10


def test_axes_open_one_after_another():
    closed, depths, all_ = ElasticPath(1, 1, 1), ElasticPath(1, None, 1), ElasticPath(None, None, 2)
    seen = {
        name: [drawn(supernet(Elastic, m), s) for s in range(25)] for name, m in (("closed", closed), ("depths", depths), ("all", all_))
    }
    values = lambda name, key: {d[key] for d in seen[name]}
    assert all(d == seen["closed"][0] for d in seen["closed"])
    assert (values("depths", "depth"), values("depths", "kernel0"), values("depths", "expand0")) == ({"1", "2"}, {"k7"}, {"12"})
    assert values("all", "kernel0") == {"k3", "k5", "k7"}
    assert values("all", "expand0") == {"9", "12"}, "the two largest"


def test_losses_of_paths_are_those_of_their_teachers():
    out, teacher, hard = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]]), torch.tensor(0.7)
    p = torch.softmax(teacher, -1)
    soft = -(p * F.log_softmax(out, -1)).sum()
    assert torch.allclose(soft_loss(out, teacher), soft)
    assert torch.allclose(ElasticPath(distill=1.0).path_loss(hard, out, teacher), soft + hard)
    assert torch.allclose(ElasticPath(distill=3.0).path_loss(hard, out, teacher), (3 * soft + hard) / 2)
    assert torch.allclose(Sandwich().path_loss(hard, out, teacher), soft)
    with pytest.raises(ShapeMismatch, match=r"output of a path: got \(2, 3, 4\).*use distill=0"):
        soft_loss(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4))


def test_a_step_of_the_sandwich_adds_the_gradients_of_all_paths():
    search = algorithms.get("sandwich?epochs=1&n_candidates=2&clip=null&lr_rise=0")
    search.setup(Space(Elastic), problem(), 0)
    net, (x, y) = search.net.train(), search._train.at(0)
    losses, teacher = [], None
    for path in range(4):
        with net.at(0, "weights", path):
            out = net(x)
        losses.append(F.cross_entropy(out, y) if path == 0 else soft_loss(out, teacher))
        teacher = out.detach() if path == 0 else teacher
    found = search._train_loss(net.named_weights(), {}, (x, y))
    assert torch.allclose(found, sum(losses), atol=1e-5)
    search.advance(1)
    assert search.cost.passes == 4


def test_shrinking_goes_through_its_stages_and_is_taught_by_the_largest_network():
    search = algorithms.get("ofa?epochs=0.001&n_candidates=6&n_recalibrated=1&lr=0.05")
    assert [s.share for s in search.stages] == [180, 120, 20, 120, 20, 120]
    rates = [(s.make().plan.lr, s.make().mixer.paths_per_step) for s in algorithms.get("ofa").stages]
    assert rates == [(0.1625, 1), (0.06, 1), (0.005, 2), (0.015, 2), (0.005, 4), (0.015, 4)]
    search.setup(Space(Elastic), problem(), 0)
    teacher, progress = None, search.advance(1)
    while not progress.done:
        if search.stage == 0:
            assert search.inner.teacher == {}
        else:
            teacher = teacher or search.inner.teacher
            assert all(torch.equal(search.inner.teacher[k], teacher[k]) for k in teacher)
        progress = search.advance(1)
    assert search.stage == 5
    before = search.network.named_weights()
    assert any(not torch.equal(teacher[k], before[k]) for k in teacher)
    search.space.validate(search.propose(1)[0].dna)


def test_settings_of_elastic_paths_are_checked():
    for text, fragment in [
        ("elastic-path?paths=0", "elastic path, paths: got 0"),
        ("elastic-path?depth=0", "elastic path, depth: got 0"),
        ("elastic-path?distill=-1", "elastic path, distill: got -1"),
        ("sandwich?random=-1", "sandwich, random: got -1"),
    ]:
        with pytest.raises(ArgumentError, match=fragment):
            registry.get(text)
