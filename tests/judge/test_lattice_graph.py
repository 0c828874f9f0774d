"""Paths through a grid as pictures."""

from __future__ import annotations

from xml.etree import ElementTree

from oche.judge._cell_graph import draw_program
from oche.judge._lattice_graph import lattice_picture, parse_path

TEXT = "Path(states=[4, 8, 16], steps=['4->4 sep_conv_3x3', '4->16 max_pool_3x3'], levels=['block 1 stride 1', 'block 1 stride 2'])"


def test_a_path_is_read():
    path = parse_path(TEXT)
    assert path is not None and path.steps == (("4", "4", "sep_conv_3x3"), ("4", "16", "max_pool_3x3")) and path.states == ("4", "8", "16")


def test_other_texts_are_none():
    broken = ("Genotype()", TEXT.replace("'4->16", "'8->16"), TEXT.replace("4->16", "4->5"), TEXT.replace(", 'block 1 stride 2'", ""))
    assert [parse_path(text) for text in broken] == [None] * 4


def test_the_picture_has_the_grid_and_the_path():
    path = parse_path(TEXT)
    assert path is not None
    tree = ElementTree.fromstring(str(lattice_picture(path)))
    assert len(tree.findall(".//circle")) == 3 * 3
    assert len([e for e in tree.iter("path") if "concat" in e.attrib["class"]]) == 2 * 9
    assert len([e for e in tree.iter("path") if e.attrib["class"] == "edge"]) == 2
    assert [e.text for e in tree.iter("text")][-2:] == ["sep conv 3x3", "max pool 3x3"]


def test_it_is_drawn_in_a_file_of_its_own():
    drawn = ElementTree.fromstring(draw_program(TEXT))
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg" and "sep conv 3x3" in "".join(drawn.itertext())
