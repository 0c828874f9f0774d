"""`oche search`, `baseline`, `judge`, `runs` and the quick demo as a user meets them: files, exit codes, kills, mistakes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from tests.cli.conftest import environment, refused, run_oche

#: A program and a task that need no torch: a user's own file may hold both.
PROGRAM = """
import oche

class Net:
    def __init__(self):
        self.a = oche.oneof([0, 1, 2, 3], name="a")
        self.b = oche.oneof([0, 1, 2, 3], name="b")

class Plain:
    def __init__(self):
        self.a = 1
"""

NAN = """
import torch
from torch import nn
import oche

class Explode(nn.Module):
    def forward(self, x):
        return x * float("nan")

class Net(nn.Module):
    def __init__(self, in_channels=1, classes=10):
        super().__init__()
        self.part = oche.oneof({"bad": Explode, "worse": Explode}, name="part")
        self.head = nn.Linear(64 * in_channels, classes)

    def forward(self, x):
        return self.head(self.part(x.flatten(1)))
"""

FAST = ("--data", "digits", "--recipe", "epochs=1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a network of four choices (`oche init`), a program without torch, and one whose loss is never finite."""
    folder = tmp_path_factory.mktemp("search")
    assert run_oche("init", "net.py", "--quiet", cwd=folder).returncode == 0
    (folder / "small.py").write_text(PROGRAM)
    (folder / "nan.py").write_text(NAN)
    return folder


@pytest.fixture(scope="module")
def oche(folder):
    """Commands in that folder."""
    return partial(run_oche, cwd=folder)


@pytest.fixture(scope="module")
def searched(oche):
    """One search of the network with baseline and random search; the command's JSON."""
    words = ("net.py:Net", "-a", "regularized-evolution", *FAST, "--budget", "trials=6", "--seeds", "2", "--members", "2")
    done = oche("search", *words, "--store", "runs.db", "--out", "out", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_search_of_a_users_file_leaves_records_report_and_network(folder, searched):
    out = folder / "out"
    assert {p.name for p in out.iterdir()} >= {"records.jsonl", "report.html", "report.json", "best.json", "best.pt"}
    records = [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]
    # Random search gets more seeds than the two searches: with two against two no verdict would be possible.
    kinds = [r["kind"] for r in records]
    assert kinds[:4] == ["search"] * 2 + ["random"] * 2
    assert set(kinds[4:]) == {"random_search"}
    assert len(kinds[4:]) > 2
    assert {r["cost"]["search"]["trials"] for r in records if r["kind"] != "random"} == {6}
    assert len({json.dumps(r["protocol"], sort_keys=True) for r in records}) == 1
    best = json.loads((out / "best.json").read_text())
    assert best["metrics"]["valid"] == max(r["metrics"]["valid"] for r in records if r["kind"] == "search")
    assert searched["best"]["id"] == best["record"]


def test_the_network_that_was_found_predicts_what_the_record_says(oche, searched):
    done = oche("child", "predict", "out/best.pt", "--program", "net.py:Net", "--data", "digits", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accuracy"] == pytest.approx(searched["best"]["metrics"]["test"])


def test_the_member_of_best_json_is_built_again(oche, searched):
    done = oche("child", "build", "net.py:Net", "--best", "out/best.json", "--out", "again.pt", "--json")
    assert json.loads(done.stdout)["decisions"] == searched["best"]["decisions"]
    other = oche("child", "build", "small.py:Net", "--best", "out/best.json")
    assert other.returncode == 2
    assert "got a member of 'net.py:Net'" in other.stderr


def test_judging_the_records_again_gives_the_same_rows(oche, searched):
    again = json.loads(oche("judge", "out", "--json").stdout)
    assert again["rows"] == searched["report"]["rows"]


def test_the_same_command_with_a_store_does_nothing_twice(oche, folder, searched):
    words = ("net.py:Net", "-a", "regularized-evolution", *FAST, "--budget", "trials=6", "--seeds", "2", "--members", "2")
    done = oche("search", *words, "--store", "runs.db", "--out", "out2", "--json")
    assert done.returncode == 0, done.stderr
    assert (folder / "out2/records.jsonl").read_text() == (folder / "out/records.jsonl").read_text()


def test_a_file_is_searched_as_a_supernet_and_random_search_gets_what_that_cost(oche, folder):
    words = ("net.py:Net", "-a", "darts?epochs=2", *FAST, "--no-baseline", "--equal", "cpu_seconds", "--out", "shared", "--quiet")
    done = oche("search", *words)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in (folder / "shared/records.jsonl").read_text().splitlines()]
    shared, drawn = records
    limit = shared["cost"]["search"]["cpu_seconds"]
    assert (shared["kind"], drawn["kind"], drawn["budget"]) == ("search", "random_search", {"cpu_seconds": pytest.approx(limit)})
    # A run ends before the first trial that starts with the limit reached.
    assert drawn["cost"]["search"]["cpu_seconds"] >= limit
    assert (folder / "shared/best.pt").is_file()


def test_runs_are_listed_shown_and_exported(oche, folder, searched):
    rows = json.loads(oche("runs", "list", "--store", "runs.db", "--json").stdout)["runs"]
    # A run for each search and each random search, and one for all members of the baseline.
    n_members = 2
    assert [r["status"] for r in rows] == ["done"] * (len((folder / "out/records.jsonl").read_text().splitlines()) - n_members + 1)
    shown = json.loads(oche("runs", "show", rows[0]["id"][:8], "--store", "runs.db", "--json").stdout)
    assert (shown["asked"], shown["told"], len(shown["records"])) == (6, 6, 1)
    done = oche("runs", "export", "exported.jsonl", "--store", "runs.db")
    assert done.returncode == 0
    assert sorted((folder / "exported.jsonl").read_text().splitlines()) == sorted((folder / "out/records.jsonl").read_text().splitlines())
    missing = oche("runs", "show", "zzz", "--store", "runs.db")
    assert missing.returncode == 2
    assert "got 'zzz'" in missing.stderr


def test_a_dry_run_checks_and_does_nothing(oche, folder):
    done = oche("search", "net.py:Net", *FAST, "--budget", "trials=6", "--out", "dry", "--store", "dry.db", "--dry-run", "--json")
    plan = json.loads(done.stdout)
    assert (plan["size"], plan["budget"], plan["seeds"]) == (256, {"trials": 6}, 1)
    assert not (folder / "dry").exists()
    assert not (folder / "dry.db").exists()


def test_quiet_prints_the_result_and_no_tables(oche):
    done = oche("baseline", "net.py:Net", *FAST, "--members", "2", "--quiet")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert "2 of 2 random members" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("net.py:Net", "-a", "regularised-evolution", *FAST), "did you mean 'regularized-evolution'"),
        (("net.py:Net", "-a", "regularized-evolution?popluation=4", *FAST), "did you mean 'population'"),
        (("nasbench-2O1", "-a", "random", *FAST), "did you mean 'nasbench201'"),
        (("net.py:Net", "-a", "random", "--data", "digit"), "did you mean 'digits'"),
        (("net.py:Net", "-a", "random", "--task", "clasification"), "did you mean 'classification'"),
        (("net.py:Net", "-a", "random"), "neither --data nor --task"),
        (("small.py:Plain", "-a", "random", *FAST), "no choices"),
        (("net.py:Net", *FAST, "--budget", "trials=8", "-a", "regularized-evolution?population=8"), "population"),
        (("net.py:Net", *FAST, "--budget", "trails=8"), "did you mean 'trials'"),
        (("net.py:Net", *FAST, "--seeds", "0"), "--seeds: got '0'"),
        (("net.py:Net", *FAST, "--equal", "seconds"), "did you mean 'cpu_seconds'"),
        (("net.py:Net", *FAST, "-a", "darts", "--mixer", "softmax"), "--mixer: got it with algorithm 'darts'"),
        (("net.py:Net", *FAST, "-a", "random", "--scheme", "rarts"), "--scheme: got it with algorithm 'random', which trains no supernet"),
        (("net.py:Net", *FAST, "--mixer", "soft-max-2"), "did you mean 'softmax'"),
        (("net.py:Net", *FAST, "--executor", "proceses"), "did you mean 'processes'"),
        (("net.py:Net", *FAST, "--executor", "processes?worker=2"), "did you mean 'workers'"),
        (("net.py:Net", *FAST, "--budget", "trials=2", "--store", "net.py"), "net.py"),
        (("net.py:Net", *FAST, "--budget", "trials=2", "--out", "net.py"), "--out: got 'net.py'"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)
def test_a_users_mistake_is_one_line_and_costs_nothing(folder, words, said):
    done = refused("search", *words, "--quiet", cwd=folder)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert said in done.stderr
    assert done.stderr.splitlines()[-1].startswith("oche: ")
    assert "Traceback" not in done.stderr


def test_a_loss_that_is_not_finite_is_failed_work_and_says_the_step(oche):
    done = oche("search", "nan.py:Net", "-a", "random", *FAST, "--budget", "trials=2", "--no-baseline", "--no-random-search")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "loss: got nan at step 0" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_program_that_builds_no_network_is_failed_work_and_says_what_it_built(oche):
    done = oche("search", "small.py:Net", "-a", "random", *FAST, "--budget", "trials=1", "--no-baseline")
    assert done.returncode == 1
    assert "got a Net; allowed for classification: something that builds a torch module" in done.stderr.splitlines()[-1]


def test_a_killed_search_is_resumed_by_its_id_and_ends_like_an_unbroken_one(oche, folder):
    words = ["search", "net.py:Net", "-a", "regularized-evolution", *FAST, "--budget", "trials=12", "--no-baseline", "--no-random-search"]
    whole = oche(*words, "--store", "whole.db", "--out", "whole", "--quiet")
    assert whole.returncode == 0, whole.stderr
    command = [sys.executable, "-m", "oche", *words, "--store", "broken.db", "--out", "broken", "--quiet"]
    process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    told = 0
    deadline = time.monotonic() + 120
    while not 2 <= told < 12 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
        if (folder / "broken.db").is_file():
            listed = oche("runs", "list", "--store", "broken.db", "--json")
            rows = json.loads(listed.stdout)["runs"] if listed.returncode == 0 else []
            told = rows[0]["told"] if rows else 0
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (row,) = json.loads(oche("runs", "list", "--store", "broken.db", "--json").stdout)["runs"]
    resumed = oche("runs", "resume", row["id"], "--store", "broken.db")
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stderr.startswith("oche search net.py:Net -a regularized-evolution")

    def result(name):
        (record,) = [json.loads(line) for line in (folder / name / "records.jsonl").read_text().splitlines()]
        return record["dna"], record["metrics"], record["cost"]["search"]["trials"], record["id"]

    assert result("broken") == result("whole")


def test_ctrl_c_leaves_with_130_and_says_how_to_go_on(folder):
    words = ["search", "net.py:Net", "-a", "random", *FAST, "--budget", "trials=500", "--no-baseline", "--store", "stopped.db"]
    process = subprocess.Popen([sys.executable, "-m", "oche", *words], cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (folder / "stopped.db").is_file() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "kept in stopped.db; run the same command again to go on" in said


def test_the_quick_demo_needs_no_torch_and_ends_in_a_verdict(tmp_path):
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "torch.py").write_text("raise ImportError('torch is not to be imported here')\n")
    start = time.monotonic()
    env = {"PYTHONPATH": os.pathsep.join([str(blocked), environment()["PYTHONPATH"]])}
    done = run_oche("demo", "--quick", "--out", "quick", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - start < 30  # ten seconds on cores of its own
    assert "regularized-evolution" in done.stdout
    assert "vs random search at equal cost" in done.stdout
    assert (tmp_path / "quick" / "report.html").stat().st_size > 10_000


def test_the_commands_that_the_quick_demo_proposes_work(tmp_path):
    done = run_oche("demo", "--quick", "--out", "quick", cwd=tmp_path)
    lines = done.stdout.partition("next:\n")[2].splitlines()
    assert len(lines) == 3
    for line in lines:
        words = line.split()[1:]
        if words != ["demo"]:
            assert run_oche(*words, cwd=tmp_path).returncode == 0, line
