"""`oche space` and `oche search` with strata, constraints and exhaustive collection, as a user runs them."""

from __future__ import annotations

import json

from tests.cli.conftest import refused, run_oche

PROGRAM = """
import oche
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = oche.oneof([4, 8, 16, 32], name="width")
        self.layers = nn.Sequential(nn.Linear(10, width), nn.Linear(width, 2))


def narrow(found):
    return int(found["width"]) <= 8


def late():
    first, second = oche.oneof([0, 1], name="first"), oche.oneof([0, 1], name="second")
    return oche.oneof(["p", "q", "r"], name="both") if first and second else "none"
"""


def test_members_are_spread_limited_and_collected(tmp_path):
    (tmp_path / "net.py").write_text(PROGRAM)

    def space(*words):
        done = run_oche("space", *words, "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    spread = space("net.py:Net", "--sample", "8", "--stratify", "params", "--bins", "4")
    assert sorted(set(spread["costs"])) == [54, 106, 210, 418]  # 13 w + 2
    assert [13 * int(m["width"]) + 2 for m in spread["members"]] == spread["costs"]
    assert {m["width"] for m in space("net.py:Net", "--sample", "9", "--max-params", "106")["members"]} == {"4", "8"}
    assert {m["width"] for m in space("net.py:Net", "--sample", "9", "--where", "net.py:narrow?of=decisions")["members"]} == {"4", "8"}
    assert space("net.py:late")["size"] == 4
    assert space("net.py:late", "--collect", "exhaustive")["size"] == 6


def test_mistakes_exit_with_two_and_one_line(tmp_path):
    (tmp_path / "net.py").write_text(PROGRAM)
    for words, message in (
        (("--stratify", "parms", "--sample", "2"), "did you mean 'params'"),
        (("--stratify", "params", "--max-params", "100"), "--stratify: got it with --max-params"),
        (("--max-params", "10", "--sample", "1"), "1000 proposals in a row that break it, the last one by"),
        (("--where", "net.py:narrow?form=dna", "--sample", "1"), "allowed: file.py:function"),
    ):
        done = refused("space", "net.py:Net", *words, cwd=tmp_path)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_a_search_its_baseline_and_random_search_obey_one_constraint(tmp_path):
    (tmp_path / "net.py").write_text(
        "import oche\n\n\ndef program():\n    return {k: oche.oneof([1, 2, 3, 4], name=k) for k in 'xy'}\n\n\n"
        "def small(child):\n    return child['x'] + child['y'] <= 4\n"
    )
    words = ("search", "net.py:program", "-a", "regularized-evolution", "--data", "digits", "--budget", "trials=8", "--dry-run", "--json")
    done = run_oche(*words, "--where", "net.py:small", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["constraint"]["where"] == "small"
    assert "constraint" not in json.loads(run_oche(*words, cwd=tmp_path).stdout)
    macs = refused("search", "net.py:program", "--task", "function", "--max-macs", "5", "--dry-run", cwd=tmp_path)
    assert macs.returncode == 2
