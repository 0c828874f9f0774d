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


def test_a_batch_of_edits_is_in_place_and_invalidates_once():
    shared = SLayer(1, act="x")
    node, other = sjoin(shared, [SLayer(2)]), sjoin(shared)
    holder = SLayer(node)
    before = hash(holder), hash(node)
    with node.editing() as draft:
        assert draft.set({"parts[0].width": 5}) is node
        node.set({"parts[0].act": "y", "parts[1][0].width": 6, "sep": "+"})
        assert node.get("parts[0].width") == 1
    assert node == sjoin(SLayer(5, act="y"), [SLayer(6)], sep="+")
    assert other == sjoin(SLayer(1, act="x"))
    assert (hash(holder), hash(node)) != before
    assert hash(holder) == hash(SLayer(sjoin(SLayer(5, act="y"), [SLayer(6)], sep="+")))
    with pytest.raises(UnknownNameError), node.editing():
        node.set({"sep": "/"}).set({"nothing": 1})
    assert node.get("sep") == "+"
    assert node.set({"sep": "-"}) is not node


def test_what_a_node_holds_cannot_be_changed_from_outside():
    mine = [1, {"x": [2]}]
    node = SLayer(mine)
    mine.append(3)
    assert node == SLayer([1, {"x": [2]}])
    for change in (lambda: node.args["width"].append(1), lambda: node.args["width"][1].update(y=1), lambda: node.arguments.clear()):
        with pytest.raises(TypeError, match=r"node\.set"):
            change()
    built = node.build().values[0]
    built.append(4)
    assert type(built) is list
    import pickle

    assert pickle.loads(pickle.dumps(node)) == node


def test_map_sees_parents_and_shares_what_it_leaves():
    node = sjoin(SLayer(1), SLayer(2, act="gelu"))
    edited = node.map(lambda path, v, parent: v + 1 if path.endswith("width") and parent.args.get("act") == "gelu" else v)
    assert edited == sjoin(SLayer(1), SLayer(3, act="gelu"))
    assert edited.get("parts[0]") is node.get("parts[0]")


def test_missing_arguments_are_listed_until_they_are_there():
    from oche.program import Partial

    node = sjoin(Partial(Layer, act="x"), sep="+")
    assert node.missing == ("parts[0].width",)
    with pytest.raises(Undecided, match=r"^parts\[0\]\.width"):
        node.build()
    assert node.set({"parts[0].width": 1}).missing == ()


def test_the_text_of_a_difference_has_both_sides():
    a, b = SLayer(1, act=SLayer(2)), SLayer(3, act=SLayer(2), extra=None)
    assert str(a.diff(b)) == "- width = 1\n+ width = 3\n+ extra = None"
    assert str(a.diff(a.clone())) == ""


def test_local_functions_of_one_name_are_not_the_same():
    def make(k):
        def f():
            return k

        return oche.symbolic(f)

    assert make(1)() != make(2)()
