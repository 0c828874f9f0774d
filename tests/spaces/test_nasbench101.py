"""NAS-Bench-101: cells, the published hash and size of a network, its space, and searches in which invalid graphs are skipped."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.spaces.made_nasbench101 import graph

import oche
from oche import spaces
from oche.errors import ArgumentError, SkipTrial, UnknownNameError
from oche.spaces.nasbench101 import (
    EDGES,
    KEYS,
    OPS,
    Graph,
    decisions,
    from_cell,
    from_decisions,
    graph_hash,
    is_valid,
    to_cell,
    vertex_channels,
)

SMALL = {"channels": 8, "cells": 1, "in_channels": 1, "momentum": 0.1}
#: The cell of the release's own example, with two 3x3 convolutions in place of a 5x5.
INCEPTION = graph(
    [(0, 1), (0, 2), (0, 3), (0, 5), (1, 6), (2, 6), (3, 4), (4, 6), (5, 6)], [OPS[1], OPS[0], OPS[0], OPS[0], OPS[2]]
)  # fmt: skip


@pytest.fixture(scope="module")
def small():
    return spaces.get("nasbench101", **SMALL)


@st.composite
def graphs(draw) -> Graph:
    n = draw(st.integers(2, 7))
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=12))
    return graph(edges, draw(st.lists(st.sampled_from(OPS), min_size=n - 2, max_size=n - 2)))


def test_26_decisions_and_the_published_size(small):
    assert small.size == 509_607_936 == 3**5 * 2**21
    assert len(small.points) == 26
    assert small.keys == KEYS
    assert [p.labels for p in small.points] == [OPS] * 5 + [("0", "1")] * 21
    assert spaces.get("nasbench101").fingerprint == small.fingerprint


@given(st.integers(0, 509_607_935))
def test_points_and_cells_go_over_into_each_other(index: int):
    space = spaces.get("nasbench101", **SMALL)
    text = to_cell(from_decisions(space.decisions(space.at(index))))
    assert space.index(space.encode_decisions(decisions(text))) == index


@given(graphs())
def test_a_smaller_cell_has_the_same_meaning_as_a_point(made: Graph):
    assert from_cell(to_cell(made)) == made
    point = from_decisions(decisions(to_cell(made)))
    assert is_valid(to_cell(made)) == is_valid(to_cell(point)) == is_valid(decisions(to_cell(made)))
    if is_valid(to_cell(made)):
        assert point.pruned() == made.pruned()


def test_the_published_hash_of_the_example():
    assert graph_hash(INCEPTION) == "28cfc7874f6d200472e1a9dcd8650aa0"


@given(graphs(), st.data())
def test_the_hash_does_not_depend_on_the_order_of_vertices(made: Graph, data: st.DataObject):
    if not is_valid(to_cell(made)):
        with pytest.raises(SkipTrial):
            graph_hash(made)
        return
    pruned = made.pruned()
    assert pruned.pruned() == pruned
    last = len(pruned.ops) - 1
    # Any order in which every edge still goes forward.
    order, left = [0], set(range(1, last))
    while left:
        free = sorted(v for v in left if all(u in order for u in range(last) if pruned.matrix[u][v]))
        order.append(data.draw(st.sampled_from(free)))
        left.remove(order[-1])
    order.append(last)
    other = Graph(tuple(tuple(pruned.matrix[i][j] for j in order) for i in order), tuple(pruned.ops[i] for i in order))
    assert graph_hash(other) == graph_hash(made)


def test_cells_that_differ_have_other_hashes():
    made = [INCEPTION, graph([(0, 1), (1, 2)], [OPS[0]]), graph([(0, 1), (1, 2)], [OPS[1]]), graph([(0, 1), (1, 2), (0, 2)], [OPS[0]])]
    made += [graph([(0, 1), (1, 2), (2, 3)], [OPS[0], OPS[1]]), graph([(0, 1), (1, 2), (2, 3)], [OPS[1], OPS[0]])]
    assert len({graph_hash(g) for g in made}) == len(made)


CHAIN = tuple((v, v + 1) for v in range(6))


@pytest.mark.parametrize(
    ("edges", "says"),
    [
        ((), "no path"),
        ((*CHAIN[:2], *CHAIN[3:]), "no path"),
        (EDGES, "21 edges after pruning"),
        ((*CHAIN, (0, 2), (0, 3), (0, 4), (0, 5)), "10 edges after pruning"),
    ],
)
def test_invalid_graphs(edges, says: str):
    made = graph(edges, [OPS[0]] * 5)
    assert not is_valid(to_cell(made))
    with pytest.raises(SkipTrial, match=says):
        made.pruned()


def test_nine_edges_are_valid():
    assert graph((*CHAIN, (0, 2), (0, 3), (0, 4)), [OPS[0]] * 5).pruned().edges == 9


def test_edges_count_after_pruning():
    # Ten edges, of which those to vertex 5 lead nowhere.
    made = graph([(0, 1), (1, 2), (2, 3), (3, 4), (4, 6), (0, 5), (1, 5), (2, 5), (3, 5), (4, 5)], [OPS[0]] * 5)
    assert made.edges == 10
    assert made.pruned() == graph([(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)], [OPS[0]] * 4)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cell", "no JSON"),
        ("[]", "allowed"),
        ('{"matrix": 3, "ops": []}', "allowed"),
        ('{"matrix": [[0]], "ops": ["input"]}', "1 operations"),
        ('{"matrix": [[0, 1]], "ops": ["input", "output"]}', "rows of"),
        ('{"matrix": [[0, 1], [1, 0]], "ops": ["input", "output"]}', r"matrix\[1\]\[0\]"),
        ('{"matrix": [[0, 2], [0, 0]], "ops": ["input", "output"]}', r"matrix\[0\]\[1\]"),
        ('{"matrix": [[0, 1], [0, 0]], "ops": ["output", "input"]}', "the first is 'input'"),
        ('{"matrix": [[0,1,0],[0,0,1],[0,0,0]], "ops": ["input", "conv3x3", "output"]}', "did you mean 'conv3x3-bn-relu'"),
    ],
)
def test_texts_that_are_no_cells(text: str, says: str):
    with pytest.raises(ArgumentError, match=says):
        from_cell(text)
    with pytest.raises(ArgumentError, match="keys"):
        from_decisions({"op 1": OPS[0]})


def test_channels_are_split_with_the_remainder_to_the_first():
    assert vertex_channels(INCEPTION, 128, 128) == [128, 32, 32, 32, 32, 32, 128]
    three = graph([(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)], [OPS[0]] * 3)
    assert vertex_channels(three, 64, 128) == [64, 43, 43, 42, 128]
    # Vertex 1 leads to both halves of 7 channels and has as many as the wider one.
    fork = graph([(0, 1), (1, 2), (1, 3), (2, 4), (3, 4)], [OPS[0]] * 3)
    assert vertex_channels(fork, 7, 7) == [7, 4, 4, 3, 7]


def test_the_published_size_of_the_example():
    net = spaces.network("nasbench101", cell=to_cell(INCEPTION))
    assert sum(p.numel() for p in net.parameters()) == 2_694_282
    assert net(torch.zeros(2, 3, 9, 7)).shape == (2, 10)


def test_the_forward_pass_of_a_cell_by_hand():
    # Vertex 1 has a channel more than vertex 3 takes; the input goes to vertex 2 and to the output too.
    made = graph([(0, 1), (1, 2), (1, 3), (0, 2), (2, 4), (3, 4), (0, 4)], [OPS[0], OPS[1], OPS[2]])
    net = spaces.network("nasbench101", cell=to_cell(made), seed=1, channels=7, stacks=1, cells=1, in_channels=1)
    net(torch.randn(8, 1, 6, 6, generator=torch.Generator().manual_seed(2)))
    net.eval()
    x = net.stem(torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(3)))
    (cell,) = net.layers
    one = cell.vertices["1"](cell.projections["1"](x))
    two = cell.vertices["2"](one + cell.projections["2"](x))
    three = torch.nn.functional.max_pool2d(one[:, :3], 3, 1, 1)
    assert (one.shape[1], two.shape[1]) == (4, 4)
    assert torch.allclose(cell(x), torch.cat([two, three], 1) + cell.projections["4"](x))


@settings(max_examples=30)
@given(graphs(), st.integers(5, 13))
def test_every_valid_cell_builds_and_runs(made: Graph, channels: int):
    if not is_valid(to_cell(made)):
        return
    net = spaces.network("nasbench101", cell=to_cell(made), channels=channels, cells=2, stacks=2, in_channels=1)
    assert net(torch.randn(2, 1, 5, 5, generator=torch.Generator().manual_seed(0))).shape == (2, 10)


def test_initial_weights_come_from_the_seed(small):
    dna = small.encode_decisions(decisions(to_cell(INCEPTION)))
    weights = [small.build(dna, seed=seed).state_dict()["stem.0.weight"] for seed in (1, 1, 2)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("wrong", [{"channels": 4}, {"cells": 0}, {"stacks": True}, {"momentum": 0}])
def test_arguments_out_of_range(wrong: dict):
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        spaces.get("nasbench101", **wrong)


def test_an_invalid_point_builds_nothing(small):
    with pytest.raises(SkipTrial, match="no path"):
        small.build(small.at(0))


def count_weights(net) -> float:
    return float(sum(p.numel() for p in net.parameters()))


def check(run, space) -> None:
    statuses = Counter()
    for trial in run.trials:
        valid = is_valid(space.decisions(trial.dna))
        assert trial.feedback.status == ("done" if valid else "skipped")
        assert (trial.feedback.reward is not None) == valid
        assert valid or "cell: got" in trial.feedback.reason
        statuses[trial.feedback.status] += 1
    assert min(statuses["done"], statuses["skipped"]) > 0
    assert run.pick is not None
    assert is_valid(space.decisions(run.pick.dna))


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_search_skips_invalid_graphs(small, executor: str):
    budget = oche.Budget(trials=40)
    run = oche.search(small, "regularized-evolution", count_weights, budget=budget, seeds=1, executor=executor)[0]
    check(run, small)
    assert len(run.trials) == 40


def test_training_skips_invalid_graphs(small):
    task = oche.tasks.classification("digits[:200]", recipe="digits?epochs=1", device="cpu")
    run = oche.search(small, "regularized-evolution", task, budget=oche.Budget(trials=12), seeds=1)[0]
    check(run, small)
    assert 0 <= run.records[0].value <= 100


def test_the_plain_loop_gets_valid_networks_only(small):
    seen = 0
    for net, feedback in oche.sample(small, "random", n=30):
        seen += 1
        feedback(count_weights(net))
    assert 0 < seen < 30


def test_as_a_constraint_invalid_points_cost_no_trial(small):
    limit = {"where": is_valid, "of": "decisions"}
    run = oche.search(small, "random", count_weights, budget=oche.Budget(trials=20), seeds=1, constraint=limit)[0]
    assert [t.feedback.status for t in run.trials] == ["done"] * 20
    # A constraint that builds networks refuses those that cannot be built.
    run = oche.search(small, "random", count_weights, budget=oche.Budget(trials=20), seeds=1, constraint={"max_params": 100_000})[0]
    assert [t.feedback.status for t in run.trials] == ["done"] * 20


def test_nats_topology_has_the_cells_of_nasbench201(oche_data):
    space = spaces.get("nats-topology", channels=4, cells=1)
    assert (space.name, space.size) == ("nats-topology", 15_625)
    assert space.fingerprint == spaces.get("nasbench201").fingerprint
    cell = spaces.table("nats-topology").cells[6111]
    net = spaces.network("nats-topology", cell=cell, channels=4, cells=1)
    assert net(torch.zeros(1, 3, 8, 8)).shape == (1, 10)
    task = oche.tasks.tabular("nats-topology", dataset="cifar10", search=("valid", 12), report=("test", 200))
    dna = space.encode_decisions(spaces.nasbench201.decisions(cell))
    assert task.report(task.child(space, dna, 0), 0).reward == pytest.approx(94.3733, abs=1e-4)
    with pytest.raises(UnknownNameError):
        spaces.get("nats-size")


def test_the_text_is_compact_json():
    assert json.loads(to_cell(INCEPTION))["ops"][1] == "conv1x1-bn-relu"
    assert " " not in to_cell(INCEPTION)
