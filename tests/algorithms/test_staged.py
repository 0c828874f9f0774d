"""Searches in stages: who survives, skips within a limit, widened weights, and stages that end where they should."""

from __future__ import annotations

import math

import pytest
import torch
from tests.algorithms.test_one_shot import Net, finish, problem
from tests.supernets.test_policy import DARTS_OPS, SHORT, Cell
from torch import nn

from oche import algorithms
from oche.algorithms import Limit, OneShot, Plan, Stage, Staged
from oche.errors import ArgumentError
from oche.loop.contracts import Budget
from oche.mixers import Dirichlet, PartialChannels, SkipDropout, Softmax
from oche.mixers.skip_dropout import rate
from oche.program import Space, oneof
from oche.supernets import supernet
from oche.supernets.drawn import Moment
from oche.supernets.widening import Widening, narrowed

torch.set_num_threads(1)


def started(text, budget: Budget | None = None, space: Space | None = None):
    made = algorithms.get(text) if isinstance(text, str) else text
    made.setup(space or Space(Net), problem(), 0, budget)
    return made


# -- candidates ---------------------------------------------------------------------------------------------------------------


def test_the_three_smallest_probabilities_go_and_of_equal_ones_the_lower_index_first():
    p = torch.tensor([0.20, 0.05, 0.15, 0.30, 0.10, 0.08, 0.07, 0.05])
    net = supernet(Cell)
    with torch.no_grad():
        net.named_arch()["edge0"].copy_(p.log())
    gone = lambda n: [i for i, label in enumerate(DARTS_OPS) if label not in narrowed(net, 8 - n)["edge0"]]
    assert [gone(1), gone(2), gone(3)] == [[1], [1, 7], [1, 6, 7]]


def test_at_least_one_candidate_that_can_be_decided_survives():
    net = supernet(Cell)
    with torch.no_grad():
        net.named_arch()["edge0"][0] = 5.0
        net.named_arch()["edge0"][4] = 1.0
    assert narrowed(net, 1)["edge0"] == ["sep_conv_3x3"]
    assert narrowed(net, 2)["edge0"] == ["none", "sep_conv_3x3"]


def survivors() -> dict[str, list[str]]:
    return {f"edge{e}": [DARTS_OPS[i] for i in sorted({3, 4 + e % 4, e % 3})] for e in range(14)}


def genotype(net, dna) -> str:
    """Pairs of each node by ascending input, as P-DARTS writes them."""
    decisions, edge, parts = net.space.decisions(dna), 0, []
    short = {**SHORT, "none": "none"}
    for node in range(2, 6):
        inputs = sorted(map(int, decisions.get(f"node{node}", ("0", "1"))))
        parts.append(" ".join(f"{short[decisions[f'edge{edge + i}']]} {i}" for i in inputs))
        edge += node
    return " | ".join(parts)


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (8, "sk 0 sk 1 | sk 0 sk 2 | sk 1 sk 3 | sk 1 sk 3"),
        (4, "sk 0 s5 1 | sk 0 sk 2 | sk 1 mp 2 | ap 2 mp 4"),
        (2, "s3 0 s5 1 | sk 0 sk 2 | ap 0 mp 2 | ap 2 mp 4"),
        (1, "s3 0 s5 1 | d5 1 sk 2 | ap 0 mp 2 | ap 2 mp 4"),
    ],
)
def test_skips_within_a_limit_give_the_published_cells(most, expected):
    net = supernet(Space(Cell).restrict(survivors()))
    with torch.no_grad():
        for e in range(14):
            row = net.named_arch()[f"edge{e}"]
            labels = net.policy.rows[f"edge{e}"].labels
            row.copy_(torch.tensor([math.sin(3 * e + j + 1) + (0.9 if label == "skip_connect" else 0.0) for j, label in enumerate(labels)]))
    assert genotype(net, Limit(most)(net)) == expected


def test_a_limit_is_checked_and_ends_where_nothing_else_is_left():
    with pytest.raises(ArgumentError, match="limit of 'skip_connect': got -1"):
        Limit(-1)
    space = Space(Cell).restrict({f"edge{e}": ["skip_connect"] for e in range(14)})
    net = supernet(space)
    assert set(net.space.decisions(Limit(0)(net)).values()) >= {"skip_connect"}


# -- dropout behind skips -----------------------------------------------------------------------------------------------------


def test_the_rate_has_the_published_values():
    expected = {0: 0.384, 9: 0.24, 10: 0.4, 11: 0.327492, 24: 0.024324}
    assert {t: pytest.approx(rate(0.4, t), abs=1e-6) for t in expected} == expected


def test_only_plain_skips_drop_and_only_in_training():
    class Skips(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.op = oneof({"skip_connect": nn.Identity, "linear": lambda: nn.Linear(50, 50)}, name="op")

        def forward(self, x):
            return self.op(x)

    net = supernet(Skips, SkipDropout(p=0.5))
    x = torch.ones(20, 50)
    linear, p = net.network.op.inside[1], net.policy.probabilities("op")
    for share, q in ((0.0, rate(0.5, 0)), (0.4, 0.5), (0.96, rate(0.5, 24))):
        with net.at(0, moment=Moment(share, share)):
            torch.manual_seed(0)
            skipped = ((net.train()(x) - p[1] * linear(x)) / p[0]).detach()
        values = {round(v, 4) for v in skipped.flatten().tolist()}
        assert values == {0.0, round(1 / (1 - q), 4)}
        assert float((skipped.abs() < 1e-4).float().mean()) == pytest.approx(q, abs=0.06)
        with net.at(0, moment=Moment(share, share)):
            assert torch.allclose(net.eval()(x), p[0] * x + p[1] * linear(x), atol=1e-6)
    with net.train().fixed({"op": "skip_connect"}):
        assert torch.equal(net(x), x)


# -- widening -----------------------------------------------------------------------------------------------------------------


def test_wider_candidates_copy_channels_of_narrower_ones():
    space = Space(Net, channels=8)
    narrow, wide = supernet(space, PartialChannels(4)), supernet(space.restrict({"op0": ["conv3", "id"]}), PartialChannels(2), seed=5)
    with torch.no_grad():
        narrow.named_arch()["op0"].copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    Widening(narrow, wide, 0).apply()
    assert wide.named_arch()["op0"].tolist() == [1, 4]
    assert torch.equal(wide.network.stem.weight, narrow.network.stem.weight)
    name = next(n for n, t in wide.network.state_dict().items() if n.endswith("=conv3.0.weight") and t.shape[0] == 4)
    old, new = narrow.network.state_dict()[name], wide.network.state_dict()[name]
    assert (tuple(old.shape), tuple(new.shape)) == ((2, 2, 3, 3), (4, 4, 3, 3))
    assert torch.equal(new[:2, :2], old)
    index = [next(j for j in range(2) if torch.equal(new[i, :2], old[j])) for i in range(4)]
    assert torch.equal(new, old[index][:, index]), "inputs and outputs are copied alike"
    again = supernet(space.restrict({"op0": ["conv3", "id"]}), PartialChannels(2), seed=9)
    Widening(narrow, again, 0).apply()
    assert torch.equal(again.network.state_dict()[name], new), "a function of the seed"
    with pytest.raises(ArgumentError, match="allowed: sizes that grow"):
        Widening(wide, narrow, 0).widened(name, new, old)


# -- stages -------------------------------------------------------------------------------------------------------------------


def test_p_darts_goes_from_eight_to_five_to_three_candidates():
    search = started("p-darts?epochs=1&warmup=0&cells=null&keep=[3,2]")
    seen, stages = {}, []
    progress = search.advance(1)
    while not progress.done:
        seen.setdefault(search.stage, {key: len(row.labels) for key, row in search.network.policy.rows.items() if row.kind == "one"})
        stages.append(search.inner.mixer.p)
        progress = search.advance(1)
    assert [set(n.values()) for n in seen.values()] == [{4}, {3}, {2}]
    assert sorted(set(stages)) == [0.0, 0.4, 0.7]
    assert progress.step == progress.total == 15
    assert search.cost.passes == 30
    search.space.validate(search.propose(1)[0].dna)
    assert [p.id for p in search.propose(3)] == list(range(len(search.propose(3))))


def test_the_published_settings_of_stages():
    p, d = algorithms.get("p-darts"), algorithms.get("drnas")
    assert [s.keep for s in p.stages] == [5, 3, None]
    assert [round(s.cells * 8) for s in p.stages] == [5, 11, 17]
    plan = p.stages[0].make().plan
    assert (plan.epochs, plan.warmup, plan.lr, plan.lr_min, plan.arch_lr, plan.clip, plan.arch_clip) == (25, 0.4, 0.025, 0, 6e-4, 5, 5)
    first, second = (s.make() for s in d.stages)
    assert (first.mixer.k, second.mixer.k, d.stages[0].keep, d.stages[1].carry) == (6, 4, 4, True)
    assert isinstance(first.mixer.inner, Dirichlet)
    assert first.plan.lr_at(1.0) == pytest.approx(second.plan.lr_at(0.0)) == pytest.approx(0.05), "one cosine over both stages"
    assert (first.plan.lr_at(0.0), second.plan.lr_at(1.0)) == (0.1, 0.0)
    assert (first.plan.warmup, first.plan.arch_lr, first.plan.arch_weight_decay) == (0.4, 6e-4, 1e-3)
    assert algorithms.get("drnas?kl=0.001").stages[0].make().plan.arch_weight_decay == 0


def test_a_carried_stage_starts_where_the_one_before_ended():
    search = started("drnas?epochs=1&k=[2,1]&keep=[2]&warmup=0")
    search.advance(4)
    before = {name: w.detach().clone() for name, w in search.network.named_weights().items()}
    first = search.inner
    search.advance(1)
    assert search.stage == 1
    stem = "network.stem.weight"
    assert torch.equal(search.network.named_weights()[stem], first.net.named_weights()[stem])
    assert not torch.equal(search.network.named_weights()[stem], before[stem])
    momentum = [t.training.weight_optimizer.state[t.training.weight_group.tensors[stem]]["momentum_buffer"] for t in (first, search.inner)]
    assert torch.equal(*momentum)
    kept = {key: search.network.policy.rows[key].labels for key in ("op0", "op1", "op2")}
    assert all(len(labels) == 2 for labels in kept.values())
    for key, labels in kept.items():
        old = first.net.policy.rows[key].labels
        assert search.network.named_arch()[key].tolist() == first.net.named_arch()[key][[old.index(label) for label in labels]].tolist()


def test_a_budget_is_divided_between_stages():
    search = started("p-darts?cells=null&keep=[3,2]", Budget(passes=30))
    finish(search)
    assert 26 <= search.cost.passes <= 36
    epochs = started("p-darts?cells=null&keep=[3,2]", Budget(epochs=3))
    finish(epochs)
    assert epochs.cost.passes == pytest.approx(3 * 10 - 3 * 2)


def test_cells_of_a_stage_follow_the_program():
    class Deep(nn.Module):
        def __init__(self, cells: int = 8) -> None:
            super().__init__()
            self.stem = nn.Conv2d(1, 4, 1)
            self.cells = nn.ModuleList(oneof({"a": nn.Identity, "b": nn.ReLU, "c": nn.Tanh}, name="op") for _ in range(cells))
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            x = self.stem(x)
            for cell in self.cells:
                x = cell(x)
            return self.head(x.mean((2, 3)))

    search = started("p-darts?epochs=1&warmup=0&keep=[2,2]", space=Space(Deep))
    depths = {}
    progress = search.advance(1)
    while not progress.done:
        depths[search.stage] = len(search.network.network.cells)
        progress = search.advance(1)
    assert depths == {0: 5, 1: 11, 2: 17}
    search.space.validate(search.propose(1)[0].dna)


def test_stages_that_do_not_fit_are_refused():
    make = lambda: OneShot(Softmax(), plan=Plan(epochs=1))
    with pytest.raises(ArgumentError, match="stages: got none"):
        Staged([])
    with pytest.raises(ArgumentError, match=r"stages, keep: got \[2, 3\]; allowed: numbers from 1 that do not grow"):
        Staged([Stage(make, 2), Stage(make, 3), Stage(make)])
    with pytest.raises(ArgumentError, match=r"p-darts: got 1 numbers to keep, 3 rates"):
        algorithms.get("p-darts?keep=[3]")
    with pytest.raises(ArgumentError, match=r"drnas, k: got \[2, 4\]"):
        algorithms.get("drnas?k=[2,4]")
    with pytest.raises(ArgumentError, match="skip dropout, p: got 1"):
        SkipDropout(p=1)
    search = started("p-darts?epochs=1&warmup=0&cells=null&keep=[3,2]")
    search.advance(1)
    with pytest.raises(ArgumentError, match="propose: got a search in stage 1 of 3"):
        search.propose(1)
