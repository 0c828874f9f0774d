"""Drawings of genotypes: every edge and node is there, and nothing runs through a node."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
from tests.judge import made_records

from oche import judge
from oche.judge._cell_graph import program_picture
from oche.judge._genotype_graph import parse_genotype
from oche.spaces.darts import GENOTYPES

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", list(GENOTYPES))
def test_a_drawing_is_a_file_of_its_own_with_every_edge(name: str):
    genotype = GENOTYPES[name]
    root = ElementTree.fromstring(judge.draw_program(str(genotype)))
    titles = [title.text for title in root.iter(f"{SVG}title")]
    for kind in ("normal", "reduce"):
        for i, (op, state) in enumerate(genotype.cell(kind)[0]):
            assert f"{state} → {2 + i // 2}: {op}" in titles
    edges = [path for path in root.iter(f"{SVG}path") if path.get("class") == "edge"]
    concat = [path for path in root.iter(f"{SVG}path") if path.get("class") == "edge concat"]
    assert len(edges) == len(genotype.normal) + len(genotype.reduce)
    assert len(concat) == len(genotype.normal_concat) + len(genotype.reduce_concat)
    assert "var(" not in ElementTree.tostring(root, "unicode")


@pytest.mark.parametrize("name", list(GENOTYPES))
def test_no_edge_runs_through_a_node(name: str):
    for cell in ElementTree.fromstring(judge.draw_program(str(GENOTYPES[name]))).findall(f"{SVG}g"):
        nodes = [(float(c.get("cx")), float(c.get("cy"))) for c in cell.iter(f"{SVG}circle")]
        for path in cell.iter(f"{SVG}path"):
            for x1, y, x2 in re.findall(r"([\d.]+) ([\d.]+)L([\d.]+)", path.get("d")):
                between = [cx for cx, cy in nodes if abs(cy - float(y)) < 12 and float(x1) + 14 < cx < float(x2) - 14]
                assert not between


def test_a_genotype_is_a_picture_in_a_report_and_other_texts_are_not():
    record = made_records.record("search", 90.0, arch=str(GENOTYPES["DARTS_V2"]))
    picture = str(program_picture(record))
    assert picture.count("<svg") == 2
    assert "dil conv 3×3" in picture
    assert parse_genotype("|none~0|") is None
    assert parse_genotype(str(GENOTYPES["DARTS_V2"]).replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)")) is None


def test_other_programs_are_drawn_too():
    cell = judge.draw_program("|skip_connect~0|+|none~0|nor_conv_3x3~1|")
    assert ElementTree.fromstring(cell).tag == f"{SVG}svg"
    lines = judge.draw_program("width=8", {"width": "8", "inputs": ("a", "b")})
    assert [t.text for t in ElementTree.fromstring(lines).iter(f"{SVG}text")] == ["width: 8", "inputs: a, b"]
