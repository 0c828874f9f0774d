"""Perturbed mixtures: the simplex, the box, an adversary that does raise the loss, and logits that stay as they are."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oche.errors import ArgumentError
from oche.supernets.drawn import Moment
from oche.weightings import Smooth, registry
from oche.weightings.smooth import simplex

torch.set_num_threads(1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def refuse(_):
    raise AssertionError("a random perturbation needs no loss")


def test_the_simplex_has_the_known_rows():
    assert simplex(torch.tensor([0.9 + 0.2, 0.1 - 0.3]), torch.tensor([0.9, 0.1])).tolist() == [1, 0]
    assert simplex(torch.tensor([-0.1, -0.2, -0.1]), torch.tensor([0.2, 0.5, 0.3])).tolist() == [0, 1, 0]
    assert simplex(torch.tensor([[0.5, 0.5], [2.0, 1.0]]), torch.tensor([[0.5, 0.5], [0.5, 0.5]])).tolist() == [[0.5, 0.5], [0.5, 0.5]]


@given(st.lists(st.floats(-4, 4), min_size=2, max_size=6), st.integers(0, 1000), st.floats(0, 1))
def test_random_rows_are_distributions_near_their_centre(logits, seed, share):
    p = torch.softmax(torch.tensor(logits), -1)
    moment = Moment(share, share)
    row = Smooth().perturb({"a": p}, moment, generator(seed), refuse)["a"]
    assert float(row.sum()) == pytest.approx(1, abs=1e-5)
    assert float(row.min()) >= 0
    eps = 0.03 + 0.27 * share
    noise = (2 * torch.rand(p.shape, generator=generator(seed)) - 1) * eps
    assert torch.allclose(row, simplex(p + noise, p), atol=1e-6)


def test_the_box_grows_with_the_epochs():
    p = torch.full((4,), 0.25)
    moved = [
        max(float((Smooth().perturb({"a": p}, Moment(s, s), generator(i), refuse)["a"] - p).abs().max()) for i in range(30))
        for s in (0.0, 0.5, 1.0)
    ]
    assert moved[0] < 0.04
    assert moved[0] < moved[1] < moved[2]


def test_the_adversary_raises_the_loss_and_stays_in_the_box():
    # A rival lacks the sign: its adversary lowers the loss.
    slopes = {"a": torch.tensor([1.0, -1.0, 0.5]), "b": torch.tensor([-2.0, 0.0])}
    asked = []

    def probe(mixtures):
        asked.append(1)
        loss = sum(float((mixtures[k] * slopes[k]).sum()) + float(mixtures[k].square().sum()) for k in slopes)
        return loss, {k: slopes[k] + 2 * mixtures[k] for k in slopes}

    rows = {"a": torch.tensor([0.2, 0.5, 0.3]), "b": torch.tensor([0.6, 0.4])}
    weighting = Smooth("adversarial")
    found = weighting.perturb(rows, Moment(1.0, 1.0), generator(), probe)
    assert len(asked) == 7 + 2
    assert weighting.passes == 7 + 2 / 3
    assert probe(found)[0] > probe(rows)[0] + 0.1
    at_random = Smooth().perturb(rows, Moment(1.0, 1.0), generator(), refuse)
    assert probe(found)[0] > probe(at_random)[0]
    for key in rows:
        assert float(found[key].sum()) == pytest.approx(1, abs=1e-5)


def test_an_attack_that_fails_is_dropped():
    def probe(mixtures):  # the loss is largest at the centre, and the gradient lies
        return -float((mixtures["a"] - torch.tensor([0.5, 0.5])).abs().sum()), {"a": torch.tensor([1.0, -1.0])}

    p = torch.tensor([0.5, 0.5])
    assert torch.equal(Smooth("adversarial").perturb({"a": p}, Moment(1.0, 1.0), generator(), probe)["a"], p)


def test_arch_steps_see_the_probabilities_themselves():
    p = torch.tensor([0.2, 0.8])
    assert Smooth()(p) is p


def test_a_perturbed_mixture_keeps_the_gradient_of_the_probabilities():
    logits = torch.zeros(3, requires_grad=True)
    row = Smooth().perturb({"a": torch.softmax(logits, -1)}, Moment(), generator(), refuse)["a"]
    (found,) = torch.autograd.grad(row[0], [logits])
    assert found[0] > 0 > found[1]


def test_settings_are_checked():
    for text, fragment in [
        ("smooth?kind=worst", "kind: got 'worst'"),
        ("smooth?eps=2", "eps: got 2"),
        ("smooth?eps=0.01", "eps: got 0.01 from 0.03"),
        ("smooth?steps=0", "steps: got 0"),
    ]:
        with pytest.raises(ArgumentError, match=fragment):
            registry.get(text)
