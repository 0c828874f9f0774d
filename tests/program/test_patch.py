"""Edits by rule, and edits with a name."""

from __future__ import annotations

import uuid
from typing import Literal

import pytest

import oche
from oche.errors import ArgumentError, UnknownNameError
from oche.program import on_key, on_member, on_path, on_type, on_value


class Layer:
    def __init__(self, width, act="relu"):
        self.width, self.act = width, act


class Wide(Layer):
    pass


class Net:
    def __init__(self, layers, rate=0.1, width=1):
        self.layers = layers


SLayer, SWide, SNet = oche.symbolic(Layer), oche.symbolic(Wide), oche.symbolic(Net)
NET = SNet([SLayer(8), SWide(16, act="gelu")], rate=0.1, width=8)


def changed(*rules):
    return {path: pair[1] for path, pair in NET.diff(oche.patch(NET, *rules)).items()}


def test_rules_by_key_path_value_type_and_member():
    double = lambda path, v: v * 2
    assert changed(on_key("width", double)) == {"layers[0].width": 16, "layers[1].width": 32, "width": 16}
    assert changed(on_path(r"layers\[1\]\.width", 5)) == {"layers[1].width": 5}
    assert changed(on_value(8, 9)) == {"layers[0].width": 9, "width": 9}
    assert changed(on_member(Layer, "width", 3)) == {"layers[0].width": 3, "layers[1].width": 3}
    assert changed(on_member(SWide, "act", "tanh")) == {"layers[1].act": "tanh"}
    assert changed(on_type(Wide, SLayer(1))) == {"layers[1]": SLayer(1)}
    assert changed(on_type(float, lambda path, v, parent: v + parent.width)) == {"rate": 8.1}


def test_rules_of_a_list_go_together_and_others_one_after_the_other():
    a, b = on_value(8, 16), on_value(16, 32)
    assert changed([a, b]) == {"layers[0].width": 16, "layers[1].width": 32, "width": 16}
    assert changed(a, b) == {"layers[0].width": 32, "layers[1].width": 32, "width": 32}
    assert SNet([SLayer(8), SWide(16, act="gelu")], rate=0.1, width=8) == NET
    assert changed({"layers[0].act": "x"}, lambda path, v: 2 if path == "rate" else v) == {"layers[0].act": "x", "rate": 2}


@pytest.fixture
def widen():
    name = f"widen-{uuid.uuid4().hex[:8]}"

    def valid(node):
        if any(w > 64 for w in node.query(r"width$").values()):
            raise ValueError("wider than 64")

    @oche.patcher(name, validate=valid)
    def widen(node, factor: int = 2, mode: Literal["all", "wide"] = "all", above: float | None = None):
        """Multiply widths."""
        return on_member(Wide if mode == "wide" else Layer, "width", lambda _, w: w * factor if above is None or w > above else w)

    return name, widen


def test_a_patcher_has_a_name_and_typed_settings(widen):
    name, function = widen
    assert changed(f"{name}?factor=3") == {"layers[0].width": 24, "layers[1].width": 48}
    assert changed(f"{name}?mode=wide&above=10", name) == {"layers[0].width": 16, "layers[1].width": 64}
    assert function(NET, factor=3) == oche.patch(NET, f"{name.upper()}?factor=3")
    with pytest.raises(ArgumentError, match=r"setting 'factor': got 'much'; allowed: int"):
        oche.patch(NET, f"{name}?factor=much")
    with pytest.raises(ArgumentError, match=r"setting 'mode'.*Literal"):
        oche.patch(NET, f"{name}?mode=some")
    with pytest.raises(UnknownNameError, match=r"did you mean 'factor'"):
        oche.patch(NET, f"{name}?facto=2")
    with pytest.raises(UnknownNameError, match=r"unknown patcher"):
        oche.patch(NET, "no-such-patcher?x=1")
    with pytest.raises(ArgumentError, match=r"validator refuses \(wider than 64\)"):
        oche.patch(NET, f"{name}?factor=8")
    with pytest.raises(ArgumentError, match=r"twice"):
        oche.patcher(name)(function.function)
    with pytest.raises(ArgumentError, match=r"changes nothing"):
        oche.patch(NET, on_key("wdth", 3), must_change=True)


def test_a_patch_may_open_a_choice():
    space = oche.Space(oche.patch(NET, on_path(r"^rate$", oche.oneof([0.1, 0.2]))))
    assert [space.decode(dna).rate for dna in space] == [0.1, 0.2]
