"""HyperCuboid: published sizes, paths as points, derivation, and one space for all algorithms."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import oche
from oche import networks, spaces
from oche.algorithms.one_shot_picks import top
from oche.errors import ArgumentError, DataError, NotRelaxable, SpaceError, UnknownNameError
from oche.program import DNA
from oche.spaces.hypercuboid import HyperCuboid, decisions, graph, leanings, read_weights, stored_paths
from oche.spaces.hypercuboid._text import read_path
from oche.supernets.longest_path import PathRule
from oche.supernets.widening import narrowed

KEYS = ("block 1 stride 1", "block 1 stride 2", "block 2 stride 1", "block 2 stride 2")
X = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def space():
    return spaces.get("hypercuboid", in_channels=1)


@pytest.fixture(scope="module")
def net(space):
    made = oche.supernet(space)
    for seed, logits in enumerate(made.arch()):
        with torch.no_grad():
            logits.copy_(torch.randn(logits.shape, generator=torch.Generator().manual_seed(seed)))
    return made


@pytest.fixture(scope="module")
def big():
    return spaces.get("hypercuboid", channels=36, steps=4, layers=8, head=768)


def weights_of(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_small_cuboid_has_the_published_integers(space, net):
    assert space.size == 3888 and space.keys == KEYS
    assert weights_of(net.network) == 22_906
    assert [tuple(logits.shape) for logits in net.arch()] == [(18,)] * 4
    assert len(space.labels(KEYS[0])) == 18 and len(space.labels(KEYS[1])) == 6


def test_another_small_cuboid():
    made = oche.supernet(spaces.get("hypercuboid", channels=8, in_channels=3))
    assert weights_of(made.network) == 60_090 and made.space.size == 3888


def test_the_published_cuboid(big):
    assert list(big.program.states) == ["32", "64", "128", "256"] and big.size == 2**26
    nodes, edges = graph(big.program)
    assert (len(nodes), len(edges), len(set(nodes))) == (304, 530, 304)
    with torch.device("meta"):
        made = oche.supernet(big)
    assert weights_of(made.network) == 8_930_122 and sum(a.numel() for a in made.arch()) == 256
    parts = made.network.path._modules
    assert [weights_of(parts[f"=stem {c}"]) for c in (32, 64, 128, 256)] == [928, 1856, 3712, 7424]
    assert [weights_of(parts[f"=sink {c}"]) for c in (32, 64, 128, 256)] == [624_672, 649_536, 699_264, 798_720]
    assert weights_of(made.network.classifier) == 7690


def test_the_published_chain_by_hand(big):
    chain = big.build(big.encode_decisions(big.program.hand_made()))
    assert networks.count(chain, (3, 32, 32)) == networks.Counts(1_035_882, 15_142_400)
    assert chain.path(torch.zeros(1, 3, 32, 32)).shape == (1, 768, 2, 2)


def test_the_hand_made_path_of_the_small_one(space):
    assert list(space.program.hand_made().values()) == ["4->4 sep_conv_3x3", "8 max_pool_3x3", "8 sep_conv_3x3", "16 max_pool_3x3"]


@pytest.mark.parametrize("index", [0, 1234, 3887])
def test_a_child_is_the_supernet_at_its_path(space, net, index):
    dna = space.at(index)
    child, fresh = net.child(dna), net.child(dna, weights="fresh")
    assert list(child.state_dict()) == list(fresh.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(child.parameters(), fresh.parameters(), strict=True))
    net.train(), child.train()
    with net.fixed(dna):
        assert torch.allclose(net(X), child(X), atol=1e-6)


def test_a_mixture_is_the_weighted_sum_of_its_ways(net, space):
    mixture = net.network.path
    with net.at(0):
        found = mixture
        h = {c: found._modules[f"=stem {c}"](X) for c in ("4", "8", "16")}
        row = net.policy.rows[KEYS[0]]
        p = torch.softmax(net.policy.logits(KEYS[0]), -1)
        wanted = sum(
            p[i] * found._modules[f"={KEYS[0]}: {label}"](h[row.link.starts[i]])
            for i, label in enumerate(row.labels)
            if row.link.ends[i] == "8"
        )
        seen = {}
        step = mixture.steps[0]
        seen = mixture._step(step, net.draw(), h)
    assert torch.allclose(seen["8"], wanted, atol=1e-5) and set(seen) == {"4", "8", "16"}


@pytest.mark.parametrize("rule", [PathRule(), PathRule(score="log"), PathRule(cost_weight=0.05), PathRule(score="log", cost_weight=0.3)])
def test_the_derived_path_is_the_best_of_all(space, net, rule):
    rows = [net.policy.rows[key] for key in KEYS]
    p = [torch.softmax(net.policy.logits(key), -1).detach().double() for key in KEYS]
    heaviest = max(max(row.link.costs) for row in rows)

    def worth(dna: DNA) -> float:
        taken = net.policy.placed(space.decisions(dna))
        at = [row.labels.index(taken[row.key]) for row in rows]
        gains = [float(q[i].log() if rule.score == "log" else q[i]) for q, i in zip(p, at, strict=True)]
        return sum(gains) - rule.cost_weight * sum(row.link.costs[i] for row, i in zip(rows, at, strict=True)) / heaviest

    ranked = sorted(((-worth(dna), i) for i, dna in enumerate(space)))
    best = net.policy.paths(5, rule)
    assert [space.index(dna) for dna in best] == [i for _, i in ranked[:5]]
    if rule == PathRule():
        assert net.derive() == best[0]
    if rule == PathRule(score="log"):
        assert top(space, net.policy, 5) == best


def test_max_w_changes_no_sum_path(space, net):
    before = net.derive()
    weighted = oche.weightings.MaxW()
    levels = [net.policy.rows[key] for key in KEYS]
    scores = {row.key: weighted(torch.softmax(net.policy.logits(row.key), -1)).tolist() for row in levels}
    from oche.supernets.chains import decided
    from oche.supernets.chains import levels as as_levels

    ((_, path),) = PathRule().best(as_levels(levels, scores))
    found = decided(net.policy.rows, {row.key: i for row, i in zip(levels, path, strict=True)})
    assert space.encode_decisions(found) == before


def test_greedy_paths_look_at_one_level_at_a_time(space, net):
    forward = net.policy.paths(1, PathRule(way="forward"))[0]
    first = net.policy.rows[KEYS[0]].labels[int(net.policy.logits(KEYS[0]).argmax())]
    assert space.decisions(forward)[KEYS[0]] == first
    backward = net.policy.paths(1, PathRule(way="backward"))[0]
    last = net.policy.rows[KEYS[-1]].labels[int(net.policy.logits(KEYS[-1]).argmax())]
    assert space.decisions(backward)[KEYS[-1]] == last.partition("->")[2]


def test_probabilities_of_all_paths_sum_to_one_and_give_the_entropy():
    small = spaces.get("hypercuboid", steps=2, layers=2, in_channels=1)
    policy = oche.supernet(small, seed=1).policy
    for seed, key in enumerate(policy.keys):
        with torch.no_grad():
            policy.logits(key).copy_(torch.randn(8, generator=torch.Generator().manual_seed(seed)))
    logs = torch.stack([policy.log_prob(dna).detach() for dna in small])
    assert len(logs) == 32 and float(logs.exp().sum()) == pytest.approx(1.0)
    assert float(policy.entropy().detach()) == pytest.approx(float(-(logs.exp() * logs).sum()))
    drawn = [small.index(policy.sample(seed)) for seed in range(300)]
    assert drawn.count(int(logs.argmax())) / 300 == pytest.approx(float(logs.max().exp()), abs=0.08)


@pytest.mark.parametrize("mixer", ["uniform-path", "fair-path", "gumbel-hard", "gumbel-softmax", "sandwich", "partial-channels", "sigmoid"])
def test_every_kind_of_mixer_runs_a_step(space, mixer):
    made = oche.supernet(space, mixer=mixer)
    for step in range(3):
        with made.at(step):
            drawn = made.draw()
            out = made(X)
        out.sum().backward()
        assert out.shape == (3, 10)
        chosen = [drawn.gates[key].active for key in KEYS]
        if all(active is not None for active in chosen):
            links = [made.policy.rows[key].link for key in KEYS]
            ends = [link.ends[active[0]] for link, active in zip(links, chosen, strict=True)]
            starts = [link.starts[active[0]] for link, active in zip(links, chosen, strict=True)]
            assert starts[1:] == ends[:-1]


def test_uniform_paths_are_uniform_over_paths(space):
    made = oche.supernet(space, mixer="uniform-path")
    counts: dict[str, int] = {}
    for step in range(600):
        with made.at(step):
            drawn = made.draw()
        row = made.policy.rows[KEYS[2]]
        decision = row.link.decisions[drawn.gates[KEYS[2]].active[0]]
        counts[decision] = counts.get(decision, 0) + 1
    assert len(counts) == 6 and max(counts.values()) < 2 * min(counts.values())


def test_candidates_of_little_probability_can_be_left_out(space):
    made = oche.supernet(space, mixer="softmax?skip=true")
    logits = made.named_arch()[KEYS[0]]
    with torch.no_grad():
        logits.zero_()
        logits[3], logits[5] = 2.0, -6.0
    left, p = 5, torch.softmax(logits.detach(), -1)
    assert float(p[left]) < 1 / 324 < float(p.sort().values[1])
    ran = []
    for label in made.policy.rows[KEYS[0]].labels:
        made.network.path._modules[f"={KEYS[0]}: {label}"].register_forward_hook(lambda *_, label=label: ran.append(label))
    whole = oche.supernet(space)
    whole.load_state_dict(made.state_dict())
    with made.at(0), whole.at(0):
        gates = made.draw().gates
        y = made(X)
        assert gates[KEYS[0]].active == tuple(i for i in range(18) if i != left) and gates[KEYS[1]].active is None
        assert len(ran) == 17 and made.policy.rows[KEYS[0]].labels[left] not in ran
        assert torch.allclose(y, whole(X), atol=0.05) and not torch.equal(y, whole(X))
    y.square().sum().backward()
    assert float(logits.grad.abs().sum()) > 0
    with pytest.raises(ArgumentError, match="softmax, skip"):
        oche.supernet(space, mixer="softmax?skip=2")


@pytest.mark.parametrize("suffix", [".json", ".npy"])
def test_stored_weights_give_the_path_of_their_file(space, tmp_path, suffix):
    # The layout of the authors: [stride][block][start][end][op], here with the operations in another order than the space.
    ops, ways = ["max_pool_3x3", "sep_conv_3x3"], ["sep_conv_3x3", "max_pool_3x3"]
    stored = np.random.default_rng(0).dirichlet(np.ones(18), (2, 2)).reshape(2, 2, 3, 3, 2)
    file = tmp_path / f"weights{suffix}"
    if suffix == ".npy":
        np.save(file, stored)
    else:
        file.write_text(json.dumps(stored.tolist()))
    found = read_weights(file)
    assert np.array_equal(found, stored)

    def worth(dna):
        labels, at, total = space.decisions(dna), None, 0.0
        for number, key in enumerate(KEYS):
            label = labels[key]
            if at is None:
                at, label = label.split("->")
            end, op = label.split(" ")
            total += stored[number % 2, number // 2, [4, 8, 16].index(int(at)), [4, 8, 16].index(int(end)), ops.index(op)]
            at = end
        return total

    ranked = sorted(((-worth(dna), i) for i, dna in enumerate(space)))
    best = stored_paths(space, found, ops, k=3)
    assert [space.index(dna) for _, dna in best] == [i for _, i in ranked[:3]]
    assert best[0][0] == pytest.approx(-ranked[0][0])
    assert stored_paths(space, found, ways)[0][1] != best[0][1]
    shares = leanings(found, ops)
    assert sum(mean for mean, _ in shares.values()) == pytest.approx(1 / 9) and sum(top for _, top in shares.values()) == 36


def test_the_published_paths_come_out_of_weights_of_their_shape(big):
    # Steps of the two published paths: start, operation, end; weights as of a search that is barely decided.
    scalar = "32 S 32, 32 P 128, 128 S 128, 128 P 32, 32 P 256, 256 P 256, 256 P 256, 256 P 256"
    max_w = "256 P 128, 128 P 256, 256 P 32, 32 P 256, 256 S 256, 256 P 256, 256 P 256, 256 P 256"
    for text in (scalar, max_w):
        stored = np.full((2, 4, 4, 4, 2), 1 / 32)
        for number, step in enumerate(text.split(", ")):
            start, op, end = step.split(" ")
            a, b = ([32, 64, 128, 256].index(int(c)) for c in (start, end))
            stored[number % 2, number // 2, a, b, "SP".index(op)] += 1e-3
        ((score, dna),) = stored_paths(big, stored, ["sep_conv_3x3", "max_pool_3x3"])
        assert score == pytest.approx(0.25 + 8e-3)
        names = {"S": "sep_conv_3x3", "P": "max_pool_3x3"}
        steps = [step.split(" ") for step in text.split(", ")]
        assert list(big.decisions(dna).values()) == [
            (f"{a}->" if i == 0 else "") + f"{b} {names[op]}" for i, (a, op, b) in enumerate(steps)
        ]


def test_bad_stored_weights_are_named(space, tmp_path):
    good = np.zeros((2, 2, 3, 3, 2))
    with pytest.raises(ArgumentError, match=r"ops: got \['pool'\].*sep_conv_3x3, max_pool_3x3"):
        stored_paths(space, good, ["pool"])
    with pytest.raises(ArgumentError, match=r"shape \(2, 2, 3, 3, 1\).*\(2, 2, 3, 3, 2\)"):
        stored_paths(space, good[..., :1], ["sep_conv_3x3", "max_pool_3x3"])
    with pytest.raises(ArgumentError, match="allowed: a cuboid"):
        stored_paths(spaces.get("nasbench201"), good, ["a"])
    with pytest.raises(ArgumentError, match="one name for each"):
        leanings(good, ["a"])
    (tmp_path / "a.json").write_text("[[1, 2], [3]]")
    np.save(tmp_path / "b.npy", np.array([np.nan]))
    np.save(tmp_path / "c.npy", np.array([{}], dtype=object), allow_pickle=True)
    for name in ("a.json", "b.npy", "c.npy", "missing.npy"):
        with pytest.raises(DataError, match="weights file"):
            read_weights(tmp_path / name)


def test_a_path_of_another_grid_is_refused(space, big):
    text = big.program.architecture(big.program.hand_made())
    with pytest.raises(ArgumentError, match=r"states 32, 64, 128, 256 and 8 levels.*states 4, 8, 16 and 4 levels"):
        decisions(space, text)
    assert decisions(big, text) == big.program.hand_made()


def test_a_mixer_whose_gates_need_every_candidate_is_refused(space):
    with pytest.raises(NotRelaxable, match="BinaryPath"):
        oche.supernet(space, mixer="binary-path")


def test_dropping_single_candidates_is_refused(net):
    with pytest.raises(NotRelaxable, match="level of a chain"):
        narrowed(net, 4)


def test_a_sub_supernet_keeps_weights_and_only_paths_that_are_left(space, net):
    allowed = {KEYS[1]: ["8 sep_conv_3x3", "16 max_pool_3x3"], KEYS[3]: ["4 sep_conv_3x3"]}
    small = net.restrict(allowed)
    assert small.space.size == 18 * 2 * 6
    assert set(small.policy.rows[KEYS[2]].link.starts) == {"8", "16"} and len(small.policy.rows[KEYS[3]].labels) == 3
    dna = small.space.sample(3)
    child, same = small.child(dna), net.child(small.space.lift(dna))
    assert all(torch.equal(child.state_dict()[k], v) for k, v in same.state_dict().items())
    assert space.decisions(small.space.lift(small.derive()))[KEYS[3]] == "4 sep_conv_3x3"
    whole = small.space.fix({KEYS[0]: "4->4 max_pool_3x3"})
    assert oche.supernet(whole)(X).shape == (3, 10)


def test_a_decision_may_be_fixed_alone(net):
    with net.fixed({KEYS[1]: "8 max_pool_3x3"}), net.at(0):
        gate = net.draw().gates[KEYS[1]]
        assert len(gate.active) == 3 and gate.weights is None and net(X).shape == (3, 10)
    with pytest.raises(UnknownNameError, match="9 max_pool"), net.fixed({KEYS[1]: "9 max_pool_3x3"}):
        pass


def test_a_path_is_written_and_read_and_built_again(space, net, tmp_path):
    dna = net.derive()
    text = space.program.architecture(space.decisions(dna))
    states, taken = read_path(text)
    assert states == ["4", "8", "16"] and taken == decisions(space, text) == space.decisions(dna)
    child = space.build(space.encode_decisions(taken), seed=3).eval()
    torch.save(child.state_dict(), tmp_path / "child.pt")
    other = space.build(dna, seed=9).eval()
    other.load_state_dict(torch.load(tmp_path / "child.pt", weights_only=True))
    assert torch.equal(child(X), other(X))
    with pytest.raises(ArgumentError, match="path: got"):
        read_path("Path(states=[4])")


def test_the_program_can_be_sent_to_a_worker():
    import cloudpickle

    program = pickle.loads(cloudpickle.dumps(HyperCuboid()))
    assert oche.Space(program).fingerprint == oche.Space(HyperCuboid()).fingerprint


def test_other_axes_with_builders_of_ones_own():
    def make(start, end, stride, kernel, act):
        return nn.Sequential(nn.Conv2d(start["width"], end["width"], kernel, stride, padding=kernel // 2), act())

    program = HyperCuboid(
        {"width": [2, 4]},
        {"kernel": [1, 3], "act": {"relu": nn.ReLU, "tanh": nn.Tanh}},
        levels=1,
        strides=(1, 2, 2),
        make=make,
    )
    made = oche.Space(program, in_channels=1)
    assert made.size == 2 * (2 * 4) ** 3 and made.keys[1:] == ("block 1 stride 2 (2)", "block 1 stride 2 (3)")
    assert oche.supernet(made)(X).shape == (3, 10)


@pytest.mark.parametrize("algorithm", ["random", "regularized-evolution", "reinforce", "optuna:tpe"])
def test_the_same_object_goes_through_algorithms_that_train_each_point(space, algorithm):
    pooled = lambda child: -sum(isinstance(m, nn.MaxPool2d) for m in child.modules())
    runs = oche.search(space, algorithm, pooled, budget=oche.Budget(trials=12), progress=False)
    assert len(runs[0].trials) == 12 and runs.best.record.value > -4


@pytest.mark.parametrize("axis", ["lr", "batch_size", "weight_decay"])
def test_an_axis_of_the_training_is_refused_with_advice(axis):
    with pytest.raises(NotRelaxable, match=f"axis '{axis}'.*regularized-evolution"):
        HyperCuboid(free={"op": ["sep_conv_3x3"], axis: [0.1, 0.2]})


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"carry": {"width": []}}, "width.*no path"),
        ({"carry": {"width": [4, 4]}}, "none twice"),
        ({"free": {"op": []}}, "op.*at least one"),
        ({"free": {"op": ["sep_conv_3x3"], "kernel": [3]}}, "make="),
        ({"carry": {"width": [4], "op": ["a"]}}, "carried and free"),
        ({"carry": {"width": [0]}}, "whole numbers"),
        ({"levels": 0}, "levels"),
        ({"strides": ()}, "strides"),
    ],
)
def test_bad_axes(arguments, what):
    with pytest.raises(ArgumentError, match=what):
        HyperCuboid(**arguments)


def test_bad_sizes_and_names():
    for arguments in ({"layers": 3}, {"channels": 0}, {"steps": 0}, {"head": 0}):
        with pytest.raises(ArgumentError, match=next(iter(arguments))):
            spaces.get("hypercuboid", **arguments)
    with pytest.raises(UnknownNameError, match="sep_conv_3x3"):
        spaces.get("hypercuboid", ops=["sep_conv_3"])
    with pytest.raises(UnknownNameError, match="score of a path"):
        spaces.get("hypercuboid", score="product")


def test_candidates_of_unequal_shape_are_named():
    def make(start, end, stride, op):
        return nn.Conv2d(start["width"], end["width"], 3, stride if op == "a" else 1, padding=1)

    made = oche.supernet(HyperCuboid({"width": [2, 4]}, {"op": ["a", "b"]}, make=make, levels=1), seed=0)
    with pytest.raises(oche.errors.ShapeMismatch, match=r"2->2 a.*2->2 b"):
        made(torch.zeros(2, 3, 8, 8))


def test_a_choice_inside_a_lattice_is_refused():
    def make(start, end, stride, op):
        return oche.oneof([lambda: nn.Identity(), lambda: nn.ReLU()])

    with pytest.raises(SpaceError, match="choice inside"):
        oche.Space(HyperCuboid({"width": [2]}, {"op": ["a"]}, make=make))
