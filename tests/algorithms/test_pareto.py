"""Fronts: the sort against brute force, crowding and hypervolume by hand, NSGA-II and local search on the front."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oche
from oche import seeds
from oche._pareto import best_of_fronts, front_crowding, knee, pareto_ranks
from oche.algorithms import ParetoFront, crowding_distance, get, hypervolume, non_dominated_sort, pareto_front
from oche.errors import ArgumentError, OcheError
from oche.loop import Interrupted
from oche.loop.contracts import Feedback
from oche.testing.spaces import space

VECTORS = st.integers(1, 4).flatmap(lambda m: st.lists(st.tuples(*[st.integers(0, 4)] * m), min_size=1, max_size=25))
PROGRAM = {f"x{i}": oche.oneof([0, 1, 2, 3], name=f"x{i}") for i in range(4)}


def _dominates(a, b):
    return all(x >= y for x, y in zip(a, b, strict=True)) and any(x > y for x, y in zip(a, b, strict=True))


def _brute_force(points):
    left, fronts = list(range(len(points))), []
    while left:
        front = [i for i in left if not any(_dominates(points[j], points[i]) for j in left)]
        fronts.append(front)
        left = [i for i in left if i not in front]
    return fronts


@settings(max_examples=100, deadline=None, derandomize=True)
@given(VECTORS)
def test_the_sort_equals_brute_force(points):
    assert non_dominated_sort(points) == _brute_force(points)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(VECTORS)
def test_a_front_that_grows_point_by_point_is_the_front_of_all(points):
    grown = ParetoFront()
    for i, point in enumerate(points):
        grown.add(i, point)
    assert sorted(grown.items) == pareto_front(points)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 4).flatmap(lambda m: st.lists(st.tuples(*[st.integers(0, 3)] * m), min_size=1, max_size=8)))
def test_hypervolume_equals_the_count_of_unit_cubes(points):
    cubes = itertools.product(range(3), repeat=len(points[0]))
    count = sum(any(all(p > c for p, c in zip(point, cube, strict=True)) for point in points) for cube in cubes)
    assert hypervolume(points, [0] * len(points[0])) == count


def test_crowding_by_hand():
    # Ranges 4 and 8; the middle points: (3-0)/4 + (8-2)/8 and (4-1)/4 + (5-0)/8.
    found = crowding_distance([(0, 8), (1, 5), (3, 2), (4, 0)])
    assert found.tolist() == [np.inf, 1.5, 1.375, np.inf]
    assert crowding_distance([(1, 1), (1, 1), (1, 1)]).tolist() == [0, 0, 0]
    assert crowding_distance([(2, 2)]).tolist() in ([0], [np.inf])


def test_the_crowding_rule_is_an_argument():
    points = [(0, 8), (1, 5), (3, 2), (4, 0), (1.1, 4.9)]
    keeps_first = lambda values: -np.arange(len(values), dtype=float)
    assert best_of_fronts(points, 2, keeps_first) == [0, 1]
    assert set(best_of_fronts(points, 2, "distance")) == {0, 3}
    assert min(front_crowding(points, pareto_ranks(points), "nearest")) == pytest.approx(np.hypot(0.1 / 4, 0.1 / 8))
    with pytest.raises(OcheError, match="crowding rule"):
        get("nsga2?crowding=distanse")


def test_rewards_that_are_not_finite_are_refused():
    with pytest.raises(ArgumentError, match="finite"):
        non_dominated_sort([(1.0, float("nan"))])
    with pytest.raises(ArgumentError, match="reference"):
        hypervolume([(1, 2)], [0])


def test_the_knee_is_nearest_to_the_ideal_point():
    assert knee([(0, 10), (8, 9), (10, 0)]) == 1


def _score(child):
    total = sum(child.values())
    spread = len(set(child.values()))
    return float(total), float(-(total**2) / 12 + spread)


@pytest.mark.parametrize("text", ["nsga2?population=10", "nsga2?population=10&crossover=two-point&crowding=nearest", "pareto-local-search"])
def test_it_finds_more_of_the_front_than_random_search(text):
    task = oche.tasks.objectives(_score, ("total", "max"), ("cheap", "max"))
    volume = {}
    for name in (text, "random"):
        runs = oche.search(PROGRAM, name, task, budget=oche.Budget(trials=80), seeds=5)
        volume[name] = np.mean([hypervolume([tuple(p["metrics"].values()) for p in run.front], (-1, -20)) for run in runs])
    assert volume[text] > volume["random"]


def test_nsga2_keeps_the_best_of_parents_and_children():
    search = get("nsga2?population=4")
    search.setup(space("categorical"), seeds.generator(0))
    rewards = {}
    for number in range(40):
        (proposal,) = search.ask(1)
        rewards[number] = (float(sum(proposal.dna.flat)), -float(proposal.dna.flat[0]))
        search.tell([(number, Feedback(reward=rewards[number]))])
    search.ask(1)
    kept = [m.reward for m in search.members]
    assert len(kept) == 4
    front = [rewards[i] for i in pareto_front(list(rewards.values()))]
    assert set(kept) <= set(front) if len(front) >= 4 else set(front) <= set(kept)


def test_local_search_starts_with_the_ends_and_goes_on_with_neighbors():
    search = get("pareto-local-search")
    search.setup(space("categorical"), seeds.generator(0))
    first = search.ask(3)
    assert [p.dna.flat for p in first] == [(4,) * 6, (0,) * 6, (2,) * 6]
    search.tell([(p.id, Feedback(reward=(float(i), -float(i)))) for i, p in enumerate(first)])
    seen = {p.dna for p in first}
    for proposal in search.ask(20):
        assert proposal.dna not in seen
        assert min(sum(a != b for a, b in zip(proposal.dna.flat, p.dna.flat, strict=True)) for p in first) == 1
        seen.add(proposal.dna)
    by_cost = oche.algorithms.ParetoLocalSearch(cost=lambda dna: -sum(dna.flat))
    by_cost.setup(space("categorical"), seeds.generator(0))
    largest, smallest, middle = (sum(p.dna.flat) for p in by_cost.ask(3))
    assert largest < middle < smallest


@pytest.mark.parametrize("name", ["categorical", "conditional", "picks", "numbers", "reals"])
def test_the_ends_are_points_of_every_space(name):
    search, on = get("pareto-local-search"), space(name)
    search.setup(on, seeds.generator(0))
    for proposal in search.ask(3):
        on.validate(oche.DNA(proposal.dna.flat))


@pytest.mark.parametrize("text", ["regularized-evolution?population=4", "evolution?initial=4", "hill-climbing", "reinforce"])
def test_algorithms_for_one_objective_name_those_for_several(text):
    with pytest.raises(ArgumentError, match=r"2 objectives.*nsga2"):
        oche.search(PROGRAM, text, lambda child: (1.0, 2.0), budget=oche.Budget(trials=9))


def test_resumed_after_a_stop_it_has_the_same_front(tmp_path):
    task = oche.tasks.objectives(_score, ("total", "max"), ("cheap", "max"))
    search = lambda store: oche.search(PROGRAM, "nsga2?population=6", task, budget=oche.Budget(trials=40), store=store)
    whole = search(None)
    calls = []

    def stops(child):
        calls.append(child)
        if len(calls) == 25:
            raise KeyboardInterrupt
        return _score(child)

    stopping = oche.tasks.objectives(oche.tasks.function(stops, name="_score"), ("total", "max"), ("cheap", "max"))
    with pytest.raises((KeyboardInterrupt, Interrupted)):
        oche.search(PROGRAM, "nsga2?population=6", stopping, budget=oche.Budget(trials=40), store=tmp_path / "runs.db")
    again = search(tmp_path / "runs.db")
    assert again.front == whole.front and [t.dna for t in again[0].trials] == [t.dna for t in whole[0].trials]
    assert again[0].records[0].content_hash() == whole[0].records[0].content_hash()
