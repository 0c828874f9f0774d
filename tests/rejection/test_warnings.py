"""What a user is told: before anything is drawn, while it runs, and at the end."""

from __future__ import annotations

import json
import logging
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from oche.errors import ArgumentError
from oche.rejection import Bernoulli, Completion, Replay, synthesize
from oche.store import Store
from tests.cli.conftest import environment, run_oche
from tests.rejection.test_allocations import asked


def test_a_cap_below_the_target_is_said_with_its_count(caplog):
    with caplog.at_level(logging.WARNING, "oche.rejection"):
        synthesize(asked(7), "bernoulli?beta=2,1", "uniform?k=8&cap=4")
    assert "cap: got 4, below the target of all 7 queries of 8" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, "oche.rejection"):
        synthesize(asked(3), "bernoulli?beta=2,1", "prop2diff?k=8&cap=4")
        synthesize(asked(3), "bernoulli?beta=2,1", "uniform?k=4&cap=4")
    assert caplog.text.count("cap: got") == 1
    assert "the hardest query's target" in caplog.text


def test_right_responses_that_repeat_are_noticed():
    same = Replay(responses={f"q{i}": [f"#### {1 + i}"] * 40 for i in range(2)})
    done = synthesize(asked(2), same, "uniform?k=3", cap=40)
    assert [line["reason"] for line in done.table()] == ["cap", "cap"]
    assert any("only 2 of 80 right responses are new" in w and "dedup 'none'" in w for w in done.warnings)
    without = synthesize(asked(2), same, "uniform?k=3", cap=40, dedup="none")
    assert without.warnings == []


def test_a_sampler_that_is_never_right_is_stopped_and_shown():
    store = Store.memory()
    with pytest.raises(ArgumentError) as caught:
        synthesize(asked(500), Bernoulli(rates=[0.0] * 500), "prop2diff?k=192", store=store)
    said = str(caught.value)
    assert "nothing to train on" in said
    assert "template, stop strings and grader" in said
    assert said.count("is wrong") == 3
    assert "reference '1'" in said
    # It costs a few messages, not 500 times 2,048 samples.
    (drawn,) = re.findall(r"in ([\d,]+) raw samples", said)
    assert int(drawn.replace(",", "")) < 5_000
    done = synthesize(asked(20), Bernoulli(rates=[0.0] * 20), "uniform?k=2&pilot=0&cap=100")
    assert any("no response was kept" in w for w in done.warnings)
    with pytest.raises(ArgumentError, match="pilot"):
        synthesize(asked(2), "bernoulli", "uniform?pilot=-1")


class Cut(Bernoulli):
    """Half of what it says is cut off."""

    def generate(self, requests):
        return [[c._replace(finish="length" if i % 2 else "stop") for i, c in enumerate(found)] for found in super().generate(requests)]


def test_cut_and_unreadable_responses_are_counted():
    done = synthesize(asked(20), Cut(beta=(5, 1)), "vanilla?m=10")
    assert done.records[0].metrics["truncated"] == 100
    assert any("50.0 % of the raw samples are truncated" in w for w in done.warnings)

    class Silent(Bernoulli):
        def generate(self, requests):
            return [[Completion("####") if i % 3 else c for i, c in enumerate(found)] for found in super().generate(requests)]

    assert any("unparsable" in w for w in synthesize(asked(20), Silent(beta=(5, 1)), "vanilla?m=10").warnings)


def test_the_note_tells_reached_samples_tokens_and_money():
    class Dear(Bernoulli):
        def generate(self, requests):
            return [[c._replace(money=0.01) for c in found] for found in super().generate(requests)]

    done = synthesize(asked(10), Dear(rates=[1.0] * 10), "uniform?k=3")
    assert done.runs[0].algorithm.note() == "10 closed, 100% reached · 30 samples · 3,000 tokens · 0.30 spent"
    assert done.report().runs[0]["money"] == pytest.approx(0.3)


_SLOW = """
import time, oche
from oche.rejection import Bernoulli
class Slow(Bernoulli):
    simulated = False
    def generate(self, requests):
        time.sleep(0.05)
        return super().generate(requests)
asked = [{"id": f"q{i}", "query": f"1+{i}=", "ref_ans": str(1 + i)} for i in range(32)]
oche.rejection.synthesize(asked, Slow(), "uniform?k=4&cap=64", parallel=4)
"""


def test_a_terminal_sees_reached_tokens_and_the_time_left():
    ours, theirs = pty.openpty()
    env = {**environment(), "COLUMNS": "200", "TERM": "xterm"}
    process = subprocess.Popen([sys.executable, "-c", _SLOW], stderr=theirs, stdout=subprocess.DEVNULL, env=env)
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:
        pass  # the terminal closes with the process
    finally:
        process.wait(60)
        os.close(ours)
    text = shown.decode(errors="replace")
    assert process.returncode == 0, text[-2000:]
    for word in ("closed,", "% reached", "samples", "tokens", "left"):
        assert word in text
    assert "synthesis uniform" in text or "uniform" in text


def test_the_command_says_it_on_standard_error(tmp_path: Path):
    lines = [json.dumps(q) for q in asked(5)]
    (tmp_path / "q.jsonl").write_text("\n".join(lines))
    responses = [json.dumps({"query_id": "q0", "response": "no"})]
    (tmp_path / "r.jsonl").write_text("\n".join(responses))
    done = run_oche(
        "synthesize",
        "--queries",
        "q.jsonl",
        "--sampler",
        "replay?path=r.jsonl",
        "--allocation",
        "uniform?k=3&cap=2",
        "--json",
        cwd=tmp_path,
    )
    assert done.returncode == 0
    assert "cap: got 2, below the target" in done.stderr
    assert "no response was kept" in done.stderr
    assert json.loads(done.stdout)["runs"][0]["kept"] == 0
    # The report is written even where there is no data set to write.
    done = run_oche("synthesize", "--queries", "q.jsonl", "--sampler", "replay?path=r.jsonl", "--allocation", "uniform?k=3&cap=2",
                    "--out", "out", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 2
    assert "kept no response" in done.stderr
    assert "nothing to train on" in (tmp_path / "out/report.html").read_text()
