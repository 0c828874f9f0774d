"""CSV tables as strangers make them: read where nothing has to be guessed, else refused with what to do; never a traceback."""

from __future__ import annotations

import logging

import pytest
from typer.testing import CliRunner

from oche import judge
from oche.errors import JudgeError

ROWS = ("x,search,95", "x,search,96", "r,random,93", "r,random,94")
PLAIN = "\n".join(["method,kind,accuracy", *ROWS, ""])


def read(tmp_path, text, name="runs.csv"):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return judge.read(tmp_path / name)


def values(records):
    return [r.value for r in records]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", " , "),
        PLAIN.replace("method,kind,accuracy", "Method,KIND,Accuracy").replace("search", "Search"),
        "# my runs\n\n" + PLAIN.replace("\nr,", "\n\nr,") + ",,\n",
        PLAIN.replace("95", "95%").replace("96", "96 %"),
        PLAIN.replace(",", ";").replace("95", "95,0"),
        "".join(f"{',' if not i else str(i) + ','}{line}\n" for i, line in enumerate(PLAIN.splitlines())),
        "method,kind,accuracy,unit\n" + "".join(f"{row},percent\n" for row in ROWS),
        "method,kind,accuracy,seed\n" + "".join(f"{row},{i}.0\n" for i, row in enumerate(ROWS)),
    ],
    ids=[
        "plain",
        "byte order mark",
        "crlf",
        "tabs",
        "spaces",
        "capitals",
        "remarks and blanks",
        "%",
        "decimal commas",
        "index",
        "percent",
        "1.0",
    ],
)
def test_forms_that_mean_the_same_are_read_the_same(tmp_path, text):
    found = read(tmp_path, text)
    assert values(found) == [95, 96, 93, 94]
    assert [r.kind for r in found] == ["search", "search", "random", "random"]
    assert {r.unit for r in found} == {"%"}


def test_shares_are_told_as_percent_and_said_to_be(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "oche.judge"):
        found = read(tmp_path, "method,kind,accuracy,valid\nx,search,0.95,0.9\nx,search,1,0.9\nr,random,.93,.5\nr,random,0.94,.5\n")
    assert values(found) == pytest.approx([95, 100, 93, 94])
    assert found[0].metrics["valid"] == pytest.approx(90)
    assert "taken as shares" in caplog.text
    assert found[0].protocol["accuracy"] == "shares, times 100"
    assert judge.compare(values(found)[:2], values(found)[2:]).mde_unit == "points"
    named = read(tmp_path, "method,kind,accuracy,unit\n" + "".join(f"{r[:-2]}0.{r[-2:]},fraction\n" for r in ROWS))
    assert values(named) == pytest.approx([95, 96, 93, 94])


def test_a_column_unit_or_metric_stops_all_guessing(tmp_path):
    assert values(read(tmp_path, "method,kind,result,metric\nx,search,0.5,loss\nx,search,0.6,loss\n")) == [0.5, 0.6]
    assert values(read(tmp_path, "method,kind,accuracy,unit\nx,search,0.5,\nx,search,0.6,\n")) == [0.5, 0.6]
    assert values(read(tmp_path, "method,kind,accuracy,unit\nx,search,0.5,%\nx,search,0.6,%\n")) == [0.5, 0.6]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "missing: method, kind, accuracy"),
        ("method,kind,seed\nx,search,1\n", "missing: accuracy"),
        ("method,accuracy\nx,95\n", "missing: kind .*'random_search'"),
        ("seed,darts,random\n1,95,93\n", "not one column per method"),
        ("method,kind,error\nx,search,5\n", "direction=min"),
        ("method,kind,accuracy,accuracy\nx,search,95,96\n", "column 'accuracy' twice"),
        ("method,kind,accuracy\nx,search,950\n", "line 2, field 'accuracy': got '950'; allowed: 0 to 100 %"),
        ("method,kind,accuracy\nx,search,-1\n", "0 to 100 %"),
        ("method,kind,accuracy\nx,search,N/A\n", "leave the line out if the run failed"),
        ("method,kind,accuracy\nx,search,inf\n", "not finite"),
        ('method,kind,accuracy,unit\nx,search,"1,200",\n', "got '1,200'; allowed: a number"),
        ("method,kind,accuracy\nx,search\n", "got nothing"),
        ("method,kind,accuracy\nx,search,95,9,9\n", "got 5 values; allowed: 3"),
        ("method,kind,accuracy\nx,ours,95\n", "got 'ours'; allowed: 'random', 'search'"),
        ("method,kind,accuracy,seed\nx,search,95,s1\n", "a whole number"),
        ("method,kind,accuracy,seed\nx,search,95,1\nx,search,96,1\n", "run 1 of 'x' on runs in runs.csv line 3 and 2.*call it train_seed"),
        ("method,kind,accuracy,seed\nr,random,95,2\nr,random,96,2\n", "duplicate run.*train_seed"),
        ("method,kind,accuracy,cost_hours\nx,search,95,1\n", "unit 'hours'; allowed: cpu_seconds, seconds"),
        (b"m\xe9thod,kind\n", "UTF-8"),
    ],
)
def test_what_cannot_be_read_says_where_and_what_to_do(tmp_path, text, said):
    with pytest.raises(JudgeError, match=said):
        read(tmp_path, text)


def test_runs_that_share_a_seed_of_their_training_are_no_duplicates(tmp_path):
    found = read(tmp_path, "method,kind,accuracy,train_seed\n" + "".join(f"{row},2\n" for row in ROWS))
    assert {r.train_seed for r in found} == {2}
    assert judge.report(found).entries[0].n == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("method,kind,accuracy\nx,search,95\nx,search,96\n", "add runs of kind 'random'"),
        ("method,kind,accuracy\nx,search,95\nr,random,93\n", "2 for an interval, 5 or more for a verdict"),
        ("method,kind,accuracy\nr,random,93\nr,random,94\n", "add runs of kind 'search'"),
        ("method,kind,accuracy\nx,search,0.9\nx,search,0.8\nr,random,93\nr,random,94\n", "unit mismatch"),
        ("a,b\n1,2\n", "missing: method, kind, accuracy"),
    ],
)
def test_the_command_says_what_is_missing_and_leaves_with_2(tmp_path, text, said):
    from oche.cli._app import build

    (tmp_path / "runs.csv").write_text(text)
    result = CliRunner().invoke(build(), ["judge", str(tmp_path / "runs.csv"), "-q"])
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output
