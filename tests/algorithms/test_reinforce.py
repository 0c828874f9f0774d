"""REINFORCE: one step by hand, inactive decisions, the baseline, the entropy, the cost target."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import oche
from oche import seeds
from oche.algorithms import Reinforce, get
from oche.errors import ArgumentError, OcheError
from oche.loop.contracts import Feedback
from oche.testing.spaces import space


def _started(name="categorical", **settings):
    search = Reinforce(**settings)
    search.setup(space(name), seeds.generator(0))
    return search


def _tell(search, reward, **metrics):
    (proposal,) = search.ask(1)
    search.tell([(proposal.id, Feedback(reward=reward, metrics=metrics))])
    return proposal.dna


def test_one_step_by_hand():
    search = _started(lr=0.5, momentum=0.9)
    _tell(search, 1.0)
    assert search.baseline == 1.0 and all((row == 0).all() for row in search.policy.parameters())
    dna = _tell(search, 3.0)
    # A = 3 - 1; each logit moves by 0.5 * 2 * (onehot - 1/5).
    for i, gene in enumerate(dna.flat):
        want = -0.2 * np.ones(5)
        want[gene] += 1
        assert torch.allclose(search.policy.logits(f"op{i}"), torch.tensor(want, dtype=torch.float32))
    assert search.baseline == pytest.approx(0.9 * 1.0 + 0.1 * 3.0)


def test_only_active_decisions_move():
    search = _started("conditional")
    _tell(search, 0.0)
    dna = _tell(search, 1.0)
    active = set(space("conditional").decisions(dna))
    for key, row in search.policy.named_logits().items():
        assert bool((row != 0).any()) == (key in active)


def test_the_entropy_bonus_pulls_towards_even_probabilities():
    entropies = []
    for weight in (0.0, 0.5):
        search = _started(entropy=weight, lr=0.2)
        for _ in range(60):
            _tell(search, float(np.sum([g == 0 for g in search.policy.derive().flat])))
        for _ in range(60):
            (proposal,) = search.ask(1)
            search.tell([(proposal.id, Feedback(reward=float(sum(g == 0 for g in proposal.dna.flat))))])
        entropies.append(float(search.policy.entropy().detach()))
    assert entropies[1] > entropies[0] + 0.1


def test_it_learns():
    task = lambda child: float(sum(v == "c" for v in child.values()))
    program = {f"op{i}": oche.oneof(list("abcde"), name=f"op{i}") for i in range(6)}
    runs = oche.search(program, "reinforce?lr=0.2", task, budget=oche.Budget(trials=400))
    rewards = [t.feedback.scalar for t in runs[0].trials]
    assert np.mean(rewards[-50:]) > np.mean(rewards[:50]) + 2


def test_the_constrained_reward_is_that_of_tunas():
    search = _started(cost="params", target=100.0)
    feedback = lambda params: Feedback(reward=0.9, metrics={"params": params})
    assert search.constrained(feedback(100.0)) == 0.9
    assert search.constrained(feedback(150.0)) == pytest.approx(0.9 - 0.07 * 0.5)
    assert search.constrained(feedback(50.0)) == pytest.approx(0.9 - 0.07 * 0.5)
    with pytest.raises(ArgumentError, match="reinforce cost: got 'params'; allowed: a metric of the task, macs"):
        search.constrained(Feedback(reward=0.9, metrics={"macs": 1.0}))


def test_a_cost_target_is_met():
    program = {f"w{i}": oche.oneof([1, 2, 3, 4], name=f"w{i}") for i in range(4)}
    task = lambda child: (0.02 * sum(child.values()), {"params": float(sum(child.values()))})
    means = {}
    for text in ("reinforce?lr=0.5", "reinforce?lr=0.5&cost=params&target=8&beta=-2"):
        trials = oche.search(program, text, task, budget=oche.Budget(trials=500))[0].trials
        means[text] = np.mean([t.feedback.metrics["params"] for t in trials[-100:]])
    free, bound = means.values()
    assert abs(bound - 8) < 1.0 < free - 8


def test_numbers_are_refused():
    with pytest.raises(OcheError, match="got a number"):
        get("reinforce").setup(space("numbers"), seeds.generator(0))


@pytest.mark.parametrize("text", ["lr=0", "momentum=1", "cost=params", "target=3", "cost=params&target=0", "beta=0.1"])
def test_settings_are_checked(text):
    with pytest.raises(ArgumentError, match="allowed"):
        get(f"reinforce?{text}")
