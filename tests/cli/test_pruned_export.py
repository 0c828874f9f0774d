"""A pruned network leaves as a file, and another process, which knows nothing of this library, runs it and counts it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import oche
from oche.cli import main

# Weights are counted in the file, multiply-adds while it runs.
RUN = """
import json, sys, torch
from torch.utils.flop_counter import FlopCounterMode
program = torch.export.load("net.pt2")
network = program.module()
with torch.no_grad(), FlopCounterMode(display=False) as counter:
    network(torch.zeros(1, 1, 8, 8))
shape = list(network(torch.zeros(3, 1, 8, 8)).shape)
print(json.dumps([sum(p.numel() for p in program.parameters()), counter.get_total_flops() // 2, shape]))
assert "oche" not in sys.modules
"""


def test_a_pruned_network_runs_elsewhere_with_the_counted_weights_and_multiply_adds(tmp_path, monkeypatch, capsys):
    def run(*words: str) -> dict[str, Any]:
        with pytest.raises(SystemExit) as end:
            main([*words, "--json"])
        assert end.value.code in (0, None)
        return json.loads(capsys.readouterr().out)

    monkeypatch.chdir(tmp_path)
    program = "preresnet?depth=11&planes=4"
    space = oche.spaces.get(program).with_arguments(in_channels=1, side=8)
    dna = space.sample(1)
    built = run("child", "build", program, "--dna", ",".join(map(str, dna.flat)), "--data", "digits", "--no-train")
    exported = run("child", "export", "net.pt", "--out", "net.pt2")
    assert (exported["params"], exported["macs"]) == (built["params"], built["macs"])
    # In closed form, from the widths alone.
    axes = space.build(dna, seed=0).axes
    shares = {key: int(label.split("/")[0]) for key, label in built["decisions"].items()}
    widths = {g.name: max(1, g.size * shares[g.name] // 8) for g in axes.free()}
    assert (built["params"], built["macs"]) == (axes.params(widths), axes.macs(widths))
    assert built["params"] < 0.8 * axes.params() and built["macs"] < 0.8 * axes.macs()
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [built["params"], built["macs"], [3, 10]]
