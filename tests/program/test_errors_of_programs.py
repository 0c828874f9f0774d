"""Every mistake in a program or a DNA is refused by an error that names the place."""

from __future__ import annotations

import pytest

import oche
from oche.errors import (
    ArgumentError,
    DNAError,
    FeedbackError,
    MissingFeedback,
    NotRelaxable,
    ShapeMismatch,
    SpaceError,
    UndeclaredDecision,
    UnknownNameError,
)
from oche.program import DNA, Space


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: oche.oneof([], name="op"), r"oneof 'op': got no candidates; .*too few candidates"),
        (lambda: oche.manyof(3, [1, 2], name="ops"), r"manyof 'ops': got k=3 of 2 candidates.*too few candidates"),
        (lambda: oche.floatv(1, 0, name="lr"), r"floatv 'lr': got \[1, 0\]"),
        (lambda: oche.floatv(0, 1, scale="log", name="lr"), r"floatv 'lr': got lo=0 on a logarithmic scale"),
        (lambda: oche.floatv(-1, 1, scale="rlog", name="lr"), r"floatv 'lr': got lo=-1 on a logarithmic scale"),
        (lambda: oche.intv(0, 9, log=True, name="n"), r"intv 'n': got lo=0 on a logarithmic scale"),
        (lambda: oche.intv(5, 4, name="n"), r"intv 'n': got \[5, 4\]"),
        (lambda: oche.intv(1, 4, step=0, name="n"), r"intv 'n', step: got 0"),
        (lambda: oche.repeat(3, 2, name="depth"), r"repeat 'depth': got 3"),
    ],
)
def test_ill_formed_choices_name_themselves(make, message):
    with pytest.raises(SpaceError, match=message):
        make()


@pytest.mark.parametrize(
    ("flat", "message"),
    [
        ((5, 0, 1), r"gene of 'layers\[0\].op': got 5; allowed: 0 to 1"),
        ((True, 0, 1), r"gene 0: got True"),
        ((-1, 0, 1), r"gene of 'layers\[0\].op': got -1"),
        ((0, 1, 0), r"genes of 'inputs': got \[1, 0\]; allowed: sorted"),
        ((0, 1, 1), r"genes of 'inputs': got \[1, 1\]; allowed: distinct"),
        ((0, 1), r"got 2 genes; allowed: 3"),
        ((None, 0, 1), r"gene of 'layers\[0\].op': got None"),
        (("a", 0, 1), r"gene of 'layers\[0\].op': got 'a'; allowed: a number"),
    ],
)
def test_illegal_genes_name_their_point(flat, message):
    space = Space({"layers": [{"op": oche.oneof(["a", "b"])}], "inputs": oche.manyof(2, [7, 8, 9], sorted=True)})
    with pytest.raises(DNAError, match=message):
        space.decode(DNA(flat))


def test_a_dna_of_another_space_is_refused():
    here, there = Space({"a": oche.oneof([1, 2])}), Space({"b": oche.oneof([1, 2])})
    with pytest.raises(DNAError, match=r"another space .*allowed: DNA of 'dict'"):
        here.decode(there.at(1))
    assert here.decode(DNA((1,))) == {"a": 2}


def test_same_name_with_other_candidates_names_both_places():
    with pytest.raises(SpaceError, match=r"choice 'op'.*'first' \(.*'second' \("):
        Space({"first": oche.oneof([1, 2], name="op"), "second": oche.oneof([1, 2, 3], name="op")})

    def one(rng):
        return "1"

    with pytest.raises(SpaceError, match=r"choice 's'.*'\[0\]' \(custom by str, int.*'\[1\]' \(custom by str, float"):
        Space([oche.custom(str, int, one, str.format, name="s"), oche.custom(str, float, one, str.format, name="s")])
    with pytest.raises(SpaceError, match=r"'where.word'.*got 'Generator.*ValueError.*decode of this custom"):
        Space({"where": {"word": oche.custom(str, int, str, str.format)}})


def test_encode_names_the_path_and_the_candidates():
    with pytest.raises(SpaceError, match=r"encode at 'net.layers\[1\]': got 5; allowed: the candidates 3, 4"):
        Space({"net": {"layers": [oche.oneof([1, 2]), oche.oneof([3, 4])]}}).encode({"net": {"layers": [1, 5]}})


def test_a_program_without_choices_cannot_be_searched():
    for program in ({"a": 1}, lambda: 3):
        with pytest.raises(SpaceError, match=r"no choices"):
            oche.sample(program, "random", n=3)


def test_a_late_choice_is_undeclared_and_exhaustive_collection_finds_it():
    def program():
        first, second = oche.oneof([0, 1], name="first"), oche.oneof([0, 1], name="second")
        return (first, second, oche.oneof([5, 6, 7], name="both")) if first and second else (first, second)

    space = Space(program)
    assert space.size == 4  # each value is tried out with the other at its default
    with pytest.raises(UndeclaredDecision, match=r"choice 'both' at 'both'.*collect='exhaustive'"):
        space.decode(DNA((1, 1)))
    whole = Space(program, collect="exhaustive")
    assert whole.size == 6
    assert [whole.decode(dna) for dna in whole] == [(0, 0), (0, 1), (1, 0), (1, 1, 5), (1, 1, 6), (1, 1, 7)]
    assert [whole.index(whole.at(i)) for i in range(6)] == list(range(6))


def test_exhaustive_collection_equals_the_quick_one_where_that_is_enough():
    def program():
        return [oche.oneof(["p", "q"], name=f"op{i}") for i in range(oche.oneof([2, 4], name="depth"))]

    quick, whole = Space(program), Space(program, collect="exhaustive")
    assert quick.size == whole.size == 4 + 16
    assert {tuple(quick.decode(d)) for d in quick} == {tuple(whole.decode(d)) for d in whole}
    assert len(whole.with_arguments().points) == len(whole.points)


def test_exhaustive_collection_gives_up_after_4096_runs():
    runs = []

    def program():
        runs.append(1)
        return [oche.oneof([0, 1], name=f"v{i}") for i in range(13)]

    with pytest.raises(SpaceError, match=r"more than 4096 combinations of 'v0', 'v1'"):
        Space(program, collect="exhaustive")
    assert len(runs) == 4096
    with pytest.raises(UnknownNameError, match=r"did you mean 'exhaustive'"):
        Space(program, collect="exhaustiv")


def test_choices_under_an_if_need_names():
    def program():
        return oche.oneof([1, 2]) if oche.oneof([False, True], name="deep") else 0

    with pytest.raises(SpaceError, match=r"'choice0'.*without a name under a condition on 'deep'.*name='...'"):
        Space(program)


def test_recursion_without_a_bound_is_refused():
    with pytest.raises(SpaceError, match=r"recursive: got no max_depth.*max_depth=3"):
        oche.recursive(lambda again: oche.oneof([1, 2]))
    for depth in (0, 33, True, 2.0):
        with pytest.raises(SpaceError, match=r"recursive, max_depth: got"):
            oche.recursive(lambda again: oche.oneof([1, 2]), max_depth=depth)

    def endless():
        return oche.oneof([1, lambda: [endless(), endless()]])

    with pytest.raises(SpaceError, match=r"'choice0\[=1\].choice0.*holds itself.*max_depth=3"):
        Space(endless)


def test_shapes_that_differ_in_a_mixture_name_the_choice():
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.op = oche.oneof({"a": lambda: torch.nn.Linear(3, 4), "b": lambda: torch.nn.Linear(3, 5)}, name="op")

        def forward(self, x):
            return self.op(x)

    with pytest.raises(ShapeMismatch, match=r"'op'"):
        oche.supernet(oche.Space(Net))(torch.zeros(2, 3))

    class Number(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.op = oche.oneof([torch.nn.Identity], name="op")
            oche.floatv(0, 1, name="rate")

    with pytest.raises(NotRelaxable, match=r"'rate'"):
        oche.supernet(oche.Space(Number))


def test_feedback_is_finite_and_given_once():
    loop = oche.sample({"a": oche.oneof([1, 2, 3])}, "random", n=4)
    _, feedback = next(loop)
    with pytest.raises(FeedbackError, match=r"nan"):
        feedback(float("nan"))
    feedback(1.0)
    with pytest.raises(FeedbackError, match=r"trial 0: got a second feedback"):
        feedback(2.0)
    next(loop)
    with pytest.raises(MissingFeedback, match=r"trial 1: got no feedback"):
        next(loop)


def test_names_are_suggested():
    with pytest.raises(UnknownNameError, match=r"did you mean 'sweep'"):
        next(iter(oche.sample({"a": oche.oneof([1, 2])}, "swep", n=1)))
    with pytest.raises(UnknownNameError, match=r"flow"):
        oche.flows.get("jiont")


def test_algorithms_on_infinite_spaces_say_what_they_need():
    space = Space({"lr": oche.floatv(0, 1)})
    with pytest.raises(SpaceError, match=r"'sweep'|infinite"):
        next(iter(oche.sample(space, "random?measure=space", n=1)))


def test_arguments_that_a_program_does_not_take_or_must_have_are_named():
    def plain(depth, width=8):
        return {"op": oche.oneof(["a", "b"]), "depth": depth, "width": width}

    assert oche.Space(plain, depth=2).size == 2
    with pytest.raises(UnknownNameError, match=r"got 'widht'; allowed: 'depth', 'width'; did you mean 'width'"):
        oche.Space(plain, depth=2, widht=4)
    with pytest.raises(ArgumentError, match=r"plain': got no value for 'depth'"):
        oche.Space(plain)
    for text in ("size?channels=4", "nasbench201?foo=1", "hypercuboid?foo=1", "preresnet?layers=stem"):
        with pytest.raises(UnknownNameError, match=r"allowed: .*'classes'"):
            oche.spaces.get(text)
    assert oche.Space(lambda **named: [oche.oneof(list(named.values()))], a=1, b=2).size == 2
