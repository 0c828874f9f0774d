"""References and derived values: shared parts, and values that follow from others."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import oche
from oche.errors import NotRelaxable, SpaceError, Undecided, UnknownNameError
from oche.program import Node


class Pair:
    def __init__(self, a, b, c=None):
        self.a, self.b, self.c = a, b, c


def halve(value):
    return value // 2


SPair, SHalve = oche.symbolic(Pair), oche.symbolic(halve)
SLinear, SSequential, SConv = (oche.symbolic(t) for t in (nn.Linear, nn.Sequential, nn.Conv2d))


def test_two_places_of_one_node_are_two_parts_and_a_reference_is_one():
    part = SPair(oche.oneof([1, 2]), 0)
    assert oche.Space(SPair(part, part)).size == 4
    shared = oche.Space(SPair(part, oche.ref(part)))
    assert shared.size == 2
    built = shared.build(shared.at(1))
    assert built.a is built.b
    assert built.a.a == 2
    apart = oche.Space(SPair(part, part))
    assert apart.build(apart.at(0)).a is not apart.build(apart.at(0)).b


@pytest.mark.parametrize("first", [True, False])
def test_a_shared_layer_is_one_module_wherever_the_reference_stands(first):
    layer = SLinear(3, 3)
    parts = [layer, oche.ref(layer)]
    net = SSequential(*(parts if first else parts[::-1])).build()
    assert net[0] is net[1]
    assert sum(p.numel() for p in net.parameters()) == 12
    outside = SPair(oche.ref(layer), oche.ref(layer)).build()
    assert outside.a is outside.b


def test_references_to_choices_and_paths_and_into_decoded_programs():
    width = oche.oneof([8, 16])
    space = oche.Space({"a": width, "b": oche.ref(width), "c": {"d": oche.ref("a")}})
    assert space.size == 2
    assert space.decode(space.at(1)) == {"a": 16, "b": 16, "c": {"d": 16}}
    op = oche.oneof([SPair(1, 2), SPair(3, 4)])
    decided = (nodes := oche.Space(SPair(op, oche.ref(op)))).decode(nodes.at(1))
    built = decided.build()
    assert built.a is built.b
    assert built.b.a == 3


def test_edits_and_copies_keep_what_is_shared():
    part = SPair(1, 2)
    node = SPair(part, oche.ref(part))
    edited = node.set({"a.b": 7})
    assert edited.build().b.b == 7
    assert edited.build().a is edited.build().b or edited.build().b.b == edited.build().a.b
    built = node.clone().set({"a.a": 5}).build()
    assert (built.b.a, built.a is built.b) == (5, True)
    assert node.build().b.b == 2
    assert node.clone() == node
    assert hash(node.clone()) == hash(node)
    assert node != SPair(part, part)
    with node.editing():
        node.set({"a.a": 9})
    assert node.build().b.a == 9


def test_json_of_links():
    part = SPair(1, 2)
    node = SPair(part, oche.ref(part), oche.derived(SHalve, "a.b"))
    again = Node.from_json(node.to_json())
    assert again == node
    built = again.build()
    assert built.a is built.b
    assert built.c == 1
    with pytest.raises(SpaceError, match=r"c.*symbolic functions"):
        SPair(1, 2, oche.derived(lambda v: v, "a")).to_json()
    with pytest.raises(SpaceError, match=r"stands nowhere"):
        SPair(oche.ref(part), 2).to_json()


def test_derived_values_follow_decisions_and_decide_nothing():
    conv = SConv(3, 8, oche.oneof([1, 3, 5]), padding=oche.derived(halve, "kernel_size"))
    space = oche.Space({"x": SSequential(conv)})
    assert space.size == 3
    assert len(space.points) == 1
    assert [space.build(dna)["x"][0].padding for dna in space] == [(0, 0), (1, 1), (2, 2)]
    assert space.decode(space.at(2))["x"].args["args"][0].padding == 2
    chain = oche.Space({"a": oche.intv(1, 8), "b": oche.derived(halve, "a"), "c": oche.derived(lambda a, b: a + b, "a", "b")})
    assert chain.size == 8
    assert chain.decode(chain.at(7)) == {"a": 8, "b": 4, "c": 12}
    assert [chain.encode(chain.decode(dna)) for dna in chain] == list(chain)


def test_derived_values_inside_of_what_a_choice_picks():
    inner = SPair(oche.oneof([4, 6]), oche.derived(halve, "a"))
    space = oche.Space({"op": oche.oneof({"plain": 0, "pair": inner}), "half": oche.derived(lambda op: op and op.b, "op")})
    assert space.size == 3
    found = [space.decode(dna) for dna in space]
    assert [f["half"] for f in found] == [0, 2, 3]
    assert found[2]["op"] == SPair(6, 3)


def test_partial_programs_keep_what_they_cannot_compute_yet():
    program = {"a": oche.oneof([2, 4]), "b": oche.oneof([6, 8]), "c": oche.derived(halve, "b")}
    outer = oche.Space(program).where("^a$")
    half = outer.decode(outer.at(1))
    inner = oche.Space(half)
    assert inner.size == 2
    assert inner.decode(inner.at(1)) == {"a": 4, "b": 8, "c": 4}


def test_errors_name_the_place():
    with pytest.raises(UnknownNameError, match=r"'b'.*'aa'"):
        oche.Space({"a": oche.oneof([1, 2]), "b": oche.derived(halve, "aa")})
    loop = oche.Space({"x": oche.oneof([1, 2]), "a": oche.derived(halve, "b"), "b": oche.derived(halve, "a")})
    with pytest.raises(SpaceError, match=r"circle"):
        loop.decode(loop.at(0))
    with pytest.raises(Undecided, match=r"^a: got a derived value of an open choice"):
        SPair(oche.derived(halve, "b"), oche.oneof([1, 2])).build()
    with pytest.raises(SpaceError, match=r"a node, a choice, or a path"):
        oche.ref([1])
    with pytest.raises(SpaceError, match=r"at least one path"):
        oche.derived(halve)


def test_supernets_share_referred_layers_and_derive_inside_a_layer():
    conv = SConv(2, 2, oche.oneof([1, 3], name="k"), padding=oche.derived(halve, "kernel_size"))
    net = oche.supernet(oche.Space(SSequential(conv)), mixer=oche.mixers.Softmax(), seed=0)
    assert net(torch.ones(1, 2, 4, 4)).shape == (1, 2, 4, 4)
    mixed = oche.Space(SPair(oche.oneof({"a": SLinear(2, 2), "b": SLinear(2, 2)}), oche.derived(lambda op: op.in_features, "a")))
    with pytest.raises(NotRelaxable, match=r"derived value at 'b'"):
        oche.supernet(mixed, mixer=oche.mixers.Softmax(), seed=0)
