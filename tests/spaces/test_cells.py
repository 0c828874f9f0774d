"""Cells of NAS-Bench-201 in text form."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oche.errors import ArgumentError
from oche.spaces.nasbench201 import EDGES, KEYS, OPS, canonical, decisions, from_cell, is_connected, to_cell

ALL = [to_cell(ops) for ops in itertools.product(OPS, repeat=6)]
cells = st.lists(st.sampled_from(OPS), min_size=6, max_size=6)


def cell(*ops: str) -> str:
    return to_cell(ops)


def test_writing_by_hand():
    ops = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "none")
    text = "|none~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|avg_pool_3x3~1|none~2|"
    assert to_cell(ops) == text
    assert from_cell(text) == ops
    assert decisions(text) == dict(zip(KEYS, ops, strict=True))


def test_keys_name_node_and_input():
    assert KEYS == ("edge 1<-0", "edge 2<-0", "edge 2<-1", "edge 3<-0", "edge 3<-1", "edge 3<-2")
    assert EDGES == ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))


@given(cells)
def test_reading_is_the_inverse_of_writing(ops: list[str]):
    assert list(from_cell(to_cell(ops))) == ops
    assert to_cell(decisions(to_cell(ops))) == to_cell(ops)


def test_all_cells_differ_in_text_and_6466_in_function():
    assert len(set(ALL)) == 15_625
    assert len({canonical(c) for c in ALL}) == 6_466


def test_canonical_text_by_hand():
    assert canonical(cell(*["none"] * 6)) == "#+#+#"
    # Only node 1 reaches the output; node 2 is a sum of nothing, which the published rule does not simplify.
    assert canonical(cell("skip_connect", "none", "none", "none", "nor_conv_3x3", "skip_connect")) == "#+#+#+(0)@nor_conv_3x3"
    # An operation after `none` is `none`.
    assert canonical(cell("none", "none", "none", "skip_connect", "nor_conv_3x3", "none")) == "#+#+0"


def test_equal_texts_are_equal_functions():
    # Operations as multipliers: a cell is then the sum over its paths, computed here without any text.
    factor = {"none": 0, "skip_connect": 1, "nor_conv_1x1": 2, "nor_conv_3x3": 3, "avg_pool_3x3": 5}
    values: dict[str, set[int]] = {}
    for text in ALL:
        e10, e20, e21, e30, e31, e32 = (factor[op] for op in from_cell(text))
        values.setdefault(canonical(text), set()).add(e30 + e10 * e31 + e20 * e32 + e10 * e21 * e32)
    assert all(len(found) == 1 for found in values.values())


def test_a_cell_is_connected_where_its_text_holds_the_input():
    assert all(is_connected(text) == ("0" in canonical(text)) for text in ALL)


def test_connection_by_hand():
    assert not is_connected(cell(*["none"] * 6))
    assert is_connected(cell("none", "none", "none", "skip_connect", "none", "none"))
    assert is_connected(cell("nor_conv_1x1", "none", "skip_connect", "none", "none", "avg_pool_3x3"))
    assert not is_connected(cell("nor_conv_1x1", "none", "none", "none", "none", "avg_pool_3x3"))
    assert not is_connected(cell("none", "none", "skip_connect", "none", "skip_connect", "skip_connect"))


def test_connected_cells_by_brute_force_over_paths():
    paths = [(3,), (0, 4), (1, 5), (0, 2, 5)]
    for ops in itertools.product(OPS[:2], repeat=6):
        expected = any(all(ops[edge] != "none" for edge in path) for path in paths)
        assert is_connected(to_cell(ops)) == expected
    assert sum(is_connected(c) for c in ALL) == 15_284


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("|none~0|+|none~0|none~1|+|conv9~0|none~1|none~2|", "edge 4: unknown operation 'conv9'"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|", "edge 6: missing"),
        ("|none~0|+|none~0|+|none~0|none~1|none~2|", "edge 3: missing"),
        ("|none~0|+|none~1|none~0|+|none~0|none~1|none~2|", "edge 2: wrong order, got 'none~1'"),
        ("|none~0|+|none~0|none|+|none~0|none~1|none~2|", "edge 3: wrong order, got 'none'"),
        ("|none~0|+|none~0|none~1|none~2|+|none~0|none~1|none~2|", "got 3 parts for node 2"),
        ("|none~0|+|none~0|none~1|", "got 2 groups"),
        ("none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "bar at both ends"),
        ("", "got 1 groups"),
    ],
)
def test_a_malformed_cell_names_what_is_wrong(text: str, message: str):
    with pytest.raises(ArgumentError) as caught:
        from_cell(text)
    assert message in str(caught.value)


def test_writing_checks_too():
    with pytest.raises(ArgumentError, match="edge 2: unknown operation 'conv9'"):
        to_cell(["none", "conv9", *["none"] * 4])
    with pytest.raises(ArgumentError, match="got 5 operations"):
        to_cell(["none"] * 5)
    with pytest.raises(ArgumentError, match="got keys"):
        to_cell({"edge 1<-0": "none"})
