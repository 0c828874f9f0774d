"""From kept responses to a data set: duplicates, test sets, suspected labels, and the files."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oche.errors import ArgumentError
from oche.rejection import Bernoulli, Replay, contamination, queries, synthesize
from oche.rejection._dedup import Seen, grams, jaccard, most_diverse
from tests.cli.conftest import run_oche
from tests.conftest import lacking
from tests.rejection.test_allocations import asked

WORDS = [f"w{i}" for i in range(60)]


# Duplicates --------------------------------------------------------------------------------------------------------


def test_exact_ignores_white_space_and_nothing_else():
    seen = Seen("exact")
    assert [seen.add(t) for t in ("a  b\n", " a b", "A b", "a b.")] == [True, False, True, True]
    assert [Seen("none").add(t) for t in ("a", "a")] == [True, True]


def test_ngram_takes_nearly_equal_texts_for_one():
    long = " ".join(WORDS)
    # A change at the end touches one of 53 runs of eight words: 52/54 = .963; one in the middle touches eight: 45/61 = .738.
    end, middle = " ".join([*WORDS[:-1], "other"]), " ".join([*WORDS[:30], "other", *WORDS[31:]])
    assert jaccard(grams(long), grams(end)) == pytest.approx(52 / 54)
    assert jaccard(grams(long), grams(middle)) == pytest.approx(45 / 61)
    seen = Seen("ngram")
    assert [seen.add(t) for t in (long, end, middle, long.upper())] == [True, False, True, False]
    # Texts of fewer than eight words are compared as wholes, in letters and digits.
    assert [seen.add(t) for t in ("short one", "Short, one!", "short two")] == [True, False, True]


@given(st.lists(st.text("ab c", max_size=12), max_size=12), st.sampled_from(["exact", "ngram"]))
def test_nothing_is_new_twice(texts, how):
    seen = Seen(how)
    first = [seen.add(t) for t in texts]
    assert not any(seen.add(t) for t in texts)
    assert sum(first) <= len({" ".join(t.split()) for t in texts})


def test_near_duplicates_do_not_count_towards_a_target():
    texts = [" ".join([*WORDS[:-1], f"x{i}"]) + " #### 1" for i in range(5)] + ["quite another way #### 1"]
    run = Replay(responses={"q0": texts})
    assert synthesize(asked(1), run, "uniform?k=2", cap=6).table()[0]["n"] == 2
    done = synthesize(asked(1), run, "uniform?k=2", cap=6, dedup="ngram")
    assert done.table()[0]["n"] == 6
    assert done.dataset()[0]["sample_numbers"] == [0, 5]
    assert done.records[0].metrics["duplicate"] == 4


def test_the_most_diverse_ones_are_taken_on_request():
    assert most_diverse(["a b c d", "a b c e", "x y z"], 2) == [0, 2]
    run = Replay(responses={"q0": ["a b c d #### 1", "a b c e #### 1", "x y z #### 1"]})
    # Vanilla keeps all; a target of two lets choose.
    done = synthesize(asked(1), run, "prop2diff?k=3", cap=3)
    assert done.dataset()[0]["sample_numbers"] == [0]
    assert [row.number for _, row in done.kept(selection="diverse")] == [0]
    with pytest.raises(ArgumentError, match="selection"):
        list(done.kept(selection="best"))


# Test sets ---------------------------------------------------------------------------------------------------------


def test_gsm8k_shares_as_many_runs_of_words_as_were_counted(oche_data):
    folder = oche_data / "math"
    if not (folder / "gsm8k_train.jsonl.gz").is_file():
        lacking("OCHE_DATA holds no GSM8K")
    train, test = queries("gsm8k_train.jsonl.gz"), queries("gsm8k_test.jsonl.gz")
    assert (len(train), len(test)) == (7473, 1319)
    eight, thirteen = contamination(train, test, 8), contamination(train, test)
    assert (len(eight.exact), len(eight.test_shared), len(thirteen.test_shared)) == (0, 80, 3)
    assert len(contamination(test, test).exact) == 1319


def test_queries_of_a_test_set_are_left_out_and_near_ones_marked(tmp_path):
    long = [" ".join(f"{kind}{i}" for i in range(20)) for kind in ("a", "b", "c")]
    mine = [{"id": f"q{i}", "query": text, "ref_ans": "1"} for i, text in enumerate(long)]
    theirs = [{"query": long[0].upper() + " ?", "ref_ans": "1"}, {"query": " ".join(long[1].split()[:13]) + " else", "ref_ans": "1"}]
    done = synthesize(mine, Replay(responses={f"q{i}": ["#### 1"] for i in range(3)}), "uniform?k=1", cap=1)
    assert {e["id"]: e["shares_ngram"] for e in done.dataset(decontaminate=[theirs])} == {"q1": True, "q2": False}
    assert {e["id"]: e["shares_ngram"] for e in done.dataset()} == {"q0": None, "q1": None, "q2": None}
    theirs[1]["query"] = " ".join(long[1].split()[:12]) + " else"
    assert [e["shares_ngram"] for e in done.dataset(decontaminate=[theirs])] == [False, False]
    assert done.contamination([theirs], n=8)["test set 1"].shared == ("q0", "q1")
    (tmp_path / "test.jsonl").write_text(json.dumps(theirs[0]))
    done.export(tmp_path / "out", decontaminate=[tmp_path / "test.jsonl"])
    assert "test.jsonl: 1 equal queries left out" in (tmp_path / "out/README.md").read_text()


# Labels ------------------------------------------------------------------------------------------------------------


def test_a_reference_is_in_doubt_when_most_samples_agree_on_another_answer():
    responses = {
        "q0": [f"{i} #### 7" for i in range(6)] + ["#### 8"] * 4,  # 60 % say 7
        "q1": [f"{i} #### 7" for i in range(5)] + [f"#### {i}" for i in range(20, 25)],  # half
        "q2": [f"{i} #### 7" for i in range(9)] + ["#### 3"],  # one is right
        "q3": ["#### 7"] * 7,  # too few
        "q4": [""] * 10,  # they agree on nothing
    }
    done = synthesize(asked(5), Replay(responses=responses), "uniform?k=4", cap=10)
    assert [(line["id"], line["reference"], line["majority"], line["votes"]) for line in done.suspected_label_errors()] == [
        ("q0", "1", "7", 6)
    ]
    assert [line["id"] for line in done.suspected_label_errors(majority=0.5)] == ["q0", "q1"]
    assert [line["id"] for line in done.suspected_label_errors(least=7)] == ["q0", "q3"]


# Files -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def done() -> Any:
    return synthesize(
        [*asked(11), {"id": "two", "query": "3 or 4?", "ref_ans": ["3", "4"]}], Bernoulli(beta=(2, 1)), "prop2diff?k=4", cap=16
    )


def test_lines_and_parquet_hold_the_same(done, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    lines = [json.loads(line) for line in done.export(tmp_path / "a.jsonl").read_text().splitlines()]
    assert parquet.read_table(done.export(tmp_path / "a.parquet")).to_pylist() == lines
    assert [(x["query_id"], x["sample_number"]) for x in lines] == [(q.id, row.number) for q, row in done.kept()]
    assert len(lines) == done.records[0].metrics["kept"]
    by_id = {line["id"]: line for line in done.table()}
    for x in lines:
        assert x["response"].split("#### ")[1] in (x["reference"], "3")
        assert (x["n"], x["correct"], x["pass_rate"]) == tuple(by_id[x["query_id"]][k] for k in ("n", "correct", "pass_rate"))
    assert json.loads(next(x for x in lines if x["query_id"] == "two")["reference"]) == ["3", "4"]


def test_a_folder_is_a_data_set_of_the_hub_with_its_card(done, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    yaml = pytest.importorskip("yaml")
    done.export(tmp_path / "set")
    text = (tmp_path / "set/README.md").read_text()
    _, head, body = text.split("---\n", 2)
    configs = {c["config_name"]: c["data_files"][0]["path"] for c in yaml.safe_load(head)["configs"]}
    assert configs == {"default": "data/train.parquet", "queries": "data/queries.parquet"}
    for path in configs.values():
        assert hashlib.sha256((tmp_path / "set" / path).read_bytes()).hexdigest() in body
    rows = parquet.read_table(tmp_path / "set/data/train.parquet").to_pylist()
    assert f"{len(rows):,} responses to {len({r['query_id'] for r in rows}):,} of 12 queries" in body
    types = {f.name: str(f.type) for path in configs.values() for f in parquet.read_schema(tmp_path / "set" / path)}
    assert (types["shares_ngram"], types["suspected_answer"]) == ("bool", "string")
    asked_rows = parquet.read_table(tmp_path / "set/data/queries.parquet").to_pylist()
    assert [r["query_id"] for r in asked_rows] == [q.id for q in done.queries]
    assert sum(r["kept"] for r in asked_rows) == len(rows)
    assert all(r["pass_rate_low"] <= r["correct"] / r["n"] <= r["pass_rate_high"] for r in asked_rows)
    assert re.search(r"raw samples \| " + f"{sum(r['n'] for r in asked_rows):,}", body)
    assert "Its reasoning was not checked" in body
    assert "not checked against any test set" in body


def test_nothing_kept_is_no_data_set(tmp_path):
    done = synthesize(asked(2), Replay(responses={"q0": ["no"]}), "uniform?k=1", cap=2)
    with pytest.raises(ArgumentError, match="kept no response"):
        done.export(tmp_path / "a.jsonl")
    with pytest.raises(ArgumentError, match=r"\.jsonl or \.parquet"):
        synthesize(asked(2), "bernoulli?beta=9,1", "uniform?k=1").export(tmp_path / "a.csv")


def test_the_command_leaves_out_test_queries(tmp_path):
    (tmp_path / "q.jsonl").write_text("\n".join(json.dumps(q) for q in asked(6)))
    (tmp_path / "t.jsonl").write_text(json.dumps(asked(3)[2]))
    done = run_oche(
        "synthesize", "--queries", "q.jsonl", "--sampler", "bernoulli?beta=9,1", "--allocation", "uniform?k=1&cap=32", "--decontaminate",
        "t.jsonl", "--dedup", "ngram", "--out", "kept.jsonl", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {json.loads(line)["query_id"] for line in (tmp_path / "kept.jsonl").read_text().splitlines()}
    assert found == {"q0", "q1", "q3", "q4", "q5"}
