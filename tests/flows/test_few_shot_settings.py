"""Every setting of a few-shot search does what it says."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

import oche
from oche import flows
from oche.errors import ArgumentError, OcheError, SpaceError, UnknownNameError
from oche.flows._matching import Score, similarity, survivors
from oche.loop import Problem
from oche.loop.workbench import as_factory
from oche.mixers import UniformPath
from oche.program import Space, oneof
from oche.supernets import supernet
from oche.testing.weight_sharing import same
from tests.algorithms.test_one_shot import Net, problem

torch.set_num_threads(1)


def searched(steps: int = 50, algorithm: str = "rsps?epochs=1&n_candidates=2", **settings):
    flow = flows.FewShot(**{"splits": "1:2", "final_epochs": 1, "batches": 2, "criterion": "random", **settings})
    search = flow.search(as_factory(algorithm))
    search.setup(Space(Net), problem(), 0)
    while steps and not search.advance(steps).done:
        pass
    return search


def test_a_function_says_which_candidates_agree_and_another_one_which_pick_is_best():
    asked: list[str] = []

    def pairs(net, choice):
        """conv3 goes with id, and conv1 with drop; op2 disagrees most."""
        asked.append(choice)
        camp = np.array([1.0, -1.0, -1.0, 1.0])
        return np.outer(camp, camp) * {"op0": 0.1, "op1": 0.2, "op2": 0.9}[choice]

    search = searched(criterion=pairs, select=lambda net, dna: -float(net.space.decisions(dna)["op2"] in ("conv3", "id")))
    root = search.tree["root"]
    assert asked == ["op0", "op1", "op2"]
    assert (root["choice"], root["groups"], root["cut"]) == ("op2", [["conv3", "id"], ["conv1", "drop"]], pytest.approx(-0.9))
    assert [leaf["score"] for leaf in search.leaves] == [-1.0, 0.0]
    assert search.propose(1)[0].info["leaf"] == "root/op2:{conv1,drop}"
    assert search.cost.passes == searched(select=lambda net, dna: 0.0).cost.passes  # such a criterion costs no pass


def test_choices_by_name_are_split_in_order_and_an_unknown_one_is_refused():
    search = searched(splits="1:2,2:2", choose=["op2", "op0"])
    assert search.tree["root"]["choice"] == "op2"
    assert {n["choice"] for path, n in search.tree.items() if path.count("/") == 1} == {"op0"}
    with pytest.raises(UnknownNameError, match="did you mean 'op1'"):
        searched(0, choose="op11")


@pytest.mark.parametrize(("restart", "starts"), [("none", [0, 5, 10]), ("final", [0, 5, 0]), ("all", [0, 0, 0])])
def test_restart_says_who_inherits(restart, starts):
    search = searched(restart=restart, splits="1:2,2:2", final_epochs=2)
    assert [nodes[0].start for nodes in search.nodes.levels] == starts
    assert [n["epochs"] for n in search.tree.values()] == pytest.approx([1, 1, 1, 2, 2, 2, 2])


def test_the_epochs_of_last_nodes_are_those_of_the_algorithm_if_none_are_given():
    search = searched(final_epochs=None, algorithm="rsps?epochs=3&n_candidates=2")
    assert [leaf["epochs"] for leaf in search.leaves] == [3, 3]


def test_a_node_that_is_trained_leaves_parent_and_sibling_alone():
    search = searched(0, splits="1:2,2:2", restart="none")
    while search.nodes.results.keys() != {"root"}:
        search.advance(1)
    before = torch.cat([w.flatten() for w in search.network.weights()])
    end, (left, right) = search._ends["root"], search.ready()
    kept = copy.deepcopy(end["inner"]["training"])
    other = search.part(right)
    other.setup(search.space, search.problem, search.seed)
    other.inherit(end)
    at_start = other.state()
    search.advance(4)
    assert not torch.equal(before, torch.cat([w.flatten() for w in search.network.weights()]))
    assert same(other.state(), at_start) and same(end["inner"]["training"], kept)
    again = search.part(right)
    again.setup(search.space, search.problem, search.seed)
    again.inherit(end)
    assert same(again.state(), at_start) and left.source == right.source == "root"


def test_a_choice_can_be_split_again_if_that_is_asked_for():
    search = searched(splits="1:2,2:2", choose=["op0", "op0"], resplit=True)
    assert sorted(leaf["path"].rsplit(":", 1)[1] for leaf in search.leaves) == ["{conv1}", "{conv3}", "{drop}", "{id}"]
    with pytest.raises(ArgumentError, match=r"split 2: got 2 groups, and no choice .* use fewer groups, or resplit=true"):
        searched(splits="1:2,2:2", choose=["op0", "op0"])


def test_a_tolerance_ends_the_comparison_of_equals_and_a_sketch_is_near():
    def score(name, shift):
        return Score(name, ("x", "y"), 2, [np.array([[1, c], [c, 1]]) for c in (0.1 + shift, 0.2, 0.3)])

    one, near, unsure = score("a", 0.0), score("b", 0.01), score("c", 0.6)
    assert [s.choice for s in survivors([one, near, unsure], 3)] == ["a", "b", "c"]
    assert [s.choice for s in survivors([one, near, unsure], 3, tolerance=0.02)] == ["a", "c"]
    net, batch = supernet(Net, UniformPath(), seed=1), next(iter(problem().batches("train", 0, 0)))
    labels = ("conv3", "conv1", "id")
    exact, sketch = (similarity(net, problem(), "op0", labels, batch, sketch=size) for size in (0, 4096))
    assert 0 < np.abs(exact - sketch).max() < 4 / 64


def test_a_choice_behind_an_input_is_probed_where_that_input_is_taken():
    """Two of three inputs are drawn; where that of a choice is not among them, its candidates would all have the same gradient."""
    net, batch = supernet(Net, UniformPath(), seed=1), next(iter(problem().batches("train", 0, 0)))
    drawn = []
    for number in range(6):
        with net.at(number, "weights", 0):
            drawn.append(net.draw().gates["inputs"].active)
        s = similarity(net, problem(), "op0", ("conv3", "conv1", "id"), batch, number)
        assert max(s[0, 1], s[0, 2], s[1, 2]) < 0.9999 < s.diagonal().max()
    assert {0 in active for active in drawn} == {False, True}


class Summed(nn.Module):
    """Nothing is shared: all weights belong to the candidates."""

    def __init__(self):
        super().__init__()
        self.op = oneof({f"o{i}": lambda: nn.Linear(3, 2) for i in range(3)}, name="op")

    def forward(self, x):
        return self.op(x)


def test_a_choice_without_shared_weights_and_an_empty_part_are_refused():
    fits = Problem(lambda m, b: m(b).square().sum(), None, None, {}, 1)
    with pytest.raises(ArgumentError, match="split of 'op': got a supernet whose weights all belong to its candidates"):
        similarity(supernet(Summed, UniformPath()), fits, "op", ("o0", "o1"), torch.ones(2, 3))
    with pytest.raises((ArgumentError, SpaceError), match="op"):
        Space(Summed).restrict({"op": []})


@pytest.mark.parametrize("shards", [1, 2, 4])
def test_batches_can_be_shared_out_between_workers(shards):
    """Each worker has a supernet of its own; the mean of their sums is that of one worker."""
    batches = [batch for epoch in (0, 1) for batch in problem().batches("train", 0, epoch)][:8]
    labels = ("conv3", "conv1", "id")

    def total(numbers):
        net = supernet(Net, UniformPath(), seed=1)
        return sum(similarity(net, problem(), "op0", labels, batches[i], i, seed=2) for i in numbers)

    one = total(range(8)) / 8
    assert np.abs(sum(total(range(shard, 8, shards)) for shard in range(shards)) / 8 - one).max() < 1e-12


def test_what_does_not_fit_the_space_is_refused_before_anything_is_trained():
    space = oche.spaces.get("nasbench201", channels=4, cells=1)
    for settings, message in (
        ({"splits": "1:9"}, "split 1: got 9 groups, .* allowed: at most 5 groups"),
        ({"splits": "1:2,2:6"}, "split 2: got 6 groups"),
        ({"splits": "1:2", "choose": "edge9"}, "choice: got 'edge9'"),
        ({"splits": "1:2", "select": "oracle", "benchmark": "foo:cifar10:200"}, "table: got 'foo'"),
    ):
        with pytest.raises(OcheError, match=message):
            flows.FewShot(**settings).check(space)


def test_a_chain_of_choices_is_split_at_random_but_not_by_gradients():
    task = oche.tasks.classification("digits[:100]", recipe={"epochs": 1, "batch_size": 32}, device="cpu")
    space = oche.spaces.get("hypercuboid", in_channels=1)
    with pytest.raises(ArgumentError, match=r"criterion: got 'gm'.*also needs what was decided before it"):
        flows.FewShot("1:2").search(lambda: oche.algorithms.get("rsps", epochs=1)).setup(space, task.problem(0), 0)
    search = flows.FewShot("1:2", criterion="random", final_epochs=1).search(lambda: oche.algorithms.get("rsps", epochs=1))
    search.setup(space, task.problem(0), 0)
    while not search.advance(50).done:
        pass
    first, second = search.tree["root"]["groups"]
    choice = search.tree["root"]["choice"]
    labels = space.points[list(space.keys).index(choice)].labels
    assert sorted(first + second) == sorted(labels) and abs(len(first) - len(second)) <= 1
    assert space.decisions(search.propose(1)[0].dna)[choice] in labels
