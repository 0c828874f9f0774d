"""Mixers of one path: frequencies, fairness, phases, and the controllers."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
import torch
from scipy.stats import chisquare
from torch import nn

from oche.errors import ArgumentError
from oche.mixers import ByPhase, FairPath, PartialChannels, SampledPath, Softmax, UniformPath
from oche.program import Space, manyof, oneof, permutate
from oche.supernets import supernet
from oche.supernets.lstm_policy import LstmPolicy

torch.set_num_threads(1)


class Net(nn.Module):
    """Choices of three and four candidates, an ordered pick, inputs, and a choice inside a candidate."""

    def __init__(self) -> None:
        super().__init__()
        layer = lambda: nn.Linear(2, 2)
        self.a = oneof({k: layer for k in "xyz"}, name="a")
        self.b = oneof({"p": layer, "q": layer, "r": layer, "deep": lambda: oneof({"u": layer, "v": layer}, name="c")}, name="b")
        self.order = permutate({k: layer for k in "12"}, name="order")
        self.node = manyof(2, {f"e{i}": layer for i in range(3)}, merge="sum", name="inputs")

    def forward(self, x):
        x = self.b(self.a(x))
        for layer in self.order:
            x = layer(x)
        return self.node(x, -x, 2 * x)


X = torch.ones(2, 2)


def paths(mixer, steps: int, n: int = 1):
    net = supernet(Net, mixer)
    for step in range(steps):
        drawn = []
        for path in range(n):
            with net.at(step, "weights", path):
                net(X)
            drawn.append({key: gate.active for key, gate in net.drawn.gates.items()})
        yield drawn


def test_uniform_paths_take_every_candidate_alike():
    counts = {key: Counter() for key in ("a", "b", "order", "inputs")}
    for (drawn,) in paths(UniformPath(), 1500):
        for key in counts:
            counts[key][drawn[key]] += 1
    assert {key: len(c) for key, c in counts.items()} == {"a": 3, "b": 4, "order": 2, "inputs": 3}
    assert all(chisquare(list(c.values())).pvalue > 1e-3 for c in counts.values())


def test_fair_paths_train_every_candidate_once_in_a_step():
    mixer = FairPath()
    n = mixer.paths(supernet(Net, mixer).policy)
    assert n == 4
    orders = set()
    for drawn in paths(mixer, 30, n):
        assert sorted(d["b"][0] for d in drawn) == [0, 1, 2, 3]
        assert sorted(Counter(d["a"][0] for d in drawn).values()) == [1, 1, 2], "one more path than candidates"
        assert {d["order"] for d in drawn} == {(0, 1), (1, 0)}
        assert max(Counter(i for d in drawn for i in d["inputs"]).values()) <= 3
        orders.add(tuple(d["b"][0] for d in drawn))
    assert len(orders) > 10, "another permutation in every step"


def test_a_fair_step_gives_every_weight_of_equal_choices_one_gradient():
    class Even(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ops = nn.Sequential(*(oneof({k: lambda: nn.Linear(2, 2) for k in "abc"}, name=f"op{i}") for i in range(2)))

        def forward(self, x):
            return self.ops(x)

    from oche.algorithms import OneShot, Plan
    from oche.loop.contracts import Problem

    calls: Counter[str] = Counter()
    batches = lambda split, seed, epoch: iter([(X, X)])
    search = OneShot(FairPath(), plan=Plan(epochs=1), pick="score", n_candidates=2)
    search.setup(Space(Even), Problem(lambda m, b: m(b[0]).square().mean(), lambda m, b: (0.0, 2), batches, {"train": 1, "valid": 1}, 1), 0)
    for i, op in enumerate(search.net.network.ops):
        for label, inner in zip("abc", op.inside, strict=True):
            inner.register_forward_hook(lambda *_, key=f"{i}{label}": calls.update([key]))
    before = [w.detach().clone() for w in search.net.weights()]
    search.advance(1)
    assert set(calls.values()) == {1}
    assert len(calls) == 6
    assert all(not torch.equal(a, b) for a, b in zip(before, search.net.weights(), strict=True))
    assert search.cost.passes == 3


def test_each_phase_has_its_own_mixer():
    net = supernet(Net, ByPhase())
    with net.at(0, "weights"):
        net(X)
    assert net.drawn.gates["a"].weights is None
    with net.at(0, "arch"):
        net(X)
    assert net.drawn.gates["a"].active is None
    assert net.drawn.gates["a"].weights.sum().item() == pytest.approx(1)
    with pytest.raises(ArgumentError, match=r"by phase, weights: got PartialChannels.*PartialChannels\(inner=ByPhase\(\)\)"):
        ByPhase(PartialChannels(2))
    with pytest.raises(ArgumentError, match="by phase, arch: got UniformPath, which trains no logits"):
        ByPhase(Softmax(), UniformPath())


# -- controllers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("controller", ["lstm", "logits"])
def test_the_probabilities_of_a_controller_sum_to_one(controller):
    net = supernet(Net, SampledPath(controller))
    if controller == "lstm":
        with torch.no_grad():
            for parameter in net.policy.parameters():
                parameter.mul_(20)  # far from uniform
    space = net.space
    p = {dna: float(net.policy.log_prob(dna).detach().exp()) for dna in space}
    assert sum(p.values()) == pytest.approx(1, abs=1e-9)
    assert len({round(v, 6) for v in p.values()}) > 10 or controller == "logits"
    found = Counter(net.policy.sample(seed) for seed in range(400))
    likely = sorted(p, key=p.get, reverse=True)[:5]
    assert sum(found[d] for d in likely) / 400 == pytest.approx(sum(p[d] for d in likely), abs=0.08)
    space.validate(net.policy.derive())
    excluded = space.decisions(net.policy.derive(exclude={"x", "p"}))
    assert excluded["a"] != "x"
    assert excluded["b"] != "p"


def test_a_controller_remembers_what_it_decided():
    net = supernet(Net, SampledPath())
    assert isinstance(net.policy, LstmPolicy)
    with torch.no_grad():
        for parameter in net.policy.parameters():
            parameter.mul_(20)
    conditional = {}
    for a, b in itertools.product("xyz", "pqr"):
        points = [d for d in net.space if net.space.decisions(d)["a"] == a]
        total = sum(float(net.policy.log_prob(d).detach().exp()) for d in points)
        mine = sum(float(net.policy.log_prob(d).detach().exp()) for d in points if net.space.decisions(d)["b"] == b)
        conditional[a, b] = mine / total
    assert abs(conditional["x", "p"] - conditional["y", "p"]) > 1e-3, "independent logits could not do that"


def test_the_objective_is_reinforce_with_a_running_baseline():
    mixer = SampledPath("logits", entropy=0.1, decay=0.9)
    net = supernet(Net, mixer)
    rewards, baseline = [0.4, 0.5, 0.3], None
    for step, reward in enumerate(rewards):
        with net.at(step, "arch"):
            value = mixer.arch_objective(lambda: None, lambda r=reward: (net(X).sum() * 0 + 10 * r, 10), net.policy, lambda: net.drawn)
        log_p, entropy = net.policy.path(net.drawn.extra["dna"])
        total = reward + 0.1 * float(entropy.detach())
        baseline = total if baseline is None else baseline - 0.1 * (baseline - total)
        assert value.item() == pytest.approx(-float(log_p.detach()) * (total - baseline), abs=1e-5)
    assert net.policy.baseline.tolist() == [pytest.approx(baseline, abs=1e-6), 1.0]


def test_the_entropy_of_a_path_of_a_uniform_policy_is_that_of_its_decisions():
    net = supernet(Net, SampledPath("logits"))
    with torch.no_grad():
        for row in net.arch():
            row.zero_()
    for inputs, ways in ((("e0", "e2"), 4), (("e1", "e2"), 2)):  # inputs are picked upward: behind e0 there are two, behind e1 is one
        dna = next(d for d in net.space if net.space.decisions(d)["b"] == "deep" and net.space.decisions(d)["inputs"] == inputs)
        log_p, entropy = net.policy.path(dna)
        assert float(entropy.detach()) == pytest.approx(math.log(3 * 4 * 2 * 2 * ways), abs=1e-6)
        assert float(log_p.detach()) == pytest.approx(-float(entropy.detach()), abs=1e-6)


@pytest.mark.parametrize("controller", ["lstm", "logits"])
def test_a_controller_learns_which_candidate_is_rewarded(controller):
    mixer = SampledPath(controller, samples=5)
    net = supernet(Net, mixer)
    adam = torch.optim.Adam(net.arch(), lr=0.08)
    good = lambda: float(net.space.decisions(net.drawn.extra["dna"])["a"] == "y")
    for step in range(40):
        losses = []
        for path in range(5):
            with net.at(step, "arch", path):
                losses.append(mixer.arch_objective(lambda: None, lambda: (net(X).sum() * 0 + good(), 1), net.policy, lambda: net.drawn))
        adam.zero_grad()
        torch.stack(losses).mean().backward()
        adam.step()
    p = sum(float(net.policy.log_prob(d).detach().exp()) for d in net.space if net.space.decisions(d)["a"] == "y")
    assert p > 0.6, "it began at one third"


def test_a_controller_is_saved_and_restored():
    first, other = supernet(Net, SampledPath(), seed=0), supernet(Net, SampledPath(), seed=1)
    assert first.derive() != other.derive() or first.arch_state() != other.arch_state()
    other.load_arch(first.arch_state())
    dna = first.space.at(5)
    assert float(first.policy.log_prob(dna).detach()) == pytest.approx(float(other.policy.log_prob(dna).detach()), abs=1e-6)
    with pytest.raises(ArgumentError, match="saved controller: got other names or shapes"):
        other.load_arch({"start": [0.0]})
    with pytest.raises(ArgumentError, match="logits of 'a': got a recurrent controller"):
        first.policy.logits("a")
    smaller = first.restrict({"a": ["x", "y"]})
    smaller.space.validate(smaller.derive())


def test_the_settings_of_controllers_are_checked():
    with pytest.raises(ArgumentError, match="controller: got 'gru'; allowed: 'lstm', 'logits'"):
        SampledPath("gru")
    with pytest.raises(ArgumentError, match="samples: got 0"):
        SampledPath(samples=0)
    with pytest.raises(ArgumentError, match="decay: got 1"):
        SampledPath(decay=1)
