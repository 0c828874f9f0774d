"""Schemes against hand-computed steps of a problem whose losses are quadratic (finite differences are exact there)."""

from __future__ import annotations

import math

import pytest
import torch

from oche.errors import ArgumentError, TrainingError, UnknownNameError
from oche.schemes import Adam, BilevelProblem, FirstOrder, SecondOrder, Sgd, registry


def quadratic(w: float = 2.0, a: float = 0.0, **more: object) -> BilevelProblem:
    return BilevelProblem(
        train_loss=lambda weights, arch: (weights - arch) ** 2 / 2,
        valid_loss=lambda weights, arch: (weights - 1) ** 2 / 2,
        weights=torch.tensor(w, dtype=torch.float64),
        arch=torch.tensor(a, dtype=torch.float64),
    )


def bilinear() -> BilevelProblem:
    """Dicts of tensors, one weight that no loss uses, and batches."""
    return BilevelProblem(
        train_loss=lambda w, a, batch=None: ((w["x"] * a["p"]).sum() - (0.0 if batch is None else batch)) ** 2,
        valid_loss=lambda w, a, batch=None: ((w["x"] + a["p"]).sum() - (0.0 if batch is None else batch)) ** 2,
        weights={"x": torch.tensor([1.0, -2.0], dtype=torch.float64), "unused": torch.ones(2, dtype=torch.float64)},
        arch={"p": torch.tensor([0.5, 0.25], dtype=torch.float64)},
    )


def test_second_order_gradient_has_the_known_value():
    state = SecondOrder().init(quadratic(), Sgd(lr=0.1, momentum=0.0, weight_decay=0.0))
    (gradient,), loss, passes = SecondOrder().arch_gradient(state)
    assert gradient.item() == pytest.approx(0.08, abs=1e-12)
    assert loss == pytest.approx(0.32)
    assert passes == 4


def test_second_order_takes_momentum_and_decay_into_the_virtual_step():
    state = SecondOrder().init(quadratic(), Sgd(lr=0.1, momentum=0.9, weight_decay=0.01))
    state.weight_optimizer.state[state.weights]["momentum_buffer"] = torch.tensor(0.5, dtype=torch.float64)
    assert SecondOrder().virtual_weights(state)[0].item() == pytest.approx(1.753, abs=1e-12)
    assert SecondOrder().arch_gradient(state)[0][0].item() == pytest.approx(0.0753, abs=1e-12)


def test_second_order_leaves_the_weights_bit_for_bit():
    problem = bilinear()
    state = SecondOrder().init(problem, Sgd(lr=0.1))
    before = {name: tensor.detach().clone() for name, tensor in problem.weights.items()}
    SecondOrder().arch_gradient(state, 1.0, 2.0)
    assert all(torch.equal(before[name], problem.weights[name]) for name in before)
    assert all(tensor.grad is None for tensor in (*problem.weights.values(), *problem.arch.values()))


def test_second_order_with_a_zero_step_is_first_order():
    problem = bilinear()
    state = FirstOrder().init(problem, Sgd(lr=0.1))
    (first,), *_ = FirstOrder().arch_gradient(state, 1.0, 2.0)
    (second,), *_ = SecondOrder(xi=0.0).arch_gradient(state, 1.0, 2.0)
    assert torch.equal(first, second)
    (looks_ahead,), *_ = SecondOrder().arch_gradient(state, 1.0, 2.0)
    assert not torch.allclose(first, looks_ahead)


def test_second_order_agrees_with_autograd_through_the_virtual_step():
    problem = bilinear()
    state = SecondOrder().init(problem, Sgd(lr=0.1, momentum=0.0, weight_decay=0.0))
    (found,), *_ = SecondOrder(epsilon=1e-4).arch_gradient(state, 1.0, 2.0)
    x, p = problem.weights["x"], problem.arch["p"]
    (slope,) = torch.autograd.grad(problem.train_loss({"x": x}, {"p": p}, 1.0), x, create_graph=True)
    (exact,) = torch.autograd.grad(problem.valid_loss({"x": x - 0.1 * slope}, {"p": p}, 2.0), p)
    assert torch.allclose(found, exact, atol=1e-7)


def test_first_order_solve_matches_steps_by_hand():
    problem = BilevelProblem(
        lambda w, a: (w - a) ** 2 / 2,
        lambda w, a: (w - 1) ** 2 / 2 + a**2 / 2,
        torch.tensor(2.0, dtype=torch.float64),
        torch.tensor(1.0, dtype=torch.float64),
    )
    w, a = 2.0, 1.0
    for _ in range(5):
        a -= 0.1 * a
        w -= 0.1 * (w - a)
    state = FirstOrder().solve(problem, steps=5, lr=0.1)
    assert state.arch.item() == pytest.approx(a, abs=1e-14)
    assert state.weights.item() == pytest.approx(w, abs=1e-14)
    assert problem.weights.item() == 2.0, "solve trains copies"


def test_order_decides_which_group_moves_first():
    w, a = 2.0, 1.0
    w -= 0.1 * (w - a)
    a -= 0.1 * (a + w)
    problem = BilevelProblem(
        lambda w, a: (w - a) ** 2 / 2,
        lambda w, a: (w + a) ** 2 / 2,
        torch.tensor(2.0, dtype=torch.float64),
        torch.tensor(1.0, dtype=torch.float64),
    )
    state = FirstOrder(order="weights").solve(problem, steps=1, lr=0.1)
    assert (state.weights.item(), state.arch.item()) == (pytest.approx(w), pytest.approx(a))
    assert FirstOrder(order="arch").solve(problem, steps=1, lr=0.1).arch.item() == pytest.approx(0.7)


def test_second_order_solve_finds_the_bilevel_optimum():
    # the best response is w = a, so the bilevel optimum is a = 1; first order sees no gradient for a at all
    assert SecondOrder().solve(quadratic(), steps=400, lr=0.5).arch.item() == pytest.approx(1.0, abs=1e-6)
    assert FirstOrder().solve(quadratic(), steps=400, lr=0.5).arch.item() == 0.0


def test_passes_are_counted():
    problem = bilinear()
    first, second = FirstOrder(), SecondOrder()
    assert first.step(first.init(problem), 1.0, 2.0).passes == 2
    assert second.step(second.init(problem), 1.0, 2.0).passes == 5
    assert first.step(first.init(problem), 1.0, 2.0, update_arch=False).passes == 1


def test_a_step_moves_only_its_group_and_leaves_no_gradient():
    problem = bilinear()
    scheme = FirstOrder()
    state = scheme.init(problem)
    arch = problem.arch["p"].detach().clone()
    record = scheme.step(state, 1.0, 2.0, update_arch=False)
    assert torch.equal(problem.arch["p"], arch)
    assert record.valid_loss is None
    scheme.step(state, 1.0, 2.0)
    assert not torch.equal(problem.arch["p"], arch)
    assert torch.equal(problem.weights["unused"], torch.ones(2, dtype=torch.float64)), "no decay on what the loss does not use"
    assert all(tensor.grad is None for tensor in (*problem.weights.values(), *problem.arch.values()))


def test_the_weight_gradient_is_clipped_like_torch_does():
    problem = bilinear()
    reference = problem.weights["x"].detach().clone().requires_grad_(True)
    problem.train_loss({"x": reference}, problem.arch, 100.0).backward()
    torch.nn.utils.clip_grad_norm_([reference], 5.0)
    scheme = FirstOrder()
    state = scheme.init(problem, Sgd(lr=0.1, momentum=0.0, weight_decay=0.0))
    scheme.step(state, 100.0, update_arch=False)
    assert torch.allclose(problem.weights["x"], reference.detach() - 0.1 * reference.grad, atol=1e-12)
    assert reference.grad.norm().item() == pytest.approx(5.0, rel=1e-5)


def test_adam_rule_is_torch_adam_with_decay_in_the_gradient():
    problem = bilinear()
    reference = problem.arch["p"].detach().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([reference], lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    problem.valid_loss(problem.weights, {"p": reference}, 2.0).backward()
    optimizer.step()
    scheme = FirstOrder()
    scheme.step(scheme.init(problem, arch_rule=Adam()), 1.0, 2.0)
    assert torch.equal(problem.arch["p"], reference)


@pytest.mark.parametrize("scheme", [FirstOrder(), SecondOrder(), FirstOrder(order="weights")])
def test_resume_gives_the_same_steps(scheme):
    whole = scheme.init(bilinear(), Sgd(lr=0.01))
    for _ in range(6):
        scheme.step(whole, 1.0, 2.0)
    half = scheme.init(bilinear(), Sgd(lr=0.01))
    for _ in range(3):
        scheme.step(half, 1.0, 2.0)
    saved = half.state_dict()
    rest = scheme.init(bilinear(), Sgd(lr=0.01))
    rest.load_state_dict(saved)
    for _ in range(3):
        record = scheme.step(rest, 1.0, 2.0)
    assert record.step == 6
    assert torch.equal(rest.weights["x"], whole.weights["x"])
    assert torch.equal(rest.arch["p"], whole.arch["p"])


def test_a_loss_that_is_not_finite_stops_before_any_change():
    problem = BilevelProblem(lambda w, a: w * math.nan, lambda w, a: w * a, torch.tensor(2.0), torch.tensor(1.0))
    scheme = FirstOrder()
    state = scheme.init(problem)
    with pytest.raises(TrainingError, match="training loss at step 1: got nan"):
        scheme.step(state, update_arch=False)
    assert problem.weights.item() == 2.0
    assert state.step == 0


def test_accept_is_called_once_a_weight_step():
    calls = []
    problem = BilevelProblem(
        lambda w, a: (w - a) ** 2, lambda w, a: (w + a) ** 2, torch.tensor(2.0), torch.tensor(1.0), accept=lambda: calls.append(1)
    )
    scheme = SecondOrder()
    scheme.step(scheme.init(problem))
    assert calls == [1]


@pytest.mark.parametrize(
    ("make", "fragment"),
    [
        (lambda: FirstOrder(order="both"), "order: got 'both'"),
        (lambda: SecondOrder(epsilon=0), "epsilon: got 0"),
        (lambda: BilevelProblem(min, min, torch.tensor(1), torch.tensor(1.0)), "weights: got torch.int64"),
        (lambda: BilevelProblem(min, min, {}, {}), "weights: got none"),
    ],
)
def test_bad_settings_are_refused(make, fragment):
    with pytest.raises(ArgumentError, match=fragment):
        make()


def test_schemes_are_found_by_name():
    assert isinstance(registry.get("FirstOrder"), FirstOrder)
    assert registry.get("second-order?xi=0.5&order=weights").xi == 0.5
    with pytest.raises(UnknownNameError, match="second-order"):
        registry.get("2nd-order")
