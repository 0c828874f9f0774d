"""The table of cases, by profile, and the reference answers of real data sets."""

from __future__ import annotations

import gzip
import json

import pytest

from oche.rejection import equivalent, extract_answer
from oche.rejection.graders import get

# reference, answer, strict, dart, math-verify (None where its verdict depends on its version)
TABLE = [
    (r"\frac{3}{8}", "0.375", True, True, True),
    (r"\frac{2}{3}", "0.667", False, False, False),
    (r"1\frac{3}{4}", r"\frac{7}{4}", True, False, True),
    (r"25\%", "25", True, True, None),
    (r"25\%", "0.25", True, True, None),
    ("0.3", "30", False, True, False),
    ("10,000", "10000", True, True, True),
    (r"18\text{ km}", "18", True, True, True),
    ("(3,-1)", "(-1,3)", False, False, False),
    (r"\{3,5\}", r"\{5,3\}", True, True, True),
    ("(0,5]", "(0,5)", False, False, False),
    (r"\begin{pmatrix}1&0\\0&2\end{pmatrix}", r"\begin{bmatrix}1&0\\0&2\end{bmatrix}", True, True, True),
    (r"3\sqrt{5}", r"\sqrt{45}", True, True, True),
    ("(x-2)(x+2)", "x^2-4", True, True, True),
    (r"4.2\times10^{5}", "420000", True, True, True),
    ("n=17", "17", True, True, True),
    (r"\text{False}", "no", True, True, False),
    (r"\text{Friday}", "friday", True, True, True),
    (r"\text{(C)}", "C", True, True, True),
    (r"60^\circ", "60", True, True, True),
    (r"\$4.50", "4.5", True, True, True),
    ("e", "2.718", False, False, False),
    (r"\text{nonnegative}", r"\text{unknown}", False, True, False),
    (r"5 \pm 2", "3, 7", True, True, True),
    ("x>-2", r"(-2,\infty)", True, False, True),
    (r"-\frac{7}{3}", r"\frac{7}{-3}", True, True, True),
    ("999999", "1000000", False, False, False),
    ("11", "eleven", True, True, False),
]
OURS = [
    ("1/2004!", "1/2006!", False),
    ("4", r"4\sqrt(2)", False),
    ("18 km", "18 miles", False),
    ("0.333333", "1/3", False),
    ("Tue", "Tuesday", True),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)", True),
    (r"\binom{5}{2}", "10", True),
    ("18 apples", "18", True),
    ("1 3/4", "3/4", False),
    ("x=1,y=2", "y=2, x=1", True),
    ("x=1,y=2", "x=2,y=1", False),
    ("y=2x+1", "2x-y+1=0", True),
]


@pytest.mark.parametrize(("reference", "answer", "strict", "dart", "other"), TABLE)
def test_each_profile_gives_its_verdict(reference, answer, strict, dart, other):
    assert equivalent(reference, answer) is strict
    assert equivalent(answer, reference) is strict
    assert get("dart?sets=false").compare(answer, reference).correct is dart


@pytest.mark.parametrize(("a", "b", "wanted"), OURS)
def test_what_other_graders_get_wrong(a, b, wanted):
    assert equivalent(a, b) is wanted
    assert equivalent(b, a) is wanted


def test_math_verify_gives_its_verdicts():
    pytest.importorskip("math_verify")
    with get("math-verify?timeout=30") as grader:
        grades = grader.grade_many([(f"\\boxed{{{answer}}}", reference) for reference, answer, *_ in TABLE])
    for grade, (reference, answer, *_, wanted) in zip(grades, TABLE, strict=True):
        assert wanted is None or grade.correct is wanted, (reference, answer, grade)


def test_the_set_mode_of_the_reference_forgets_the_order():
    assert get("dart?sets=true").compare("(-1,3)", "(3,-1)").correct
    assert not get("dart?sets=true").compare("10000", "10,000").correct


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("so #### 72", "72"),
        (r"\boxed{1} and \boxed{2}", "2"),
        ("The answer is 5.", "5"),
        (r"\boxed 7", "7"),
        ("no number here", None),
        ("The answer is: 1,234 dollars", "1234"),
        (r"Therefore \boxed{A}. Therefore the result follows.", "A"),
        ("We find 3 and then 4 of them", None),
    ],
)
def test_extraction(text, answer):
    assert extract_answer(text) == answer


def test_only_the_lenient_mode_guesses():
    assert extract_answer("We find 3 and then 4 of them", lenient=True) == "4"


def _references(folder):
    for name in ("gsm8k_train", "gsm8k_test"):
        with gzip.open(folder / f"{name}.jsonl.gz", "rt") as lines:
            yield from (json.loads(line)["answer"].rpartition("####")[2] for line in lines)
    for name, key in (("deepmind-mathematics", "answer"), ("theoremqa", "Answer"), ("olympiadbench_OE_TO_maths_en_COMP", "final_answer")):
        with gzip.open(folder / f"{name}.json.gz", "rt") as file:
            for row in json.load(file):
                yield from map(str, row[key] if isinstance(row[key], list) else [row[key]])
    for name in ("mwpbench_college-math-test", "mwpbench_gaokaobench", "mwpbench_fresh-gaokao-math-2023"):
        with gzip.open(folder / f"{name}.jsonl.gz", "rt") as lines:
            yield from (str(json.loads(line)["answer"]) for line in lines)
    with gzip.open(folder / "odyssey-math.jsonl.gz", "rt") as lines:
        yield from (str(row["answer"]) for line in lines for row in json.loads(line).values())


def test_every_reference_equals_itself(oche_data):
    found = list(_references(oche_data / "math"))
    assert len(found) > 15_000
    assert [r for r in found if not equivalent(r, r)] == []
