"""Rank and unrank are inverse on every kind of finite space, and `at` goes through a space in canonical order."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

import oche
from oche.errors import SpaceError
from oche.program import DNA, Space

KINDS = [(d, s) for d in (True, False) for s in (True, False)]


def nested(again):
    return oche.oneof(["x", "y"] + ([{"op": oche.oneof(["+", "*"]), "left": again(), "right": again()}] if again else []))


def candidates():
    return [oche.oneof(["p", "q"]), {"k": oche.intv(2, 8, step=3), "m": oche.oneof([1, oche.oneof([2, 3])])}, "u"]


SPACES = {
    **{f"manyof-{d}-{s}": lambda d=d, s=s: oche.manyof(2, candidates(), distinct=d, sorted=s) for d, s in KINDS},
    "permutation": lambda: oche.permutate([oche.oneof([1, 2]), 3, oche.oneof([4, 5, 6])]),
    "manyof in manyof": lambda: oche.manyof(2, [oche.manyof(2, [1, 2, 3], sorted=True), oche.oneof([4, 5]), 6], distinct=False),
    "recursive": lambda: oche.recursive(nested, max_depth=2),
    "ints": lambda: [oche.intv(1, 9, step=2), oche.intv(3, 5, log=True), oche.oneof([0, oche.intv(-2, 2)])],
    "one of many": lambda: oche.oneof([1, oche.oneof([2, 3]), oche.manyof(2, [1, 2, 3])]),
}


@pytest.mark.parametrize("name", SPACES)
def test_index_inverts_at_and_the_order_is_canonical(name):
    space = Space(SPACES[name]())
    points = [space.at(i) for i in range(space.size)]
    assert len({p.flat for p in points}) == space.size
    assert [space.index(p) for p in points] == list(range(space.size))
    order = [tuple(-(10**9) if g is None else g for g in p.flat) for p in points]
    assert order == sorted(order)
    assert [space.decode(space.encode(space.decode(p))) for p in points] == [space.decode(p) for p in points]


def test_repeat_is_ranked():
    space = Space(lambda: oche.repeat(lambda i: oche.oneof(["u", "v", "w"]), [0, 1, 3], name="depth"))
    assert space.size == 1 + 3 + 27
    assert [space.index(space.at(i)) for i in range(space.size)] == list(range(space.size))
    assert len({tuple(space.decode(dna)) for dna in space}) == space.size


def test_recursion_counts_what_its_bound_leaves():
    # s(1) = 2 leaves; s(d) = 2 + 2 operators x s(d - 1) squared.
    assert [Space(oche.recursive(nested, max_depth=d)).size for d in (1, 2, 3)] == [2, 10, 202]
    plain = Space(lambda: oche.recursive(lambda again: oche.oneof(["x", *([lambda: (again(), again())] if again else [])]), 4))
    assert plain.size == 26 == len({plain.decode(dna) for dna in plain})


def test_ranks_of_the_published_spaces():
    space = Space({"ops": oche.manyof(5, ["c3", "c1", "mp"], distinct=False), "edges": oche.manyof(21, [0, 1], distinct=False)})
    assert space.size == 509_607_936
    for i in (0, 1, 2**21, 123_456_789, space.size - 1):
        assert space.index(space.at(i)) == i
    cell = [
        oche.manyof(2, [oche.oneof(list("abcdefg")) for _ in range(i + 2)], sorted=True) for i in range(4)
    ]  # picks 2 of i + 2 inputs, each with one of 7 operations
    assert Space(cell).size == 1_037_664_180


def test_binomials_are_counted_and_ranked_at_once():
    program = oche.manyof(15, list(range(30)), sorted=True)
    Space(oche.manyof(2, [1, 2, 3], sorted=True))
    start = time.process_time()
    space = Space(program)
    assert space.size == math.comb(30, 15) == 155_117_520
    assert time.process_time() - start < 0.05
    assert space.at(space.size - 1).flat == tuple(range(15, 30))
    assert space.index(space.at(77_777_777)) == 77_777_777
    big = Space(oche.manyof(500, list(range(1000)), sorted=True))
    assert big.size == math.comb(1000, 500)
    middle = big.size // 2
    assert big.index(big.at(middle)) == middle


def test_ten_thousand_choices_are_compiled_counted_and_ranked():
    program = {f"x{i}": oche.oneof([0, 1, 2, 3, 4]) for i in range(10_000)}
    start = time.process_time()
    space = Space(program)
    assert time.process_time() - start < 1.5
    assert space.size == 5**10_000
    assert space.index(space.at(5**9_999 + 3)) == 5**9_999 + 3
    assert "about 10^6989.7 points" in repr(space)


def test_uniform_measure_is_uniform_over_points():
    space = Space(oche.manyof(2, [oche.oneof([1, 2, 3, 4]), 5, 6], distinct=False, sorted=True))
    rng = np.random.default_rng(0)
    draws = np.bincount([space.index(space.sample(rng, measure="space")) for _ in range(200 * space.size)], minlength=space.size)
    assert len(draws) == space.size == 27
    # Chi-square with 26 degrees of freedom: 54.1 is passed once in a thousand.
    assert ((draws - 200) ** 2 / 200).sum() < 54.1


def test_infinite_spaces_have_no_ranks_and_say_why():
    words = oche.custom(str, int, lambda rng: str(rng.integers(9)), lambda text, rng: text + "0")
    for program, key in (({"f": oche.floatv(0, 1)}, "float decision .'f'"), ({"w": words}, "text decision .'w'")):
        space = Space(program)
        assert space.size == math.inf
        for use in (lambda space=space: space.at(0), lambda space=space: space.index(space.sample()), lambda space=space: list(space)):
            with pytest.raises(SpaceError, match=key):
                use()
        with pytest.raises(oche.errors.ArgumentError, match="'sweep' on space 'dict'"):
            next(iter(oche.sample(space, "sweep", n=3)))


def test_ranks_outside_of_the_space_are_refused():
    space = Space(oche.oneof([1, 2, 3]))
    for index in (-1, 3):
        with pytest.raises(SpaceError, match=rf"got {index}; allowed: 0 to 2"):
            space.at(index)
    assert space.at(2) == DNA((2,))
