"""Deadlines: pathological responses cost themselves, nobody else."""

from __future__ import annotations

import time

import pytest

from oche.errors import ArgumentError
from oche.rejection.graders import GradeOutcome, Strict, counts, get

PATHOLOGICAL = [r"\boxed{10^{10^{10}}!}", "\\boxed{" + "{" * 5000 + "1" + "}" * 5000 + "}", "\\boxed{" + "1+" * 500_000 + "1}"]


class Sleeper(Strict):
    """Needs a worker for each answer; one answer never ends."""

    def fast(self, answer, facts):
        return None

    def slow(self, answer, facts):
        while answer == "0":
            pass
        return super().fast(answer, facts)


def test_a_thousand_with_pathological_ones_finish_with_the_others_right():
    pairs = [(f"\\boxed{{{i}}}", str(i)) for i in range(1000)]
    for at, text in enumerate(PATHOLOGICAL):
        pairs[100 * at] = (text, "5")
    begun = time.monotonic()
    with get("strict") as grader:
        grades = grader.grade_many(pairs)
    assert time.monotonic() - begun < 20
    assert counts(grades) == {"correct": 997, "wrong": 0, "unparsable": 3, "timed_out": 0}


def test_only_the_guilty_worker_is_killed():
    with Sleeper(timeout=1.0, workers=2) as grader:
        grades = grader.grade_many([(f"\\boxed{{{i}}}", str(i)) for i in range(20)])
    assert grades[0].outcome is GradeOutcome.TIMED_OUT
    assert grades[0].seconds < 2
    assert all(g.correct for g in grades[1:])


def test_an_empty_reference_is_refused():
    with pytest.raises(ArgumentError, match="reference"):
        get("strict").grade("1", "")


def test_benchmarks_compare_by_their_own_rules():
    olympiad = get("olympiadbench")
    assert olympiad.grade(r"\boxed{2, 1}", {"reference": ["1", "2"]}).correct
    assert olympiad.grade(r"\boxed{1.05}", {"reference": "1", "error": "0.1"}).correct
    assert not olympiad.grade(r"\boxed{1.05}", {"reference": "1"}).correct
    theorem = get("theoremqa")
    assert theorem.grade("The answer is 1.03", {"reference": "1.0", "Answer_type": "float"}).correct
    assert not theorem.grade("The answer is 4", {"reference": "3", "Answer_type": "integer"}).correct
    assert theorem.grade("The answer is yes", {"reference": "True", "Answer_type": "bool"}).correct
    assert theorem.grade("The answer is [1, 2]", {"reference": "[1, 2]", "Answer_type": "list of integer"}).correct
    assert get("choice").grade("so (C).", "C").correct
    assert get("numeric").grade("It makes 12 in all", "12").correct
    assert get("exact").grade(" 12 ", "12").correct


def test_marked_answers_are_compared_to_the_letter():
    marked = get("marked")
    assert marked.grade("3 + 4 = 7\n#### 7 ", "7").correct
    assert marked.grade("7", {"reference": ["6", "7"]}).correct
    assert marked.grade("#### 7.0", "7").outcome is GradeOutcome.WRONG
    assert marked.grade("so 7 ####", "7").outcome is GradeOutcome.UNPARSABLE
    assert [g.correct for g in marked.grade_many([("#### 7", "7"), ("#### 7", "8"), ("#### 8", "8")])] == [True, False, True]
    with pytest.raises(ArgumentError, match="reference"):
        marked.grade("7", "")


MEGABYTE = 1_000_000
#: Those of the others that once took long: none may be right by its length, none may take more than its deadline.
LONG = {
    "factorial": PATHOLOGICAL[0],
    "braces": PATHOLOGICAL[1],
    "sum": PATHOLOGICAL[2],
    "digits": "1" * MEGABYTE,
    "boxed digits": "\\boxed{" + "1" * MEGABYTE + "}",
    "said digits": "The answer is " + "1" * MEGABYTE,
    "boxed digits below all bounds": "\\boxed{" + "1" * 1999 + "}",
    "boxes": "\\boxed{" * (MEGABYTE // 7),
    "dots": "." * MEGABYTE,
    "spaced dots": ". " * (MEGABYTE // 2),
    "formula": "$" + "x" * MEGABYTE + "$",
    "formulas without end": "\\(" * (MEGABYTE // 2),
    "displays without end": "\\[" * (MEGABYTE // 2),
    "double dollars": "$$ x" * (MEGABYTE // 4) + "$",
    "powers": "the answer is " + "9^" * (MEGABYTE // 2),
    "units": "1 meter " * (MEGABYTE // 8),
    "plus or minus": "The answer is " + "1\\pm" * 4000,
    "roots": "The answer is " + "sqrt(+)/" * 2000,
    "brackets": "The answer is " + "(" * 9000 + "1" + ")" * 9000,
    "list": "\\boxed{" + "1," * 900 + "1}",
}
PROFILES = ["strict", "dart", "dart?sets=true", "math-verify", "olympiadbench", "theoremqa", "numeric", "choice", "exact", "marked"]


@pytest.mark.parametrize("profile", PROFILES)
def test_no_response_is_right_by_its_length_or_breaks_the_deadline(profile):
    if profile == "math-verify":
        pytest.importorskip("math_verify")
    timed = profile not in ("numeric", "choice", "exact", "marked")
    wanted = "C" if profile == "choice" else "42"
    with get(profile, **({"timeout": 1.0} if timed else {})) as grader:
        # Loading a worker is not part of a comparison.
        grader.grade(r"\boxed{\int_0^1 x dx}", wanted)
        deadline = grader.timeout
        for name, response in LONG.items():
            begun = time.monotonic()
            grade = grader.grade(response, wanted)
            assert not grade.correct, (name, grade.reason)
            assert grade.seconds <= deadline + 1, (name, grade.reason)
            # The caller waits no longer than that either; a killed worker is replaced meanwhile.
            assert time.monotonic() - begun <= deadline + 5, name
        assert grader.grade(wanted, wanted).correct


def test_large_sets_of_the_dart_profile_have_a_deadline():
    """Pairing has to read every item, so that it is watched as any other comparison."""
    numbers = [f"\\frac{{{i}}}{{7919}}" for i in range(1, 150)]
    response, reference = "\\boxed{" + ",".join(numbers) + "}", ",".join(reversed(numbers))
    with get("dart?sets=true&timeout=0.001") as grader:
        assert grader.grade(response, reference).outcome is GradeOutcome.TIMED_OUT
    with get("dart?sets=true&timeout=60") as grader:
        assert grader.grade(response, reference).correct


@pytest.mark.parametrize("size", [1, 1000, 100_000])
def test_the_dart_profile_reads_all_of_a_long_response(size):
    with get("dart") as grader:
        assert grader.grade("So we go on. " * size + "The answer is 42", "42").correct
        assert grader.grade("\\boxed{42} it is. " + "So we go on. " * size, "42").correct
        assert grader.grade("So $x=42$ holds. " + "So we go on. " * size, "42").correct
