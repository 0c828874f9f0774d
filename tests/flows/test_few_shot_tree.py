"""The split tree without networks: results in, nodes out, in whatever order the results come."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oche import flows
from oche.algorithms import Plan
from oche.errors import ArgumentError
from oche.flows._few_shot_node import SplitNode
from oche.flows._few_shot_schedule import Timetable
from oche.flows._few_shot_tree import SplitTree
from oche.program import Space, oneof
from oche.seeds import derive, generator

SPACE = Space({key: oneof(["p", "q", "r", "s"], name=key) for key in "abcd"})


def tree_of(**settings) -> SplitTree:
    flow = flows.FewShot(**{"splits": "1:2,2:2,3:2", "final_epochs": 1, **settings})
    return SplitTree(flow, SPACE, Timetable(flow, Plan(epochs=2), SPACE, 10, None))


def result(node: SplitNode, level: int) -> dict:
    """What a probe might say of a node: a function of its path."""
    if level == 3:
        return {"pick": {}, "score": 0.0}
    rng = generator(derive(0, node.path))
    left = [key for key in "abcd" if key not in node.split]
    return {
        "choice": left[int(rng.integers(len(left)))],
        "groups": [["p", "q"], ["r", "s"]],
        "cut": float(rng.normal()),
        "rating": float(rng.normal()),
    }


def grown(order, **settings) -> SplitTree:
    """The tree when the next node to end is always the one that `order` says."""
    tree = tree_of(**settings)
    while not tree.done:
        ready = tree.ready()
        level, node = ready[order(len(ready))]
        assert tree.inherits(level + 1) == tree.awaited(node.path) or level == 3
        tree.tell(node.path, result(node, level))
    return tree


LIMITS = [{}, {"max_leaves": 5}, {"growth": "best"}, {"prune": 2}, {"restart": "none", "max_leaves": 3}, {"prune": 1, "growth": "best"}]


@pytest.mark.parametrize("limits", LIMITS)
@settings(max_examples=8)
@given(seed=st.integers(0, 2**31))
def test_the_order_of_results_changes_nothing(limits, seed):
    rng = generator(seed)
    one, other = grown(lambda n: 0, **limits), grown(lambda n: int(rng.integers(n)), **limits)
    assert one.levels == other.levels and list(one.ordered().items()) == list(other.ordered().items())


@pytest.mark.parametrize(("limits", "leaves"), [({}, 8), ({"max_leaves": 5}, 5), ({"growth": "best"}, 4), ({"prune": 2}, 4)])
def test_leaves_part_what_is_kept_and_every_point_has_one_at_most(limits, leaves):
    tree = grown(lambda n: -1, **limits)
    assert len(tree.leaves) == leaves
    owners = [
        sum(all(known[k] in labels for k, labels in leaf.allowed.items()) for leaf in tree.leaves)
        for known in (SPACE.decisions(SPACE.at(i)) for i in range(0, int(SPACE.size), 3))
    ]
    assert set(owners) == ({0, 1} if "prune" in limits else {1})


def test_the_nodes_that_are_kept_are_those_with_the_best_ratings():
    tree = grown(lambda n: 0, prune=1)
    for level in (1, 2):
        best = max(tree.levels[level], key=lambda node: tree.results[node.path]["rating"])
        assert {child.path.rsplit("/", 1)[0] for child in tree.levels[level + 1]} == {best.path}


def test_siblings_do_not_wait_for_each_other_unless_they_are_compared():
    for limits, waiting in (({}, False), ({"max_leaves": 5}, True)):
        tree = tree_of(**limits)
        tree.tell("root", result(tree.levels[0][0], 0))
        (_, first), (_, second) = tree.ready()
        tree.tell(first.path, result(first, 1))
        paths = [node.path for _, node in tree.ready()]
        assert second.path in paths and any(path.startswith(f"{first.path}/") for path in paths) != waiting


def test_a_level_where_nothing_can_be_split_is_an_error():
    tree = tree_of()
    with pytest.raises(ArgumentError, match="flow few-shot, split 1: got 2 groups, and no choice that can be split"):
        tree.tell("root", {"epochs": 1.0})
