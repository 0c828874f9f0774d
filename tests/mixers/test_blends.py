"""Mixers of all candidates against closed forms: Dirichlet, sigmoid, auxiliary skip, entangled kernels."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from oche.errors import ArgumentError, ShapeMismatch
from oche.mixers import AuxiliarySkip, Dirichlet, Entangled, PartialChannels, Sigmoid, Softmax, UniformPath, registry
from oche.mixers.dirichlet import concentration, kl_to_uniform
from oche.mixers.sigmoid import below
from oche.program import Space, manyof, oneof
from oche.supernets import supernet
from oche.supernets.drawn import Moment

torch.set_num_threads(1)


def conv(kernel: int, norm: bool = True):
    def make(channels: int, stride: int = 1) -> nn.Module:
        layer = nn.Conv2d(channels, channels, kernel, stride, kernel // 2, bias=False)
        return nn.Sequential(nn.ReLU(), layer, nn.BatchNorm2d(channels)) if norm else nn.Sequential(nn.ReLU(), layer)

    return make


def skip(channels: int, stride: int = 1) -> nn.Module:
    return nn.Identity() if stride == 1 else nn.Conv2d(channels, channels, 1, stride)


def program(norm: bool = True, stride: int = 1, with_skip: bool = True):
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            ops = {"c1": conv(1, norm), "c3": conv(3, norm), "c5": conv(5, norm)}
            ops |= {"skip_connect": skip} if with_skip else {}
            self.op = oneof(ops, name="edge", channels=4, stride=stride)

        def forward(self, x):
            return self.op(x)

    return Net


X = torch.randn(4, 4, 6, 6, generator=torch.Generator().manual_seed(0))


def run(net, step: int = 0, phase: str = "weights", moment: Moment | None = None):
    with net.at(step, phase, moment=moment):
        out = net(X)
    return out, net.drawn.gates["edge"].weights


def plain(net, weights):
    return sum(w * op(X) for w, op in zip(weights, net.network.op.inside, strict=False))


# -- Dirichlet ----------------------------------------------------------------------------------------------------------------


def test_the_kl_term_has_the_known_values():
    assert kl_to_uniform(torch.tensor([2.0, 1.0, 1.0])).item() == pytest.approx(0.265279, abs=1e-6)
    assert kl_to_uniform(concentration(torch.zeros(5))).item() == pytest.approx(0, abs=1e-6)


@given(st.lists(st.floats(-2, 3), min_size=2, max_size=6))
def test_the_kl_term_is_that_of_the_distributions(logits):
    c = concentration(torch.tensor(logits, dtype=torch.float64))
    reference = torch.distributions.kl_divergence(torch.distributions.Dirichlet(c), torch.distributions.Dirichlet(torch.ones_like(c)))
    assert kl_to_uniform(c).item() == pytest.approx(reference.item(), abs=1e-9)


def test_a_dirichlet_draw_has_the_mean_and_the_spread_of_its_law_and_a_gradient():
    net = supernet(program(), Dirichlet())
    with torch.no_grad():
        net.named_arch()["edge"].copy_(torch.tensor([1.0, 0.0, -1.0, 0.5]))
    c = concentration(net.named_arch()["edge"].detach())
    draws = torch.stack(
        [net.mixer.draw(net.policy, torch.Generator().manual_seed(s), 0, "arch", 0).gates["edge"].weights for s in range(3000)]
    )
    law = torch.distributions.Dirichlet(c)
    assert torch.allclose(draws.mean(0), law.mean, atol=0.02)
    assert torch.allclose(draws.var(0), law.variance, atol=0.01)
    # The mean of the pathwise gradient of <slopes, theta> is the gradient of <slopes, c / c0>.
    slopes = torch.tensor([1.0, -1.0, 2.0, 0.0])
    (found,) = torch.autograd.grad((draws @ slopes).mean(), net.arch())
    row = net.named_arch()["edge"]
    (true,) = torch.autograd.grad((net.mixer.score(row) * slopes).sum(), [row])
    assert torch.allclose(found, true, atol=0.03)
    out, weights = run(net, 1)
    assert torch.allclose(out, plain(net, weights), atol=1e-6)
    assert torch.equal(out, run(net, 1)[0])
    assert not torch.equal(out, run(net, 2)[0])


def test_points_are_derived_by_the_mean_of_the_distribution():
    mixer = Dirichlet()
    a = torch.tensor([3.0, 0.0, -1.0])
    assert mixer.score(a).tolist() == pytest.approx([4 / 5.367879, 1 / 5.367879, 0.367879 / 5.367879], abs=1e-5)
    assert torch.allclose(Dirichlet(score="softmax").score(a), torch.softmax(a, -1))
    # The order of two edges depends on it: the means are 0.524 and 0.576, the softmaxes 0.624 and 0.576.
    first, second = torch.tensor([1.2, 0.0, 0.0]), torch.tensor([0.0, -1.0, -1.0])
    assert mixer.score(first)[0] < mixer.score(second)[0]
    by_softmax = Dirichlet(score="softmax")
    assert by_softmax.score(first)[0] > by_softmax.score(second)[0]
    for kept, edges in ((mixer, ("1",)), (by_softmax, ("0",))):
        net = supernet(Two, kept)
        with torch.no_grad():
            net.named_arch()["op0"].copy_(first)
            net.named_arch()["op1"].copy_(second)
        assert net.space.decisions(net.derive())["node"] == edges


class Two(nn.Module):
    """One node that takes one of two inputs."""

    def __init__(self) -> None:
        super().__init__()
        ops = {k: nn.Identity for k in "abc"}
        self.node = manyof(1, {str(i): lambda i=i: oneof(ops, name=f"op{i}") for i in range(2)}, merge="sum", name="node")

    def forward(self, x):
        return self.node(x, x)


def test_the_kl_term_is_added_to_the_arch_objective():
    net = supernet(program(), Dirichlet(kl=1e-3))
    with torch.no_grad():
        net.named_arch()["edge"].copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
    value = net.mixer.arch_objective(lambda: torch.tensor(2.0), lambda: None, net.policy, lambda: None)
    assert value.item() == pytest.approx(2 + 1e-3 * kl_to_uniform(torch.tensor([2.0, 1.0, 1.0, 1.0])).item())


# -- sigmoid ------------------------------------------------------------------------------------------------------------------


def test_sigmoid_gates_are_independent():
    net = supernet(program(), Sigmoid())
    with torch.no_grad():
        net.named_arch()["edge"].copy_(torch.tensor([0.0, 2.0, -1.0, 3.0]))
    out, weights = run(net)
    assert weights.tolist() == pytest.approx([0.5, 0.880797, 0.268941, 0.952574], abs=1e-5)
    assert torch.allclose(out, plain(net, weights), atol=1e-6)
    (row,) = torch.autograd.grad(weights[1], net.arch())
    assert row[[0, 2, 3]].tolist() == [0, 0, 0]
    assert net.space.decisions(net.derive()) == {"edge": "skip_connect"}
    assert below(net.policy) == []
    assert below(net.policy, 0.96) == ["edge"]


@pytest.mark.parametrize(("form", "expected"), [("squared", -(0.380797**2) / 4), ("absolute", -0.380797 / 4)])
def test_the_zero_one_loss_has_its_closed_form(form, expected):
    net = supernet(program(), Sigmoid(form=form))
    with torch.no_grad():
        net.named_arch()["edge"].copy_(torch.tensor([0.0, 2.0, 0.0, 0.0]))
    assert net.mixer.zero_one(net.policy).item() == pytest.approx(expected, abs=1e-6)
    total = net.mixer.arch_objective(lambda: torch.tensor(1.0), lambda: None, net.policy, lambda: None)
    assert total.item() == pytest.approx(1 + 10 * expected, abs=1e-5)


# -- auxiliary skip -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 2])
def test_the_auxiliary_skip_fades_and_is_no_part_of_children(stride):
    net = supernet(program(stride=stride), AuxiliarySkip())
    bare = supernet(program(stride=stride), Softmax())
    aux = net.network.op.inside[-1]
    assert len(net.network.op.inside) == 5
    for ramp, beta in ((0.0, 1.0), (0.25, 0.75), (1.0, 0.0)):
        out, weights = run(net, moment=Moment(ramp, ramp))
        assert torch.allclose(out, plain(net, weights) + beta * aux(X), atol=1e-6)
    assert torch.equal(run(net, moment=Moment(1, 1))[0], run(bare)[0])
    for dna in net.space:
        child = net.child(dna)
        with net.fixed(dna):
            assert torch.equal(run(net)[0], child(X))
        assert not any("skip" in name for name, _ in child.named_parameters())


def test_a_skip_that_cannot_fit_is_refused_with_what_to_write():
    net = supernet(program(stride=2, with_skip=False), AuxiliarySkip())
    with pytest.raises(ShapeMismatch, match=r"choice 'edge': got \(4, 4, 3, 3\) from its candidates and \(4, 4, 6, 6\) from a skip"):
        run(net)


def test_skips_and_partial_channels_go_around_each_other():
    inner = supernet(program(), PartialChannels(2, inner=AuxiliarySkip()))
    outer = supernet(program(), AuxiliarySkip(PartialChannels(2)))
    assert inner.network.op.inside[0][1].weight.shape[0] == 2
    a, b = run(inner)[0], run(outer)[0]
    assert torch.allclose(b - X, run(supernet(program(), PartialChannels(2)))[0], atol=1e-6)
    assert not torch.allclose(a, b)
    assert isinstance(registry.get("partial-channels?k=2&inner=auxiliary-skip").inner, AuxiliarySkip)


# -- entangled kernels --------------------------------------------------------------------------------------------------------


def padded(weight: torch.Tensor, k: int) -> torch.Tensor:
    cut = (weight.shape[-1] - k) // 2
    return F.pad(weight[..., cut : weight.shape[-1] - cut, cut : weight.shape[-1] - cut], (cut,) * 4)


def test_entangled_candidates_share_the_centre_of_the_largest_kernel():
    net = supernet(program(norm=False), Entangled())
    assert sum("weight" in name for name, _ in net.named_parameters()) == 1, "one kernel for three candidates"
    with torch.no_grad():
        net.named_arch()["edge"].copy_(torch.tensor([0.3, -0.2, 0.9, 0.1]))
    (w,) = net.weights()
    out, p = run(net)
    expected = p[3] * X + sum(p[i] * F.conv2d(F.relu(X), padded(w, k), padding=2) for i, k in enumerate((1, 3, 5)))
    assert torch.allclose(out, expected, atol=1e-5), "without a norm, one convolution is the sum of three"
    for i, k in enumerate((1, 3, 5)):
        with net.fixed({"edge": f"c{k}"}):
            assert torch.allclose(run(net)[0], F.conv2d(F.relu(X), padded(w, k), padding=2), atol=1e-5), i


def test_a_norm_behind_the_kernel_does_not_cancel_the_weight_of_the_family():
    # A rival puts the weights inside the convolution only: ten times less weight then changes next to nothing behind a batch norm.
    net = supernet(program(), Entangled())
    outputs = []
    for shift in (0.0, 6.0):
        with torch.no_grad():
            net.named_arch()["edge"].copy_(torch.tensor([0.0, 0.0, 0.0, shift]))
        out, p = run(net)
        mass = p[:3].sum()
        outputs.append(((out - p[3] * X) / mass).detach())
        conv5 = net.network.op.inside[2][1]
        kernel = sum(p[i] / mass * padded(conv5.weight, k) for i, k in enumerate((1, 3, 5)))
        assert torch.allclose(outputs[-1], F.batch_norm(F.conv2d(F.relu(X), kernel, padding=2), None, None, training=True), atol=1e-4)
        (grad,) = torch.autograd.grad(out.square().sum(), net.arch())
        assert torch.isfinite(grad).all()
    assert torch.allclose(outputs[0], outputs[1], atol=1e-3), "the same mixture, scaled by its mass"


def test_children_inherit_the_part_of_the_kernel_that_they_use():
    net = supernet(program(), Entangled())
    space: Space = net.space
    for dna in space:
        child = net.child(dna)
        fresh = space.build(dna, seed=3)
        assert child.state_dict().keys() == fresh.state_dict().keys()
        assert [tuple(t.shape) for t in child.state_dict().values()] == [tuple(t.shape) for t in fresh.state_dict().values()]
        child.train()
        with net.fixed(dna):
            assert torch.allclose(run(net)[0], child(X), atol=1e-5)
    smaller = net.restrict({"edge": ["c1", "c3", "skip_connect"]})
    for label in ("c1", "c3"):
        with net.fixed({"edge": label}), smaller.fixed({"edge": label}):
            assert torch.allclose(run(net)[0], run(smaller)[0], atol=1e-5)
    twin = copy.deepcopy(net)
    with torch.no_grad():
        for w in twin.weights():
            w.zero_()
    with twin.fixed({"edge": "c1"}):
        assert not run(twin)[0].any(), "a copy's small kernels are views of the copy's large one"


def test_entangled_goes_inside_of_other_mixers_and_around_paths():
    assert run(supernet(program(), PartialChannels(2, inner=Entangled())))[0].shape == X.shape
    with pytest.raises(ArgumentError, match=r"the other way round, PartialChannels\(inner=Entangled\(\)\)"):
        Entangled(PartialChannels(2))
    net = supernet(program(), Entangled(UniformPath()))
    assert run(net)[0].shape == X.shape
    assert not net.mixer.learns_arch


def test_one_convolution_is_run_for_a_family():
    net = supernet(program(), Entangled())
    calls = []
    net.network.op.inside[2].register_forward_hook(lambda *_: calls.append(1))
    run(net)
    assert calls == [1]


def test_the_settings_of_blends_are_checked():
    for text, fragment in [
        ("sigmoid?form=cubic", "form: got 'cubic'"),
        ("sigmoid?weight=-1", "weight: got -1"),
        ("dirichlet?kl=-1", "kl: got -1"),
        ("dirichlet?score=mode", "score: got 'mode'"),
        ("auxiliary-skip?beta=-1", "beta: got -1"),
    ]:
        with pytest.raises(ArgumentError, match=fragment):
            registry.get(text)
