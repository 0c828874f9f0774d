"""Tables of strangers, results of other tools, and exports to them."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from tests.judge.made_records import record, runs

from oche import judge
from oche.errors import JudgeError
from oche.judge._csv import COLUMNS


def written(tmp_path, text, name="runs.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


STRANGE = "algorithm;role;seed;test_acc;cost_seconds;budget_trials\n" + "".join(
    f"{m};{k};{i};{v + i};{10 * (i + 1)};40\n"
    for m, k, v in (("evo", "search", 93), ("random", "baseline", 88), ("RS", "random-search", 91))
    for i in range(4)
)


def test_a_stranger_s_table_is_judged(tmp_path):
    records = judge.read(written(tmp_path, STRANGE))
    assert [r.kind for r in records[::4]] == ["search", "random", "random_search"]
    first = records[0]
    assert (first.task, first.space, first.search_seed, first.cost["search"]["seconds"]) == ("runs", "runs", 0, 10.0)
    assert first.budget == {"trials": 40.0} and records[4].budget == {}
    report = judge.report(records)
    assert report.row("evo").against == "random search"
    assert report.row("evo").equal_cost


@pytest.mark.parametrize("ours", [c for c in COLUMNS if COLUMNS[c] and c in ("method", "kind", "accuracy", "dataset")])
def test_every_other_name_of_a_column_is_taken(tmp_path, ours):
    for theirs in COLUMNS[ours]:
        header = "dataset,method,kind,run,accuracy".replace(ours, theirs)
        (found,) = judge.read(written(tmp_path, f"{header}\nd,m,search,0,90\n"))
        assert (found.task, found.algorithm, found.value) == ("d", "m", 90.0)


def test_runs_are_numbered_and_spaces_are_told_from_the_methods(tmp_path):
    shared = judge.read(
        written(tmp_path, "method,kind,accuracy\na,search,90\na,search,91\nb,search,92\nrandom,random,88\nrandom,random,89\n")
    )
    assert [r.settings["run"] for r in shared] == [0, 1, 0, 0, 1]
    assert [r.search_seed for r in shared] == [None] * 5  # a number that only counts lines is no seed
    assert len({r.fingerprint for r in shared}) == 1
    assert len({r.id for r in shared}) == 5
    own = judge.read(written(tmp_path, "method,kind,accuracy\na,search,90\nb,search,92\na,random,88\nb,random,89\n"))
    assert {r.space for r in own} == {"a", "b"}


def test_losses_and_protocols_of_a_table(tmp_path):
    text = "method,kind,loss_name,value,direction,unit,metric,n_test,protocol_epochs\na,search,x,0.3,min,,loss,1000,200\n"
    (found,) = judge.read(written(tmp_path, text))
    assert (found.metric, found.value, found.direction, found.unit, found.n_report) == ("loss", 0.3, "min", "", 1000)
    assert found.protocol["epochs"] == "200"
    two = text + "r,random,x,0.5,min,,loss,1000,600\n" * 2 + "a,search,x,0.4,min,,loss,1000,200\n"
    with pytest.raises(JudgeError, match=r"protocols differ in: epochs \(600 vs 200\)"):
        judge.report(judge.read(written(tmp_path, two)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("method,seed,acc\na,0,90\n", "missing: kind .*'random'"),
        ("methd,kind,accuracy\na,search,90\n", "did you mean 'methd' for 'method'"),
        ("method,kind,accuracy\na,search,90,7\n", "line 2: got 4 values"),
        ("method,kind,accuracy,direction\na,search,90,up\n", "'direction': got 'up'"),
        ("method,kind,accuracy,cost_parsecs\na,search,90,3\n", "unit 'parsecs'"),
        ("method,kind,accuracy,run\na,search,90,1.5\n", "'run': got '1.5'"),
        ("method,kind,accuracy,valid\na,search,90,x\n", "'valid': got 'x'; allowed: a number"),
        ("method,kind,accuracy\n,search,90\n", "'method': got nothing"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path, text, said):
    with pytest.raises(JudgeError, match=said):
        judge.read(written(tmp_path, text))


TRAJECTORY = {
    "train_acc": [50, 60],
    "valid_acc": [70.0, 75.0],
    "test_acc": [71.0, 76.5],
    "runtime": [1, 1],
    "train_time": [100.0, 150.0],
    "params": 1.7,
}


def naslib(tmp_path, folder, value, name="errors.json"):
    path = tmp_path / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def test_naslib_runs_in_folders_of_seeds(tmp_path):
    for method in ("re", "rs"):
        for seed in range(3):
            run = {**TRAJECTORY, "test_acc": [70.0, 80.0 + seed + (method == "re")]}
            naslib(tmp_path, f"run/cifar10/{method}/{seed}", run)
    records = judge.read(tmp_path / "run")
    assert [(r.kind, r.algorithm, r.search_seed) for r in records] == [("search", "re", s) for s in range(3)] + [
        ("random_search", "random", s) for s in range(3)
    ]
    first = records[0]
    assert (first.task, first.value, first.metrics["valid"], first.cost["search"]) == (
        "naslib:cifar10", 81.0, 75.0, {"trials": 2.0, "seconds": 250.0},
    )  # fmt: skip
    assert first.curves["incumbent test by seconds"] == [[100.0, 70.0], [250.0, 81.0]]
    report = judge.report(records)
    assert report.row("re").equal_cost
    assert {a.axis for a in report.anytime} == {"trials", "seconds"}


def test_naslib_s_light_form_holds_its_own_settings(tmp_path):
    config = {"dataset": "cifar100", "optimizer": "bananas", "search_space": "nasbench201", "seed": 7, "search": {"epochs": 2}}
    (found,) = judge.read(naslib(tmp_path, "somewhere", [config, TRAJECTORY]))
    assert (found.task, found.algorithm, found.space, found.search_seed, found.value) == (
        "naslib:cifar100",
        "bananas",
        "nasbench201",
        7,
        76.5,
    )


def test_naslib_s_old_form_holds_the_table_s_answers(tmp_path):
    cell = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
    picks = [{"arch": cell, "datasets": ["cifar10"], "cifar10": {"test_accuracy": v, "valid_accuracy": v - 3}} for v in (91.9, 93.675)]
    old = {"train_acc": [], "test_acc": [], "runtime": [], "params": 1.7, "arch_eval": picks}
    (found,) = judge.read(naslib(tmp_path, "run/cifar10/RE", old, "errors_3.json"))
    assert (found.search_seed, found.algorithm, found.value, found.arch, found.space) == (3, "RE", 93.675, cell, "nasbench201")
    with pytest.raises(JudgeError, match="no test accuracy on 'svhn'"):
        judge.read_naslib(tmp_path / "run/cifar10/RE/errors_3.json", dataset="svhn")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({**TRAJECTORY, "test_acc": []}, "no test accuracy"),
        ({**TRAJECTORY, "test_acc": [-1, -1]}, "a negative test accuracy"),
        ({"loss": 3}, "another form"),
    ],
)
def test_naslib_files_without_a_result_are_refused(tmp_path, value, said):
    with pytest.raises(JudgeError, match=said):
        judge.read(naslib(tmp_path, "re/0", value))


def test_a_naslib_run_without_a_seed_is_refused(tmp_path):
    with pytest.raises(JudgeError, match="got no seed"):
        judge.read(naslib(tmp_path, "re/first", TRAJECTORY))
    (tmp_path / "empty").mkdir()
    with pytest.raises(JudgeError, match="without records"):
        judge.read(tmp_path / "empty")


def test_the_whole_table_of_nats_bench_is_a_baseline(oche_data, table):
    (whole,) = judge.read_nats_bench(oche_data / "nasbench201.csv.gz", "cifar10", split="test", epochs=200)
    assert whole.kind == "population"
    assert whole.value == pytest.approx(87.063, abs=6e-4)
    assert sum(count for count, _ in whole.curves["members"]) == 15_625
    (images,) = judge.read_nats_bench(oche_data / "nasbench201.csv.gz", "ImageNet16-120", split="test", epochs=200)
    assert images.value == pytest.approx(33.586, abs=6e-4)
    with pytest.raises(JudgeError, match=r"allowed: .*cifar10_valid_12"):
        judge.read_nats_bench(oche_data / "nasbench201.csv.gz", "cifar10", split="valid", epochs=200)


def test_a_search_of_ours_is_judged_against_a_dump(oche_data):
    import oche

    task = oche.tasks.tabular("nasbench201", dataset="cifar10", search=("valid", 12), report=("test", 200))
    found = oche.search("nasbench201", "random", task, budget=oche.Budget(trials=20), seeds=3)
    like = found.records[0]
    dump = judge.read_nats_bench(oche_data / "nasbench201.csv.gz", "cifar10", split="test", epochs=200, like=like)
    row = judge.report(found, baseline=dump).rows[0]
    assert row.population and row.n_r == 15_625


def answers(**change):
    base = {"dataset": "cifar10", "hp": "200", "is_random": False, "test-accuracy": 90.0, "train-accuracy": 99.0}
    return [{**base, "index": i, "arch": f"a{i}", "test-accuracy": 90.0 + i, **change} for i in range(3)]


def test_answers_of_nats_bench(tmp_path):
    path = tmp_path / "dump.json"
    path.write_text(json.dumps(answers()))
    found = judge.read_nats_bench(path, "cifar10", split="test", epochs=200, kind="random")
    assert [(r.kind, r.value, r.arch) for r in found] == [("random", 90.0 + i, f"a{i}") for i in range(3)]
    packed = tmp_path / "dump.jsonl.gz"
    packed.write_bytes(gzip.compress("\n".join(map(json.dumps, answers())).encode()))
    assert [r.value for r in judge.read_nats_bench(packed, "CIFAR10", split="test", epochs=200, kind="random")] == [90.0, 91.0, 92.0]


@pytest.mark.parametrize(
    ("change", "asked", "said"),
    [
        ({}, {"epochs": 12}, "allowed: cifar10 with hp 200; the interface's own default is hp 12"),
        ({"is_random": True}, {}, "one trial drawn at random"),
        ({}, {"split": "valid"}, "those of 'cifar10-valid'"),
        ({"index": 0}, {}, "architecture 0 twice"),
        ({}, {"kind": "population"}, "got 3 architectures; allowed: all 15,625 or 32,768"),
        ({"test-accuracy": "x"}, {}, "accuracy 'x'"),
    ],
)
def test_traps_of_nats_bench_are_refused(tmp_path, change, asked, said):
    path = tmp_path / "dump.json"
    path.write_text(json.dumps(answers(**change)))
    with pytest.raises(JudgeError, match=said):
        judge.read_nats_bench(path, "cifar10", **{"split": "test", "epochs": 200, "kind": "random", **asked})


def several():
    found = []
    for i, data in enumerate("abc"):
        for kind, values in (("search", [93 + i, 94, 95]), ("random", [90, 91, 92]), ("random_search", [92, 93, 94.5])):
            found += runs(kind, values, task=f"classification:{data}")
    return found


def test_the_table_for_autorank():
    pytest.importorskip("pandas")
    frame = judge.to_autorank(several())
    assert list(frame.columns) == ["random members", "random search", "evolution"]
    assert list(frame.index) == ["a", "b", "c"]
    assert frame.loc["b", "evolution"] == pytest.approx(np.mean([94, 94, 95]))
    with pytest.raises(JudgeError, match="no result of 'random members' on"):
        judge.to_autorank(several(), runs("search", [1, 2], task="classification:d"))


def test_the_arrays_for_rliable():
    found = judge.to_rliable(several())
    assert {k: v.shape for k, v in found.items()} == {"random members": (3, 3), "random search": (3, 3), "evolution": (3, 3)}
    assert found["evolution"][0].tolist() == [93, 94, 95]  # runs by data sets
    scaled = judge.to_rliable(several(), normalize=True)
    assert "random members" not in scaled
    assert scaled["evolution"][0, 0] == pytest.approx(100 * (93 / 91 - 1))
    more = [*several(), record("search", 99.0, 7, task="classification:a")]
    with pytest.raises(JudgeError, match="equally many"):
        judge.to_rliable(more)
    assert judge.to_rliable(more, cut=True)["evolution"].shape == (3, 3)
    # One data set is still a column, never a flat list.
    assert judge.to_rliable(runs("search", [1, 2, 3]))["evolution"].shape == (3, 1)


def test_rliable_s_own_number_comes_out_of_its_arrays():
    scaled = judge.to_rliable(several(), normalize=True)["evolution"]
    report = judge.report(several())
    ours = next(a for a in report.multi.aggregates if (a.algorithm, a.against) == ("evolution", "random average"))
    assert judge.iqm(scaled.ravel()) == pytest.approx(ours.iqm)


def test_tables_for_papers(tmp_path):
    report = judge.report(several(), title="x")
    markdown = report.table().splitlines()
    assert markdown[0].startswith("| data | method | against | runs |")
    assert len([line for line in markdown if line.startswith("| ") and "---" not in line]) == 1 + len(report.rows)
    latex = report.table("latex")
    assert latex.count("\\\\") == 1 + len(report.rows)
    assert "\\%" in latex and "$\\pm$" in latex and not [c for c in latex.replace("\\%", "") if c == "±"]
    csv = report.table("csv").splitlines()
    assert csv[0].startswith("dataset,algorithm,against") and len(csv) == 1 + len(report.rows)
    for suffix in ("tex", "md", "csv"):
        assert report.save(tmp_path / f"r.{suffix}").read_text() == report.table({"tex": "latex", "md": "markdown", "csv": "csv"}[suffix])
    with pytest.raises(JudgeError, match="'markdown', 'latex', 'csv'"):
        report.table("word")


def test_underscores_survive_latex():
    arms = runs("search", [93, 94, 95], algorithm="my_search?k=4&x=50%"), runs("random", [90, 91, 92])
    assert "my\\_search?k=4\\&x=50\\%" in judge.report(*arms).table("latex")
