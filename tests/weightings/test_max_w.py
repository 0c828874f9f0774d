"""Max-W: its multipliers and its gradients, against the closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import oche
from oche.errors import ArgumentError, UnknownNameError
from oche.weightings import MaxW, Scalar, registry

LOGITS = st.lists(st.floats(-4, 4), min_size=2, max_size=8)


def softmax(*logits: float) -> torch.Tensor:
    return torch.softmax(torch.tensor(logits, dtype=torch.float64), 0)


def slope(weighting, logits: list[float], g: list[float]) -> list[float]:
    """Gradient for the logits of `sum multiplier_i g_i`."""
    alpha = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    (weighting(torch.softmax(alpha, 0)) * torch.tensor(g, dtype=torch.float64)).sum().backward()
    return alpha.grad.tolist()


@pytest.mark.parametrize(
    ("logits", "w", "v"),
    [
        ((math.log(6), math.log(3), 0), (0.6, 0.3, 0.1), (1, 0.7, 0.5)),
        ((1, 0, -1), (0.665241, 0.244728, 0.090031), (1, 0.579487, 0.424790)),
        ((2, 0, 0, 0), None, (1, 0.385021, 0.385021, 0.385021)),
    ],
)
def test_multipliers(logits, w, v):
    p = softmax(*logits)
    if w is not None:
        assert p.tolist() == pytest.approx(w, abs=1e-6)
    assert MaxW()(p).tolist() == pytest.approx(v, abs=1e-6)


def test_gradients_attached_and_detached():
    logits, g = [math.log(6), math.log(3), 0.0], [1.0, -2.0, 0.5]
    assert slope(Scalar(), logits, g) == pytest.approx([0.57, -0.615, 0.045])
    assert slope(MaxW(detach=True), logits, g) == pytest.approx([0.57, -0.615, 0.045])
    assert slope(MaxW(), logits, g) == pytest.approx([0.69, -0.705, 0.015])


@given(LOGITS, st.floats(0, 1))
def test_invariants(logits, strength):
    w = softmax(*logits)
    v = MaxW()(w)
    assert float(v.max()) == pytest.approx(1)
    assert bool((v > 0).all())
    assert float(v.sum()) == pytest.approx(1 + len(logits) * (1 - float(w.max())))
    order = torch.argsort(w, stable=True)
    assert bool((v[order].diff() >= -1e-12).all())
    assert torch.equal(MaxW(strength=0.0)(w), w)
    assert float(MaxW(strength=strength, normalize=True)(w).sum()) == pytest.approx(1)


@given(st.lists(st.integers(-40, 40), min_size=2, max_size=6, unique=True), st.booleans())
def test_gradient_by_finite_differences_away_from_ties(tenths, detach):
    logits, weighting = [t / 10 for t in tenths], MaxW(detach=detach)
    g = [math.sin(3 * i + 1) for i in range(len(logits))]
    top = float(softmax(*logits).max())

    def value(at: list[float]) -> float:
        w = softmax(*at)
        leader = top if detach else float(w.max())
        return sum((float(p) + 1 - leader) * x for p, x in zip(w, g, strict=True))

    found = slope(weighting, logits, g)
    for i in range(len(logits)):
        up, down = list(logits), list(logits)
        up[i] += 1e-5
        down[i] -= 1e-5
        assert found[i] == pytest.approx((value(up) - value(down)) / 2e-5, abs=1e-7)


def test_equal_and_one_hot():
    assert MaxW()(torch.full((5,), 0.2)).tolist() == pytest.approx([1] * 5)
    assert torch.equal(MaxW()(torch.tensor([0.0, 1.0, 0.0])), torch.tensor([0.0, 1.0, 0.0]))
    rows = torch.softmax(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), -1)
    assert torch.equal(MaxW()(rows), torch.stack([MaxW()(row) for row in rows]))


@pytest.mark.parametrize(("w", "scalar", "max_w"), [((0.5, 0.5), 0.5, 1.0), ((0.2, 0.8), 0.2, 0.4), ((0.7, 0.3), 0.7, 1.0)])
def test_a_skip_beside_none(w, scalar, max_w):
    p = torch.tensor(w)
    assert float(Scalar()(p)[0]) == pytest.approx(scalar)
    assert float(MaxW()(p)[0]) == pytest.approx(max_w)


def test_equal_candidates_pull_only_with_the_attached_maximum():
    assert slope(Scalar(), [1.0, 0.0], [1.0, 1.0]) == pytest.approx([0, 0], abs=1e-12)
    assert slope(MaxW(), [1.0, 0.0], [1.0, 1.0])[0] < 0


def test_by_name_and_bad_settings():
    assert registry.get("max-w?detach=true&strength=0.5") == MaxW(detach=True, strength=0.5)
    net = oche.supernet(oche.spaces.get("hypercuboid", steps=1, layers=2, in_channels=1), weighting="max-w?detach=true")
    assert net.weighting == MaxW(detach=True)
    with pytest.raises(UnknownNameError, match=r"'maxx'; allowed: 'max-w', 'scalar', 'smooth'; did you mean 'max-w'"):
        oche.supernet(net.space, weighting="maxx")
    with pytest.raises(ArgumentError, match="strength: got 2"):
        MaxW(strength=2)
