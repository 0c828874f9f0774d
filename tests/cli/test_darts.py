"""The DARTS space on the command line: a genotype built, drawn and trained; sizes as options."""

from __future__ import annotations

import json

import pytest

from oche.cli._program import load_space, sized
from oche.errors import ArgumentError
from tests.cli.conftest import refused

SIZE = ("--channels", "4", "--cells", "3")


def test_sizes_become_arguments_of_the_program(tmp_path):
    assert sized("darts", channels=8, cells=None) == "darts?channels=8"
    assert sized("darts?cells=5", channels=8, cells=5) == "darts?cells=5&channels=8"
    with pytest.raises(ArgumentError, match="--cells: got 6 and cells=5 in 'darts\\?cells=5'; allowed: one of them"):
        sized("darts?cells=5", cells=6)
    (tmp_path / "net.py").write_text("import oche\ndef net(cells=1):\n    return oche.oneof(list(range(cells)))\nspace = oche.Space(net)\n")
    for name in ("net", "space"):
        space, _ = load_space(sized(f"{tmp_path / 'net.py'}:{name}", cells=7))
        assert space.size == 7


def test_a_published_genotype_is_built_drawn_and_trained(oche, tmp_path):
    words = ("darts", *SIZE, "--genotype", "pc-darts-cifar", "--data", "digits[:120]", "--recipe", "epochs=1")
    done = oche("child", "build", *words, "--train", "--draw", "cell.svg", "--out", "net.pt", "--json")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert value["arch"].startswith("Genotype(normal=[('skip_connect', 0), ('sep_conv_3x3', 1)")
    assert value["arguments"]["affine"] is True
    assert 0 <= value["metrics"]["test"] <= 100
    drawn = (tmp_path / "cell.svg").read_text()
    assert drawn.startswith("<svg") and "sep conv 5×5" in drawn
    shown = oche("child", "show", "net.pt", "--draw", "again.svg", "--quiet")
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "again.svg").read_text() == drawn


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--genotype", "PC_DARTS_CIFR"), "unknown genotype: got 'PC_DARTS_CIFR'; allowed: "),
        (("--genotype", "NASNet"), "got 5 nodes and output states [2, 3, 4, 5, 6]; allowed in the DARTS space: 4 nodes"),
        (("--genotype", "DARTS_V2", "--train"), "--train: got it without --data; allowed: together"),
        (("--genotype", "DARTS_V2", "--dna", "1"), "member: allowed: exactly one of --best, --dna, --decisions and --genotype"),
    ],
)
def test_mistakes_are_answered_by_one_line(tmp_path, words, message):
    done = refused("child", "build", "darts", *SIZE, *words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
