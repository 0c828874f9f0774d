"""Genotypes in text form: read, written, and by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oche import networks
from oche.errors import ArgumentError, UnknownNameError
from oche.spaces import darts
from oche.spaces.darts.genotypes import GENOTYPES, KNOWN_OPS, Genotype, genotype, parse

PUBLISHED = (
    "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 0), ('dil_conv_3x3', 1), ('sep_conv_5x5', 0), "
    "('sep_conv_3x3', 1), ('avg_pool_3x3', 0), ('dil_conv_3x3', 1)], normal_concat=range(2, 6), reduce=[('sep_conv_5x5', 1), "
    "('max_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_5x5', 2), ('sep_conv_3x3', 0), ('sep_conv_3x3', 3), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 2)], reduce_concat=range(2, 6))"
)


@st.composite
def genotypes(draw) -> Genotype:
    def cell():
        steps = draw(st.integers(1, 6))
        pairs = [(draw(st.sampled_from(KNOWN_OPS)), draw(st.integers(0, 1 + i // 2))) for i in range(2 * steps)]
        return pairs, draw(st.lists(st.integers(0, 1 + steps), min_size=1, unique=True))

    return Genotype(*cell(), *cell())


@given(genotypes())
def test_what_is_written_is_read(found: Genotype):
    assert parse(str(found)) == found


@pytest.mark.parametrize("name", ["PC_DARTS_CIFAR", "pc-darts-cifar", "PCDartsCifar"])
def test_names_and_the_published_text_mean_the_same(name: str):
    assert genotype(name) == parse(PUBLISHED) == genotype(PUBLISHED.replace("range(2, 6)", "list(range(2, 6))"))


def test_fields_may_stand_without_names():
    assert parse("Genotype([('none', 0), ('none', 1)], [2], reduce=[('none', 0), ('none', 1)], reduce_concat=(2,))").reduce_concat == (2,)


def test_known_operations_are_those_that_can_be_built():
    assert set(networks.CELL_OPS) | set(networks.SHARP_OPS) == set(KNOWN_OPS)


def test_all_published_ones_but_two_are_members_of_the_space():
    assert {name for name, found in GENOTYPES.items() if not darts.is_member(found)} == {"NASNet", "AmoebaNet"}
    assert {"DARTS_V1", "DARTS_V2", "PC_DARTS_CIFAR", "PC_DARTS_IMAGE", "PDARTS", "SNAS"} <= set(GENOTYPES)
    assert GENOTYPES["DARTS_V2"].count("skip_connect") == 2


def swapped(old: str, new: str) -> str:
    assert old in PUBLISHED
    return PUBLISHED.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (swapped("('skip_connect', 0)", "('skip_connect', 2)"), r"normal, node 2: got input 2 of 'skip_connect'; allowed: 0 to 1"),
        (swapped("('skip_connect', 0), ", ""), r"normal: got 7 pairs; allowed: two for each node"),
        (swapped("('skip_connect', 0)", "('skip_connect',)"), r"normal: got \('skip_connect',\); allowed: pairs"),
        (swapped("('skip_connect', 0)", "('skip_connect', -1)"), r"normal: got .* allowed: pairs"),
        (
            swapped("normal_concat=range(2, 6)", "normal_concat=[9]"),
            r"normal_concat: got \[9\]; allowed: .* states 0 to 5",
        ),
        (swapped("normal_concat=range(2, 6)", "normal_concat=[]"), r"normal_concat: got \[\]"),
        (swapped("normal_concat=range(2, 6), ", ""), r"got no normal_concat"),
        (swapped("range(2, 6)", "open('x')"), r"normal_concat: got .* allowed: a list of states"),
        (swapped("[(", "[__import__('os'), ("), r"normal: got .* allowed: a list"),
        ("Genotype(", r"cannot be read"),
        ("Cell(normal=[])", r"allowed: Genotype\("),
    ],
)
def test_other_texts_are_refused_with_the_place(text: str, message: str):
    with pytest.raises(ArgumentError, match=message):
        parse(text)


def test_an_unknown_operation_is_named_with_those_that_are_known():
    with pytest.raises(ArgumentError, match=r"reduce, node 3: got unknown operation 'sepconv_5x5'.*did you mean 'sep_conv_5x5'"):
        parse(swapped("('sep_conv_5x5', 1), ('sep_conv_5x5', 2)", "('sepconv_5x5', 1), ('sep_conv_5x5', 2)")).check_ops()


def test_an_unknown_name_is_answered_by_the_nearest():
    with pytest.raises(UnknownNameError, match=r"genotype: got 'PC_DARTS_CIFR'.*did you mean 'PC_DARTS_CIFAR'"):
        genotype("PC_DARTS_CIFR")


@pytest.mark.parametrize(("name", "message"), [("NASNet", "got 5 nodes"), ("AmoebaNet", "got 5 nodes")])
def test_cells_of_larger_spaces_are_no_points(name: str, message: str):
    with pytest.raises(ArgumentError, match=message):
        darts.decisions(name)


def test_one_input_twice_is_no_point():
    with pytest.raises(ArgumentError, match="normal, node 2: got input 1 twice"):
        darts.decisions(swapped("('skip_connect', 0)", "('skip_connect', 1)"))
