"""Faults that other implementations of these methods have, each with a test that this one passes.

fault elsewhere                                                     held by
SDARTS moves raw logits and leaves them moved                       here
the adversary of SDARTS lowers the loss                             here, tests/weightings/test_smooth.py
PC-DARTS derives by the ops alone, edge weights are ignored         here, tests/supernets/test_policy.py
ReinMax and GDAS run the selected op only, other gates hear ones    tests/mixers/test_gates.py
the mass of entangled kernels is cancelled by batch norm            tests/mixers/test_blends.py
DrNAS's decay is added to both losses, with norms that are no squares   here
annealing feeds on its own value                                    here, tests/algorithms/test_staged.py
the best epoch by validation is taken                               here
parts that are switched off still have parameters                   here
RSPS's variant of random channels samples nothing                   tests/mixers/test_partial_channels.py
logits are absent from the state, so a search cannot be resumed     here, the contract suite
paths of one step differ between cells                              here
"""

from __future__ import annotations

import pytest
import torch
from tests.algorithms.test_cross import MIXERS, made, unchanged, values
from tests.algorithms.test_one_shot import Net, problem
from torch.nn import functional as F

from oche import algorithms, mixers, spaces
from oche.mixers import AuxiliarySkip, Dirichlet, GumbelHard, PartialChannels, Softmax, UniformPath
from oche.program import Space
from oche.supernets import supernet
from oche.supernets.drawn import Moment
from oche.testing.weight_sharing import same
from oche.weightings import Smooth

torch.set_num_threads(1)


@pytest.mark.parametrize("kind", ["random", "adversarial"])
def test_smoothing_leaves_the_logits_as_they_are_and_arch_steps_unperturbed(kind):
    search = made("softmax", weighting=Smooth(kind))
    arch = values(search.net.arch())
    search.scheme.step(search.training, search._train.at(0), None, update_arch=False)
    assert unchanged(arch, search.net.arch())
    pair = made("softmax", weighting=Smooth(kind)), made("softmax")
    for one in pair:
        one.net.eval()  # no dropout
    assert unchanged(*(one.scheme.arch_gradient(one.training, None, search._valid.at(0))[0] for one in pair))


def test_the_adversary_of_a_supernet_raises_its_training_loss():
    search = made("softmax", weighting=Smooth("adversarial", eps=0.3, eps_min=0.3))
    batch, net = search._train.at(0), search.net
    weights, frozen = net.named_weights(), search._frozen_arch()

    def loss(multipliers) -> float:
        net.eval()
        with torch.no_grad(), net.at(0, "weights", multipliers=multipliers):
            return float(F.cross_entropy(net(batch[0]), batch[1]))

    with torch.random.fork_rng():
        moved = search._moved(0, 0, weights, frozen, batch)
    centre = {key: net.policy.probabilities(key).detach() for key in moved}
    assert loss(moved) > loss(centre)
    at_random = made("softmax", weighting=Smooth(eps=0.3, eps_min=0.3))._moved(0, 0, weights, frozen, batch)
    assert loss(moved) > loss(at_random)


def test_edge_weights_take_part_in_the_derivation():
    net = supernet(Space(Net), PartialChannels(2))
    with torch.no_grad():
        for row in net.arch():
            row.zero_()
        net.named_arch()["op0"][1] = 1.0  # the strongest candidate stands on an input without weight
        net.named_arch()["inputs"].copy_(torch.tensor([-9.0, 0.0, 1.0]))
    assert net.space.decisions(net.derive())["inputs"] == ("e1", "e2")
    without = supernet(Space(Net), PartialChannels(2, edges=False))
    with torch.no_grad():
        for row in without.arch():
            row.zero_()
        without.named_arch()["op0"][1] = 1.0
    assert without.space.decisions(without.derive())["inputs"] == ("e0", "e1")


def test_decay_of_dirichlet_logits_is_one_of_the_optimizer_and_in_no_loss():
    net = supernet(Space(Net), Dirichlet())
    loss = torch.tensor(1.25)
    assert net.mixer.arch_objective(lambda: loss, lambda: None, net.policy, lambda: None) is loss
    plan = algorithms.get("drnas").stages[0].make().plan
    assert plan.arch_rule.weight_decay == 1e-3


def test_what_changes_over_a_search_is_a_function_of_the_epoch_alone():
    net = supernet(Space(Net), AuxiliarySkip(GumbelHard()))
    seen = []
    for ramp in (0.5, 0.1, 0.5, 0.9, 0.5):
        with net.at(3, moment=Moment(ramp, ramp)):
            net(torch.ones(1, 1, 4, 4))
        seen.append((net.drawn.extra["beta"], net.drawn.gates["op0"].weights.detach()))
    assert [s[0] for s in seen] == [0.5, pytest.approx(0.9), 0.5, pytest.approx(0.1), 0.5]
    assert torch.equal(seen[0][1], seen[4][1])


def test_the_last_state_counts_whatever_the_validation_loss_was():
    search = algorithms.get("darts?epochs=3")
    search.setup(Space(Net), problem(), 0)
    while not search.advance(1).done:
        pass
    assert search.propose(1)[0].dna == search.net.derive()


@pytest.mark.parametrize("mixer", [m for m in MIXERS if m not in ("partial channels", "entangled") and "channels" not in m])
def test_no_mixer_adds_a_weight_to_the_supernet(mixer):
    space = spaces.get("nasbench201", channels=16, cells=1, affine=False)
    net = supernet(space, mixers.registry.get(MIXERS[mixer]))
    bare = supernet(space, Softmax())
    assert sum(w.numel() for w in net.weights()) == sum(w.numel() for w in bare.weights())
    names = {name for name, _ in net.named_parameters()}
    assert all(name.startswith(("network.", "policy.")) for name in names)


def test_all_cells_of_a_step_run_the_same_path():
    space = spaces.get("nasbench201", channels=4, cells=2, classes=2)
    net = supernet(space, UniformPath())
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for step in range(3):
        with net.at(step), torch.no_grad():
            out = net(x)
        picks = {key: row.labels[net.drawn.gates[key].active[0]] for key, row in net.policy.rows.items() if row.kind == "one"}
        with net.fixed(space.encode_decisions(picks)), torch.no_grad():
            assert torch.equal(net(x), out), "a sampled network is one cell"


@pytest.mark.parametrize(
    "text", ["gdas?epochs=2", "enas?epochs=2&samples=2&arch_updates=2&n_candidates=3", "drnas?epochs=1&k=[2,1]&keep=[2]"]
)
def test_a_search_continues_from_every_step_bit_for_bit(text):
    def started():
        made = algorithms.get(text)
        made.setup(Space(Net), problem(), 0)
        return made

    whole, states = started(), []
    progress = whole.advance(0)
    while not progress.done:
        states.append(whole.state())
        progress = whole.advance(1)
    end = whole.state()
    for state in states[:: max(1, len(states) // 6)]:
        again = started()
        again.load(state)
        while not again.advance(5).done:
            pass
        assert same(again.state(), end)
        assert again.propose(1)[0].dna == whole.propose(1)[0].dna
