"""Mixers of widths: masks, interpolation over channels, scores that shrink; and what pruning reads from a supernet."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import oche
from oche.errors import ArgumentError
from oche.mixers import ChannelScores, GumbelSoftmax, Interpolation, Softmax, TunasPath, Widest
from oche.mixers.channel_scores import shrunk
from oche.spaces.prunable import PreResNet
from oche.supernets import elastic_width
from oche.supernets.drawn import Moment
from oche.supernets.elastic import resampled
from oche.supernets.width_pruning import channel_importance, global_threshold, nearest_point

torch.set_num_threads(1)


class Net(nn.Module):
    """One width that a norm has, one that none has."""

    def __init__(self, widths=(2, 4, 6)):
        super().__init__()
        a, b = elastic_width(widths, name="a"), elastic_width((3, 5), name="b")
        self.first, self.norm = nn.Conv2d(3, a, 1, bias=False), nn.BatchNorm2d(a)
        self.second, self.last = nn.Conv2d(a, b, 1), nn.Conv2d(b, 2, 1)

    def forward(self, x):
        return self.last(self.second(torch.relu(self.norm(self.first(x)))))


def images():
    return torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))


def heard(net, name):
    seen = []
    net.network.get_submodule(name).register_forward_hook(lambda m, i, out: seen.append(out.detach()))
    net(images())
    return seen[0]


@pytest.mark.parametrize(("size", "expected"), [(12, [1, 1.5, 2, 3, 3.5, 4, 5, 5.5, 6, 7, 7.5, 8]), (3, [2, 4.5, 7])])
def test_channels_are_resampled_by_means_over_neighbors(size, expected):
    x = torch.arange(1.0, 9.0)
    assert resampled(x[None], size).tolist() == [expected]
    assert torch.equal(resampled(x[None, :, None, None], size)[0, :, 0, 0], torch.tensor(expected))
    pooled = torch.nn.functional.adaptive_avg_pool1d(x[None], size)
    assert torch.allclose(resampled(x[None], size), pooled)


@pytest.mark.parametrize("mixer", [Softmax, lambda: GumbelSoftmax(10, 0.1)], ids=["softmax", "FBNetV2"])
def test_masks_fall_in_steps_of_the_weights(mixer):
    net = oche.supernet(Net, mixer())
    with net.at(0):
        weights = net.draw().gates["a"].weights
        out = heard(net, "norm")
        x = net.network.first.plain.forward(net.network.first, images())
        mask = torch.stack([weights.sum(), weights.sum(), weights[1:].sum(), weights[1:].sum(), weights[2], weights[2]])
        whole = torch.nn.functional.batch_norm(x * mask[:, None, None], None, None, net.network.norm.weight, net.network.norm.bias, True)
    assert torch.allclose(out, (whole * mask[:, None, None]).detach(), atol=1e-5)


def test_interpolation_blends_two_widths_of_norms_and_fades_to_one():
    net = oche.supernet(Net, Interpolation())
    with net.at(3):
        gate = net.draw().gates["a"]
        i, j = gate.active
        assert i != j
        assert float(gate.weights.detach().sum()) == pytest.approx(1)
        assert float(gate.weights[3 - i - j].detach()) == 0
        out, before = heard(net, "norm"), heard(net, "first")
    sizes = (2, 4, 6)
    largest = max(sizes[i], sizes[j])
    assert not before[:, largest:].any()
    normed = torch.nn.functional.batch_norm(before, None, None, net.network.norm.weight, net.network.norm.bias, True).detach()
    blended = sum(gate.weights[k].detach() * resampled(normed[:, : sizes[k]], largest) for k in (i, j))
    assert torch.allclose(out[:, :largest], blended, atol=1e-5)
    assert not out[:, largest:].any()
    net(images()).square().sum().backward()
    assert all(float(row.grad.abs().sum()) > 0 for row in net.arch())


def test_interpolation_draws_pairs_by_their_probability():
    net = oche.supernet(Net, Interpolation(tau=0.1, tau_min=0.1))
    net.named_arch()["a"].data.copy_(torch.tensor([-6.0, 0.0, 0.0]))
    pairs = [net.mixer.draw(net.policy, torch.Generator().manual_seed(s), 0, "arch", 0).gates["a"].active for s in range(40)]
    assert pairs.count((1, 2)) > 30
    with pytest.raises(ArgumentError, match="tau"):
        Interpolation(tau=0)


def test_scores_multiply_steps_of_channels_and_shrink_to_exact_zeros():
    assert torch.allclose(shrunk(torch.tensor([0.5, -0.02, 0.03]), 0.03), torch.tensor([0.47, 0.0, 0.0]))
    net = oche.supernet(Net, ChannelScores(mu=2.0, lr=0.1, threshold=1e-3))
    net.named_arch()["a"].data.copy_(torch.tensor([0.0, -0.5, -0.9]))
    out = heard(net, "second")
    mask = torch.tensor([1, 1, 0.5, 0.5, 0.1, 0.1])
    x = net.network.first.plain.forward(net.network.first, images()) * mask[:, None, None]
    x = torch.nn.functional.batch_norm(x, None, None, net.network.norm.weight, net.network.norm.bias, True) * mask[:, None, None]
    b = 1 + net.named_arch()["b"].detach()
    gate = torch.cat([b[:1].expand(3), b[1:].expand(2)])
    second = net.network.second.plain.forward(net.network.second, torch.relu(x)) * gate[:, None, None]
    assert torch.allclose(out, second, atol=1e-5)
    assert net.space.decisions(net.derive())["a"] == "6"
    with torch.no_grad():
        net.mixer.settle(net.policy, None, {})
    assert torch.allclose(1 + net.named_arch()["a"], torch.tensor([0.8, 0.3, 0.0]), atol=1e-6)
    assert net.space.decisions(net.derive())["a"] == "4"
    net.named_arch()["a"].data.fill_(-1.0)
    assert net.space.decisions(net.derive())["a"] == "2"  # never emptied


def test_l1_scores_are_penalized_in_the_objective():
    net = oche.supernet(Net, ChannelScores(mu=0.5, shrink="l1"))
    net.named_arch()["a"].data.copy_(torch.tensor([0.0, -0.5, -2.0]))
    net.named_arch()["b"].data.fill_(-1)
    value = net.mixer.arch_objective(lambda: torch.tensor(3.0), lambda: torch.tensor(0.0), net.policy, lambda: None)
    assert float(value.detach()) == pytest.approx(3 + 0.5 * (1 + 0.5 + 1))
    for settings, message in (({"shrink": "l2"}, "shrink"), ({"mu": -1}, "mu")):
        with pytest.raises(ArgumentError, match=message):
            ChannelScores(**settings)


@pytest.mark.parametrize(
    ("mixer", "scheme"),
    [("channel-scores?mu=0.5", "rarts"), ("channel-scores?shrink=l1", "second-order"), ("interpolation", "rarts?alpha_grad=fresh"),
     ("gumbel-softmax?tau=10&tau_min=0.1", "value-penalty")],
)  # fmt: skip
def test_schemes_run_over_widths(mixer, scheme):
    task = oche.tasks.classification("digits[:120]", recipe={"epochs": 1, "batch_size": 16}, device="cpu")
    algorithm = oche.algorithms.get("one-shot", mixer=mixer, scheme=scheme, epochs=1, arch_lr=0.05)
    space = oche.Space(Digits)
    algorithm.setup(space, task.problem(0), 0, oche.Budget(passes=10))
    start = {key: row.detach().clone() for key, row in algorithm.network.named_arch().items()}
    while not algorithm.advance(3).done:
        pass
    assert all(not torch.equal(row, start[key]) for key, row in algorithm.network.named_arch().items())
    assert algorithm.propose(1)[0].dna in space


class Digits(Net):
    """`Net` for images of one channel and ten classes."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 3, 1), self.first)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 10))

    def forward(self, x):
        return self.head(super().forward(x))


def test_tunas_prefers_the_widest_while_it_warms_up():
    net = oche.supernet(Net, TunasPath(warmup=0.5))
    largest = {key: (row.by_size[-1],) for key, row in net.policy.rows.items()}
    shares = []
    for share in (0.0, 0.25, 0.5):
        net.policy.moment = Moment(share, share)
        drawn = [net.mixer.draw(net.policy, torch.Generator().manual_seed(i), i, "weights", 0) for i in range(300)]
        shares.append(sum({k: g.active for k, g in d.gates.items()} == largest for d in drawn) / 300)
        assert ("dna" in drawn[0].extra) == (share == 0.5)
    chance = 1 / net.space.size
    # Always; half of the time, else by chance; by chance. Five standard deviations.
    assert shares[0] == 1 and abs(shares[1] - (1 + chance) / 2) < 0.15 and abs(shares[2] - chance) < 0.11


def test_tunas_learns_from_scores_in_percent_less_their_mean():
    net = oche.supernet(Net, TunasPath(warmup=0.0, decay=0.5))
    mixer, policy = net.mixer, net.policy
    mean, n = 0.0, 0
    for i, right in enumerate((8, 2, 5)):
        drawn = mixer.draw(policy, torch.Generator().manual_seed(i), i, "arch", 0)
        found = mixer.arch_objective(
            lambda: torch.zeros(()), lambda right=right: (torch.tensor(right), torch.tensor(10)), policy, lambda d=drawn: d
        )
        mean, n = 0.5 * mean + 0.5 * 10 * right, n + 1
        advantage = 10 * right - mean / (1 - 0.5**n)
        assert float(found.detach()) == pytest.approx(-float(policy.log_prob(drawn.extra["dna"]).detach()) * advantage)
        assert found.requires_grad
    with pytest.raises(ArgumentError, match="tunas path, warmup"):
        TunasPath(warmup=1.0)


@pytest.mark.parametrize("widths", [[], [8, 4], [0, 4], [4, 4], [4, True], {"a": 4, "b": 2}])
def test_widths_that_do_not_rise_are_refused_with_their_site(widths):
    with pytest.raises(ArgumentError, match=r"width 'stem': got .*; allowed: whole numbers above 0"):
        elastic_width(widths, name="stem")


# -- pruning ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ratio", "gone"), [(0.4, 4_845), (0.6, 7_268), (0, 0)])
def test_a_global_threshold_removes_one_more_than_the_share_of_distinct_scores(ratio, gone):
    scores = torch.randperm(12_112, generator=torch.Generator().manual_seed(0)).float()
    kept = global_threshold({"a": scores[:12_000], "b": scores[12_000:]}, ratio)
    assert 12_112 - sum(len(channels) for channels in kept.values()) == gone


def test_no_width_is_emptied(caplog):
    kept = global_threshold({"a": torch.tensor([5.0, 6, 7, 8]), "b": torch.tensor([1.0, 3, 2]), "c": torch.tensor([0.5])}, 0.5, 2)
    assert {name: channels.tolist() for name, channels in kept.items()} == {"a": [1, 2, 3], "b": [1, 2], "c": [0]}
    assert "b, c" in caplog.text
    for ratio in (1.0, -0.1, True, "half"):
        with pytest.raises(ArgumentError, match="ratio"):
            global_threshold({"a": torch.ones(3)}, ratio)
    with pytest.raises(ArgumentError, match="min_channels"):
        global_threshold({"a": torch.ones(3)}, 0.5, 0)


def test_importance_is_read_from_norms_or_weights_and_gives_the_nearest_point():
    net = oche.supernet(Net, Widest())
    with torch.no_grad():
        net.network.norm.weight.copy_(torch.tensor([1.0, -2, 3, 0.5, 0, 4]))
        net.network.first.weight.copy_(torch.arange(1.0, 7)[:, None, None, None].expand(6, 3, 1, 1))
    l1 = channel_importance(net, "l1")
    assert l1["a"].tolist() == pytest.approx([v / 3.5 for v in range(1, 7)])
    assert len(l1["b"]) == 5
    with pytest.raises(ArgumentError, match="'b': got no norm"):
        channel_importance(net, "bn")
    assert net.space.decisions(nearest_point(net, {"a": 5, "b": 3})) == {"a": "6", "b": "3"}
    assert net.space.decisions(nearest_point(net, {"a": 1, "b": 4})) == {"a": "2", "b": "5"}


def test_what_a_block_reads_of_a_stream_is_weighed_by_those_who_read_it():
    net = oche.supernet(oche.Space(PreResNet, depth=11, planes=4, in_channels=1, side=8, classes=3), Widest())
    found = channel_importance(net, "l1")
    assert {key: len(scores) for key, scores in found.items()} == {g.name: g.size for g in net.network.axes.free()}
    reader = net.network.blocks[1].inner[3].weight.detach()[:, :, 0, 0]  # (out, in)
    expected = reader.abs().mean(0)
    assert torch.allclose(found["blocks.1.inner.0"], expected / expected.mean(), atol=1e-6)


@pytest.mark.parametrize("name", ["slimming?ratio=0.5&l1=0.01", "l1-pruning?ratio=0.5"])
def test_pruning_trains_the_widest_network_and_proposes_a_smaller_one(name):
    task = oche.tasks.classification("digits[:120]", recipe={"epochs": 1, "batch_size": 16}, device="cpu")
    space = oche.spaces.get("size", divide=8, in_channels=1)
    runs = oche.search(space, f"{name}&epochs=1", task, seeds=1, progress=False)
    widest = oche.spaces.size.size_params((8,) * 5, 10, 1)
    assert runs.records[0].params < widest
    assert runs.records[0].algorithm.startswith(name.partition("?")[0])
    with pytest.raises(ArgumentError, match="ratio"):
        oche.algorithms.get("slimming", ratio=1.0)


def test_a_penalty_on_scales_makes_them_smaller():
    task = oche.tasks.classification("digits[:120]", recipe={"epochs": 1, "batch_size": 16}, device="cpu")
    space, sums = oche.spaces.get("size", divide=8, in_channels=1), {}
    for l1 in (0.0, 0.1):
        algorithm = oche.algorithms.get("slimming", l1=l1, epochs=2)
        algorithm.setup(space, task.problem(0), 0)
        while not algorithm.advance(10).done:
            pass
        sums[l1] = sum(float(score.sum()) for score in channel_importance(algorithm.network).values())
    assert sums[0.1] < 0.9 * sums[0.0]


def test_uniform_widths_are_the_points_of_equal_shares():
    space = oche.spaces.get("size")
    task = oche.tasks.function(lambda net: -float(sum(p.numel() for p in net.parameters())))
    runs = oche.search(space, "uniform-width", task, seeds=1, progress=False)
    found = [space.program.architecture(space.decisions(trial.dna)) for trial in runs[0].trials]
    assert found == [":".join([str(8 * k)] * 5) for k in range(8, 0, -1)]
    with pytest.raises(ArgumentError, match="another kind"):
        oche.search({"x": oche.floatv(0, 1)}, "uniform-width", lambda c: 0.0, seeds=1, progress=False)
