"""Optional checks of arguments by their annotations: when a node is made, edited and read, with choices and nodes in it."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import pytest

import oche
from oche.errors import ArgumentError
from oche.program import Node


class Op:
    def __init__(self, channels: int = 8) -> None:
        self.channels = channels


class Conv(Op):
    def __init__(self, channels: int, kernel: Literal[1, 3, 5] = 3, name: str | None = None) -> None:
        super().__init__(channels)
        self.kernel, self.name = kernel, name


class Net:
    def __init__(
        self,
        op: Op,
        rate: float = 0.1,
        widths: list[int] | None = None,
        shape: tuple[int, int] = (1, 1),
        sizes: tuple[int, ...] = (),
        ops: Sequence[Op] = (),
        named: Mapping[str, float] | None = None,
        act: Callable[[float], float] = abs,
        seed: Annotated[int, "whole"] = 0,
        flag: bool = False,
        anything: Any = None,
        unknown=None,
    ) -> None:
        self.op = op


class Later:
    def __init__(self, other: Undefined) -> None:  # noqa: F821 - that is what is tested
        self.other = other


def make_op(channels: int) -> Op:
    return Op(channels)


SConv, SOp, SNet, SMake = (oche.symbolic(t, check=True) for t in (Conv, Op, Net, make_op))

GOOD = [
    {"op": SConv(8)},
    {"op": SOp()},
    {"op": SMake(3)},
    {"op": SConv(8), "rate": 1},
    {"op": SConv(8), "widths": [1, 2], "shape": (3, 4), "sizes": (1, 2, 3), "ops": [SOp(), SConv(4)], "named": {"a": 1.5}},
    {"op": SConv(8), "widths": None, "act": max, "seed": 3, "flag": True, "anything": object(), "unknown": 3},
    {"op": oche.oneof([SConv(8), SOp(4)]), "rate": oche.floatv(0, 1), "seed": oche.intv(1, 4)},
    {"op": oche.oneof([SConv(8), lambda: SOp(4)]), "rate": oche.oneof([1, 0.5]), "widths": oche.manyof(2, [1, 2, 3])},
    {"op": SConv(oche.oneof([8, 16])), "ops": [oche.oneof([SConv(8), SOp()])]},
]

BAD = [
    ({"op": 3}, "argument op: got 3; allowed: Op"),
    ({"op": SConv(8), "rate": "fast"}, "argument rate: got 'fast'; allowed: float"),
    ({"op": SConv(8), "rate": True}, "argument rate: got True"),
    ({"op": SConv(8), "seed": True}, "argument seed: got True; allowed: int"),
    ({"op": SConv(8), "seed": 1.5}, "argument seed: got 1.5"),
    ({"op": SConv(8), "flag": 1}, "argument flag: got 1; allowed: bool"),
    ({"op": SConv(8), "widths": [1, "b"]}, "argument widths: got [1, 'b']; allowed: list[int] | None"),
    ({"op": SConv(8), "shape": (1, 2, 3)}, "argument shape: got (1, 2, 3); allowed: tuple[int, int]"),
    ({"op": SConv(8), "shape": (1, "b")}, "argument shape[1]: got 'b'; allowed: int"),
    ({"op": SConv(8), "sizes": (1, 2.5)}, "argument sizes[1]: got 2.5"),
    ({"op": SConv(8), "ops": [SOp(), 4]}, "argument ops[1]: got 4; allowed: Op"),
    ({"op": SConv(8), "ops": "ab"}, "argument ops: got 'ab'"),
    ({"op": SConv(8), "act": 3}, "argument act: got 3"),
    ({"op": oche.oneof({"good": SConv(8), "bad": 5})}, "argument op (candidate 'bad'): got 5"),
    ({"op": SConv(8), "seed": oche.floatv(0, 1)}, "argument seed: got 0"),
    ({"op": SConv(8), "shape": oche.manyof(3, [1, 2, 3])}, "argument shape (candidate '1')"),
    ({"op": SConv(8), "sizes": [oche.oneof(["a"])]}, "argument sizes: got"),
]  # fmt: skip


@pytest.mark.parametrize("arguments", GOOD)
def test_arguments_of_their_types_pass(arguments):
    assert set(SNet(**arguments).args) == set(arguments)


@pytest.mark.parametrize(("arguments", "fragment"), BAD)
def test_arguments_of_other_types_are_named(arguments, fragment):
    with pytest.raises(ArgumentError) as caught:
        SNet(**arguments)
    assert str(caught.value).startswith("Net, ")
    assert fragment in str(caught.value)


def test_a_literal_is_one_of_its_values():
    assert SConv(8, kernel=5).kernel == 5
    assert SConv(8, kernel=oche.oneof([1, 3])).args["kernel"].labels == ("1", "3")
    for wrong in (4, True, oche.oneof([3, 4])):
        with pytest.raises(ArgumentError, match=r"kernel.*Literal\[1, 3, 5\]"):
            SConv(8, kernel=wrong)


def test_a_node_of_another_class_is_refused():
    with pytest.raises(ArgumentError, match="argument op: got complex"):
        SNet(op=oche.symbolic(complex)(1, 2))


def test_edits_in_every_form_are_checked():
    node = SNet(op=SConv(8), shape=(1, 2))
    for edit in ({"rate": "fast"}, {"op.channels": "many"}, {"shape[0]": 1.5}):
        with pytest.raises(ArgumentError, match="allowed"):
            node.set(edit)
    with pytest.raises(ArgumentError, match="channels"):
        node.map(lambda path, value: "many" if path.endswith("channels") else value)
    with pytest.raises(ArgumentError, match="rate"), node.editing():
        node.set({"rate": "fast"})
    assert node == SNet(op=SConv(8), shape=(1, 2))
    text = node.to_json()
    assert Node.from_json(text) == node
    broken = json.loads(text.replace("8", '"eight"'))
    with pytest.raises(ArgumentError, match="channels"):
        Node.from_json(json.dumps(broken))
    assert node.set({"op": oche.ref("op")}).args["op"] is not None  # what is known only later passes
    assert oche.Partial(Net, rate=0.5).missing == ("op",)


def test_a_checked_tree_is_a_space_like_any_other():
    node = SNet(op=oche.oneof([SConv(8, kernel=oche.oneof([1, 3])), SOp(4)]), rate=oche.floatv(0, 1), seed=oche.intv(1, 2))
    space = oche.Space(node)
    for seed in range(8):
        built = space.build(space.sample(seed))
        assert isinstance(built.op, Op)


def test_nothing_is_checked_without_being_asked_for():
    class Free:
        def __init__(self, width: int) -> None:
            self.width = width

    assert oche.symbolic(Free)("wide").build().width == "wide"
    checked = oche.symbolic(Free, check=True)
    assert checked is oche.symbolic(Free)
    with pytest.raises(ArgumentError, match="width"):
        checked("wide")


def test_the_decorator_and_its_copies():
    @oche.symbolic(check=True)
    def train(rate: float, epochs: int = 3) -> float:
        """Trains."""
        return rate * epochs

    assert train(0.5).build() == 1.5
    with pytest.raises(ArgumentError, match="epochs"):
        train(0.5, epochs=1.5)
    again = pickle.loads(pickle.dumps(SConv))
    with pytest.raises(ArgumentError, match="channels"):
        again("many")


def test_an_annotation_that_cannot_be_read_is_named():
    with pytest.raises(ArgumentError, match=r"symbolic\(Later, check=True\).*Undefined"):
        oche.symbolic(Later, check=True)(3)
