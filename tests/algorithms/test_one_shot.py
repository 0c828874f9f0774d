"""Weight-sharing presets: the contract, frozen groups, schedules, exact resume, and equality of what must be equal."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from oche import algorithms
from oche.algorithms import OneShot, Plan
from oche.algorithms.one_shot_plan import Schedule
from oche.errors import ArgumentError, BudgetError, TrainingError, UnknownNameError
from oche.loop.contracts import Budget, Cost, Problem
from oche.mixers import PartialChannels, Softmax, UniformPath
from oche.program import Space, manyof, oneof
from oche.schemes import FirstOrder, SecondOrder
from oche.seeds import torch_generator
from oche.testing.weight_sharing import WeightSharingContract, same

torch.set_num_threads(1)

N_TRAIN, N_VALID, BATCH = 40, 24, 8


def op(kernel: int):
    return lambda channels: nn.Sequential(nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(channels))


OPS = {"conv3": op(3), "conv1": op(1), "drop": lambda channels: nn.Dropout(0.2), "id": lambda channels: nn.Identity()}


class Net(nn.Module):
    """One node that takes two of three inputs, each edge one of four candidates."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        edges = {f"e{i}": lambda i=i: oneof(OPS, name=f"op{i}", channels=channels) for i in range(3)}
        self.node = manyof(2, edges, merge="sum", name="inputs")
        self.head = nn.Linear(channels, 2)

    def forward(self, x):
        h = self.stem(x)
        return self.head(self.node(h, F.relu(h), -h).mean((2, 3)))


def problem(seed: int = 0, poison: int | None = None) -> Problem:
    """Is the image bright? Small, random, learnable."""

    def batches(split, batch_seed, epoch):
        n = {"train": N_TRAIN, "valid": N_VALID}[split]
        x = torch.randn(n, 1, 4, 4, generator=torch_generator(seed, "x", split))
        y = (x.sum((1, 2, 3)) > 0).long()
        order = torch.randperm(n, generator=torch_generator(seed, "order", split, batch_seed, epoch))
        for number, chosen in enumerate(order.split(BATCH)):
            poisoned = poison is not None and split == "train" and epoch * (N_TRAIN // BATCH) + number == poison
            yield x[chosen] * (math.nan if poisoned else 1.0), y[chosen]

    return Problem(
        loss=lambda model, batch: F.cross_entropy(model(batch[0]), batch[1]),
        score=lambda model, batch: ((model(batch[0]).argmax(1) == batch[1]).sum(), len(batch[1])),
        batches=batches,
        n_batches={"train": N_TRAIN // BATCH, "valid": N_VALID // BATCH},
        epochs=3,
    )


class Task:
    def problem(self, seed: int) -> Problem:
        return problem()


class Contract(WeightSharingContract):
    text = ""

    def make_algorithm(self):
        return algorithms.get(self.text)

    def make_space(self):
        return Space(Net)

    def make_task(self):
        return Task()


class TestDarts(Contract):
    text = "darts?epochs=2"


class TestSecondOrderDarts(Contract):
    text = "darts-2nd?epochs=1"


class TestPartialChannels(Contract):
    text = "pc-darts?epochs=2&k=2&channels=random"


class TestRandomPaths(Contract):
    text = "rsps?epochs=2&n_candidates=5"


class TestUniformPathsWithEvolution(Contract):
    text = "spos?epochs=1&n_candidates=30&n_recalibrated=2"


class TestFairPaths(Contract):
    text = "fairnas?epochs=1&n_candidates=4&n_recalibrated=0"


class TestSetn(Contract):
    text = "setn?epochs=2&n_candidates=5"


class TestEnas(Contract):
    text = "enas?epochs=2&n_candidates=4&samples=3&arch_updates=2"


class TestGdas(Contract):
    text = "gdas?epochs=3"


class TestReinmax(Contract):
    text = "reinmax?epochs=2"


class TestProxyless(Contract):
    text = "proxylessnas?epochs=3&arch_every=2&mode=two&warmup=0"


class TestDartsMinus(Contract):
    text = "darts-minus?epochs=2"


class TestFairDarts(Contract):
    text = "fairdarts?epochs=2"


class TestSmoothDarts(Contract):
    text = "sdarts?epochs=1&kind=adversarial&steps=2"


class TestSnas(Contract):
    text = "snas?epochs=3"


class TestDirichlet(Contract):
    text = "one-shot?epochs=2&mixer=partial-channels%3Fk=2%26inner=dirichlet"


class TestEntangled(Contract):
    text = "one-shot?epochs=2&mixer=entangled"


class TestPDarts(Contract):
    text = "p-darts?epochs=1&keep=[3]&dropout=[0.0,0.4]&cells=[1,1]&warmup=0"


class TestDrNas(Contract):
    text = "drnas?epochs=1&k=[2,1]&keep=[2]&kl=0.001&warmup=0"


class TestDartsPerturbation(Contract):
    text = "darts-pt?epochs=1&tune=0.4"


class TestOnceForAll(Contract):
    text = "ofa?epochs=0.001&n_candidates=4&n_recalibrated=1"


class TestSandwich(Contract):
    text = "sandwich?epochs=1&n_candidates=4&n_recalibrated=0"


class TestRunningStatistics(Contract):
    text = "one-shot?epochs=1&batch_norm=running&mixer=partial-channels%3Fk=2&scheme=first-order&weighting=scalar"


del Contract


def started(algorithm, budget: Budget | None = None, seed: int = 0, **more) -> OneShot:
    algorithm = algorithms.get(algorithm) if isinstance(algorithm, str) else algorithm
    algorithm.setup(Space(Net), problem(**more), seed, budget)
    return algorithm


def finish(algorithm: OneShot):
    progress = algorithm.advance(1)
    while not progress.done:
        progress = algorithm.advance(7)
    return progress


# -- steps --------------------------------------------------------------------------------------------------------------------


def test_warm_up_freezes_arch_and_arch_steps_leave_weights_alone():
    search = started("pc-darts?k=2&epochs=10&warmup=3")
    arch = [row.detach().clone() for row in search.net.arch()]
    weights = [w.detach().clone() for w in search.net.weights()]
    search.advance(3 * 5)
    assert all(torch.equal(a, b) for a, b in zip(arch, search.net.arch(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(weights, search.net.weights(), strict=True))
    assert search.cost.passes == 15
    search.advance(1)
    assert all(not torch.equal(a, b) for a, b in zip(arch, search.net.arch(), strict=True))
    assert search.cost.passes == 17
    weights = [w.detach().clone() for w in search.net.weights()]
    search.scheme.arch_step(search.training, search._train.at(16), search._valid.at(16))
    assert all(torch.equal(a, b) for a, b in zip(weights, search.net.weights(), strict=True))
    assert all(p.grad is None for p in search.net.parameters())


def test_random_paths_never_move_arch():
    search = started("rsps?epochs=20")
    arch = [row.detach().clone() for row in search.net.arch()]
    search.advance(100)
    assert search.training.step == 100
    assert all(torch.equal(a, b) for a, b in zip(arch, search.net.arch(), strict=True))


def test_one_step_of_darts_is_the_published_step():
    search = started("darts?epochs=4")
    twin = started("darts?epochs=4")
    net, batches = twin.net, (twin._train.at(0), twin._valid.at(0))
    adam = torch.optim.Adam(net.arch(), lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    sgd = torch.optim.SGD(net.weights(), lr=0.025, momentum=0.9, weight_decay=3e-4)
    from oche.seeds import building, derive

    net.train()
    with building(derive(0, "step", 0)):
        F.cross_entropy(net(batches[1][0]), batches[1][1]).backward()
        adam.step()
        net.zero_grad()
        F.cross_entropy(net(batches[0][0]), batches[0][1]).backward()
        torch.nn.utils.clip_grad_norm_(net.weights(), 5.0)
        sgd.step()
    search.advance(1)
    for a, b in zip(search.net.parameters(), net.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_partial_channels_in_one_part_without_edges_are_darts_bit_for_bit():
    plan = Plan(epochs=2)
    plain = started(OneShot(Softmax(), FirstOrder(), plan))
    partial = started(OneShot(PartialChannels(1, edges=False), FirstOrder(), plan))
    edges = started(OneShot(PartialChannels(1, edges=True), FirstOrder(), plan))
    for search in (plain, partial, edges):
        finish(search)
    assert same(plain.state(), partial.state())
    assert not torch.equal(edges.net.network.stem.weight, plain.net.network.stem.weight)


def test_second_order_differs_from_first_order_and_costs_five_passes():
    first, second = started("darts?epochs=1"), started("darts-2nd?epochs=1")
    assert finish(first).cost.passes + finish(second).cost.passes > 0
    assert (first.cost.passes, second.cost.passes) == (10, 25)
    assert not torch.equal(first.net.named_arch()["op0"], second.net.named_arch()["op0"])
    assert isinstance(second.scheme, SecondOrder)


@pytest.mark.parametrize(("text", "score"), [("darts", "supernet_score"), ("pc-darts?k=2", "supernet_score"), ("rsps", "shared_score")])
def test_training_learns_the_task(text, score):
    search = started(text, Budget(epochs=20))
    finish(search)
    assert search.propose(1)[0].info[score] > 0.75


# -- schedules ----------------------------------------------------------------------------------------------------------------


def test_the_learning_rate_follows_the_pinned_cosine():
    search = started("darts?epochs=4&lr=0.2&lr_min=0.1")
    rates = []
    for _ in range(20):
        rates.append(search.advance(1).metrics["lr"])
    assert rates == [pytest.approx(0.1 + 0.1 * (1 + math.cos(math.pi * t / 4)) / 2) for t in range(4) for _ in range(5)]


def test_epochs_of_the_budget_shorten_the_plan_and_warm_up_with_it():
    search = started("pc-darts?k=2", Budget(epochs=4))
    progress = search.advance(1)
    assert progress.total == 20
    moved = [search.advance(1).metrics.get("valid_loss") is not None for _ in range(19)]
    assert moved.index(True) + 1 == 6, "30 % of 20 steps"
    assert finish(search).step == 20
    assert search.cost.epochs == 4
    longer = started("darts?epochs=2", Budget(epochs=100))
    assert longer.advance(1).total == 10


def test_a_budget_in_passes_is_used_and_not_exceeded_by_more_than_a_step():
    search = started("darts", Budget(passes=60))
    finish(search)
    assert 58 <= search.cost.passes <= 61
    assert search.schedule.lr(search.training.step, search.cost) == pytest.approx(0.001)


def test_a_budget_in_seconds_ends_the_search_and_its_schedule():
    search = started("pc-darts?k=2", Budget(cpu_seconds=1.5))
    seen = []
    while not (progress := search.advance(1)).done:
        seen.append((progress.metrics["lr"], "valid_loss" in progress.metrics))
    assert 1.4 < search.cost.cpu_seconds < 3
    rates, moves = zip(*seen, strict=True)
    assert list(rates) == sorted(rates, reverse=True)
    assert rates[0] > 0.08
    assert rates[-1] < 0.02
    assert not moves[0]
    assert moves[-1]
    state = search.state()
    other = started("pc-darts?k=2", Budget(cpu_seconds=1.5))
    other.load(state)
    assert other.advance(5).done
    assert other.propose(1)[0].dna == search.propose(1)[0].dna


def test_random_paths_keep_a_share_of_a_budget_for_scores():
    search = started("rsps?n_scored=8", Budget(passes=50))
    finish(search)
    assert 44 <= search.training.step <= 46
    assert 1 <= len(search._scores) <= 18
    assert 50 <= search.cost.passes < 51
    assert search.propose(1)[0].info["shared_score"] == max(search._scores)


@pytest.mark.parametrize("steps", [1, 3, 50])
def test_a_share_never_leaves_its_range(steps):
    schedule = Schedule(Plan(), Budget(passes=2.0 * steps), 5)
    shares = [schedule.share(s, Cost(passes=2.0 * s)) for s in range(2 * steps)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 1


# -- results ------------------------------------------------------------------------------------------------------------------


def test_random_paths_propose_the_best_of_different_points_on_the_same_images():
    search = started("rsps?epochs=2&n_candidates=12")
    progress = finish(search)
    assert progress.step == 10 + 12
    candidates = search._candidates()
    assert len(set(candidates)) == 12
    scores = {dna: search._score(dna)[0] for dna in candidates}
    proposals = search.propose(3)
    assert [scores[p.dna] for p in proposals] == sorted(scores.values(), reverse=True)[:3]
    assert proposals[0].info["shared_score"] == scores[proposals[0].dna]


def test_a_small_space_is_scored_whole():
    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.op = oneof(OPS, name="op", channels=1)
            self.head = nn.Linear(1, 2)

        def forward(self, x):
            return self.head(self.op(x).mean((2, 3)))

    search = algorithms.get("rsps?epochs=1")
    search.setup(Space(Small), problem(), 0)
    finish(search)
    assert len(search._scores) == 4


def test_the_proposal_says_what_it_rests_on():
    search = started("darts?epochs=2")
    finish(search)
    first, second = search.propose(2)
    assert first.dna == search.net.derive()
    assert second.dna != first.dna
    said = {"log_prob", "entropy", "logits_entropy", "notes", "shared_score", "supernet_score", "curves", "in_hand", "cost"}
    assert set(first.info) == said
    assert first.info["cost"] == {"passes": pytest.approx(2 * 3 / 3)}
    with search.net.fixed(first.dna), torch.no_grad():
        right = sum(int((search.net(x).argmax(1) == y).sum()) for x, y in search.scorer.batches)
    assert first.info["shared_score"] == right / N_VALID


def test_proposing_is_refused_before_the_end():
    search = started("darts?epochs=2")
    search.advance(3)
    with pytest.raises(ArgumentError, match="propose: got a search at step 3 of 10"):
        search.propose(1)


def test_gradients_with_fixed_decisions_are_means_over_the_training_split():
    search = started("darts?epochs=1")
    search.advance(3)
    before = search.state()
    found = search.gradients({"op0": "id", "op1": "id", "op2": "conv1"})
    assert same(before, search.state())
    assert not any("=conv3" in name for name in found)
    net = search.net
    total = 0
    for x, y in search.problem.batches("train", 1, 0):
        with net.fixed({"op0": "id", "op1": "id", "op2": "conv1"}):
            total = total + torch.autograd.grad(F.cross_entropy(net(x), y), net.network.head.bias)[0]
    assert torch.allclose(found["network.head.bias"], total / 5, atol=5e-2)
    other = search.gradients({"op0": "conv3", "op1": "id", "op2": "conv1"})
    assert not torch.equal(other["network.head.bias"], found["network.head.bias"])


def test_one_program_goes_through_every_kind_of_search_and_stays_as_it_is():
    import oche

    space, x = Space(Net), torch.ones(2, 1, 4, 4)
    attributes, generator_state = dict(vars(Net)), torch.get_rng_state()
    before = [space.build(space.at(i), seed=1) for i in (0, 9, 47)]
    for name in ("random", "regularized-evolution?population=3&tournament=2"):
        for child, feedback in oche.sample(Net, name, n=6, seed=0):
            feedback(float(child.eval()(x).detach().sum()))
    for name in ("rsps", "darts", "darts-2nd", "pc-darts?k=2"):
        search = started(name, Budget(epochs=1))
        finish(search)
        search.space.validate(search.propose(1)[0].dna)
    assert dict(vars(Net)) == attributes
    assert torch.equal(torch.get_rng_state(), generator_state)
    for child, i in zip(before, (0, 9, 47), strict=True):
        again = space.build(space.at(i), seed=1)
        assert all(torch.equal(a, b) for a, b in zip(child.state_dict().values(), again.state_dict().values(), strict=True))
        assert torch.equal(child.eval()(x), again.eval()(x))


# -- refusals -----------------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_a_number_names_its_step():
    search = started("darts?epochs=4", poison=7)
    search.advance(7)
    kept = search.state()
    with pytest.raises(TrainingError, match="training loss at step 8: got nan"):
        search.advance(5)
    again = started("darts?epochs=4")
    again.load(kept)
    assert finish(again).step == 20


@pytest.mark.parametrize(
    ("text", "budget", "error", "fragment"),
    [
        ("pc-darts?k=2&warmup=50", None, ArgumentError, "warmup: got 50 epochs of 50"),
        ("pc-darts?k=3", None, ArgumentError, "choice 'op0' at .*: got 4 channels and k=3"),
        ("darts", Budget(trials=40), BudgetError, "got trials=40; allowed: epochs, passes, seconds"),
        ("darts", Budget(epochs=0.1), BudgetError, "got epochs=0.1; allowed: at least one step, 1/5 of an epoch"),
        ("darts?epochs=0", None, ArgumentError, "epochs: got 0"),
        ("darts?lr=-1", None, ArgumentError, "lr: got -1"),
        ("darts?warm_up=3", None, UnknownNameError, "unknown setting of algorithm 'darts': got 'warm_up'.*'warmup'"),
        ("one-shot?mixer=uniform-path&pick=derive", None, ArgumentError, "pick: got 'derive' with UniformPath"),
        ("rsps?n_candidates=0", None, ArgumentError, "n_candidates: got 0"),
    ],
)
def test_bad_settings_are_refused(text, budget, error, fragment):
    with pytest.raises(error, match=fragment):
        started(text, budget)


def test_an_empty_validation_split_is_refused():
    from dataclasses import replace

    with pytest.raises(ArgumentError, match="valid split: got no batches"):
        algorithms.get("darts").setup(Space(Net), replace(problem(), n_batches={"train": 5, "valid": 0}), 0)
    for scheme, name in (("rarts", "RARTS"), ("value-penalty", "ValuePenalty")):
        said = f"valid split: got no batches; allowed: at least one, since {name} needs two disjoint splits"
        with pytest.raises(ArgumentError, match=said):
            algorithms.get("darts").exchanged(scheme).setup(Space(Net), replace(problem(), n_batches={"train": 5}), 0)


def test_presets_have_the_published_settings():
    darts, pc, paths = (algorithms.get(name) for name in ("darts", "pc-darts", "rsps"))
    assert (darts.plan.epochs, darts.plan.lr, darts.plan.lr_min, darts.plan.arch_lr, darts.plan.warmup) == (50, 0.025, 0.001, 3e-4, 0)
    assert (pc.plan.lr, pc.plan.lr_min, pc.plan.arch_lr, pc.plan.warmup, pc.mixer.k) == (0.1, 0.0, 6e-4, 0.3, 4)
    assert pc.mixer.needs_edges
    assert (paths.pick, paths.n_candidates, paths.n_scored) == ("score", 100, 512)
    assert isinstance(paths.mixer, UniformPath)
    assert (pc.plan.momentum, pc.plan.weight_decay, pc.plan.clip, pc.plan.arch_weight_decay) == (0.9, 3e-4, 5.0, 1e-3)


def test_the_rate_of_the_weights_may_fall_by_cosine_power_annealing():
    plan = Plan(epochs=10, lr=1.0, lr_min=0.0, power=10.0)
    # The published proportions of p = 10 over ten epochs.
    published = (1, 0.939122, 0.780686, 0.580163, 0.390383, 0.240253, 0.135067, 0.067482, 0.027325, 0.006441, 0)
    assert [plan.lr_at(t / 10) for t in range(11)] == pytest.approx(published, abs=1e-6)
    search = started("one-shot?epochs=2&lr=1.0&lr_min=0.0&power=2")
    search.advance(search.schedule.n_train + 1)
    assert search._metrics["lr"] == pytest.approx(1 / (2**0.5 + 1))
    with pytest.raises(ArgumentError, match="power: got 0"):
        Plan(power=0)


@pytest.mark.parametrize("weighting", ["scalar", "max-w"])
def test_a_search_says_how_decided_its_logits_are(weighting):
    search = started(f"one-shot?epochs=1&weighting={weighting}")
    finish(search)
    info = search.propose(1)[0].info
    shares = []
    for logits in search.net.named_arch().values():
        p = torch.softmax(logits.detach().double(), -1)
        shares.append(float(-(p * p.log()).sum() / torch.log(torch.tensor(float(len(p))))))
    assert info["logits_entropy"] == pytest.approx(sum(shares) / len(shares)) and 0.9 < info["logits_entropy"] <= 1
