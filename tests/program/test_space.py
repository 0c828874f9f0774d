"""Order, ranks, decoding, encoding, restriction: the laws of a space."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oche
from oche.errors import DNAError, SpaceError, UndeclaredDecision, UnknownNameError
from oche.program import DNA, Space


def example():
    return {
        "a": oche.oneof([1, {"b": oche.oneof(["x", "y"])}]),
        "c": oche.manyof(2, [0, 1, 2], sorted=True),
        "d": oche.oneof([True, False]),
    }


def test_canonical_order_of_the_example():
    space = Space(example())
    assert space.size == 18
    assert [p.id for p in space.points] == ["a", "a[=1/2].b", "c[0]", "c[1]", "d"]
    first = [(0, 0, 1, 0), (0, 0, 1, 1), (0, 0, 2, 0), (0, 0, 2, 1), (0, 1, 2, 0), (0, 1, 2, 1)]
    assert [space.at(i).flat for i in range(6)] == [(a, None, c0, c1, d) for a, c0, c1, d in first]
    assert space.at(6).flat == (1, 0, 0, 1, 0)
    assert [space.index(space.at(i)) for i in range(18)] == list(range(18))
    flats = [tuple(-1 if g is None else g for g in dna.flat) for dna in space]
    assert flats == sorted(flats)


def test_decode_and_encode_are_inverse_on_all_points():
    space = Space(example())
    for dna in space:
        value = space.decode(dna)
        assert space.encode(value) == dna
        assert space.decode(space.encode(value)) == value
        assert space.from_nested(space.nested(dna)) == dna
        assert DNA.from_json(dna.to_json()) == dna
    assert space.decode(space.from_nested([(1, 0), [1, 2], 0])) == {"a": {"b": "x"}, "c": [1, 2], "d": True}
    assert space.nested(DNA((1, 0, 1, 2, 0))) == [(1, 0), [1, 2], 0]


def test_encode_names_the_path_and_the_candidates():
    with pytest.raises(SpaceError, match=r"'a'.*got 5.*candidates 1, \{'b'"):
        Space(example()).encode({"a": 5, "c": [0, 1], "d": True})
    with pytest.raises(SpaceError, match=r"fixed"):
        Space({"a": oche.oneof([1, 2]), "n": 7}).encode({"a": 1, "n": 8})


def test_partial_space_leaves_the_rest_open():
    space = Space({"a": oche.oneof([1, 2]), "b": oche.oneof([3, 4])})
    part = space.where("^a")
    children = [part.decode(dna) for dna in part]
    assert [c["a"] for c in children] == [1, 2]
    for child in children:
        rest = Space(child)
        assert rest.keys == ("b",)
        assert [rest.decode(d)["b"] for d in rest] == [3, 4]
    assert space.decode(part.lift(part.at(1))) == {"a": 2, "b": 3}


def test_partial_space_of_a_plain_program_goes_on_as_an_open_program():
    def program():
        return [oche.oneof([1, 2], name="a"), oche.oneof([3, 4], name="b")]

    space = Space(program)
    part = space.where("^a")
    rest = Space(part.decode(part.at(1)))
    assert rest.keys == ("b",)
    assert [rest.decode(d) for d in rest] == [[2, 3], [2, 4]]
    assert space.decode(rest.lift(rest.at(1))) == [2, 4]


def test_fix_and_restrict_lift_to_the_root():
    space = Space({"a": oche.oneof(["p", "q", "r"]), "b": oche.oneof([3, 4])})
    few = space.restrict({"a": ["q", "r"]})
    assert few.size == 4
    assert few.fingerprint != space.fingerprint
    assert [few.decode(d)["a"] for d in few] == ["q", "q", "r", "r"]
    assert [space.decode(few.lift(d)) for d in few] == [few.decode(d) for d in few]
    rest = space.fix({"a": "r"})
    assert [space.decode(rest.lift(d)) for d in rest] == [{"a": "r", "b": 3}, {"a": "r", "b": 4}]
    with pytest.raises(UnknownNameError, match=r"did you mean 'q'|allowed"):
        space.restrict({"a": ["z"]})
    with pytest.raises(DNAError, match=r"another space"):
        space.validate(few.at(0))


def test_same_name_is_one_decision():
    program = [oche.oneof(["u", "v"], name="op"), oche.oneof(["u", "v"], name="op"), oche.oneof(["u", "v"])]
    space = Space(program)
    assert space.size == 4
    assert [space.decode(d) for d in space] == [["u", "u", "u"], ["u", "u", "v"], ["v", "v", "u"], ["v", "v", "v"]]
    with pytest.raises(SpaceError, match=r"'op'.*\[0\].*\[1\]"):
        Space([oche.oneof([1, 2], name="op"), oche.oneof([1, 2, 3], name="op")])
    with pytest.raises(SpaceError, match=r"both be active"):
        Space([oche.oneof([1, oche.oneof([2, 3], name="x")]), oche.oneof([1, oche.oneof([2, 3], name="x")])])


def test_control_flow_on_a_plain_value_is_discovered():
    def program():
        return [oche.oneof(["p", "q"], name=f"op{i}") for i in range(oche.oneof([2, 4], name="depth"))]

    space = Space(program)
    assert space.size == 4 + 16
    values = [space.decode(dna) for dna in space]
    assert sorted({len(v) for v in values}) == [2, 4]
    assert len({tuple(v) for v in values}) == 20


def test_a_choice_that_only_a_child_meets_is_named():
    hidden = []

    def program():
        value = oche.oneof([1, 2], name="a")
        if hidden:
            oche.oneof([3, 4], name="late")
        return value

    space = Space(program)
    hidden.append(True)
    with pytest.raises(UndeclaredDecision, match=r"'late'.*callable"):
        space.decode(space.at(0))


def test_callable_nesting():
    space = Space(lambda: oche.oneof([1, lambda: oche.oneof([2, 3])]))
    assert [space.decode(d) for d in space] == [1, 2, 3]


def test_repeat_counts_only_what_is_there():
    space = Space(lambda: oche.repeat(lambda i: oche.oneof(["u", "v"]), [1, 3], name="depth"))
    assert space.size == 2 + 8
    assert len({tuple(space.decode(d)) for d in space}) == 10


def test_measures_differ_where_sub_sizes_differ():
    space = Space(oche.oneof([1, oche.oneof(list(range(9)))]))
    rng = np.random.default_rng(0)
    by_choice = sum(space.sample(rng).flat[0] == 0 for _ in range(2000)) / 2000
    by_space = sum(space.sample(rng, measure="space").flat[0] == 0 for _ in range(2000)) / 2000
    assert by_choice == pytest.approx(0.5, abs=0.05)
    assert by_space == pytest.approx(0.1, abs=0.03)


def test_log_scale_is_honored():
    space = Space({"lr": oche.floatv(1e-4, 1, scale="log"), "n": oche.intv(1, 1000, log=True)})
    rng = np.random.default_rng(0)
    draws = [space.sample(rng).flat for _ in range(2000)]
    assert np.mean([d[0] < 1e-2 for d in draws]) == pytest.approx(0.5, abs=0.05)
    assert np.median([d[1] for d in draws]) == pytest.approx(math.sqrt(0.5 * 1000.5), rel=0.15)  # rounded to the nearest whole number
    assert all(1e-4 <= d[0] <= 1 and 1 <= d[1] <= 1000 for d in draws)


def test_samples_are_uniform_over_distinct_picks():
    space = Space(oche.permutate([0, 1, 2]))
    rng = np.random.default_rng(1)
    counts = np.bincount([space.index(space.sample(rng)) for _ in range(6000)], minlength=6)
    assert ((counts - 1000) ** 2 / 1000).sum() < 20.5  # chi-square, 5 degrees of freedom, p = .001


@pytest.mark.parametrize(
    ("flat", "message"),
    [
        ((0, None, 0, 1), "4 genes"),
        ((2, None, 0, 1, 0), "'a'.*got 2"),
        ((-1, None, 0, 1, 0), "'a'.*got -1"),
        ((0, 0, 0, 1, 0), "inactive"),
        ((1, None, 0, 1, 0), "active"),
        ((0, None, 1, 0, 0), "sorted"),
        ((0, None, 1, 1, 0), "distinct"),
        ((0.0, None, 0, 1, 0), "whole number"),
    ],
)
def test_illegal_genes_are_refused_by_name(flat, message):
    with pytest.raises(DNAError, match=message):
        Space(example()).decode(DNA(flat))


def test_bool_genes_are_refused():
    with pytest.raises(DNAError, match=r"True"):
        DNA((True,))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: oche.oneof([]), "too few candidates"),
        (lambda: oche.manyof(3, [1, 2]), "too few candidates"),
        (lambda: oche.floatv(1, 0), "lo <= hi"),
        (lambda: oche.floatv(0, 1, scale="log"), "logarithmic"),
        (lambda: oche.intv(0, 1.5), "whole number"),
        (lambda: oche.oneof([1, 2], relaxed_only=["x"]), "relaxed_only"),
        (lambda: oche.manyof(1, [1, 2], merge="max"), "merge"),
    ],
)
def test_ill_formed_choices(make, message):
    with pytest.raises(SpaceError, match=message):
        make()


def test_relaxed_only_candidates_do_not_count():
    space = Space({"op": oche.oneof(["none", "a", "b"], relaxed_only=("none",))})
    assert space.size == 2
    assert space.labels("op") == ("a", "b")
    assert space.relaxed_labels("op") == ("none", "a", "b")


def test_spaces_and_dna_survive_pickling():
    space = Space(example())
    again = pickle.loads(pickle.dumps(space))
    assert again.fingerprint == space.fingerprint
    dna = space.sample(3)
    assert pickle.loads(pickle.dumps(dna)) == dna


programs = st.recursive(
    st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True).map(oche.oneof),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(oche.oneof),
        st.tuples(st.lists(inner, min_size=2, max_size=3), st.booleans(), st.booleans()).map(
            lambda t: oche.manyof(2, t[0], distinct=t[1], sorted=t[2])
        ),
        st.lists(inner, min_size=1, max_size=2),
    ),
    max_leaves=5,
)


@given(programs, st.integers(0, 2**32))
def test_ranks_and_samples_on_random_programs(program, seed):
    space = Space([program])
    assert isinstance(space.size, int)
    rng = np.random.default_rng(seed)
    for measure in ("choice", "space"):
        dna = space.sample(rng, measure=measure)
        space.validate(dna)
        assert space.at(space.index(dna)) == dna
        assert space.from_nested(space.nested(dna)) == dna
        assert space.decode(space.encode(space.decode(dna))) == space.decode(dna)
    if space.size <= 300:
        assert len({d.flat for d in space}) == space.size


@given(programs, st.integers(0, 2**32))
def test_mutation_stays_legal(program, seed):
    space = Space([program])
    rng = np.random.default_rng(seed)
    dna = space.sample(rng)
    for _ in range(8):
        active = [i for i, gene in enumerate(dna.flat) if gene is not None]
        if not active:
            return
        dna = DNA(space.resample(dna.flat, active[int(rng.integers(len(active)))], rng))
        assert space.at(space.index(dna)) == dna
