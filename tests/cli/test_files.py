"""Commands on spaces, data sets and network files, by real processes."""

from __future__ import annotations

import csv
import gzip
import json
from functools import partial

import numpy as np
import pytest

from tests.cli.conftest import refused, run_oche


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A folder with the file that `oche init` writes, and one without choices."""
    folder = tmp_path_factory.mktemp("net")
    assert run_oche("init", "net.py", "--quiet", cwd=folder).returncode == 0
    (folder / "plain.py").write_text("class Plain:\n    pass\n")
    return folder


@pytest.fixture(scope="module")
def oche(net):
    """Commands in that folder."""
    return partial(run_oche, cwd=net)


@pytest.fixture(scope="module")
def trained(oche, net):
    """A trained member in `n.pt`; the command's JSON."""
    done = oche("child", "build", "net.py:Net", "--dna", "0,1,2,3", "--data", "digits", "--recipe", "epochs=1", "--out", "n.pt", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_space_counts_the_programs_of_the_file_that_init_writes(oche, net):
    value = json.loads(oche("space", "net.py:Net", "--json", "--sample", "2").stdout)
    assert value["size"] == 4**4
    assert [p["key"] for p in value["points"]] == ["op0", "op1", "op2", "op3"]
    assert len(value["members"]) == 2


def test_space_counts_a_space_of_the_library(oche):
    assert json.loads(oche("space", "nasbench201", "--json").stdout)["size"] == 15_625
    assert oche("space", "nasbench201", "--quiet").stdout == "nasbench201: 6 decisions, 15,625 programs\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("space", "nasbench20l"), "did you mean 'nasbench201'"),
        (("space", "net.py:Nett"), "did you mean 'Net'"),
        (("space", "gone.py:Net"), "no file 'gone.py'"),
        (("space", "plain.py:Plain"), "choice"),
        (("space", "net.py:Net", "--data", "digit"), "did you mean 'digits'"),
        (("data", "info", "cifar1O"), "did you mean 'cifar10'"),
        (("data", "import", "nasbench201", "net.py"), "allowed: index, arch"),
        (("data", "import", "nasbench21", "net.py"), "did you mean 'nasbench201'"),
        (("list", "algorithm"), "did you mean 'algorithms'"),
        (("child", "build", "net.py:Net"), "exactly one of --best, --dna, --decisions and --genotype"),
        (("child", "build", "net.py:Net", "--dna", "0,1,2,9"), "gene of 'op3': got 9; allowed: 0 to 3"),
        (("child", "build", "net.py:Net", "--dna", "0,1"), "2"),
        (("child", "build", "net.py:Net", "--decisions", "op0=conv5"), "conv5"),
        (("child", "build", "net.py:Net", "--best", "gone.json"), "not there"),
        (("child", "build", "net.py:Net", "--best", "net.py"), "not written by a search"),
        (("child", "predict", "net.py", "--data", "digits"), "network file"),
        (("runs", "list", "--store", "gone.db"), "no such file"),
        (("judge",), "got no records"),
        (("judge", "gone.jsonl"), "'gone.jsonl', which is not there"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)
def test_a_users_mistake_is_one_line_on_stderr_and_bad_usage(net, words, said):
    done = refused(*words, cwd=net)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert said in done.stderr
    assert done.stderr.startswith("oche: ")
    assert done.stderr.count("\n") == 1, done.stderr


def test_data_info_says_shape_and_splits(oche):
    value = json.loads(oche("data", "info", "digits", "--json").stdout)
    assert value["shape"] == [1, 8, 8]
    assert sum(value["sizes"].values()) == 1797


def test_a_table_is_imported_into_the_cache_and_found_again(oche, tmp_path):
    from oche.spaces.nasbench201.cells import EDGES, OPS, to_cell

    def cell(i):
        return to_cell([OPS[i // len(OPS) ** p % len(OPS)] for p in range(len(EDGES))])

    with (tmp_path / "table.csv").open("w", newline="") as handle:
        rows = csv.writer(handle)
        rows.writerow(["index", "arch", "cifar10_test_200"])
        rows.writerows([i, cell(i), 10 + i / 200] for i in range(15_625))
    env = {"OCHE_CACHE": str(tmp_path / "cache"), "OCHE_DATA": ""}
    before = json.loads(oche("data", "list", "--json", env=env).stdout)
    assert before["tables"][0]["path"] is None
    done = oche("data", "import", "NASBench-201", tmp_path / "table.csv", env=env)
    assert done.returncode == 0, done.stderr
    found = json.loads(oche("data", "list", "--json", env=env).stdout)["tables"][0]["path"]
    assert found.startswith(str(tmp_path / "cache"))
    with gzip.open(found, "rt") as handle:
        assert handle.readline() == "index,arch,cifar10_test_200\n"


def test_a_member_is_trained_saved_shown_and_predicts_as_it_was_measured(oche, net, trained):
    shown = json.loads(oche("child", "show", "n.pt", "--json").stdout)
    assert shown["decisions"] == {"op0": "conv3", "op1": "conv1", "op2": "pool", "op3": "skip"}
    done = oche("child", "predict", "n.pt", "--program", "net.py:Net", "--data", "digits", "--out", "p.csv", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accuracy"] == pytest.approx(trained["metrics"]["test"])
    with (net / "p.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 597
    assert all(0.1 <= float(row["probability"]) <= 1 for row in rows)


def test_the_same_member_by_labels_has_the_same_weights(oche, net, trained):
    decisions = "op0=conv3,op1=conv1,op2=pool,op3=skip"
    done = oche(
        "child", "build", "net.py:Net", "--decisions", decisions, "--data", "digits", "--recipe", "epochs=1", "--out", "m.pt", "--json"
    )
    again = json.loads(done.stdout)
    assert again["dna"] == trained["dna"]
    assert again["metrics"]["test"] == trained["metrics"]["test"]


def test_arguments_that_were_given_after_the_name_stay_with_the_network(oche, net):
    words = ("--dna", "0,0,0,0", "--data", "digits", "--recipe", "epochs=1", "--out", "four.pt", "--json")
    done = oche("child", "build", "net.py:Net?channels=4", *words)
    assert json.loads(done.stdout)["arguments"]["channels"] == 4
    done = oche("child", "predict", "four.pt", "--program", "net.py:Net", "--data", "digits")
    assert done.returncode == 0, done.stderr


def test_predictions_for_ones_own_inputs_need_no_data_set(oche, net, trained):
    np.save(net / "x.npy", np.zeros((3, 1, 8, 8), dtype=np.float32))
    done = oche("child", "predict", "n.pt", "--program", "net.py:Net", "--input", "x.npy", "--json")
    assert json.loads(done.stdout)["n"] == 3
    np.save(net / "x.npy", np.zeros((3, 3, 8, 8), dtype=np.float32))
    done = oche("child", "predict", "n.pt", "--program", "net.py:Net", "--input", "x.npy")
    assert done.returncode == 2
    assert "allowed: (n, 1, 8, 8)" in done.stderr


def test_a_network_file_never_chooses_which_code_runs(oche, net, trained):
    done = oche("child", "predict", "n.pt", "--data", "digits")
    assert done.returncode == 2
    assert "--program net.py:Net" in done.stderr


def test_the_program_of_another_space_is_refused(oche, net, trained):
    done = oche("child", "predict", "n.pt", "--program", "nasbench201", "--data", "digits")
    assert done.returncode == 2
    assert "got a member of 'net.py:Net'" in done.stderr


@pytest.mark.parametrize("name", ["net.onnx", "net.pt2"])
def test_an_exported_network_computes_the_same(oche, net, trained, name):
    import torch

    done = oche("child", "export", "n.pt", "--program", "net.py:Net", "--out", name)
    assert done.returncode == 0, done.stderr
    from oche.cli._network import open_network

    model = open_network(net / "n.pt", f"{net / 'net.py'}:Net").model
    x = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        want = model(x).numpy()
    if name.endswith(".onnx"):
        from onnx.reference import ReferenceEvaluator

        session = ReferenceEvaluator(str(net / name))
        (got,) = session.run(None, {session.input_names[0]: x.numpy()})
    else:
        got = torch.export.load(net / name).module()(x).detach().numpy()
    np.testing.assert_allclose(got, want, atol=1e-4)


def test_an_unknown_ending_needs_a_format(oche, net, trained):
    done = oche("child", "export", "n.pt", "--program", "net.py:Net", "--out", "net.bin")
    assert done.returncode == 2
    assert ".onnx or .pt2" in done.stderr
