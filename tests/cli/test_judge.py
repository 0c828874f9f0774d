"""`oche judge` on a stranger's table, and `oche judge plan`."""

from __future__ import annotations

import json

ROWS = [
    f"{m},{k},{i},{v + 0.3 * i:.1f}"
    for m, k, v in (("evo", "search", 93), ("random", "random", 88), ("rs", "random_search", 91))
    for i in range(6)
]


def test_a_table_that_a_stranger_made(oche, tmp_path):
    (tmp_path / "runs.csv").write_text("algorithm,kind,seed,test_acc\n" + "\n".join(ROWS) + "\n")
    done = oche("judge", "runs.csv", "--out", "report")
    assert done.returncode == 0, done.stderr
    assert "evo" in done.stdout and "beats a random search of unknown cost" in done.stdout
    assert "would say more with:" in done.stdout and "costs are not recorded" in done.stdout
    assert (tmp_path / "report" / "report.html").is_file()
    value = json.loads(oche("judge", "runs.csv", "--json").stdout)
    assert value["schema"] == "oche.report/1" and len(value["checklist"]) == 16
    assert oche("judge", "runs.csv", "--table", "latex").stdout.startswith("% needs the package booktabs")


def test_too_little_is_described_and_said(oche, tmp_path):
    (tmp_path / "runs.csv").write_text("method,kind,accuracy\nevo,search,93.1\n")
    done = oche("judge", "runs.csv")
    assert done.returncode == 2
    assert "evo on runs: one run, 93.10 %" in done.stdout
    assert "nothing random to compare with" in done.stdout
    assert "too little for a verdict" in done.stderr
    assert "Traceback" not in done.stderr
    missing = json.loads(oche("judge", "runs.csv", "--json").stdout)["missing"]
    assert any(m["fatal"] for m in missing)
    (tmp_path / "runs.csv").write_text("method,seed,accuracy\nevo,0,93.1\n")
    done = oche("judge", "runs.csv")
    assert done.returncode == 2 and "missing: kind" in done.stderr


def test_a_declared_protocol(oche, tmp_path):
    from oche.judge import Metric, Protocol

    protocol = Protocol.preset("digits").derive(datasets=("runs",), metric=Metric("accuracy"), n_search=6, n_random=6)
    (tmp_path / "mine.json").write_text(json.dumps(protocol.to_json()))
    (tmp_path / "runs.csv").write_text("algorithm,kind,seed,test_acc\n" + "\n".join(ROWS) + "\n")
    done = oche("judge", "runs.csv", "--protocol", "mine.json")
    assert done.returncode == 0, done.stderr
    assert f"declared in protocol 'mine' ({protocol.hash[:8]})" in done.stdout
    done = oche("judge", "runs.csv", "--protocol", "digits")
    assert done.returncode == 2 and "does not follow protocol 'digits'" in done.stderr


def test_plan(oche, tmp_path):
    done = oche("judge", "plan", "--effect", "0.2", "--sd", "0.2266")
    assert done.returncode == 0, done.stderr
    assert "22 runs per arm see 0.20 points with 80 % power" in done.stdout
    (tmp_path / "runs.csv").write_text("algorithm,kind,seed,test_acc\n" + "\n".join(ROWS) + "\n")
    assert "18 runs in 3 arms on runs" in oche("judge", "plan", "--effect", "0.2", "runs.csv").stdout
    bad = oche("judge", "plan", "--effect", "0.2", "--sd", "1", "runs.csv")
    assert bad.returncode == 2 and "Traceback" not in bad.stderr


def test_plan_estimates_the_spread_from_a_store(oche, tmp_path):
    import oche as library

    space = library.Space([library.oneof([1, 2, 3, 4], name=f"x{i}") for i in range(4)])
    task = library.tasks.function(lambda child: float(sum(child)))
    library.search(space, "random", task, budget=library.Budget(trials=3), seeds=4, store=tmp_path / "runs.db")
    planned = oche("judge", "plan", "--effect", "1", "--store", "runs.db")
    assert planned.returncode == 0, planned.stderr
    assert "4 runs in 1 arm on" in planned.stdout
