"""Guards against known numbers: skips, curvature, frozen candidates; and that a search that is stopped resumes stopped."""

from __future__ import annotations

import pytest
import torch
from tests.algorithms.test_one_shot import Net, finish, problem
from torch import nn
from torch.nn import functional as F

from oche import algorithms
from oche.algorithms.guards import OLES, HessianEigen, SkipLimit, registry
from oche.algorithms.guards._guard import Watched
from oche.algorithms.guards.hessian_eigen import dominant_eigenvalue
from oche.algorithms.guards.oles import candidates, cosine
from oche.errors import ArgumentError, UnknownNameError
from oche.program import Space, oneof
from oche.testing.weight_sharing import same

torch.set_num_threads(1)


class Smooth(nn.Module):
    """A network without dropout whose loss has a second derivative everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        ops = {"tanh": nn.Tanh, "skip_connect": nn.Identity, "conv": lambda: nn.Conv2d(4, 4, 1)}
        self.ops = nn.Sequential(*(oneof(ops, name=f"op{i}") for i in range(3)))
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.ops(self.stem(x)).mean((2, 3)))


def started(text="darts?epochs=6", program=Smooth, **plan):
    search = algorithms.get(text, **plan)
    search.setup(Space(program), problem(), 0)
    return search


def watched(search) -> Watched:
    return Watched(search.net, search.problem, search.training, search.scorer.batches[0], 0, True)


def test_skips_are_counted_and_end_the_training():
    search = started(guards=SkipLimit(limit=None))
    metrics = search.advance(5).metrics
    decisions = search.space.decisions(search.net.derive())
    assert metrics["skips"] == sum(label == "skip_connect" for label in decisions.values())
    limited = started(guards="skip-limit", warmup=0.3)
    with torch.no_grad():
        for row in limited.net.arch():
            row[1] = 5.0
    progress = limited.advance(100)
    assert progress.done
    assert progress.metrics["skips"] == 3
    assert progress.step == progress.total == 10, "after the second epoch, the first one whose end lies behind the warm-up"
    kinds = {"normal edge": "skip_connect", "reduce edge": "skip_connect"}

    class Stand:
        space = type("S", (), {"decisions": staticmethod(lambda dna: kinds)})

        def derive(self):
            return None

    guard = SkipLimit()
    guard.after_epoch(Watched(Stand(), None, None, None, 0, True))
    assert guard.counts == [1], "the normal cell alone"


def test_the_eigenvalue_is_that_of_the_whole_hessian():
    search = started()
    search.advance(7)
    net, (x, y) = search.net.eval(), search.scorer.batches[0]
    rows = net.named_arch()
    sizes = [len(row) for row in rows.values()]

    def loss(flat):
        arch = dict(zip(rows, flat.split(sizes), strict=True))
        with net.at(7, "arch"):
            return F.cross_entropy(net.functional(net.named_weights(), arch)(x), y)

    flat = torch.cat([row.detach() for row in rows.values()])
    exact = torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, flat))
    largest = exact[exact.abs().argmax()]
    assert dominant_eigenvalue(watched(search), 200) == pytest.approx(float(largest), rel=1e-2)


def test_a_sharp_loss_ends_the_training_and_the_earlier_point_is_taken(monkeypatch):
    values = iter([1.0, 1.0, 1.0, 1.2, 9.0, 9.0])
    monkeypatch.setattr("oche.algorithms.guards.hessian_eigen.dominant_eigenvalue", lambda *_: next(values))
    search = started(guards=HessianEigen(window=2))
    points = []
    while True:
        progress = search.advance(5)
        points.append(search.net.derive())
        if progress.done:
            break
        if len(points) == 3:  # another point from here on
            with torch.no_grad():
                for row in search.net.arch():
                    row += torch.tensor([0.0, 0.0, 3.0])
    # means of two: (1, 1) and (1, 1.2) give 0.91; (1, 1) and (1.2, 9) give 0.2
    assert len(points) == 5
    assert search.propose(1)[0].dna == points[2] != points[4]
    again = started(guards=HessianEigen(window=2))
    again.load(search.state())
    assert again.advance(5).done
    assert again.propose(1)[0].dna == points[2]


def test_curvature_is_refused_for_gates_without_a_second_derivative():
    for text in ("reinmax?epochs=1", "enas?epochs=1&samples=1&arch_updates=1"):
        with pytest.raises(ArgumentError, match="guard: got HessianEigen with"):
            started(text, guards="hessian-eigen").advance(5)


def test_candidates_whose_gradients_disagree_are_frozen_after_exactly_an_interval():
    search = started(guards=OLES(interval=4, threshold=1.0))  # everything with weights
    names = [name for found in candidates(watched(search)).values() for name in found]
    assert len(names) == 6
    search.advance(4)
    at_four = {name: w.detach().clone() for name, w in search.net.named_weights().items()}
    assert sorted(search.training.frozen) == sorted(names)
    search.advance(1)
    now = search.net.named_weights()
    assert all(torch.equal(at_four[name], now[name]) for name in names)
    assert not torch.equal(at_four["network.stem.weight"], now["network.stem.weight"])
    early = started(guards=OLES(interval=4, threshold=1.0))
    early.advance(3)
    assert early.training.frozen == set()
    never = started(guards=OLES(interval=4, threshold=-1.0))
    assert never.advance(8).metrics["frozen"] == 0


def test_the_cosine_is_meant_over_the_first_axis():
    a, b = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0], [0.0, -1.0]])
    assert cosine(a, b) == pytest.approx(0.0)
    assert cosine(a[:1], b[:1]) == pytest.approx(1.0)
    assert cosine(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.0])) == pytest.approx(0.70711, abs=1e-4)


def test_oles_compares_the_gradients_of_its_step():
    search = started(guards=OLES(interval=50))
    search.advance(1)
    state, net = search.training, search.net
    (x, y) = search._valid.at(0)
    with net.at(0, "arch"):
        loss = F.cross_entropy(net(x), y)
    name = next(iter(candidates(watched(search)).values()))[0]
    (g,) = torch.autograd.grad(loss, [net.named_weights()[name]])
    place = name.removeprefix("network.").rpartition(".")[0]
    bias = name.replace("weight", "bias")
    with net.at(0, "arch"):
        (h,) = torch.autograd.grad(F.cross_entropy(net(x), y), [net.named_weights()[bias]])
    expected = (cosine(state.weight_gradients[name], g) + cosine(state.weight_gradients[bias], h)) / 2
    assert search._guards[0]._sums[place] == pytest.approx(expected, abs=1e-4)


def test_guarded_searches_continue_bit_for_bit():
    make = lambda: started(epochs=3, guards=[SkipLimit(None), OLES(3), HessianEigen(1, iterations=3, stop=False)], program=Net)
    whole, pieces = make(), make()
    finish(whole)
    progress = pieces.advance(2)
    while not progress.done:
        state, pieces = pieces.state(), make()
        pieces.load(state)
        progress = pieces.advance(4)
    assert same(whole.state(), pieces.state())


def test_guards_are_named_and_checked():
    assert isinstance(registry.get("oles?interval=10"), OLES)
    for text, fragment in [
        ("skip-limit?limit=0", "skip limit: got 0"),
        ("hessian-eigen?window=0", "hessian eigen, window: got 0"),
        ("hessian-eigen?ratio=2", "hessian eigen, ratio: got 2"),
        ("oles?interval=0", "oles, interval: got 0"),
        ("oles?threshold=3", "oles, threshold: got 3"),
    ]:
        with pytest.raises(ArgumentError, match=fragment):
            registry.get(text)
    with pytest.raises(UnknownNameError, match="skip-limits"):
        started(guards="skip-limits")
    with pytest.raises(ArgumentError, match="guards: got 3"):
        started(guards=[3])
