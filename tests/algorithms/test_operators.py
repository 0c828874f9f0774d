"""Operators of evolution: every result is a legal point; textbook crossovers; the algebra; schedules."""

from __future__ import annotations

import doctest
import importlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oche import seeds
from oche.algorithms import operators as op
from oche.algorithms.operators import Context
from oche.errors import ArgumentError
from oche.program import DNA, Space, floatv, intv, manyof, oneof, permutate
from oche.testing.spaces import SPACES

NESTED = {
    "order": permutate([oneof(["p", "q"]), "r", oneof([floatv(0.0, 1.0), 5]), "s"]),
    "inner": oneof([permutate([1, 2, 3]), manyof(2, [oneof([1, 2]), 3, 4], sorted=True)]),
    "free": manyof(3, [oneof(["x", "y"]), "z"], distinct=False),
    "count": intv(1, 64, log=True),
    "rate": floatv(0.1, 0.9, "rlog"),
}
ALL = {**{name: Space(make()) for name, make in SPACES.items()}, "nested": Space(NESTED)}
OPERATORS = [
    op.Random(3), op.Sample(3), op.Proportional(3), op.Top(2), op.Bottom(2), op.First(2), op.Last(0.5), op.Uniform(), op.SampleParents(),
    op.Average(), op.WeightedAverage(), op.KPoint(1), op.KPoint(2), op.Segmented([1, 3]), op.First(2) >> op.PMX(),
    op.First(2) >> op.Order(), op.First(2) >> op.Cycle(), op.Mutate(), op.Mutate(True), op.Swap(), op.Gaussian(0.3), op.Gaussian(0.5, True),
    ((op.Sample(2) >> op.PMX()) * 2 | op.Swap() ** 2).until_change() >> op.Mutate().with_prob(0.5),
]  # fmt: skip


@pytest.mark.parametrize("module", ["_base", "_mutators", "_permutations", "_recombinators", "_schedules", "_selectors"])
def test_every_operator_has_an_example_that_runs(module):
    found = importlib.import_module(f"oche.algorithms.operators.{module}")
    names = {name: getattr(op, name) for name in op.__all__}
    extra = {**names, "oneof": oneof, "permutate": permutate, "floatv": floatv, "DNA": DNA}
    result = doctest.testmod(found, extraglobs=extra, raise_on_error=False)
    assert result.attempted and not result.failed
    public = [getattr(op, n) for n in op.__all__ if getattr(op, n).__module__ == found.__name__]
    assert not [p.__name__ for p in public if ">>>" not in (p.__doc__ or "") and p.__name__ != "value"]


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), which=st.integers(0, len(OPERATORS) - 1), n=st.integers(2, 5))
def test_every_result_is_a_legal_point(name, seed, which, n):
    space = ALL[name]
    context = Context(space, seeds.generator(seed))
    for member in OPERATORS[which](context.draw(n), context):
        space.validate(DNA(member.dna.flat))


@pytest.mark.parametrize("operator", OPERATORS, ids=repr)
def test_every_operator_keeps_every_nested_point_legal_and_repeats_itself(operator):
    space, seen = ALL["nested"], []
    for _ in range(2):
        context = Context(space, seeds.generator(1))
        made = [m for _ in range(100) for m in operator(context.draw(3), context)]
        for member in made:
            space.validate(DNA(member.dna.flat))
        seen.append([m.dna.flat for m in made])
    assert seen[0] == seen[1] and seen[0]


# The parents of Eiben and Smith, Introduction to Evolutionary Computing, section 4.5.
A, B = [1, 2, 3, 4, 5, 6, 7, 8, 9], [9, 3, 7, 8, 2, 6, 5, 1, 4]


def test_partially_mapped_crossover_as_in_the_textbook():
    assert op.PMX.cross(A, B, 3, 7) == [9, 3, 2, 4, 5, 6, 7, 1, 8]


def test_order_crossover_as_in_the_textbook():
    assert op.Order.cross(A, B, 3, 7) == [3, 8, 2, 4, 5, 6, 7, 1, 9]


def test_cycle_crossover_as_in_the_textbook():
    assert op.Cycle.cross(A, B) == [1, 3, 7, 4, 2, 6, 5, 8, 9]
    assert op.Cycle.cross(B, A) == [9, 2, 3, 8, 5, 6, 7, 1, 4]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.integers(2, 8).flatmap(
        lambda n: st.tuples(st.permutations(range(n)), st.permutations(range(n)), st.integers(0, n), st.integers(0, n))
    )
)
def test_crossovers_of_permutations_give_permutations_of_their_parents_places(case):
    a, b, i, j = case
    i, j = min(i, j), max(i, j)
    for kind in (op.PMX, op.Order, op.Cycle):
        child = kind.cross(a, b, i, j)
        assert sorted(child) == sorted(a)
        assert kind.cross(a, a, i, j) == list(a)
        if kind is not op.Cycle:
            assert child[i:j] == list(a[i:j])
        else:
            assert all(c in (x, y) for c, x, y in zip(child, a, b, strict=True))


def test_what_is_inside_a_candidate_goes_with_it():
    space = Space(permutate([oneof(["p", "q"]), oneof(["u", "v"]), "r"]))
    context = Context(space, seeds.generator(3))
    # Both parents hold q and v inside; so do all their children, wherever the candidates stand.
    inside = lambda m: sorted(map(str, space.decode(m.dna)))
    parents = [m for m in context.draw(200) if inside(m) == ["q", "r", "v"]]
    for operator in (op.PMX(), op.Order(), op.Cycle(), op.KPoint(1), op.Uniform()):
        for first, second in itertools.pairwise(parents):
            assert all(inside(m) == ["q", "r", "v"] for m in operator([first, second], context))


def test_the_algebra_on_sets_of_points():
    context = Context(Space({"x": oneof(list(range(9)))}), seeds.generator(0))
    members = [context.member([i], float(i)) for i in range(5)]
    value = lambda o: [m.dna.flat[0] for m in o(members, context)]
    first, last = op.First(3), op.Last(3)
    assert value(first + last) == [0, 1, 2, 2, 3, 4]
    assert value(first | last) == [0, 1, 2, 3, 4]
    assert value(first & last) == [2]
    assert value(first - last) == [0, 1]
    assert value(first ^ last) == [0, 1, 3, 4]
    assert value(first >> op.Last(1)) == [2]
    assert value(op.First(1) * 3) == [0, 0, 0]
    assert value((op.Identity() - op.First(1)) ** 2) == [2, 3, 4]
    assert value(op.Identity()[1:3]) == [1, 2] and value(op.Identity()[-1]) == [4] and value(op.Identity()[2]) == [2]
    assert value(~first) == value(-first) == [3, 4]
    assert value(op.Top(2) >> (lambda found, context: found[::-1])) == [3, 4]
    assert value(op.First(1).for_each().flatten()) == [0, 1, 2, 3, 4]
    assert value(op.Top(0.5)) == [4, 3, 2] and value(op.Last(0.21)) == [3, 4] and value(op.Last(0)) == []


def test_probability_conditions_and_memory():
    context = Context(Space({"x": oneof(list(range(9)))}), seeds.generator(0), step=5)
    members = context.draw(4)
    short = [len(op.First(1).with_prob(0.25)(members, context)) == 1 for _ in range(2000)]
    assert abs(sum(short) / 2000 - 0.25) < 0.03
    late = lambda found, context: context.step >= 5
    assert len(op.First(1).if_true(late)(members, context)) == 1
    assert len(op.First(1).if_false(late)(members, context)) == 4
    (op.Top(2) >> op.Remember("elite") >> op.Remember("n", lambda found, context: len(found)))(members, context)
    assert op.Recall("elite")([], context) == op.Top(2)(members, context)
    assert len(op.First(op.recalled("n", 1))(members, context)) == 2


def test_a_schedule_moves_a_selector_with_the_step():
    space = Space({"x": oneof(list(range(9)))})
    counts = []
    for step in (0, 50, 100, 1000):
        context = Context(space, seeds.generator(0), step)
        counts.append(len(op.First(lambda c: int(op.Linear(10, 2, steps=100)(c)))(context.draw(20), context)))
    assert counts == [10, 6, 2, 2]
    at = lambda schedule, step: schedule(Context(space, seeds.generator(0), step))
    assert at(op.Stepwise(((0, 10), (100, op.Constant(2)))), 99) == 10 and at(op.Stepwise(((0, 10), (100, op.Constant(2)))), 100) == 2
    assert [round(at(op.Cosine(1, 0, 4), s), 4) for s in range(6)] == [1, 0.8536, 0.5, 0.1464, 0, 0]
    assert at(op.Exponential(8, 0.5, every=2, least=1), 4) == 2 and at(op.Exponential(8, 0.5, least=1), 40) == 1
    assert [at(op.Cyclic(0, 4, 4), s) for s in range(5)] == [0, 2, 4, 2, 0]
    assert 3 <= at(op.RandomBetween(3, 4), 0) <= 4


@pytest.mark.parametrize("n", [-1, 1.5, True, -0.1])
def test_a_selector_refuses_what_is_neither_count_nor_share(n):
    with pytest.raises(ArgumentError, match="selector n"):
        op.Top(n)


def test_crossovers_of_permutations_want_two_parents():
    context = Context(ALL["nested"], seeds.generator(0))
    with pytest.raises(ArgumentError, match="PMX: got 3 parents"):
        op.PMX()(context.draw(3), context)


def test_proportional_selection_and_weighted_parents_follow_the_rewards():
    context = Context(Space({"x": oneof(list(range(9)))}), seeds.generator(0))
    members = [context.member([i], r) for i, r in enumerate((0.0, 1.0, 3.0))]
    drawn = [m.reward for m in op.Proportional(4000)(members, context)]
    assert drawn.count(0.0) == 0 and abs(drawn.count(3.0) / 4000 - 0.75) < 0.03
    made = [op.SampleParents()(members, context)[0].dna.flat[0] for _ in range(2000)]
    assert made.count(0) == 0 and abs(made.count(2) / 2000 - 0.75) < 0.04
