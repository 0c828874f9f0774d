"""Gates of discrete draws against published numbers, closed forms and autograd over all candidates."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from oche.errors import ArgumentError, NotRelaxable
from oche.mixers import BinaryPath, GumbelHard, GumbelSoftmax, ReinMax
from oche.mixers._gates import gumbel, straight_through
from oche.mixers.reinmax import reinmax
from oche.program import oneof
from oche.supernets import supernet
from oche.supernets.drawn import Moment

torch.set_num_threads(1)


class Net(nn.Module):
    """One choice of three layers without a bias, so that outputs differ and are linear in the input; and one behind it."""

    def __init__(self) -> None:
        super().__init__()
        ops = {str(k): lambda k=k: nn.Linear(3, 3, bias=False) for k in range(3)}
        self.first = oneof(ops, name="first")
        self.second = oneof({**ops, "zero": lambda: Zero()}, name="second")

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


class Zero(nn.Module):
    def forward(self, x):
        return 0 * x


X = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))


def made(mixer, seed: int = 0):
    net = supernet(Net, mixer, seed=seed)
    with torch.no_grad():
        for i, row in enumerate(net.arch()):
            row.copy_(torch.sin(torch.arange(len(row)) + 1.0 + i))
    return net


def active(net) -> dict[str, int]:
    return {key: gate.active[0] for key, gate in net.drawn.gates.items()}


# -- GDAS ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tau", "expected"), [(10.0, 0.0498752), (1.0, 0.3932239)])
def test_the_hard_gumbel_gate_has_the_published_gradient(tau, expected):
    a = torch.tensor([1.0, 0.0], requires_grad=True)
    w = straight_through(torch.softmax(torch.log_softmax(a, -1) / tau, -1), 0)
    loss = (w * torch.tensor([3.0, 1.0])).sum()
    loss.backward()
    assert loss.item() == 3
    assert a.grad.tolist() == [pytest.approx(expected, abs=1e-6), pytest.approx(-expected, abs=1e-6)]


def test_only_the_selected_gate_carries_a_gradient_and_it_reaches_every_logit():
    # A rival adds the other weights as scalars, so that they get the sum of the upstream gradient. Here the closed form for one
    # selected output c: dL/da = P_k (delta - P) / tau * <g, c>.
    net = made(GumbelHard(tau=2.0, tau_min=2.0))
    with net.at(0, "arch"):
        out = net(X)
        draw = net.drawn
        chosen = active(net)["second"]
        upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(3))
        found = torch.autograd.grad((out * upstream).sum(), net.arch(), retain_graph=True)
    middle = torch.tanh(net.network.first.inside[active(net)["first"]](X))
    output = net.network.second.inside[chosen](middle)
    weights = draw.gates["second"].weights
    (jacobian,) = torch.autograd.grad(weights[chosen], [net.named_arch()["second"]])
    assert torch.allclose(found[1], jacobian * (upstream * output).sum(), atol=1e-5)
    assert abs(float(found[1].sum())) < 1e-5
    assert all(g.abs().min() > 0 for g in found) or chosen == 3
    assert torch.equal(out, output), "the gate is exactly one"


def test_the_temperature_falls_linearly_over_the_epochs():
    seen = []
    for ramp in (0.0, 0.5, 1.0):
        net = made(GumbelHard())
        with net.at(7, "arch", moment=Moment(ramp, ramp)):
            net(X)
        weights = net.drawn.gates["first"].weights
        chosen = active(net)["first"]
        (jacobian,) = torch.autograd.grad(weights[chosen], [net.named_arch()["first"]])
        tau = 10 - 9.9 * ramp
        p = gumbel_of(net, tau)
        assert torch.allclose(jacobian, p[chosen] * (torch.eye(3)[chosen] - p) / tau, atol=1e-5)
        seen.append(chosen)
    assert len(set(seen)) == 1, "the same noise: the temperature does not move the argmax"


def gumbel_of(net, tau: float):
    from oche.seeds import torch_generator

    return gumbel(net.named_arch()["first"].detach(), tau, torch_generator(0, "draw", 7, "arch", 0))


@given(seed=st.integers(0, 2**31), tau=st.floats(0.05, 20))
def test_a_gumbel_draw_is_a_distribution_whose_argmax_follows_the_softmax(seed, tau):
    p = gumbel(torch.tensor([0.3, -1.0, 2.0]), tau, torch.Generator().manual_seed(seed))
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)
    assert torch.isfinite(p).all()


def test_hard_gumbel_picks_by_the_softmax():
    logits, generator = torch.tensor([0.0, 1.0, 2.0]), torch.Generator().manual_seed(0)
    counts = torch.bincount(torch.tensor([int(gumbel(logits, 1.0, generator).argmax()) for _ in range(4000)]), minlength=3) / 4000
    assert torch.allclose(counts, torch.softmax(logits, -1), atol=0.03)


@pytest.mark.parametrize("mixer", [GumbelHard, GumbelSoftmax, ReinMax])
@pytest.mark.parametrize("tau", [0, -1.0, math.inf, "hot"])
def test_temperatures_are_above_zero(mixer, tau):
    with pytest.raises(ArgumentError, match=r"tau: got .*; allowed: a number above 0"):
        mixer(tau=tau)


def test_logits_that_are_not_numbers_are_refused_by_gumbel():
    with pytest.raises(ArgumentError, match=r"logits: got .*nan"):
        gumbel(torch.tensor([math.nan, 0.0]), 1.0, torch.Generator())


# -- gates of all candidates ---------------------------------------------------------------------------------------------------


def gate_gradients(net, upstream):
    """For the drawn path: outputs of all candidates of each choice, and `<o_k, dL/d out>`, by plain autograd."""
    chosen = active(net)
    h = [op(X) for op in net.network.first.inside]
    first = h[chosen["first"]].detach().requires_grad_(True)
    outputs = [op(torch.tanh(first)) for op in net.network.second.inside]
    (inner,) = torch.autograd.grad((outputs[chosen["second"]] * upstream).sum(), [first], allow_unused=True)
    inner = torch.zeros_like(first) if inner is None else inner
    return {
        "first": torch.stack([(o * inner).sum() for o in h]).detach(),
        "second": torch.stack([(o * upstream).sum() for o in outputs]).detach(),
    }


def found_gradients(net, step: int = 0):
    upstream = torch.randn(4, 3, generator=torch.Generator().manual_seed(5))
    with net.at(step, "arch"):
        out = net(X)
        grads = torch.autograd.grad((out * upstream).sum(), net.arch(), allow_unused=True)
    return dict(zip(net.named_arch(), grads, strict=True)), gate_gradients(net, upstream), out


def test_binary_gates_have_the_published_gradient_for_every_logit():
    net = made(BinaryPath())
    for step in range(6):
        found, gates, _ = found_gradients(net, step)
        for key, row in net.named_arch().items():
            p = torch.softmax(row.detach(), -1)
            g = gates[key]
            expected = torch.stack([sum(g[j] * p[j] * (float(i == j) - p[i]) for j in range(len(p))) for i in range(len(p))])
            assert torch.allclose(found[key], expected, atol=1e-5), (step, key)


def test_other_candidates_run_in_arch_steps_only_and_leave_no_gradient_on_weights():
    net = made(BinaryPath())
    calls: list[str] = []
    for label, op in zip("012", net.network.first.inside, strict=True):
        op.register_forward_hook(lambda *_, label=label: calls.append(label))
    arch = {key: row.detach() for key, row in net.named_arch().items()}
    with net.at(3, "weights"):
        net.functional(net.named_weights(), arch)(X).sum().backward()
    assert calls == [str(active(net)["first"])]
    trained = {name.split(".")[1] for name, w in net.named_weights().items() if w.grad is not None and "first" in name}
    assert len(trained) == 1
    assert len([w for w in net.weights() if w.grad is not None]) <= 2
    net.zero_grad()
    calls.clear()
    with net.at(3, "arch"):
        out = net(X)
        torch.autograd.grad(out.sum(), net.arch())
    assert sorted(set(calls)) == ["0", "1", "2"]
    assert all(w.grad is None for w in net.weights())


def test_an_active_zero_layer_lets_the_logits_learn_unless_told_otherwise():
    for zero in (True, False):
        net = made(BinaryPath(zero=zero))
        step = next(s for s in range(200) if _is_zero(net, s))
        found, gates, out = found_gradients(net, step)
        assert not out.any()
        if zero:
            p = torch.softmax(net.named_arch()["second"].detach(), -1)
            assert torch.allclose(found["second"], p * (gates["second"] - (p * gates["second"]).sum()), atol=1e-5)
        else:
            assert found["second"] is None or not found["second"].any()


def _is_zero(net, step: int) -> bool:
    with net.at(step, "arch"), torch.no_grad():
        net(X)
    return active(net)["second"] == 3


def test_two_candidates_move_alone_and_keep_their_share_of_the_probability():
    net = made(BinaryPath("two"))
    for step in range(5):
        found, gates, _ = found_gradients(net, step)
        drawn = net.drawn
        before = {key: row.detach().clone() for key, row in net.named_arch().items()}
        for key, row in before.items():
            (pair,) = drawn.extra[f"pairs of {key}"]
            assert len(set(pair)) == 2
            assert drawn.gates[key].active[0] in pair
            q = torch.softmax(row[list(pair)], -1)
            g = gates[key][list(pair)]
            expected = torch.zeros_like(row).index_copy(0, torch.tensor(pair), q * (g - (q * g).sum()))
            assert torch.allclose(found[key], expected, atol=1e-5)
        with torch.no_grad():
            for key, row in net.named_arch().items():
                row -= 0.1 * found[key] + 0.01 * row  # with a decay, which would move the others too
        net.mixer.settle(net.policy, drawn, before)
        for key, row in net.named_arch().items():
            (pair,) = drawn.extra[f"pairs of {key}"]
            p, was = torch.softmax(row.detach(), -1), torch.softmax(before[key], -1)
            others = [i for i in range(len(row)) if i not in pair]
            assert torch.equal(row.detach()[others], before[key][others])
            assert not torch.equal(row.detach()[list(pair)], before[key][list(pair)])
            assert p[list(pair)].sum().item() == pytest.approx(was[list(pair)].sum().item(), abs=1e-6)


def test_reinmax_is_exact_for_two_candidates():
    a = torch.zeros(2, requires_grad=True)
    (g,) = torch.autograd.grad((reinmax(a, 0) * torch.tensor([1.0, 0.0])).sum(), [a])
    assert g.tolist() == [0.25, -0.25]


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=2), st.lists(st.floats(-3, 3), min_size=2, max_size=2))
def test_the_mean_of_reinmax_for_a_linear_loss_is_the_true_gradient(logits, slopes):
    # For a linear loss <g, D> the trapezoidal rule is exact: E over D of the estimate = gradient of sum p_k g_k.
    a, g = torch.tensor(logits, dtype=torch.float64, requires_grad=True), torch.tensor(slopes, dtype=torch.float64)
    p = torch.softmax(a, -1)
    (true,) = torch.autograd.grad((p * g).sum(), [a])
    mean = torch.zeros_like(true)
    for k in range(2):
        (one,) = torch.autograd.grad((reinmax(a, k) * g).sum(), [a])
        mean += p.detach()[k] * one
    assert torch.allclose(mean, true, atol=1e-9)


def test_reinmax_hears_of_every_candidate():
    # A rival runs the selected candidate alone, so that the others' gradients are sums of the upstream gradient.
    net = made(ReinMax())
    for step in range(5):
        found, gates, _ = found_gradients(net, step)
        for key, row in net.named_arch().items():
            a = row.detach().clone().requires_grad_(True)
            (expected,) = torch.autograd.grad((reinmax(a, net.drawn.gates[key].active[0]) * gates[key]).sum(), [a])
            assert torch.allclose(found[key], expected, atol=1e-5)


def test_gates_of_all_candidates_are_refused_for_elastic_widths():
    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, oneof([2, 4], name="width"))

        def forward(self, x):
            return self.layer(x)

    for mixer in (ReinMax(), BinaryPath()):
        with pytest.raises(NotRelaxable, match=r"choice 'width'.*elastic width with (ReinMax|BinaryPath)"):
            supernet(Wide, mixer)
    assert supernet(Wide, GumbelHard())(X).shape[1] in (2, 4)


def test_gates_work_where_values_of_a_layer_depths_and_slots_are_chosen():
    from oche.program import manyof, permutate, repeat, symbolic

    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rows = repeat(lambda i: nn.Linear(3, 3), [1, 2, 3], name="depth")
            self.ordered = permutate({k: nn.Tanh for k in "abc"}, name="order")
            self.node = manyof(2, {f"e{i}": lambda: nn.Linear(3, 3) for i in range(3)}, merge="sum", name="inputs")

        def forward(self, x):
            x = self.rows(x)
            for layer in self.ordered:
                x = layer(x)
            return self.node(x, -x, 2 * x)

    for mixer in (GumbelHard(), ReinMax(), BinaryPath(), BinaryPath("two"), GumbelSoftmax()):
        net = supernet(Deep, mixer)
        with net.at(0, "arch"):
            out = net(X)
            grads = torch.autograd.grad(out.square().sum(), net.arch(), allow_unused=True)
        assert torch.isfinite(out).all()
        assert all(g is not None and torch.isfinite(g).all() for g in grads)
        order = net.drawn.gates["order"].active
        assert order is None or len(set(order)) == 3, "different picks"
    tree = symbolic(nn.Sequential)(symbolic(nn.Linear)(3, 3, bias=oneof([True, False], name="bias")))
    net = supernet(tree, ReinMax())
    with net.at(0, "arch"):
        assert torch.autograd.grad(net(X).square().sum(), net.arch())[0].abs().min() > 0


def test_gumbel_softmax_weights_all_candidates_by_a_new_sample_each_step():
    net = made(GumbelSoftmax())
    draws = []
    for step in (0, 1, 0):
        with net.at(step, "weights"):
            out = net(X)
        weights = net.drawn.gates["first"].weights
        draws.append(weights.detach())
        assert weights.sum().item() == pytest.approx(1, abs=1e-5)
        first = sum(w * op(X) for w, op in zip(weights, net.network.first.inside, strict=True))
        second = net.drawn.gates["second"].weights
        expected = sum(w * op(torch.tanh(first)) for w, op in zip(second, net.network.second.inside, strict=True))
        assert torch.allclose(out, expected, atol=1e-6)
    assert torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], draws[1])
