"""Few-shot search: similarities, the tree, what it costs, and that it goes on where it was."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from oche import algorithms, flows
from oche.errors import ArgumentError, BudgetError, TrainingError
from oche.flows._few_shot_inherit import inherit
from oche.flows._few_shot_leaves import best_of
from oche.flows._few_shot_node import SplitNode
from oche.flows._few_shot_points import parts_of
from oche.flows._matching import Score, cosines, similarity, sketched, survivors
from oche.loop.contracts import Budget, Problem
from oche.loop.workbench import as_factory
from oche.mixers import Softmax, UniformPath
from oche.program import Space, oneof
from oche.seeds import torch_generator
from oche.supernets import supernet
from oche.testing.weight_sharing import same
from tests.algorithms.test_one_shot import Net, problem

torch.set_num_threads(1)

SQUARES = Problem(
    loss=lambda model, batch: 0.5 * (model(batch[0]) - batch[1]).square().sum(), score=None, batches=None, n_batches={}, epochs=1
)


def started(text="few-shot?splits=1:2,2:2&final_epochs=1&batches=2", algorithm="darts?epochs=2", budget=None, seed=0):
    made = flows.get(text).search(as_factory(algorithm))
    made.setup(Space(Net), problem(), seed, budget)
    return made


def finished(search, steps=7):
    while not search.advance(steps).done:
        pass
    return search


class Op(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


class Scalars(nn.Module):
    """y = v * o(u * x)."""

    def __init__(self):
        super().__init__()
        self.u, self.v = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.tensor(3.0))
        ops = {"identity": lambda x: x, "square": lambda x: x * x, "one": torch.ones_like, "zero": lambda x: 0.0 * x}
        self.op = oneof({name: (lambda f=f: Op(f)) for name, f in ops.items()}, name="op")

    def forward(self, x):
        return self.v * self.op(self.u * x)


def test_similarities_of_the_smallest_net():
    net = supernet(Scalars, UniformPath())
    labels = ("identity", "square", "one", "zero")
    s = similarity(net, SQUARES, "op", labels, (torch.ones(1), torch.ones(1)))
    expected = {(0, 1): 0.964764, (0, 2): 0.554700, (1, 2): 0.316228, (0, 3): 0.0, (3, 3): 0.0, (0, 0): 1.0}
    assert {pair: pytest.approx(s[pair], abs=1e-5) for pair in expected} == expected
    score = Score("op", labels, 2, [s])
    assert score.parts == [[0, 1], [2, 3]]
    assert 4 * score.cut == pytest.approx(0.870928, abs=1e-5)


def test_candidates_of_different_shapes_run_one_by_one():
    class Uneven(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Linear(3, 3)
            self.op = oneof({"all": nn.Identity, "sum": lambda: Op(lambda x: x.sum(1, keepdim=True))}, name="op")

        def forward(self, x):
            return self.op(self.stem(x)).sum(1)

    net = supernet(Uneven, UniformPath())
    net.network.op.even = False  # as where widths are drawn
    s = similarity(net, SQUARES, "op", ("all", "sum"), (torch.ones(4, 3), torch.ones(4)))
    assert s == pytest.approx(np.ones((2, 2)), abs=1e-5)


def test_cosines_are_symmetric_and_do_not_see_the_scale():
    g = torch.randn(5, 40, generator=torch.Generator().manual_seed(0))
    s = cosines(g)
    assert np.allclose(s, s.T) and np.allclose(np.diag(s), 1, atol=1e-5) and np.abs(s).max() <= 1
    assert np.abs(cosines(10 * g) - s).max() < 1e-5


class Planted(nn.Module):
    """Chained choices; the signs of one are planted."""

    def __init__(self, width: int = 16, planted: int = 1):
        super().__init__()
        self.stem = nn.Linear(8, width)
        base = torch.randn(3, width, width, generator=torch_generator(3, "base")) / width**0.5

        def op(i, sign, number):
            made = nn.Linear(width, width, bias=False)
            noise = torch.randn(width, width, generator=torch_generator(4, i, number)) / width**0.5
            made.weight = nn.Parameter(sign * (base[i] + 0.3 * noise))
            return nn.Sequential(made, nn.Tanh())

        signs = [[1, 1, -1, -1] if i == planted else [1] * 4 for i in range(3)]
        self.ops = nn.Sequential(
            *[oneof({f"o{n}": (lambda i=i, n=n: op(i, signs[i][n], n)) for n in range(4)}, name=f"c{i}") for i in range(3)]
        )
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        return self.head(self.ops(self.stem(x)))


@pytest.mark.parametrize("mixer", [UniformPath(), Softmax()])
def test_candidates_in_one_call_give_the_similarities_of_single_passes(mixer, monkeypatch):
    calls = []
    monkeypatch.setattr("oche.flows._matching.vmap", lambda f, **how: calls.append(1) or torch.func.vmap(f, **how))
    net, g = supernet(Planted, mixer), torch.Generator().manual_seed(0)
    fits = Problem(lambda m, b: F.cross_entropy(m(b[0]), b[1]), None, None, {}, 1)
    batch, labels = (torch.randn(16, 8, generator=g), torch.randint(3, (16,), generator=g)), ("o3", "o0", "o2")
    for number, key in enumerate(("c0", "c1", "c2")):
        together, apart = (similarity(net, fits, key, labels, batch, number, batched=batched) for batched in (True, False))
        assert np.abs(together - apart).max() < 1e-6 < np.abs(apart - np.eye(3)).max()
    assert len(calls) == 3
    net = supernet(Net, mixer)  # with dropout
    similarity(net, problem(), "op1", ("conv3", "id"), next(iter(problem().batches("train", 0, 0))))
    assert len(calls) == 3


def test_the_planted_conflict_is_found():
    net, rows = supernet(Planted, UniformPath()), {}
    fits = Problem(lambda m, b: F.cross_entropy(m(b[0]), b[1]), None, None, {}, 1)
    g = torch.Generator().manual_seed(0)
    batches = [(torch.randn(64, 8, generator=g), torch.randint(3, (64,), generator=g)) for _ in range(4)]
    for key in ("c0", "c1", "c2"):
        labels = tuple(f"o{n}" for n in range(4))
        rows[key] = Score(key, labels, 2, [similarity(net, fits, key, labels, b, i) for i, b in enumerate(batches)])
    best = min(rows.values(), key=lambda score: score.cut)
    assert (best.choice, best.parts) == ("c1", [[0, 1], [2, 3]])
    assert best.cut < min(rows["c0"].cut, rows["c2"].cut) - 0.5
    assert survivors(list(rows.values()), 4) == [best]
    assert len(survivors(list(rows.values()), 8)) == 3


def test_probing_changes_nothing():
    search = started()
    search.advance(5)
    before, rng, draws = search.inner.state(), torch.get_rng_state(), search.inner.net._draws
    mode, moment = search.inner.net.training, search.inner.net.policy.moment
    probe = search.work.start_probe()
    for _ in range(4):
        probe.step()
    assert same(search.inner.state(), before) and torch.equal(torch.get_rng_state(), rng)
    assert (search.inner.net.training, search.inner.net.policy.moment, search.inner.net._draws) == (mode, moment, draws)


@pytest.mark.parametrize(
    ("splits", "final", "epochs", "leaves"),
    [
        ("15:2,30:2", 30, 165, 4),
        ("20:2,40:2", 50, 260, 4),
        ("2:2,4:2,6:2", 15, 134, 8),
        ("0:7", 20, 140, 7),
        ("40:2,80:3", 40, 360, 6),
        ("30:2,60:2,90:2", 30, 450, 8),
    ],
)
def test_epochs_of_the_published_schedules(splits, final, epochs, leaves):
    flow = flows.FewShot(splits)
    assert (flow.trained_epochs(final), flow.leaves()) == (epochs, leaves)


def test_the_cost_is_that_of_all_supernets_and_of_probing():
    search = finished(started())
    probed = sum(4 * n for node in search.tree.values() for n in node.get("batches", {}).values())
    assert search.cost.epochs == pytest.approx(search.flow.trained_epochs(1) + probed / 5)
    assert len(search.leaves) == 4


@pytest.mark.parametrize("restart", ["final", "none", "all"])
def test_a_search_goes_on_from_every_checkpoint(restart):
    text = f"few-shot?splits=1:2,2:2&final_epochs=1&batches=2&restart={restart}"
    search, states = started(text), []
    while not search.advance(9).done:
        states.append(search.state())
    for state in states[1::6]:
        again = started(text)
        again.load(state)
        finished(again, 4)
        assert again.propose(4) == search.propose(4)
        assert same(again.state(), search.state())


def test_no_split_is_the_plain_search():
    alone = algorithms.get("darts?epochs=2")
    alone.setup(Space(Net), problem(), 0)
    finished(alone)
    search = finished(started(flows.FewShot([])))
    assert same(search.state()["work"]["inner"], alone.state())
    assert [p.dna for p in search.propose(3)] == [p.dna for p in alone.propose(3)]


def test_a_child_that_inherits_gives_the_outputs_of_its_parent():
    search = started("few-shot?splits=1:2&restart=none&final_epochs=1")
    search.advance(5)
    allowed = {"op0": ["conv3", "id"]}
    child = search.work._made(SplitNode("root/x", allowed), 1)
    inherit(search.inner, child, allowed)
    dna = child.space.at(3)
    whole = search.space.encode_decisions(child.space.decisions(dna))
    x = torch.randn(4, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    search.inner.net.eval(), child.net.eval()
    with search.inner.net.fixed(whole), child.net.fixed(dna):
        assert torch.equal(search.inner.net(x), child.net(x))
    assert child.training.step == 5 and child.training.weight_optimizer.state


def test_a_copy_on_a_split_is_bit_equal_at_every_point_with_its_running_statistics():
    search = started("few-shot?splits=1:2&restart=none&final_epochs=1", "darts?epochs=2&batch_norm=running")
    search.advance(5)
    parent, x = search.inner.net, torch.randn(4, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    children = []
    for allowed in ({"op0": ["conv3", "id"]}, {"op0": ["conv1", "drop"]}):
        children.append(search.work._made(SplitNode(f"root/{len(children)}", allowed), 1))
        inherit(search.inner, children[-1], allowed)
    tracked = [buffer for name, buffer in children[0].net.named_buffers() if name.endswith("running_mean")]
    assert len(tracked) == 5 and all(buffer.any() for buffer in tracked)

    def outputs(child):
        parent.eval(), child.net.eval()
        for i in range(0, int(child.space.size), 3):
            dna = child.space.at(i)
            whole = search.space.encode_decisions(child.space.decisions(dna))
            with torch.no_grad(), parent.fixed(whole), child.net.fixed(dna):
                yield parent(x), child.net(x)

    for child in children:
        assert all(torch.equal(one, other) for one, other in outputs(child))
    before = [{k: v.clone() for k, v in net.state_dict().items()} for net in (parent, children[1].net)]
    children[0].advance(2)
    for old, net in zip(before, (parent, children[1].net), strict=True):
        assert all(torch.equal(old[k], v) for k, v in net.state_dict().items()), "training a child moves neither parent nor sibling"
    assert not any(torch.equal(one, other) for one, other in outputs(children[0]))


def test_a_budget_holds_probing_too_and_other_units_are_refused():
    search = finished(started("few-shot?splits=15:2,30:2&criterion=gm", budget=Budget(epochs=40)))
    assert search.cost.epochs <= 40
    with pytest.raises(BudgetError, match="budget of flow few-shot: got epochs=1;"):
        started("few-shot?splits=1:2,2:2", budget=Budget(epochs=1))
    with pytest.raises(BudgetError, match="got passes=100"):
        started(budget=Budget(passes=100))


def test_at_most_so_many_leaves_and_kept_nodes():
    assert len(finished(started("few-shot?splits=1:2,2:2&final_epochs=1&batches=2&max_leaves=3")).leaves) == 3
    assert len(finished(started("few-shot?splits=1:2,2:2&final_epochs=1&batches=2&prune=1")).leaves) == 2


def test_vanilla_splits_one_choice_into_all():
    search = finished(started("few-shot?splits=0:all&criterion=exhaustive&choose=op1&final_epochs=1"))
    assert [leaf["path"] for leaf in search.leaves] == [f"root/op1:{{{label}}}" for label in ("conv3", "conv1", "drop", "id")]
    assert search.cost.epochs == 4


def test_as_many_groups_as_candidates_are_vanilla():
    found = []
    for part in ("0:4&criterion=gm", "0:all&criterion=gm", "0:all&criterion=exhaustive"):
        search = finished(started(f"few-shot?splits={part}&choose=op1&final_epochs=1&batches=2", "darts?epochs=1"), 30)
        found.append((search.leaves, search.propose(1)[0].dna))
    assert len(found[0][0]) == 4 and same(found[0], found[2]) and same(found[1], found[2])


def test_points_are_parted_for_other_algorithms():
    import oche

    program = {k: oneof(list(range(4)), name=k) for k in "ab"}
    reward = lambda child: float(child["a"] + child["b"])
    runs = oche.search(program, "sweep", reward, "few-shot?splits=0:all&criterion=exhaustive&choose=a", budget=oche.Budget(trials=16))
    assert len({t.dna.flat for t in runs[0].trials}) == 16 and runs.best.record.value == 6.0
    parts = parts_of(Space(program), flows.FewShot("0:2,1:2", criterion="random"))
    assert sum(Space(program).restrict(part).size for part in parts) == 16
    with pytest.raises(ArgumentError, match="needs a weight-sharing algorithm"):
        oche.search(program, "sweep", reward, "few-shot?splits=0:2", budget=oche.Budget(trials=16))


@pytest.mark.parametrize(
    "settings",
    [{"splits": "2:2,2:2"}, {"splits": "1:1"}, {"splits": "a"}, {"max_leaves": 1}, {"batches": 0}, {"select": "oracle"}, {"choose": "op1"}],
)
def test_settings_that_are_not_possible(settings):
    with pytest.raises(ArgumentError, match="flow few-shot"):
        flows.FewShot(**settings)


def test_a_gradient_that_is_not_finite_is_named():
    net = supernet(Scalars, UniformPath())
    with pytest.raises(TrainingError, match="split of 'op': got a gradient of candidate 'identity' on batch 2"):
        similarity(net, SQUARES, "op", ("identity", "one"), (torch.full((1,), float("nan")), torch.ones(1)), 2)


def test_one_candidate_whose_gradient_is_not_finite_is_named_and_no_other():
    class Burst(nn.Module):
        def __init__(self):
            super().__init__()
            self.u = nn.Parameter(torch.tensor(2.0))
            self.op = oneof({"calm": nn.Identity, "burst": lambda: Op(lambda x: x / (x - 2))}, name="op")

        def forward(self, x):
            return self.op(self.u * x)

    with pytest.raises(TrainingError, match="split of 'op': got a gradient of candidate 'burst' on batch 1"):
        similarity(supernet(Burst, UniformPath()), SQUARES, "op", ("calm", "burst"), (torch.ones(1), torch.ones(1)), 1)


def test_a_sketch_keeps_cosines():
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(20_000, generator=generator)
    rows = torch.stack([shared + noise * torch.randn(20_000, generator=generator) for noise in (0.5, 0.5, 2.0)])
    kept = torch.stack([sketched(row, 4096) for row in rows])
    assert kept.shape == (3, 4096)
    assert np.abs(cosines(kept) - cosines(rows)).max() < 4 / 4096**0.5
    assert torch.allclose(sketched(rows[0] + rows[1], 4096), kept[0] + kept[1], atol=1e-4)


def test_choices_are_compared_batch_by_batch():
    """What a batch adds to all cuts alike hides nothing: intervals of single cuts overlap here, that of the difference does not."""
    noise = [0.4, -0.3, 0.2, -0.4, 0.1]
    one = Score("a", ("x", "y"), 2, [np.array([[1, s], [s, 1]]) for s in noise])
    other = Score("b", ("x", "y"), 2, [np.array([[1, s], [s, 1]]) for s in [n + 0.05 + 0.01 * (i % 2) for i, n in enumerate(noise)]])
    assert one.cut + one.error > other.cut - other.error
    assert survivors([one, other], 5) == [one]
    assert survivors([one, other], 6) == [one, other]
    near = Score("c", ("x", "y"), 2, [np.array([[1, s - 0.001], [s - 0.001, 1]]) for s in noise])
    assert survivors([one, near], 5) == [near]


def test_every_point_is_scored_by_the_leaf_that_holds_it():
    search = finished(started("few-shot?splits=1:2&final_epochs=1&choose=op0&batches=2"))
    points = [search.space.at(i) for i in (0, 11, 24, 47)]
    scores = flows.shared_scores(search, points, 24)
    paths = [search.leaf_of(dna) for dna in points]
    assert len(set(paths)) == 2
    for dna, path, score in zip(points, paths, scores, strict=True):
        leaf, known = search.leaf(path), search.space.decisions(dna)
        assert all(label in path for key, label in known.items() if key == "op0")
        assert flows.shared_scores(leaf, [leaf.space.encode_decisions(known)], 24)[0] == pytest.approx(score, abs=1)
    plain = finished(started("joint"))
    assert len(flows.shared_scores(plain, points, 24)) == 4


def test_the_tree_grows_where_the_cut_is_smallest():
    search = finished(started("few-shot?splits=1:2,2:2,3:2&final_epochs=1&batches=2&growth=best"))
    assert len(search.leaves) == 4 == search.flow.leaves()
    for level in (2, 3):
        nodes = {p: n for p, n in search.tree.items() if p.count("/") == level - 1 and "cut" in n}
        smallest = min(nodes, key=lambda p: nodes[p]["cut"])
        assert f"{smallest}/whole" not in search.tree and all(f"{p}/whole" in search.tree for p in nodes if p != smallest)


@pytest.mark.parametrize("n", [1, 2, 5, 7])
def test_the_best_of_some_random_ones_is_exact(n):
    values = np.sort(np.random.default_rng(0).normal(size=7))
    assert best_of(values, n) == pytest.approx(np.mean([max(c) for c in itertools.combinations(values, n)]))
