"""Symbolic nodes: data that builds."""

from __future__ import annotations

import pytest

import oche
from oche.errors import ArgumentError, Undecided, UnknownNameError
from oche.program import Node, Space


class Layer:
    def __init__(self, width, act="relu", *rest, **more):
        self.values = (width, act, rest, more)


def join(*parts, sep="-"):
    return sep.join(str(p) for p in parts)


SLayer, sjoin = oche.symbolic(Layer), oche.symbolic(join)


def test_a_call_gives_data_and_build_gives_the_instance():
    node = SLayer(3, act="gelu", extra=1)
    assert isinstance(node, Node)
    assert node.build().values == (3, "gelu", (), {"extra": 1})
    assert sjoin(1, sjoin(2, 3, sep="+"), sep="/").build() == "1/2+3"


def test_edits_by_path_share_the_rest():
    node = sjoin([SLayer(1), SLayer(2)], {"k": 3})
    edited = node.set({"parts[0][1].width": 5, "parts[1].k": 4})
    assert edited.query(r"width$") == {"parts[0][0].width": 1, "parts[0][1].width": 5}
    assert node.query(r"width$") == {"parts[0][0].width": 1, "parts[0][1].width": 2}
    assert edited.args["parts"][0][0] is node.args["parts"][0][0]
    assert node.diff(edited) == {"parts[0][1].width": (2, 5), "parts[1].k": (3, 4)}
    with pytest.raises(UnknownNameError, match=r"did you mean 'sep'"):
        node.set({"sepp": 1})


def test_equality_hash_and_clone_are_structural():
    a, b = SLayer([1, {"x": 2}]), SLayer([1, {"x": 2}])
    assert a == b
    assert hash(a) == hash(b)
    clone = a.clone()
    assert clone == a
    assert clone.args["width"] is not a.args["width"]
    assert a != SLayer([1, {"x": 3}])


def test_json_round_trip_of_registered_targets_only():
    node = sjoin(SLayer((1, 2), act=None), [True, 1.5])
    assert Node.from_json(node.to_json()) == node
    with pytest.raises(UnknownNameError, match=r"os:system"):
        Node.from_json('{"_type": "os:system", "args": {"command": "true"}}')


def test_open_and_missing_arguments_are_named():
    with pytest.raises(Undecided, match=r"width"):
        SLayer(oche.oneof([1, 2])).build()
    with pytest.raises(Undecided, match=r"width"):
        SLayer.partial(act="x").build()
    assert SLayer.partial(act="x").set({"width": 4}).build().values[:2] == (4, "x")
    with pytest.raises(ArgumentError, match=r"missing"):
        SLayer()


def test_format_is_readable_and_nodes_do_not_change():
    node = SLayer(1, act=SLayer(2))
    assert node.format() == "Layer(\n  width=1,\n  act=Layer(\n    width=2,\n  ),\n)"
    with pytest.raises(AttributeError, match=r"node\.set"):
        node.width = 3
    assert node.map(lambda path, v: v + 1 if isinstance(v, int) else v) == SLayer(2, act=SLayer(3))


def test_decoding_leaves_the_program_as_it_was():
    program = SLayer(oche.oneof([1, SLayer(oche.oneof([2, 3]))]))
    text = program.format()
    space = Space(program)
    assert space.size == 3
    assert next(space.decode(d).format() for d in space) == "Layer(\n  width=1,\n)"
    assert program.format() == text
    assert space.encode(space.decode(space.at(2))) == space.at(2)
