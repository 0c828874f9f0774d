"""`oche grade`, by real processes."""

from __future__ import annotations

import gzip
import json
import re
import shlex

import pytest

from tests.cli.conftest import refused

ROWS = [
    {"id": "a", "response": r"so \boxed{1\frac{3}{4}}", "reference": "7/4"},
    {"id": "b", "response": "The answer is 3", "reference": "4"},
    {"id": "c", "response": "no idea", "reference": "4"},
    {"id": "d", "response": "#### 1,234 dollars", "reference": 1234},
]
#: Keeps Math-Verify busy for longer than the second that it is given here.
ENDLESS = {"id": "e", "response": "\\boxed{" + "{" * 200 + "1" + "}" * 200 + "}", "reference": "1"}


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def responses(tmp_path):
    """A file of responses in the folder of the command."""
    (tmp_path / "responses.jsonl").write_text(lines(ROWS))
    return tmp_path / "responses.jsonl"


def fails(done, *said):
    """The command ended as one that was called wrongly: one line that says what is wrong, no traceback, no output."""
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("oche: ") and done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    for part in said:
        assert part in done.stderr


def test_the_example_of_the_help_works(oche, responses):
    shown = " ".join(oche("grade", "--help").stdout.split())
    words = shlex.split(re.search(r"Example: oche (grade .*?\.jsonl.*?\.jsonl)", shown)[1])
    done = oche(*words)
    assert done.returncode == 0, done.stderr
    graded = [json.loads(line) for line in (responses.parent / "graded.jsonl").read_text().splitlines()]
    assert [row["outcome"] for row in graded] == ["correct", "wrong", "unparsable", "correct"]
    assert [row["correct"] for row in graded] == [True, False, False, True]
    assert [row["extracted"] for row in graded] == [r"1\frac{3}{4}", "3", None, "1,234 dollars"]
    # The columns of the input are kept as they were.
    assert [{k: row[k] for k in ROWS[0]} for row in graded] == ROWS
    assert "2 of 4 correct (50.0%)" in done.stdout


def test_json_is_all_of_stdout_and_counts_every_outcome(oche, responses):
    done = oche("grade", "responses.jsonl", "--json")
    value = json.loads(done.stdout)
    assert value["counts"] == {"correct": 2, "wrong": 1, "unparsable": 1, "timed_out": 0}
    assert value["n"] == sum(value["counts"].values()) == 4
    assert value["accuracy"] == 0.5
    assert 0 <= value["worst_seconds"] <= value["seconds"]


def test_quiet_is_one_line(oche, responses):
    done = oche("grade", "responses.jsonl", "--quiet")
    assert re.fullmatch(r"2 of 4 correct \(50\.0%\) by grader 'strict' in \d+\.\d s\n", done.stdout)


def test_a_response_that_takes_too_long_is_counted_by_itself(oche, responses):
    pytest.importorskip("math_verify")
    responses.write_text(lines([ENDLESS, *ROWS, ENDLESS]))
    done = oche("grade", "responses.jsonl", "--grader", "math-verify", "--timeout", "1", "--workers", "2", "--out", "out.jsonl", "--json")
    counts = json.loads(done.stdout)["counts"]
    graded = [json.loads(line) for line in (responses.parent / "out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in graded] == ["e", "a", "b", "c", "d", "e"]
    assert [row["outcome"] for row in graded][::5] == ["timed_out", "timed_out"]
    assert all(row["seconds"] <= 2 for row in graded)
    assert counts == {"correct": 2, "wrong": 1, "unparsable": 1, "timed_out": 2}


def test_compressed_input_gives_the_same_as_plain_input(oche, responses):
    with gzip.open(responses.with_name("r.jsonl.gz"), "wt") as file:
        file.write(lines(ROWS))
    plain, packed = (json.loads(oche("grade", name, "--json").stdout) for name in ("responses.jsonl", "r.jsonl.gz"))
    assert packed["counts"] == plain["counts"]


def test_columns_can_be_named(oche, responses):
    responses.write_text(lines([{"said": "The answer is 4", "truth": "4", "response": "The answer is 5", "reference": "5"}] * 3))
    done = oche("grade", "responses.jsonl", "--response", "said", "--reference", "truth", "--json")
    assert json.loads(done.stdout)["counts"]["correct"] == 3
    crossed = oche("grade", "responses.jsonl", "--response", "said", "--json")
    assert json.loads(crossed.stdout)["counts"]["wrong"] == 3


def test_blank_lines_count_for_the_number_of_a_line_only(oche, responses):
    responses.write_text(lines(ROWS[:1]) + "\n\n" + lines(ROWS[1:2]) + "{bad\n")
    fails(oche("grade", "responses.jsonl"), "responses.jsonl, line 5: got no JSON")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"response": "4"}', ["line 5", "without a reference", "--reference"]),
        ('{"reference": "4"}', ["line 5", "without a response", "--response"]),
        ('{"response": 4, "reference": "4"}', ["line 5", "a response that is int"]),
        ('{"response": "4", "reference": " "}', ["line 5", "reference: got ' '"]),
        ('{"response": "4", "reference": null}', ["line 5", "reference: got NoneType"]),
        ('["4", "4"]', ["line 5", "got list"]),
        ("{", ["line 5", "got no JSON"]),
    ],
)
def test_a_bad_line_is_named_by_its_number(responses, row, said):
    responses.write_text(lines(ROWS) + row + "\n")
    fails(refused("grade", "responses.jsonl", "--out", "out.jsonl", cwd=responses.parent), *said)
    assert not responses.with_name("out.jsonl").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gone.jsonl",), ["gone.jsonl", "not there"]),
        (("empty.jsonl",), ["got no lines"]),
        (("broken.jsonl.gz",), ["cannot be read"]),
        (("responses.jsonl", "--grader", "stric"), ["did you mean 'strict'"]),
        (("responses.jsonl", "--grader", "strict?lenent=true"), ["lenent"]),
        (("responses.jsonl", "--timeout", "0"), ["timeout: got 0.0"]),
    ],
)
def test_what_cannot_be_graded_is_said_in_one_line(responses, words, said):
    responses.with_name("empty.jsonl").write_text("\n")
    responses.with_name("broken.jsonl.gz").write_bytes(b"no gzip")
    fails(refused("grade", *words, cwd=responses.parent), *said)
